//! Whether a ladder keeps up with its source.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Media that may wait for a worker: what bursts of an encoder's uplink and slow pictures bring, and far from what is
/// dropped.
const BACKLOG_MAX_MS: i64 = 500;
/// How long it may stay there without shrinking.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Watches the backlog of one worker.
#[derive(Debug, Default)]
pub struct Pace {
    /// What waited at each look, those within [`PATIENCE`].
    looks: VecDeque<(Instant, i64)>,
}

impl Pace {
    /// Another worker runs.
    pub fn reset(&mut self) {
        self.looks.clear();
    }

    /// So much waits now, in milliseconds of media. Answers whether the worker falls behind: too much waits, and no less
    /// than [`PATIENCE`] ago.
    pub fn falls_behind(&mut self, backlog_ms: i64, now: Instant) -> bool {
        self.looks.push_back((now, backlog_ms));
        while self.looks.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= PATIENCE) {
            self.looks.pop_front();
        }
        let Some(&(since, before)) = self.looks.front() else { return false };
        now.duration_since(since) >= PATIENCE && before > BACKLOG_MAX_MS && backlog_ms >= before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(backlogs: &[i64]) -> Vec<bool> {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let look = |(index, backlog): (usize, &i64)| {
            pace.falls_behind(*backlog, start + Duration::from_millis(250) * index as u32)
        };
        backlogs.iter().enumerate().map(look).collect()
    }

    #[test]
    fn a_backlog_that_grows_for_a_while_is_told() {
        let told = looks(&[300, 550, 700, 850, 1000, 1150, 1300, 1450]);
        assert_eq!(told, [false, false, false, false, false, false, false, true]);
    }

    #[test]
    fn one_that_shrinks_is_none() {
        assert!(!looks(&[2000, 1800, 1600, 1400, 1200, 1000, 900, 800, 700, 600]).contains(&true));
    }

    #[test]
    fn bursts_are_none() {
        assert!(!looks(&[0, 900, 0, 0, 900, 0, 0, 0, 900, 0, 0, 0]).contains(&true));
    }
}
