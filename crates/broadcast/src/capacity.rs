//! What the machine has for ladders, and who has been promised how much of it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_ladder::{MachineSpeed, Preset};

/// What ladders may take of the machine, in per cent; the rest is for whatever else runs.
const SHARE_PERCENT: u32 = 75;
/// What running ladders may take, in per cent of that, before one is told to take less.
const RUNNING_PERCENT: u32 = 115;
/// How far measuring may correct what was reckoned, in per cent: beyond it something else is wrong.
const CORRECTION_MIN: u32 = 50;
const CORRECTION_MAX: u32 = 300;

/// What a ladder takes at each preset, fastest first, in thousandths of a processor.
pub type Costs = [Option<u32>; Preset::AUTOMATIC];

/// The ledger of a machine's processors, shared by all channels.
#[derive(Debug)]
pub struct Capacity {
    speed: MachineSpeed,
    claims: Mutex<Claims>,
}

#[derive(Debug, Default)]
struct Claims {
    next: u64,
    held: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    costs: Costs,
    /// How much more or less it really takes, in per cent.
    correction: u32,
    /// It did not keep up at slower ones.
    slowest: Preset,
}

/// A broadcast's part of the machine, until it is dropped.
#[derive(Debug)]
pub struct Claim {
    id: u64,
    capacity: Arc<Capacity>,
}

/// There is no room for another broadcast.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this machine cannot hold another broadcast: at the fastest preset it takes {needed} processors, and {free} of {all} \
     are free beside {others} other(s)"
)]
pub struct Full {
    /// What it would take.
    pub needed: Cores,
    /// What there is for it.
    pub free: Cores,
    /// What there is for all.
    pub all: Cores,
    /// Broadcasts that run.
    pub others: usize,
}

/// Thousandths of a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cores(pub u32);

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 1000, self.0 % 1000 / 10)
    }
}

impl Entry {
    /// What it takes at `preset`, or at the slowest it may have.
    fn at(&self, preset: Preset) -> Option<u32> {
        let cost = self.costs.get(preset.min(self.slowest).index()).copied().flatten()?;
        Some((u64::from(cost) * u64::from(self.correction) / 100) as u32)
    }

    fn least(&self) -> u32 {
        self.at(Preset::FASTEST).unwrap_or(u32::MAX)
    }
}

impl Capacity {
    /// A machine of that speed, with nothing to do yet.
    pub fn new(speed: MachineSpeed) -> Arc<Self> {
        Arc::new(Self { speed, claims: Mutex::default() })
    }

    /// How fast the machine is.
    pub fn speed(&self) -> MachineSpeed {
        self.speed
    }

    /// What there is for ladders.
    pub fn all(&self) -> Cores {
        Cores(self.speed.cores.saturating_mul(10 * SHARE_PERCENT))
    }

    /// Sets a part aside for another broadcast.
    ///
    /// # Errors
    /// Not even if everybody encodes at the fastest preset is there room for it.
    pub fn claim(self: &Arc<Self>, costs: Costs) -> Result<Claim, Full> {
        let mut claims = self.claims();
        let entry = Entry { id: claims.next, costs, correction: 100, slowest: slowest() };
        let taken = claims.held.iter().map(Entry::least).fold(0, u32::saturating_add);
        let all = self.all();
        if entry.least() > all.0.saturating_sub(taken) {
            let free = Cores(all.0.saturating_sub(taken));
            return Err(Full { needed: Cores(entry.least()), free, all, others: claims.held.len() });
        }
        claims.next += 1;
        let id = entry.id;
        claims.held.push(entry);
        Ok(Claim { id, capacity: Arc::clone(self) })
    }

    fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slowest preset that is chosen automatically.
fn slowest() -> Preset {
    Preset::automatic().last().copied().unwrap_or(Preset::FASTEST)
}

impl Claim {
    /// What the broadcast really takes is known: `costs`.
    pub fn update(&self, costs: Costs) {
        self.with(|entry| entry.costs = costs);
    }

    /// At `preset` it was measured to take `found`.
    pub fn measured(&self, preset: Preset, found: Cores) {
        self.with(|entry| {
            let reckoned = entry.costs.get(preset.index()).copied().flatten().unwrap_or(0);
            if let Some(percent) = (u64::from(found.0) * 100).checked_div(reckoned.into()) {
                entry.correction = percent.clamp(CORRECTION_MIN.into(), CORRECTION_MAX.into()) as u32;
            }
        });
    }

    /// It does not keep up: from here on it is to take no more than `permille` of what it takes at `preset`, if there is
    /// a preset for that, and in any case less. Answers whether there is one that is faster.
    pub fn step_down(&self, preset: Preset, permille: u32) -> bool {
        self.with(|entry| {
            let now = entry.at(preset).unwrap_or(u32::MAX);
            let enough = u64::from(now) * u64::from(permille) / 1000;
            let faster = || Preset::automatic().into_iter().rev().filter(|faster| *faster < preset);
            let fitting = faster().find(|faster| entry.at(*faster).is_some_and(|cost| u64::from(cost) <= enough));
            entry.slowest = fitting.unwrap_or(Preset::FASTEST);
            preset > Preset::FASTEST
        })
        .unwrap_or(false)
    }

    /// The slowest preset at which all broadcasts together fit, and this one keeps up; `None` where not even the fastest fits.
    pub fn preset(&self) -> Option<Preset> {
        self.preset_within(100)
    }

    /// As [`preset`](Self::preset), for one that runs: it need not give way to every change of the picture.
    pub fn preset_of_running(&self) -> Preset {
        self.preset_within(RUNNING_PERCENT).unwrap_or(Preset::FASTEST)
    }

    fn preset_within(&self, percent: u32) -> Option<Preset> {
        let claims = self.capacity.claims();
        let all = self.capacity.all().0.saturating_mul(percent) / 100;
        let fits = |preset: &Preset| {
            let sum = claims.held.iter().try_fold(0_u32, |sum, entry| sum.checked_add(entry.at(*preset)?));
            sum.is_some_and(|sum| sum <= all)
        };
        let own = claims.held.iter().find(|entry| entry.id == self.id)?;
        Preset::automatic().into_iter().rev().find(fits).map(|preset| preset.min(own.slowest))
    }

    fn with<T>(&self, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.capacity.claims().held.iter_mut().find(|entry| entry.id == self.id).map(change)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.capacity.claims().held.retain(|entry| entry.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 300, 600, 900 ... thousandths of a processor.
    fn costs() -> Costs {
        std::array::from_fn(|index| Some(300 * (index as u32 + 1)))
    }

    fn two_cores() -> Arc<Capacity> {
        Capacity::new(MachineSpeed { ns_per_macroblock: 1000, cores: 2 })
    }

    fn name(preset: Option<Preset>) -> &'static str {
        preset.map_or("none", Preset::name)
    }

    #[test]
    fn the_slowest_preset_that_leaves_a_quarter_is_taken_and_others_make_room() {
        let capacity = two_cores();
        let first = capacity.claim(costs()).expect("room");
        assert_eq!(name(first.preset()), "fast");
        let second = capacity.claim(costs()).expect("room");
        assert_eq!([name(first.preset()), name(second.preset())], ["superfast", "superfast"]);
        drop(first);
        assert_eq!(name(second.preset()), "fast");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_figures() {
        let capacity = two_cores();
        let held: Vec<Claim> = (0..5).map(|_| capacity.claim(costs()).expect("room")).collect();
        assert_eq!(name(held[0].preset()), "ultrafast");
        assert_eq!(
            capacity.claim(costs()).expect_err("full").to_string(),
            "this machine cannot hold another broadcast: at the fastest preset it takes 0.30 processors, and 0.00 of \
             1.50 are free beside 5 other(s)"
        );
    }

    #[test]
    fn what_was_measured_counts_more_than_what_was_reckoned() {
        let capacity = two_cores();
        let claim = capacity.claim(costs()).expect("room");
        claim.measured(Preset::SUPERFAST, Cores(900));
        assert_eq!(name(claim.preset()), "veryfast");
        claim.measured(Preset::SUPERFAST, Cores(60_000));
        assert_eq!(name(claim.preset()), "ultrafast");
    }

    #[test]
    fn one_that_does_not_keep_up_goes_down_as_far_as_it_must_and_stays_there() {
        let capacity = two_cores();
        let claim = capacity.claim(costs()).expect("room");
        let fast = claim.preset().expect("fits");
        assert!(claim.step_down(fast, 700));
        assert_eq!(name(claim.preset()), "veryfast");
        assert!(claim.step_down(Preset::SUPERFAST, 10));
        assert_eq!(name(claim.preset()), "ultrafast");
        assert!(!claim.step_down(Preset::FASTEST, 900));
    }

    #[test]
    fn a_preset_that_no_number_of_processors_holds_is_not_taken() {
        let capacity = Capacity::new(MachineSpeed { ns_per_macroblock: 1000, cores: 64 });
        let claim = capacity.claim(std::array::from_fn(|index| (index < 3).then_some(10))).expect("room");
        assert_eq!(name(claim.preset()), "veryfast");
    }
}
