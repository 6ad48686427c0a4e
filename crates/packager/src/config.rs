use std::fmt;

use crate::grid::SegmentGrid;

/// How far behind the encoder players are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// Segments are published in parts of half a second.
    Low,
    /// Segments are published whole.
    Standard,
}

/// How long segments and playlists are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    latency: Latency,
    segment_ms: u32,
    window_s: u32,
}

/// Why a [`Config`] was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// Segments too short or too long.
    #[error("segments of {0} ms; {min} to {max} ms are possible", min = Config::SEGMENT_MS_MIN, max = Config::SEGMENT_MS_MAX)]
    SegmentMs(u32),
    /// A window too short or too long.
    #[error("a playlist window of {0} s; {min} to {max} s are possible", min = Config::WINDOW_S_MIN, max = Config::WINDOW_S_MAX)]
    WindowS(u32),
}

impl Config {
    /// The shortest segment: below it the keyframes alone would cost the picture its quality.
    pub const SEGMENT_MS_MIN: u32 = 500;
    /// The longest segment: players hold back three, so latency would pass half a minute.
    pub const SEGMENT_MS_MAX: u32 = 10_000;
    /// The shortest window; six segments are kept whatever it says.
    pub const WINDOW_S_MIN: u32 = 1;
    /// The longest window: an hour of a 1080p ladder is about 4 GB of memory, twice that with what left the playlist.
    pub const WINDOW_S_MAX: u32 = 3600;

    /// How long a part is meant to be, in milliseconds.
    const PART_MS: u32 = 500;
    /// PART-TARGET in milliseconds: 24 AAC frames at 48 kHz, the shortest that holds half a second of audio, which
    /// can be cut only between such frames. Players hold back three of them, so it is no longer than it has to be.
    pub const PART_TARGET_MS: u32 = 512;

    /// Segments of about `segment_ms` milliseconds (500 to 10000) in playlists of at least `window_s` seconds (1 to 3600).
    pub fn new(latency: Latency, segment_ms: u32, window_s: u32) -> Result<Self, ConfigError> {
        if !(Self::SEGMENT_MS_MIN..=Self::SEGMENT_MS_MAX).contains(&segment_ms) {
            return Err(ConfigError::SegmentMs(segment_ms));
        }
        if !(Self::WINDOW_S_MIN..=Self::WINDOW_S_MAX).contains(&window_s) {
            return Err(ConfigError::WindowS(window_s));
        }
        Ok(Self { latency, segment_ms, window_s })
    }

    /// How many frames of the grid's rate a part has, but for the last of a segment: all of a segment's where there are no
    /// parts.
    pub fn frames_per_part(self, grid: SegmentGrid) -> u32 {
        self.part_target_ms().map_or(grid.frames_per_segment, |target| grid.frames_per_part(target))
    }

    /// PART-TARGET in milliseconds, where segments are published in parts.
    pub fn part_target_ms(self) -> Option<u32> {
        (self.latency == Latency::Low).then_some(Self::PART_TARGET_MS)
    }

    /// The length of a part in which nothing comes, in milliseconds: a segment where there are no parts.
    pub(crate) fn gap_ms(self) -> u32 {
        match self.latency {
            Latency::Low => Self::PART_MS.min(self.segment_ms),
            Latency::Standard => self.segment_ms,
        }
    }

    /// The wanted length of a segment in milliseconds.
    pub fn segment_ms(self) -> u32 {
        self.segment_ms
    }

    /// The least length of a playlist in seconds.
    pub fn window_s(self) -> u32 {
        self.window_s
    }

    /// TARGETDURATION in seconds, at least 1. It follows from the wanted length and never from a measured one,
    /// because it must not change in the life of a playlist (rfc8216bis 4.4.3.1).
    pub fn target_duration_s(self) -> u32 {
        self.segment_ms.div_ceil(1000)
    }
}

/// Where the numbers of a presentation stand. Stored by the caller before it publishes the snapshot they
/// belong to, so that nothing goes back after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The media sequence number of the next segment.
    pub next_msn: u64,
    /// The discontinuity sequence number of the next epoch.
    pub next_discontinuity: u64,
    /// The media time at which the next epoch begins, in milliseconds.
    pub next_base_ms: u64,
}

/// The largest numbers taken from outside. A stored position can be damaged, and counting on from here overflows
/// neither 64 bits nor, in milliseconds (8900 years), any timescale.
const NUMBER_MAX: u64 = 1 << 48;

impl Position {
    /// The same position, none of its numbers too large to count on from.
    pub(crate) fn bounded(self) -> Self {
        let (next_msn, next_discontinuity) = (self.next_msn.min(NUMBER_MAX), self.next_discontinuity.min(NUMBER_MAX));
        Self { next_msn, next_discontinuity, next_base_ms: self.next_base_ms.min(NUMBER_MAX) }
    }
}

/// The part of every media file name that no other run of a packager shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session(String);

/// A session id that is not 8 to 32 lower-case letters and digits.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the session id {0:?} is not 8 to 32 characters of a-z and 0-9")]
pub struct InvalidSession(pub String);

impl Session {
    pub(crate) fn new(id: &str) -> Result<Self, InvalidSession> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if (8..=32).contains(&id.len()) && id.bytes().all(plain) {
            Ok(Self(id.to_owned()))
        } else {
            Err(InvalidSession(id.to_owned()))
        }
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_duration_is_rounded_up() {
        let target = |ms| Config::new(Latency::Low, ms, 60).expect("valid").target_duration_s();
        assert_eq!([500, 1000, 1001, 2000, 10_000].map(target), [1, 1, 2, 2, 10]);
    }

    #[test]
    fn lengths_out_of_range_are_refused() {
        assert_eq!(Config::new(Latency::Low, 499, 60), Err(ConfigError::SegmentMs(499)));
        assert_eq!(Config::new(Latency::Low, 10_001, 60), Err(ConfigError::SegmentMs(10_001)));
        assert_eq!(Config::new(Latency::Low, 2000, 0), Err(ConfigError::WindowS(0)));
        assert_eq!(
            Config::new(Latency::Low, 2000, 3601).expect_err("too long").to_string(),
            "a playlist window of 3601 s; 1 to 3600 s are possible"
        );
    }

    #[test]
    fn a_session_id_is_safe_in_a_url() {
        assert!(Session::new("0a1b2c3d").is_ok());
        for bad in ["", "short", "UPPERCASE", "with-dash1", "../../../etc", &"a".repeat(33)] {
            assert!(Session::new(bad).is_err(), "{bad}");
        }
    }
}
