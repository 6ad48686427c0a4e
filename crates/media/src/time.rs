/// Ticks per second of the one timeline on which source frames travel after they were unwrapped: it holds
/// RTMP milliseconds and MPEG-TS ticks without rounding.
pub const MEDIA_HZ: i64 = 90_000;

/// The counter an encoder stamps its frames with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceClock {
    /// RTMP: unsigned milliseconds in 32 bits. Some senders (ffmpeg) wrap at 2^31 instead, so both are taken.
    Millis32,
    /// MPEG-TS: 33 bits of 90 kHz.
    Ticks33,
}

impl SourceClock {
    /// Factor from ticks of this clock to [`MEDIA_HZ`].
    pub fn scale(self) -> i64 {
        match self {
            Self::Millis32 => MEDIA_HZ / 1000,
            Self::Ticks33 => 1,
        }
    }

    /// The bits that count.
    fn mask(self) -> i64 {
        match self {
            Self::Millis32 => (1 << 32) - 1,
            Self::Ticks33 => (1 << 33) - 1,
        }
    }

    /// The signed distance from `last` to `raw`.
    fn step(self, last: i64, raw: i64) -> i64 {
        match self {
            Self::Millis32 => step_millis(last as u32, raw as u32),
            Self::Ticks33 => (raw - last) << 31 >> 31,
        }
    }
}

/// Turns the wrapping counter of a source into a 64-bit one in [`MEDIA_HZ`] ticks.
///
/// Feed it every timestamp of a source in the order received; neighbours may lie up to half the counter
/// apart. It only unwraps: whether a jump is believable is for the caller to decide.
///
/// A counter that falls by about 2^31 has wrapped at 31 bits; a sender that really jumps back by
/// 24.8 days is not distinguishable from that and is taken for one that wrapped.
#[derive(Debug, Clone)]
pub struct Unwrapper {
    clock: SourceClock,
    last: Option<(i64, i64)>,
}

/// How near to a fall of exactly 2^31 ms a step must be to count as a wrap at 31 bits: an hour.
const WRAP31_TOLERANCE_MS: i64 = 3_600_000;

impl Unwrapper {
    /// An unwrapper that has seen nothing; its first answer is the raw value itself.
    pub fn new(clock: SourceClock) -> Self {
        Self { clock, last: None }
    }

    /// The unwrapped time of `raw`, of which only the bits of the counter count, in [`MEDIA_HZ`] ticks.
    pub fn unwrap(&mut self, raw: i64) -> i64 {
        let raw = raw & self.clock.mask();
        let ticks = match self.last {
            None => raw,
            Some((last_raw, last_ticks)) => last_ticks + self.clock.step(last_raw, raw),
        };
        self.last = Some((raw, ticks));
        ticks * self.clock.scale()
    }
}

/// The signed distance from `last` to `raw` on a counter of 32 or 31 bits.
fn step_millis(last: u32, raw: u32) -> i64 {
    const HALF: i64 = 1 << 31;
    let fall = i64::from(last) - i64::from(raw);
    if (fall - HALF).abs() < WRAP31_TOLERANCE_MS && last < 1 << 31 {
        return HALF - fall;
    }
    i64::from(raw.wrapping_sub(last) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(raws: &[u32]) -> Vec<i64> {
        let mut unwrapper = Unwrapper::new(SourceClock::Millis32);
        raws.iter().map(|&raw| unwrapper.unwrap(raw.into()) / 90).collect()
    }

    #[test]
    fn a_counter_of_32_bits_runs_on_after_its_wrap() {
        assert_eq!(run(&[u32::MAX - 19, 20, 60]), [4_294_967_276, 4_294_967_316, 4_294_967_356]);
    }

    #[test]
    fn a_counter_of_31_bits_runs_on_after_its_wrap() {
        assert_eq!(run(&[(1 << 31) - 20, 20]), [2_147_483_628, 2_147_483_668]);
    }

    #[test]
    fn a_counter_of_32_bits_passes_the_middle_unharmed() {
        assert_eq!(run(&[(1 << 31) - 20, (1 << 31) + 20]), [2_147_483_628, 2_147_483_668]);
    }

    #[test]
    fn a_step_back_stays_a_step_back() {
        assert_eq!(run(&[5000, 4000, 0]), [5000, 4000, 0]);
        assert_eq!(run(&[10, u32::MAX]), [10, -1]);
    }

    #[test]
    fn a_counter_of_33_bits_runs_on_after_its_wrap() {
        let mut unwrapper = Unwrapper::new(SourceClock::Ticks33);
        let top = 1_i64 << 33;
        let times = [top - 3000, top, top + 3000, top - 3000];
        let unwrapped: Vec<i64> = times.iter().map(|time| unwrapper.unwrap(time % top)).collect();
        assert_eq!(unwrapped, times);
    }

    proptest! {
        #[test]
        fn steps_survive_any_number_of_wraps(
            start in any::<u32>(),
            steps in prop::collection::vec(-60_000_i64..2_000_000_000, 1..40),
            narrow in any::<bool>(),
        ) {
            let bits = if narrow { 31 } else { 32 };
            let mask = (1_i64 << bits) - 1;
            // Below 2^31 minus an hour a step cannot be mistaken for the other width's wrap.
            let limit = if narrow { 1 << 30 } else { i64::MAX };
            let mut truth = i64::from(start) & mask;
            let mut unwrapper = Unwrapper::new(SourceClock::Millis32);
            let origin = unwrapper.unwrap(truth) - truth * 90;
            for step in steps {
                truth += if narrow { step.min(WRAP31_TOLERANCE_MS - 1) } else { step.min(limit) };
                let got = unwrapper.unwrap(truth & mask);
                prop_assert_eq!(got - origin, truth * 90);
            }
        }
    }
}
