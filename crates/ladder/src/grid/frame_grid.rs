use weir_media::{FrameRate, MEDIA_HZ};

/// An error of this part of a frame is acted on at once: less is jitter, more is a frame lost or too many.
const SUDDEN_PERCENT: i64 = 75;
/// A lasting error of this part, in per mille of a frame, is acted on. Just over a half: at 23.976 frames a second
/// half a frame is 20.9 ms, and picture and sound must stay within one AAC frame of 21.3 ms.
const LASTING_PER_MILLE: i64 = 505;
/// How many frames the error is averaged over, so that rounding to milliseconds does not count.
const AVERAGE_FRAMES: i64 = 16;
/// The longest hole that is filled. The broadcast ends a timeline at shorter holes of the source already; this bounds
/// what a decoder that drops frames can make the encoders repeat.
const GAP_MS_MAX: i64 = 5_000;

/// Where a decoded frame goes on the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// It is frame `index`; the `fill` frames before it show its predecessor again.
    Show {
        /// Number of the frame on the grid, from 0.
        index: u64,
        /// How many frames right before `index` repeat the last one shown.
        fill: u64,
    },
    /// There is no room for it.
    Drop,
}

/// A hole in the source that is too long to fill with a still picture.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a hole of {gap_ms} ms in the decoded pictures, at most {GAP_MS_MAX} ms are filled")]
pub struct GapTooLong {
    /// Length of the hole in milliseconds.
    pub gap_ms: i64,
}

/// Puts decoded frames on a grid of constant rate.
///
/// Frames that come steadily pass one to one in spite of timestamps that were rounded to milliseconds. Holes are
/// filled with the last frame, surplus is dropped, and a source whose clock runs faster or slower than its rate is
/// followed by an occasional repeat or drop.
#[derive(Debug, Clone)]
pub struct FrameGrid {
    rate: FrameRate,
    next: i64,
    shift: i64,
    error: i64,
    duplicated: u64,
    dropped: u64,
}

impl FrameGrid {
    /// A grid of `rate` that has shown nothing.
    pub fn new(rate: FrameRate) -> Self {
        Self { rate, next: 0, shift: 0, error: 0, duplicated: 0, dropped: 0 }
    }

    /// Places the next decoded frame. `pts` is in ticks of [`MEDIA_HZ`] since instant 0. `shift`, in the same ticks, is
    /// how much later than its own time the sound is being played, which the picture follows.
    pub fn place(&mut self, pts: i64, shift: i64) -> Result<Placement, GapTooLong> {
        let (num, frame) = (i64::from(self.rate.num), i64::from(self.rate.den) * MEDIA_HZ);
        let error = pts.saturating_add(shift).saturating_mul(num).saturating_sub(self.next * frame);
        self.error += (shift - self.shift) * num;
        self.shift = shift;
        let missing = if error * 100 >= frame * SUDDEN_PERCENT || error * 100 <= -frame * SUDDEN_PERCENT {
            self.error = error;
            ((error + frame / 2).div_euclid(frame)).max(-1)
        } else {
            self.error += (error - self.error) / AVERAGE_FRAMES;
            let lasting = self.error.saturating_mul(1000) / frame;
            i64::from(lasting >= LASTING_PER_MILLE) - i64::from(lasting <= -LASTING_PER_MILLE)
        };
        self.error -= missing * frame;
        if missing < 0 {
            self.dropped += 1;
            return Ok(Placement::Drop);
        }
        let gap_ms = missing * 1000 * i64::from(self.rate.den) / num;
        if gap_ms > GAP_MS_MAX {
            return Err(GapTooLong { gap_ms });
        }
        let index = self.next + missing;
        self.next = index + 1;
        self.duplicated += missing as u64;
        Ok(Placement::Show { index: index as u64, fill: missing as u64 })
    }

    /// How many frames were shown again to fill holes.
    pub fn duplicated(&self) -> u64 {
        self.duplicated
    }

    /// How many frames found no room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rounded(rate: FrameRate, n: i64) -> i64 {
        let (num, den) = (i64::from(rate.num), i64::from(rate.den));
        (n * 1000 * den + num / 2) / num * 90
    }

    fn show(index: u64, fill: u64) -> Result<Placement, GapTooLong> {
        Ok(Placement::Show { index, fill })
    }

    #[test]
    fn steady_frames_with_rounded_timestamps_pass_one_to_one() {
        for rate in FrameRate::STANDARD {
            let mut grid = FrameGrid::new(rate);
            for n in 0..100_000 {
                assert_eq!(grid.place(rounded(rate, n), 0), show(n as u64, 0), "{rate}");
            }
        }
    }

    #[test]
    fn a_hole_is_filled_with_the_last_frame() {
        let mut grid = FrameGrid::new(FrameRate::new(25, 1));
        assert_eq!(grid.place(0, 0), show(0, 0));
        assert_eq!(grid.place(3600 * 26, 0), show(26, 25));
        assert_eq!(grid.duplicated(), 25);
        assert_eq!(grid.place(3600 * 1000, 0), Err(GapTooLong { gap_ms: 38_920 }));
    }

    #[test]
    fn a_source_of_half_the_rate_is_doubled_and_one_of_twice_the_rate_halved() {
        let mut grid = FrameGrid::new(FrameRate::new(30, 1));
        for n in 0..1000 {
            grid.place(rounded(FrameRate::new(15, 1), n), 0).expect("no gap");
        }
        assert_eq!((grid.next, grid.dropped()), (1999, 0));
        let mut grid = FrameGrid::new(FrameRate::new(30, 1));
        for n in 0..2000 {
            grid.place(rounded(FrameRate::new(60, 1), n), 0).expect("no gap");
        }
        assert!(grid.duplicated() == 0 && (999..=1001).contains(&grid.dropped()), "{}", grid.dropped());
    }

    proptest! {
        #[test]
        fn jitter_of_two_fifths_of_a_frame_neither_repeats_nor_drops(
            index in 0..FrameRate::STANDARD.len(),
            jitter in prop::collection::vec(-40_i64..=40, 997),
        ) {
            let rate = FrameRate::STANDARD[index];
            let frame = MEDIA_HZ * i64::from(rate.den) / i64::from(rate.num);
            let mut grid = FrameGrid::new(rate);
            for n in 0..5000 {
                let noise = if n == 0 { 0 } else { jitter[n as usize % 997] * frame / 100 };
                prop_assert_eq!(grid.place(rounded(rate, n) + noise, 0), show(n as u64, 0));
            }
        }

        #[test]
        fn a_clock_that_drifts_is_followed_within_half_a_frame_for_an_hour(
            index in 4..FrameRate::STANDARD.len(),
            ppm in -200_i64..=200,
        ) {
            let rate = FrameRate::STANDARD[index];
            let (num, den) = (i64::from(rate.num), i64::from(rate.den));
            let mut grid = FrameGrid::new(rate);
            for n in 0..3600 * num / den {
                let ms = (n * den * (1_000_000 + ppm) + num * 500) / (num * 1000);
                if let Placement::Show { index, .. } = grid.place(ms * 90, 0).expect("no gap") {
                    let off_us = (index as i64 * den * 1_000_000 / num) - ms * 1000;
                    prop_assert!(off_us.abs() < 21_333 + 500, "frame {} is off by {} us", n, off_us);
                }
            }
            let steps = (grid.duplicated() + grid.dropped()) as i64;
            let wanted = 3600 * num / den * ppm.abs() / 1_000_000;
            prop_assert!((steps - wanted).abs() <= 1, "{} steps for {}", steps, wanted);
        }

        #[test]
        fn indexes_only_rise_and_fills_are_accounted(steps in prop::collection::vec(-20_000_i64..40_000, 1..300)) {
            let mut grid = FrameGrid::new(FrameRate::new(30, 1));
            let (mut pts, mut shown) = (0, 0);
            for step in steps {
                pts = (pts + step).max(0);
                match grid.place(pts, 0) {
                    Ok(Placement::Show { index, fill }) => {
                        prop_assert_eq!(index, shown + fill);
                        shown = index + 1;
                    }
                    Ok(Placement::Drop) | Err(_) => {}
                }
            }
        }
    }
}
