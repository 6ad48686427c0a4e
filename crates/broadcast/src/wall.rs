//! The wall clock, which is for PROGRAM-DATE-TIME only. Somebody may put it right at any moment, by an hour too: it is read
//! when an epoch begins, and goes on from there by the monotonic clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Dates that were published may be so much ahead of a new reading, and are waited for: epochs that follow one another at once
/// overlap by some frames. More than this is a clock that was put back.
const AHEAD_MAX_MS: i64 = 1000;

/// A reading of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wall {
    read: Instant,
    /// Milliseconds since the Unix epoch.
    ms: i64,
}

impl Wall {
    /// What it shows now.
    pub fn read() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { read: Instant::now(), ms: millis(since_1970) }
    }

    /// One that shows `ms` milliseconds since the Unix epoch at `read`.
    pub fn new(read: Instant, ms: i64) -> Self {
        Self { read, ms }
    }

    /// What this clock shows at `at`, in milliseconds since the Unix epoch.
    pub fn at(self, at: Instant) -> i64 {
        let (after, before) = (at.saturating_duration_since(self.read), self.read.saturating_duration_since(at));
        self.ms.saturating_add(millis(after)).saturating_sub(millis(before))
    }

    /// The clock by which playlists go on from `began`, which are dated up to `dated_ms` already. Dates never go back
    /// (rfc8216bis 6.2.1): where this clock was put back, they go on from where they are.
    pub fn going_on(self, began: Instant, dated_ms: Option<i64>) -> Self {
        match dated_ms {
            Some(dated_ms) if dated_ms - self.at(began) > AHEAD_MAX_MS => Self::new(began, dated_ms),
            _ => self,
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_767_355_200_000;
    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_reading_tells_the_time_before_and_after_it() {
        let now = Instant::now();
        let wall = Wall::new(now, NOON);
        assert_eq!(wall.at(now + Duration::from_millis(1500)), NOON + 1500);
        assert_eq!(Wall::new(now + Duration::from_millis(1500), NOON).at(now), NOON - 1500);
    }

    #[test]
    fn dates_go_on_by_a_clock_that_is_right_or_ahead_and_not_by_one_that_was_put_back() {
        let began = Instant::now();
        let going_on = |dated_ms: i64| Wall::new(began, NOON).going_on(began, Some(dated_ms)).at(began);
        assert_eq!(going_on(NOON - HOUR), NOON);
        assert_eq!(going_on(NOON + 300), NOON);
        assert_eq!(going_on(NOON + HOUR), NOON + HOUR);
        assert_eq!(Wall::new(began, NOON).going_on(began, None).at(began), NOON);
    }
}
