//! How long to wait before a failed worker is started again.

use std::time::{Duration, Instant};

/// The first restart comes at once: a crash should cost viewers as little as can be.
const FIRST: Duration = Duration::ZERO;
/// The wait after the second failure; it doubles from there.
const STEP: Duration = Duration::from_secs(1);
/// The longest wait: an operator who mends the cause should not have to wait long.
const LONGEST: Duration = Duration::from_secs(30);
/// When a new worker might have begun this long ago, the failure before it is past, and the next one counts as the first again:
/// whether one worker has run since, or several, for an encoder that came and went.
const PAST: Duration = Duration::from_secs(60);

/// Counts the failures in a row of one channel's workers.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    not_before: Option<Instant>,
}

impl Backoff {
    /// A worker failed. Returns how long the next one has to wait.
    pub fn failed(&mut self, now: Instant) -> Duration {
        let past = self.not_before.is_none_or(|not_before| now.saturating_duration_since(not_before) >= PAST);
        self.failures = if past { 1 } else { self.failures.saturating_add(1) };
        let wait = match self.failures {
            1 => FIRST,
            failures => STEP.saturating_mul(1 << (failures - 2).min(10)).min(LONGEST),
        };
        self.not_before = Some(now + wait);
        wait
    }

    /// Whether a worker may be started.
    pub fn is_over(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|not_before| now >= not_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_while_workers_fail_soon_after_they_may_begin() {
        let (mut backoff, mut now) = (Backoff::default(), Instant::now());
        for wanted in [0, 1, 2, 4, 8, 16, 30, 30] {
            let wait = backoff.failed(now);
            assert_eq!(wait.as_secs(), wanted);
            assert!(backoff.is_over(now + wait) && (wait.is_zero() || !backoff.is_over(now)));
            now += wait + PAST - Duration::from_millis(1);
        }
    }

    #[test]
    fn a_failure_is_the_first_again_when_the_one_before_is_past() {
        let (mut backoff, start) = (Backoff::default(), Instant::now());
        let wait = (0..4).map(|_| backoff.failed(start)).max().expect("four");
        assert_eq!(backoff.failed(start + wait + PAST), Duration::ZERO);
        assert_eq!(backoff.failed(start + wait + PAST), STEP);
    }
}
