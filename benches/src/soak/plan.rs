//! Which fault comes when: the same ones in the same order for the same seed.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// A listener of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Port {
    Rtmp,
    Rtmps,
    Srt,
    Http,
    Https,
    Api,
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The encoder is killed and comes back.
    EncoderKill,
    /// The encoder's connection is cut in the middle of a frame.
    LinkCut,
    /// Nothing passes from the encoder for a while.
    UplinkStall,
    /// The encoder goes and comes back over SRT, or over RTMP again.
    OtherProtocol,
    /// The ladder's process is killed.
    WorkerKill,
    /// The ladder's process is stopped and stays.
    WorkerHang,
    /// The wall clock jumps an hour ahead, and later back.
    ClockForward,
    /// The wall clock jumps an hour back, and later ahead.
    ClockBack,
    /// The wall clock is put right by some seconds, and later put wrong again.
    ClockSmall,
    /// The wall clock jumps while the encoder is away.
    ClockAway,
    /// No room is left on the disk.
    DiskFull,
    /// The disk takes nothing for moments, again and again.
    DiskSlow,
    /// The disk takes nothing for seconds.
    DiskHung,
    /// The daemon may open no more files.
    FilesOut,
    /// A crowd falls on one port.
    Flood(Port),
}

/// All of them.
pub const FAULTS: [Fault; 20] = [
    Fault::EncoderKill,
    Fault::LinkCut,
    Fault::UplinkStall,
    Fault::OtherProtocol,
    Fault::WorkerKill,
    Fault::WorkerHang,
    Fault::ClockForward,
    Fault::ClockBack,
    Fault::ClockSmall,
    Fault::ClockAway,
    Fault::DiskFull,
    Fault::DiskSlow,
    Fault::DiskHung,
    Fault::FilesOut,
    Fault::Flood(Port::Rtmp),
    Fault::Flood(Port::Rtmps),
    Fault::Flood(Port::Srt),
    Fault::Flood(Port::Http),
    Fault::Flood(Port::Https),
    Fault::Flood(Port::Api),
];

impl Fault {
    /// Between which numbers of milliseconds it lasts.
    fn lasts_ms(self) -> (u64, u64) {
        match self {
            // What happens in a moment; the encoder stays away for so long.
            Self::EncoderKill | Self::LinkCut | Self::OtherProtocol | Self::WorkerKill => (0, 6000),
            Self::UplinkStall => (800, 8000),
            // It is found out after three seconds.
            Self::WorkerHang => (4000, 5000),
            Self::ClockForward | Self::ClockBack | Self::ClockSmall | Self::ClockAway => (6000, 12_000),
            Self::DiskFull | Self::DiskSlow | Self::FilesOut | Self::Flood(_) => (8000, 14_000),
            Self::DiskHung => (2000, 8000),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EncoderKill => "encoder killed",
            Self::LinkCut => "encoder's connection cut",
            Self::UplinkStall => "uplink stalled",
            Self::OtherProtocol => "encoder back over the other protocol",
            Self::WorkerKill => "ladder worker killed",
            Self::WorkerHang => "ladder worker stopped",
            Self::ClockForward => "clock an hour ahead and back",
            Self::ClockBack => "clock an hour back and ahead",
            Self::ClockSmall => "clock steps of seconds",
            Self::ClockAway => "clock steps while the encoder is away",
            Self::DiskFull => "disk full",
            Self::DiskSlow => "disk slow",
            Self::DiskHung => "disk takes nothing",
            Self::FilesOut => "no more open files",
            Self::Flood(Port::Rtmp) => "flood on RTMP",
            Self::Flood(Port::Rtmps) => "flood on RTMPS",
            Self::Flood(Port::Srt) => "flood on SRT",
            Self::Flood(Port::Http) => "flood on HTTP",
            Self::Flood(Port::Https) => "flood on HTTPS",
            Self::Flood(Port::Api) => "flood on the API",
        })
    }
}

/// A fault of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What goes wrong.
    pub fault: Fault,
    /// For how long.
    pub lasts: Duration,
    /// How long all is well before it.
    pub rest: Duration,
    /// What else is up to chance.
    pub chance: u64,
}

/// Rounds without end; in each comes every fault of `faults`, in an order of its own.
pub fn steps(seed: u64, faults: &[Fault]) -> impl Iterator<Item = Step> {
    let mut random = StdRng::seed_from_u64(seed);
    let faults = faults.to_vec();
    std::iter::repeat_with(move || {
        let mut round = faults.clone();
        round.shuffle(&mut random);
        let mut step = |fault: Fault| {
            let (least, most) = fault.lasts_ms();
            Step {
                fault,
                lasts: Duration::from_millis(random.random_range(least..=most)),
                rest: Duration::from_millis(random.random_range(500..=4000)),
                chance: random.random(),
            }
        };
        round.into_iter().map(&mut step).collect::<Vec<_>>()
    })
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(seed: u64, number: usize) -> Vec<Step> {
        steps(seed, &FAULTS).skip(number * FAULTS.len()).take(FAULTS.len()).collect()
    }

    #[test]
    fn a_seed_always_gives_the_same_steps_and_another_gives_others() {
        assert_eq!(round(7, 2), round(7, 2));
        assert_ne!(round(7, 2), round(8, 2));
    }

    #[test]
    fn every_round_has_every_fault_once_in_an_order_of_its_own() {
        let order = |number| round(1, number).iter().map(|step| step.fault).collect::<Vec<_>>();
        assert_ne!(order(0), order(1));
        for number in 0..5 {
            let mut found = order(number);
            found.sort();
            assert_eq!(found, FAULTS);
        }
    }

    #[test]
    fn every_fault_lasts_as_long_as_it_may() {
        for step in steps(3, &FAULTS).take(500) {
            let (least, most) = step.fault.lasts_ms();
            assert!((least..=most).contains(&(step.lasts.as_millis() as u64)), "{step:?}");
        }
    }
}
