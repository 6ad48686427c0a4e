use bytes::Bytes;
use proptest::prelude::*;
use weir_media::SpsInfo;

use super::*;
use crate::plan::{DeclaredInput, default_rungs, plan};

const AVCC: &[u8] = include_bytes!("../../../media/tests/data/avcc-640x360-29.97.bin");
const FRAME: i64 = 3000;

fn video(width: u32, height: u32) -> VideoParams {
    let mut video = VideoParams::from_avcc(Bytes::from_static(AVCC)).expect("valid");
    video.sps = SpsInfo { width, height, ..video.sps };
    video
}

fn watch_for(video: &VideoParams) -> Result<CopyWatch, Unfit> {
    let plan = plan(DeclaredInput::P1080, &default_rungs(), &video.sps, FrameRate::new(30, 1), 2000);
    CopyWatch::new(&plan, video, 15)
}

fn watch() -> CopyWatch {
    watch_for(&video(1920, 1080)).expect("fit so far")
}

/// Frame `n`, shown `after` frames later than it is decoded; times are rounded to milliseconds as RTMP rounds them.
fn frame(n: i64, after: i64, keyframe: bool, bytes: usize) -> Frame {
    let rounded = |frames: i64| (frames * 1000 + 15) / 30 * 90;
    let (dts, pts) = (rounded(n), rounded(n + after));
    Frame { kind: TrackKind::Video, dts, pts, keyframe, data: Bytes::from(vec![0x41; bytes]) }
}

/// Feeds frames with a keyframe every `every`, each of `bytes`; answers where it was found unfit, and why.
fn feed(watch: &mut CopyWatch, from: i64, frames: i64, every: i64, bytes: usize) -> Option<(i64, Unfit)> {
    (from..from + frames).find_map(|n| Some((n, watch.frame(&frame(n, 0, n % every == 0, bytes)).err()?)))
}

#[test]
fn a_source_with_steady_keyframes_is_fit_from_its_second_one_on() {
    let mut watch = watch();
    assert_eq!(feed(&mut watch, 0, 60, 60, 20_000), None);
    assert_eq!(watch.frames_per_keyframe(), None);
    assert_eq!(feed(&mut watch, 60, 100_000, 60, 20_000), None);
    assert_eq!(watch.frames_per_keyframe(), Some(60));
}

#[test]
fn the_picture_must_be_the_rungs() {
    let sentence = |video: &VideoParams| watch_for(video).expect_err("unfit").to_string();
    assert_eq!(sentence(&video(1920, 1088)), "its picture is 1920x1088 at 30.000, the rung's is 1920x1080 at 30.000");
    let mut odd = video(1920, 1080);
    (odd.sps.interlaced, odd.sps.bit_depth) = (true, 10);
    assert!(sentence(&odd).contains("1920x1080 at 30.000, interlaced, not 8 bits deep"));
}

#[test]
fn keyframes_must_make_up_segments_and_begin_parts() {
    let found = |every| feed(&mut watch(), 0, 130, every, 1000).map(|(at, unfit)| (at, unfit.to_string()));
    let wanted = "15 or 30 or 60 would do";
    assert_eq!(found(30), None);
    assert_eq!(found(20), Some((20, format!("its keyframes come every 20 frames; {wanted}"))));
    assert_eq!(found(40), Some((40, format!("its keyframes come every 40 frames; {wanted}"))));
    assert_eq!(found(250), Some((60, format!("its keyframes come every 61 frames or more; {wanted}"))));
}

#[test]
fn a_keyframe_out_of_turn_ends_it_before_anything_is_lost() {
    let mut watch = watch();
    assert_eq!(feed(&mut watch, 0, 130, 60, 1000), None);
    assert_eq!(watch.frame(&frame(130, 0, true, 1000)), Err(Unfit::Unsteady { wanted: 60, found: 10 }));
}

#[test]
fn a_keyframe_that_does_not_come_ends_it() {
    let mut watch = watch();
    assert_eq!(feed(&mut watch, 0, 120, 60, 1000), None);
    assert_eq!(watch.frame(&frame(120, 0, true, 1000)), Ok(()));
    assert_eq!(feed(&mut watch, 121, 100, 1000, 1000), Some((180, Unfit::Unsteady { wanted: 60, found: 61 })));
}

#[test]
fn more_than_the_rungs_bit_rate_ends_it_at_a_keyframe() {
    // 5000 kbps are 20833 bytes a frame; with a tenth more it may go on for ever.
    assert_eq!(feed(&mut watch(), 0, 10_000, 60, 22_900), None);
    assert_eq!(feed(&mut watch(), 0, 10_000, 60, 24_000), Some((900, Unfit::Rate { kbps: 5000 })));
    assert_eq!(feed(&mut watch(), 0, 10_000, 60, 60_000), Some((60, Unfit::Rate { kbps: 5000 })));
}

#[test]
fn a_lost_frame_ends_it() {
    let mut watch = watch();
    assert_eq!(feed(&mut watch, 0, 70, 60, 1000), None);
    let unfit = watch.frame(&frame(71, 0, false, 1000));
    assert_eq!(unfit, Err(Unfit::Cadence { rate: "30.000".to_owned() }));
}

#[test]
fn b_frames_are_well_and_open_groups_are_not() {
    // Decoded I P B B P B B ..., the first shown two frames late: I0 P3 B1 B2 P6 B4 B5, a P at the end of the group.
    let closed = |n: i64| match n % 60 {
        0 => 2,
        58 | 59 => 2,
        m if m % 3 == 1 => 4,
        _ => 1,
    };
    let mut fit = watch();
    let bad = (0..600).find_map(|n| Some((n, fit.frame(&frame(n, closed(n), n % 60 == 0, 1000)).err()?)));
    assert_eq!(bad, None);
    // Two pictures that follow the second keyframe are shown before it.
    let open = |n: i64| if n == 61 { -1 } else { 2 };
    let mut unfit = watch();
    let bad = (0..70).find_map(|n| Some((n, unfit.frame(&frame(n, open(n), n % 60 == 0, 1000)).err()?)));
    assert_eq!(bad, Some((61, Unfit::Open)));
}

#[test]
fn parameter_sets_among_the_frames_are_found() {
    let mut keyframe = frame(0, 0, true, 0);
    keyframe.data = Bytes::from_static(&[0, 0, 0, 2, 0x67, 0, 0, 0, 0, 1, 0x65]);
    assert_eq!(watch().frame(&keyframe), Err(Unfit::ParameterSets));
}

proptest! {
    #[test]
    fn no_frames_upset_it(frames in prop::collection::vec((any::<i64>(), any::<i64>(), any::<bool>(), 0_usize..100), 1..300)) {
        let mut watch = watch();
        for (dts, pts, keyframe, bytes) in frames {
            // As far as a timeline lets them come.
            let (dts, pts) = (dts >> 20, pts >> 20);
            let data = Bytes::from(vec![0; bytes]);
            if watch.frame(&Frame { kind: TrackKind::Video, dts, pts, keyframe, data }).is_err() {
                break;
            }
            prop_assert!(watch.shown.len() <= 60);
        }
    }

    #[test]
    fn what_is_fit_is_shown_whole(b_frames in 0_i64..3, groups in 1_i64..6, jitter in prop::collection::vec(-30_i64..=30, 61)) {
        let mut watch = watch();
        for n in 0..groups * 60 + 1 {
            let mut next = frame(n, b_frames, n % 60 == 0, 100);
            let noise = if n == 0 { 0 } else { jitter[n as usize % 61] * FRAME / 100 };
            (next.dts, next.pts) = (next.dts + noise, next.pts + noise);
            prop_assert_eq!(watch.frame(&next), Ok(()));
        }
        prop_assert_eq!(watch.frames_per_keyframe(), Some(60));
    }
}
