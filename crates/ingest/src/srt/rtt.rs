//! The round trip, from acknowledgements and their answers (draft-sharabayko-srt-01, 4.10).

use std::collections::VecDeque;

use super::clock::Micros;

/// Until it is measured.
const FIRST_MEAN: Micros = 100_000;
const FIRST_DEVIATION: Micros = 50_000;
/// Acknowledgements whose answers are waited for; with one every 10 ms, a round trip of 640 ms is still measured.
const OPEN_MAX: usize = 64;
/// The longest round trip that is believed.
const SAMPLE_MAX: Micros = 10_000_000;

/// A measured round trip.
#[derive(Debug)]
pub struct Rtt {
    mean: Micros,
    deviation: Micros,
    measured: bool,
    number: u32,
    open: VecDeque<(u32, Micros)>,
}

impl Default for Rtt {
    fn default() -> Self {
        Self {
            mean: FIRST_MEAN,
            deviation: FIRST_DEVIATION,
            measured: false,
            number: 0,
            open: VecDeque::with_capacity(OPEN_MAX),
        }
    }
}

impl Rtt {
    /// The smoothed mean.
    pub fn mean(&self) -> Micros {
        self.mean
    }

    /// The smoothed deviation from it.
    pub fn deviation(&self) -> Micros {
        self.deviation
    }

    /// An acknowledgement is sent; its number.
    pub fn asked(&mut self, now: Micros) -> u32 {
        self.number = self.number.wrapping_add(1);
        if self.open.len() == OPEN_MAX {
            self.open.pop_front();
        }
        self.open.push_back((self.number, now));
        self.number
    }

    /// Whether the last acknowledgement should have been answered by now and was not.
    pub fn is_overdue(&self, now: Micros) -> bool {
        self.open.back().is_some_and(|(_, sent)| now - sent > self.mean + 4 * self.deviation)
    }

    /// The answer to acknowledgement `number` came.
    pub fn answered(&mut self, number: u32, now: Micros) {
        let Some(at) = self.open.iter().position(|(open, _)| *open == number) else { return };
        let (_, sent) = self.open[at];
        self.open.drain(..=at);
        let sample = (now - sent).clamp(0, SAMPLE_MAX);
        if !self.measured {
            self.measured = true;
            (self.mean, self.deviation) = (sample, sample / 2);
            return;
        }
        self.deviation = (3 * self.deviation + (self.mean - sample).abs()) / 4;
        self.mean = (7 * self.mean + sample) / 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_answer_counts_whole_and_later_ones_smooth() {
        let mut rtt = Rtt::default();
        let number = rtt.asked(0);
        assert!(!rtt.is_overdue(300_000) && rtt.is_overdue(300_001));
        rtt.answered(number, 40_000);
        assert_eq!((rtt.mean(), rtt.deviation()), (40_000, 20_000));
        let number = rtt.asked(50_000);
        rtt.answered(number, 50_000 + 48_000);
        assert_eq!((rtt.mean(), rtt.deviation()), (41_000, 17_000));
        rtt.answered(number, 900_000);
        rtt.answered(12_345, 900_000);
        assert_eq!(rtt.mean(), 41_000, "answers to nothing count for nothing");
        assert!(!rtt.is_overdue(900_000));
    }
}
