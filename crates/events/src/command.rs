//! What an operator may want of an event.

use crate::account::Account;
use crate::event::{Event, Offer, Schedule, Source};
use crate::refusal::{Gate, Refusal};
use crate::rules::Rules;
use crate::state::{EndReason, Ended, Input, Phase, Run, State};
use crate::step::{Effect, Happening, Step};

/// What an operator may want of an event that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Change what it is; what is `None` stays.
    Edit {
        /// Another title.
        title: Option<String>,
        /// Another source.
        source: Option<Source>,
    },
    /// Plan it, or plan it anew.
    Schedule(Schedule),
    /// Say that it is meant to happen.
    Activate,
    /// Place it in an offer.
    Place(Offer),
    /// Issue its credentials and wait for its encoder. An external stream is on air then.
    Start,
    /// Show to the public what so far is private.
    Air,
    /// End it.
    Stop,
    /// Put another stream key in the place of the one there is.
    RotateKey,
}

impl Event {
    /// Carries out a command at `now_ms` (milliseconds since 1970), or names the rule that forbids it.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn command(&self, command: &Command, account: &Account, rules: &Rules, now_ms: i64) -> Result<Step, Refusal> {
        if self.is_ended() {
            return Err(Refusal::Ended);
        }
        match command {
            Command::Edit { title, source } => {
                let event = self.edited(title.as_deref(), source.as_ref())?;
                Ok(event.retried().step(Happening::Edited))
            }
            Command::Schedule(schedule) => self.schedule(*schedule, rules, now_ms),
            Command::Activate => Ok(Self { activated: true, ..self.clone() }.retried().step(Happening::Edited)),
            Command::Place(offer) => self.place(*offer),
            Command::Start => self.start(account, rules, now_ms, Self::ends_ms),
            Command::Air => self.air(now_ms),
            Command::Stop => Ok(self.end(EndReason::Stopped, None, now_ms)),
            Command::RotateKey if !self.source.is_ingested() => Err(Refusal::ExternalCredentials),
            Command::RotateKey => Ok(self.clone().step(Happening::KeyRotated).and(Effect::RotateKey)),
        }
    }

    fn schedule(&self, schedule: Schedule, rules: &Rules, now_ms: i64) -> Result<Step, Refusal> {
        let (min_ms, max_ms) = (rules.duration_ms_min(), rules.duration_ms_max);
        if !self.source.is_ingested() {
            return Err(Refusal::ExternalSchedule);
        }
        if self.is_started() {
            return Err(Refusal::EndFixed);
        }
        if !(min_ms..=max_ms).contains(&schedule.duration_ms) {
            return Err(Refusal::DurationRange { min_ms, max_ms });
        }
        if schedule.start_ms <= now_ms {
            return Err(Refusal::StartPast);
        }
        if schedule.start_ms.saturating_sub(now_ms) > rules.ahead_ms_max() {
            return Err(Refusal::StartFar);
        }
        let state = State::Scheduled { refused: Vec::new() };
        Ok(Self { schedule: Some(schedule), state, ..self.clone() }.step(Happening::Scheduled))
    }

    fn place(&self, offer: Offer) -> Result<Step, Refusal> {
        if self.is_started() && self.offer != Some(offer) {
            return Err(Refusal::OfferFixed);
        }
        if offer == Offer::Paid && !self.source.is_ingested() {
            return Err(Refusal::ExternalPaid);
        }
        Ok(Self { offer: Some(offer), ..self.clone() }.retried().step(Happening::Edited))
    }

    /// Starts it, by hand or because its time has come.
    pub(crate) fn start(
        &self,
        account: &Account,
        rules: &Rules,
        now_ms: i64,
        ends_ms: impl Fn(&Self, &Rules, i64) -> Result<i64, Refusal>,
    ) -> Result<Step, Refusal> {
        if self.is_started() {
            return Err(Refusal::AlreadyStarted);
        }
        let missing = self.missing_gates(account);
        if !missing.is_empty() {
            return Err(Refusal::GatesMissing(missing));
        }
        let ends_ms = ends_ms(self, rules, now_ms)?;
        let external = !self.source.is_ingested();
        let (phase, input) = match external {
            true => (Phase::Live { aired_ms: now_ms }, Input::External),
            false => (Phase::Ready, Input::Absent { since_ms: now_ms }),
        };
        let state = State::Running(Run { started_ms: now_ms, ends_ms, phase, input });
        let event = Self { state, ..self.clone() };
        Ok(match external {
            true => event.step(Happening::Live),
            false => event.step(Happening::Ready).and(Effect::OpenBroadcast),
        })
    }

    fn missing_gates(&self, account: &Account) -> Vec<Gate> {
        let own = [(!self.activated, Gate::Activation), (self.offer.is_none(), Gate::Offer)];
        let own = own.into_iter().filter_map(|(is_missing, gate)| is_missing.then_some(gate));
        // What somebody else encodes and serves costs the account nothing.
        let plan = account.missing().filter(|_| self.source.is_ingested());
        own.chain(plan).collect()
    }

    /// Where the end of an event is that starts now: as planned, or as late as it may be.
    fn ends_ms(&self, rules: &Rules, now_ms: i64) -> Result<i64, Refusal> {
        let Some(schedule) = self.schedule else { return Ok(now_ms.saturating_add(rules.duration_ms_max)) };
        let longest_ms = rules.duration_ms_max.saturating_add(rules.lead_ms);
        let ends_ms = schedule.start_ms.max(now_ms).saturating_add(schedule.duration_ms);
        let from_ms = ends_ms.saturating_sub(longest_ms);
        if from_ms > now_ms { Err(Refusal::TooEarly { from_ms }) } else { Ok(ends_ms) }
    }

    /// The same for one whose time has come: where the longest live was made shorter after it was planned, it ends before its
    /// planned end rather than begin after its planned start.
    pub(crate) fn ends_in_time_ms(&self, rules: &Rules, now_ms: i64) -> Result<i64, Refusal> {
        let longest_ms = now_ms.saturating_add(rules.duration_ms_max).saturating_add(rules.lead_ms);
        Ok(self.ends_ms(rules, now_ms).unwrap_or(longest_ms))
    }

    fn air(&self, now_ms: i64) -> Result<Step, Refusal> {
        let State::Running(run) = self.state else { return Err(Refusal::NotStarted) };
        match (run.phase, run.input) {
            (Phase::Live { .. }, _) => Err(Refusal::AlreadyLive),
            (Phase::Ready, _) => Err(Refusal::NoPreview),
            (Phase::Preview, Input::Absent { .. }) => Err(Refusal::NoInput),
            (Phase::Preview, Input::Connected { .. } | Input::External) => {
                let state = State::Running(Run { phase: Phase::Live { aired_ms: now_ms }, ..run });
                Ok(Self { state, ..self.clone() }.step(Happening::Live).and(Effect::GoPublic))
            }
        }
    }

    /// Ends it for good.
    pub(crate) fn end(&self, why: EndReason, detail: Option<String>, at_ms: i64) -> Step {
        let run = match self.state {
            State::Running(run) => Some(run),
            _ => None,
        };
        let (started_ms, aired_ms) = (run.map(|run| run.started_ms), run.and_then(|run| run.aired_ms()));
        let state = State::Ended(Ended { at_ms, why, detail, started_ms, aired_ms });
        let step = Self { state, ..self.clone() }.step(Happening::Ended);
        if run.is_some() && self.source.is_ingested() { step.and(Effect::CloseBroadcast) } else { step }
    }

    /// What kept it from starting may be mended: its time is looked at again.
    fn retried(mut self) -> Self {
        if let State::Scheduled { refused } = &mut self.state {
            refused.clear();
        }
        self
    }

    /// This, as the next version.
    pub(crate) fn step(mut self, happening: Happening) -> Step {
        self.version += 1;
        Step { event: self, effects: Vec::new(), happened: vec![happening] }
    }
}

impl Step {
    fn and(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }
}
