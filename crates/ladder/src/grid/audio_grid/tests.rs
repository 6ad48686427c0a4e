use proptest::prelude::*;
use weir_media::FrameRate;

use super::*;
use crate::grid::{FrameGrid, Placement};

/// PTS of AAC frame `n` as an encoder with millisecond timestamps writes it.
fn rounded(n: i64) -> i64 {
    (n * 1024 + 24) / 48 * 90
}

const UNCHANGED: Placed = Placed { silence: 0, skip: 0 };

/// A grid whose picture is far enough along that sound is believed.
fn grid(cut: Cut) -> AudioGrid {
    AudioGrid::new(cut, true)
}

#[test]
fn steady_frames_with_rounded_timestamps_pass_unchanged() {
    let mut grid = grid(Cut::Frames);
    for n in 0..200_000 {
        grid.video_at(rounded(n));
        assert_eq!(grid.place(rounded(n), 1024), UNCHANGED);
    }
    assert_eq!(grid.next as u64, 200_000 * 1024);
}

#[test]
fn sound_before_instant_0_is_dropped() {
    let mut frames = grid(Cut::Frames);
    assert_eq!(frames.place(-3600, 1024), Placed { silence: 0, skip: 1024 });
    assert_eq!(frames.place(-1680, 1024), Placed { silence: 0, skip: 1024 });
    assert_eq!(frames.place(240, 1024), UNCHANGED);
    let mut samples = grid(Cut::Samples);
    assert_eq!(samples.place(-1680, 1024), Placed { silence: 0, skip: 896 });
    assert_eq!(samples.place(240, 1024), UNCHANGED);
}

#[test]
fn sound_that_starts_late_begins_behind_silence() {
    assert_eq!(grid(Cut::Frames).place(90_000, 1024), Placed { silence: 47 * 1024, skip: 0 });
    assert_eq!(grid(Cut::Samples).place(90_000, 1024), Placed { silence: 48_000, skip: 0 });
}

#[test]
fn a_hole_is_filled_and_an_overlap_dropped() {
    let mut grid = grid(Cut::Frames);
    for n in (0..10).chain(20..30) {
        let wanted = if n == 20 { Placed { silence: 10 * 1024, skip: 0 } } else { UNCHANGED };
        assert_eq!(grid.place(rounded(n), 1024), wanted);
    }
    for n in 24..40 {
        let wanted = if n < 30 { Placed { silence: 0, skip: 1024 } } else { UNCHANGED };
        assert_eq!(grid.place(rounded(n), 1024), wanted, "{n}");
    }
}

#[test]
fn a_single_lost_frame_is_made_up_for_within_a_second() {
    let mut grid = grid(Cut::Frames);
    let silence: u32 = (0..10).chain(11..58).map(|n| grid.place(rounded(n), 1024).silence).sum();
    assert_eq!(silence, 1024);
}

#[test]
fn sound_that_never_comes_is_silence_close_behind_the_picture() {
    let mut grid = AudioGrid::new(Cut::Frames, false);
    let mut silence = 0;
    for ms in (0..10_000).step_by(40) {
        silence += i64::from(grid.video_at(ms * 90));
        assert!(ms * 48 - silence < BEHIND_MAX_SILENT + 2 * FRAME);
    }
    assert_eq!(i64::from(grid.finish(10_000 * 90)) + silence, 469 * 1024);
}

#[test]
fn sound_that_stops_becomes_silence_after_a_second_and_is_taken_up_again() {
    let mut grid = grid(Cut::Frames);
    for n in 0..47 {
        grid.video_at(rounded(n));
        grid.place(rounded(n), 1024);
    }
    assert_eq!(grid.video_at(90_000 * 2), 0);
    assert_eq!(grid.video_at(90_000 * 2 + 3600), 43 * 1024);
    assert_eq!(grid.place(90_000, 1024), Placed { silence: 0, skip: 1024 });
    // Sound that comes half a second behind the picture is waited for again.
    assert_eq!(grid.video_at(90_000 * 2 + 40_000), 0);
    assert_eq!(grid.place(rounded(95), 1024), Placed { silence: 5 * 1024, skip: 0 });
}

#[test]
fn sound_hours_ahead_of_the_picture_makes_no_hours_of_silence() {
    let mut grid = grid(Cut::Frames);
    assert_eq!(grid.place(90_000 * 7200, 1024), Placed { silence: 0, skip: 1024 });
    assert_eq!(grid.place(0, 1024), UNCHANGED);
}

proptest! {
    #[test]
    fn jitter_of_two_frames_neither_fills_nor_drops(jitter in prop::collection::vec(-30_i64..=30, 991)) {
        let mut grid = grid(Cut::Frames);
        prop_assert_eq!(grid.place(0, 1024), UNCHANGED);
        for n in 1..5000 {
            prop_assert_eq!(grid.video_at(rounded(n)), 0);
            prop_assert_eq!(grid.place(rounded(n) + 90 * (jitter[n as usize % 991] / 2), 1024), UNCHANGED);
        }
    }

    /// Picture and sound with clocks of their own, an hour long: what belongs together in the source
    /// stays within one AAC frame on the way out.
    #[test]
    fn picture_and_sound_stay_within_one_aac_frame_for_an_hour(
        index in 4..FrameRate::STANDARD.len(),
        video_ppm in -200_i64..=200,
        audio_ppm in -200_i64..=200,
        decoded in any::<bool>(),
        start_ms in 0_i64..40,
    ) {
        let rate = FrameRate::STANDARD[index];
        let (num, den) = (i64::from(rate.num), i64::from(rate.den));
        let mut picture = FrameGrid::new(rate);
        let mut sound = AudioGrid::new(if decoded { Cut::Samples } else { Cut::Frames }, true);
        let mut n = 0;
        for k in 0..3600 * 48_000 / 1024 {
            let sound_us = start_ms * 1000 + k * 1024 * (1_000_000 + audio_ppm) / 48_000;
            let before = sound.next as u64;
            let placed = sound.place((sound_us + 500) / 1000 * 90, 1024);
            // Of a dropped frame: what would follow it.
            let at = (before + u64::from(placed.silence)) as i64 - i64::from(placed.skip);
            let sound_late_us = at * 1_000_000 / 48_000 - sound_us;
            loop {
                let picture_us = n * den * (1_000_000 + video_ppm) / num;
                if picture_us > sound_us {
                    break;
                }
                let pts = (picture_us + 500) / 1000 * 90;
                prop_assert_eq!(sound.video_at(pts), 0);
                if let Placement::Show { index, .. } = picture.place(pts, sound.lag()).expect("no gap") {
                    let picture_late_us = index as i64 * den * 1_000_000 / num - picture_us;
                    let off_us = picture_late_us - sound_late_us;
                    prop_assert!(off_us.abs() <= 21_333 + 1_000, "frame {n} is {off_us} us off the sound");
                }
                n += 1;
            }
        }
    }
}
