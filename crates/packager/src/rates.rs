use std::collections::VecDeque;

/// Steps in which rates are advertised, bits per second. Rounded up to them, they stay within a few per cent of the
/// truth and the multivariant playlist does not change with every segment.
const STEP_BPS: u64 = 10_000;
/// The most segments looked back at for the peak: more than that within one and a half target durations are
/// remains of epochs that ended at once, and too short to matter.
pub(crate) const RECENT_MAX: usize = 32;

/// What a rendition has been measured to take, over the whole session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rates {
    pub(crate) bytes: u64,
    pub(crate) micros: u64,
    /// The peak segment bit rate: of any run of segments that lasts 0.5 to 1.5 target durations (rfc8216bis 4.1).
    pub(crate) peak_bps: u64,
    /// Bytes and length of the last segments, newest at the end: those of which the next peak may be made.
    pub(crate) recent: VecDeque<(u64, u64)>,
}

impl Rates {
    pub(crate) fn add(&mut self, bytes: u64, micros: u64, target_duration_s: u32) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.micros = self.micros.saturating_add(micros);
        self.recent.push_back((bytes, micros));
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
        let half_us = u64::from(target_duration_s) * 500_000;
        let (mut run, mut used) = ((0_u64, 0_u64), 0);
        for &(bytes, micros) in self.recent.iter().rev() {
            run = (run.0.saturating_add(bytes), run.1.saturating_add(micros));
            if run.1 > 3 * half_us {
                break;
            }
            used += 1;
            if run.1 >= half_us {
                self.peak_bps = self.peak_bps.max(bits_per_second(run.0, run.1));
            }
        }
        // What is too far back for this segment is so for all that follow.
        self.recent.drain(..self.recent.len() - used);
    }

    pub(crate) fn average_bps(&self) -> u64 {
        bits_per_second(self.bytes, self.micros)
    }

    /// The peak; the average while nothing was long enough to have one.
    pub(crate) fn peak_bps(&self) -> u64 {
        self.peak_bps.max(self.average_bps())
    }
}

/// Rounded up to the steps in which rates are advertised.
pub(crate) fn advertised(bps: u64) -> u64 {
    bps.div_ceil(STEP_BPS).saturating_mul(STEP_BPS)
}

fn bits_per_second(bytes: u64, micros: u64) -> u64 {
    u64::try_from((u128::from(bytes) * 8_000_000).div_ceil(u128::from(micros.max(1)))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_too_short_for_a_peak_counts_only_in_a_run() {
        let mut rates = Rates::default();
        rates.add(500_000, 2_000_000, 2);
        assert_eq!(rates.peak_bps(), 2_000_000);
        // One keyframe in 40 ms would be 10 Mbit/s by itself.
        rates.add(50_000, 40_000, 2);
        assert_eq!(rates.peak_bps(), 550_000 * 8 * 1000 / 2040 + 1);
    }

    #[test]
    fn the_average_goes_over_everything() {
        let mut rates = Rates::default();
        rates.add(250_000, 1_000_000, 1);
        rates.add(750_000, 1_000_000, 1);
        assert_eq!((rates.average_bps(), rates.peak_bps()), (4_000_000, 6_000_000));
    }

    #[test]
    fn rates_are_advertised_rounded_up() {
        assert_eq!([1, 10_000, 10_001].map(advertised), [10_000, 10_000, 20_000]);
    }
}
