use std::fmt;

/// A frame rate as the fraction broadcasters write: 30000/1001, never 29.97.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameRate {
    /// Frames per `den` seconds; at least 1.
    pub num: u32,
    /// At least 1.
    pub den: u32,
}

impl FrameRate {
    /// The rates that are kept exactly. The low ones are what screen captures and poor links send.
    pub const STANDARD: [FrameRate; 12] = [
        Self::new(10, 1),
        Self::new(12, 1),
        Self::new(15, 1),
        Self::new(20, 1),
        Self::new(24_000, 1001),
        Self::new(24, 1),
        Self::new(25, 1),
        Self::new(30_000, 1001),
        Self::new(30, 1),
        Self::new(50, 1),
        Self::new(60_000, 1001),
        Self::new(60, 1),
    ];

    /// `num / den` frames per second. Zeroes are lifted to 1 so that a rate can always divide.
    pub const fn new(num: u32, den: u32) -> Self {
        Self { num: if num == 0 { 1 } else { num }, den: if den == 0 { 1 } else { den } }
    }

    /// Millihertz, rounded down: for comparing and reporting, not for timing.
    pub fn millihertz(self) -> u64 {
        u64::from(self.num) * 1000 / u64::from(self.den)
    }

    /// The timescale on which every frame of this rate lasts [`frame_ticks`](Self::frame_ticks) exactly.
    /// Always a multiple of 1000, so that whole milliseconds are whole ticks too.
    pub fn timescale(self) -> u32 {
        if self.num.is_multiple_of(1000) { self.num } else { self.num * 1000 }
    }

    /// How long one frame lasts, in ticks of [`timescale`](Self::timescale).
    pub fn frame_ticks(self) -> u32 {
        if self.num.is_multiple_of(1000) { self.den } else { self.den * 1000 }
    }

    /// How many frames come nearest to `millis`; at least 1.
    pub fn frames_in_millis(self, millis: u32) -> u32 {
        let (num, per) = (u64::from(millis) * u64::from(self.num), 1000 * u64::from(self.den));
        (((num + per / 2) / per) as u32).max(1)
    }

    /// Half the rate, or the same if that is no whole fraction: for rungs that show every second frame.
    pub fn halved(self) -> Self {
        if self.num.is_multiple_of(2) { Self::new(self.num / 2, self.den) } else { Self::new(self.num, self.den * 2) }
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millihertz = (u64::from(self.num) * 1000 + u64::from(self.den) / 2) / u64::from(self.den);
        write!(f, "{}.{:03}", millihertz / 1000, millihertz % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standard_rate_has_whole_ticks_on_a_timescale_of_whole_milliseconds() {
        for rate in FrameRate::STANDARD {
            let exact = u64::from(rate.timescale()) * u64::from(rate.den);
            assert_eq!(exact, u64::from(rate.frame_ticks()) * u64::from(rate.num), "{rate}");
            assert_eq!(rate.timescale() % 1000, 0, "{rate}");
        }
    }

    #[test]
    fn two_seconds_are_sixty_frames_of_ntsc() {
        assert_eq!(FrameRate::new(30_000, 1001).frames_in_millis(2000), 60);
        assert_eq!(FrameRate::new(24_000, 1001).frames_in_millis(2000), 48);
        assert_eq!(FrameRate::new(25, 1).frames_in_millis(2000), 50);
    }

    #[test]
    fn rates_are_written_with_three_decimals() {
        assert_eq!(FrameRate::new(30_000, 1001).to_string(), "29.970");
        assert_eq!(FrameRate::new(24_000, 1001).to_string(), "23.976");
        assert_eq!(FrameRate::new(25, 1).to_string(), "25.000");
    }

    #[test]
    fn half_of_sixty_is_thirty() {
        assert_eq!(FrameRate::new(60_000, 1001).halved(), FrameRate::new(30_000, 1001));
    }
}
