//! How long to wait before a failed worker is started again.

use std::time::{Duration, Instant};

/// The first restart comes at once: a crash should cost viewers as little as can be.
const FIRST: Duration = Duration::ZERO;
/// The wait after the second failure; it doubles from there.
const STEP: Duration = Duration::from_secs(1);
/// The longest wait: an operator who mends the cause should not have to wait long.
const LONGEST: Duration = Duration::from_secs(30);
/// A worker that ran this long was healthy, so its failure counts as the first again.
const HEALTHY: Duration = Duration::from_secs(60);

/// Counts the failures in a row of one channel's workers.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    not_before: Option<Instant>,
}

impl Backoff {
    /// A worker that had begun at `started` failed. Returns how long the next one has to wait.
    pub fn failed(&mut self, started: Instant, now: Instant) -> Duration {
        let healthy = now.duration_since(started) >= HEALTHY;
        self.failures = if healthy { 1 } else { self.failures.saturating_add(1) };
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
    fn waits_double_up_to_a_limit_and_begin_anew_after_a_healthy_run() {
        let (mut backoff, start) = (Backoff::default(), Instant::now());
        let waits: Vec<u64> = (0..8).map(|_| backoff.failed(start, start).as_secs()).collect();
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 30, 30]);
        assert!(!backoff.is_over(start + Duration::from_secs(29)));
        assert!(backoff.is_over(start + Duration::from_secs(30)));
        assert_eq!(backoff.failed(start, start + HEALTHY), Duration::ZERO);
    }
}
