//! How long pictures take from their arrival to the playlists.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use metrics::{Unit, describe_histogram, histogram};
use weir_media::MEDIA_HZ;

/// Pictures whose arrival is remembered: some four seconds, more than a worker that is alive has in hand.
const ARRIVALS_MAX: usize = 256;
/// How far the ladder's grid may move a picture: less than a frame at 24 a second.
const MOVED_MAX: i64 = MEDIA_HZ / 25;

/// When the pictures of one epoch arrived.
#[derive(Debug, Default)]
pub struct Stages {
    arrivals: VecDeque<(i64, Instant)>,
}

impl Stages {
    /// A picture to be shown at `pts` ([`MEDIA_HZ`] ticks of the epoch) came from the encoder.
    pub fn arrived(&mut self, pts: i64, now: Instant) {
        if self.arrivals.len() == ARRIVALS_MAX {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back((pts, now));
    }

    /// The picture at `pts` came out of the ladder.
    pub fn encoded(&self, pts: i64, now: Instant) {
        self.record("encoded", pts, now);
    }

    /// The part whose last picture is at `pts` is in the playlists.
    pub fn closed(&self, pts: i64, now: Instant) {
        self.record("closed", pts, now);
    }

    fn record(&self, stage: &'static str, pts: i64, now: Instant) {
        if let Some(took) = self.since_arrival(pts, now) {
            histogram!("weir_stage_seconds", "stage" => stage).record(took);
        }
    }

    /// How long ago the picture that stands nearest to `pts` came; `None` where no one remembers.
    fn since_arrival(&self, pts: i64, now: Instant) -> Option<Duration> {
        let (found, at) = self.arrivals.iter().rev().min_by_key(|(arrived, _)| (arrived - pts).abs())?;
        ((found - pts).abs() < MOVED_MAX).then(|| now.duration_since(*at))
    }
}

/// Describes the metrics of this module.
pub fn describe_metrics() {
    describe_histogram!(
        "weir_stage_seconds",
        Unit::Seconds,
        "From the arrival of a picture until it was encoded in the best rendition, and until its part was in the \
         playlists (of a part's last picture)."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: i64 = MEDIA_HZ / 30;

    #[test]
    fn a_picture_is_found_though_the_grid_moved_it() {
        let (mut stages, start) = (Stages::default(), Instant::now());
        let at = |n: i64| start + Duration::from_millis(n as u64 * 33);
        (0..10).for_each(|n| stages.arrived(n * FRAME + 40, at(n)));
        let took = |pts| stages.since_arrival(pts, at(20)).map(|took| took.as_millis());
        assert_eq!(took(3 * FRAME), Some(17 * 33));
        assert_eq!(took(9 * FRAME - 100), Some(11 * 33));
        assert_eq!(took(12 * FRAME), None);
    }

    #[test]
    fn the_oldest_pictures_are_forgotten() {
        let (mut stages, now) = (Stages::default(), Instant::now());
        (0..1000).for_each(|n| stages.arrived(n * FRAME, now));
        assert_eq!(stages.arrivals.len(), ARRIVALS_MAX);
        assert_eq!(stages.since_arrival(0, now), None);
    }
}
