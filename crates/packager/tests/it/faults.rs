use std::time::Instant;

use bytes::Bytes;
use weir_media::{Frame, FrameRate, TrackKind};
use weir_packager::{EpochError, FormatError, PushError, RenditionSpec};

use crate::observer::parse;
use crate::support::{Feed, WALL_MS, audio, packager, video};

fn frame(kind: TrackKind, dts: i64, pts: i64, keyframe: bool) -> Frame {
    Frame { kind, dts, pts, keyframe, data: Bytes::from_static(&[0; 8]) }
}

#[test]
fn a_boundary_without_a_keyframe_ends_the_epoch() {
    let mut packager = packager(2000, 60);
    let mut feed = Feed::plain();
    feed.late = Some((1, 3));
    feed.start(&mut packager, WALL_MS);
    let error = feed.run(&mut packager, 6500, |_| ()).expect_err("three frames late");
    assert_eq!(error, PushError::KeyframeMissing { rendition: "1080p".into(), due: 60 });
    packager.end_epoch();
    assert_eq!(packager.counters().segments, 1);
}

#[test]
fn an_epoch_begins_with_a_keyframe() {
    let mut packager = packager(2000, 60);
    Feed::plain().start(&mut packager, WALL_MS);
    let error = packager.push(0, frame(TrackKind::Video, 0, 0, false)).expect_err("no keyframe");
    assert_eq!(error, PushError::KeyframeMissing { rendition: "1080p".into(), due: 0 });
}

#[test]
fn a_frame_off_the_constant_rate_is_refused() {
    let mut packager = packager(2000, 60);
    Feed::plain().start(&mut packager, WALL_MS);
    packager.push(0, frame(TrackKind::Video, 0, 0, true)).expect("the first");
    let error = packager.push(0, frame(TrackKind::Video, 999, 999, false)).expect_err("off");
    assert_eq!(error, PushError::OffGrid { rendition: "1080p".into(), wanted: 1000, found: 999 });
    let error = packager.push(0, frame(TrackKind::Video, 1000, i64::MAX, false)).expect_err("far");
    assert!(matches!(error, PushError::Composition { .. }));
}

#[test]
fn a_rendition_that_stands_still_is_named_and_memory_stays_bounded() {
    let mut packager = packager(2000, 60);
    let mut feed = Feed::plain();
    feed.start(&mut packager, WALL_MS);
    for index in [0, 1, 3] {
        feed.push_until(&mut packager, index, 9000).expect("four ahead");
    }
    let error = feed.push_until(&mut packager, 0, 60_000).expect_err("360p never came");
    assert_eq!(error, PushError::Lagging { rendition: "360p".into(), parts: 4 });
    assert!(packager.take_snapshot(Instant::now()).is_none());
    packager.end_epoch();
    assert_eq!(packager.counters().parts_dropped, 5 + 5 + 5);
}

#[test]
fn a_segment_of_no_real_size_is_refused() {
    let mut packager = packager(2000, 60);
    let feed = Feed::plain();
    feed.start(&mut packager, WALL_MS);
    let data = Bytes::from(vec![0; 100 << 20]);
    let mut push =
        |n: i64| packager.push(0, Frame { data: data.clone(), ..frame(TrackKind::Video, n * 1000, n * 1000, true) });
    assert_eq!((push(0), push(1)), (Ok(()), Ok(())));
    let (found, max) = (300 << 20, 256 << 20);
    assert_eq!(push(2), Err(PushError::TooLarge { rendition: "1080p".into(), found, max }));
}

#[test]
fn frames_out_of_place_are_refused() {
    let mut packager = packager(2000, 60);
    let key = || frame(TrackKind::Video, 0, 0, true);
    assert_eq!(packager.push(0, key()), Err(PushError::NoEpoch));
    let feed = Feed::plain();
    packager.start_epoch(feed.epoch(WALL_MS)).expect("a good epoch");
    assert_eq!(packager.push(0, key()), Err(PushError::NoFormat { rendition: "1080p".into() }));
    assert_eq!(packager.push(4, key()), Err(PushError::UnknownRendition { index: 4, count: 4 }));
    feed.start(&mut packager, WALL_MS);
    let (wanted, found) = (TrackKind::Audio, TrackKind::Video);
    assert_eq!(packager.push(3, key()), Err(PushError::Kind { rendition: "audio".into(), wanted, found }));
}

#[test]
fn formats_that_do_not_fit_are_refused() {
    let mut packager = packager(2000, 60);
    let rate = FrameRate::new(25, 1);
    let feed = Feed::new(&["720p"], rate, rate, 51);
    assert_eq!(packager.set_format(0, audio()), Err(FormatError::NoEpoch));
    packager.start_epoch(feed.epoch(WALL_MS)).expect("a good epoch");
    assert!(matches!(packager.set_format(0, audio()), Err(FormatError::Kind { .. })));
    assert!(matches!(packager.set_format(0, video("720p", rate.halved())), Err(FormatError::Rate { .. })));
    let absurd = FrameRate { num: u32::MAX, den: u32::MAX };
    assert!(matches!(packager.set_format(0, video("720p", absurd)), Err(FormatError::Rate { .. })));
    assert_eq!(packager.set_format(0, video("720p", rate)), Ok(()));
    packager.push(0, frame(TrackKind::Video, 0, 0, true)).expect("the first");
    assert_eq!(packager.set_format(0, video("720p", rate)), Ok(()));
    assert!(matches!(packager.set_format(0, video("360p", rate)), Err(FormatError::Changed { .. })));

    let long = Feed::new(&["720p"], rate, rate, 63);
    packager.start_epoch(long.epoch(WALL_MS)).expect("a good epoch");
    let (found_ms, target_s) = (2520, 2);
    let error = FormatError::TooLong { rendition: "720p".into(), found_ms, target_s };
    assert_eq!(packager.set_format(0, video("720p", rate)), Err(error));
}

#[test]
fn epochs_that_cannot_be_are_refused() {
    let mut packager = packager(2000, 60);
    let spec = |name: &str, kind| RenditionSpec { name: name.into(), kind };
    let mut start = |renditions: Vec<RenditionSpec>| {
        let mut epoch = Feed::plain().epoch(WALL_MS);
        epoch.renditions = renditions;
        packager.start_epoch(epoch)
    };
    let (v, a) = (TrackKind::Video, TrackKind::Audio);
    assert_eq!(start(vec![spec("720p", v)]), Err(EpochError::Renditions { video: 1, audio: 0 }));
    assert_eq!(start(vec![spec("a", a), spec("720p", v)]), Err(EpochError::Renditions { video: 1, audio: 1 }));
    assert_eq!(start(vec![spec("..", v), spec("a", a)]), Err(EpochError::Name("..".into())));
    assert_eq!(start(vec![spec("a", v), spec("a", a)]), Err(EpochError::Name("a".into())));
    let mut feed = Feed::plain();
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 2500, |_| ()).expect("good frames");
    let mut start = |renditions: Vec<RenditionSpec>| {
        let mut epoch = Feed::plain().epoch(WALL_MS);
        epoch.renditions = renditions;
        packager.start_epoch(epoch)
    };
    let changed = |name: &str, wanted: &str| Err(EpochError::Changed { name: name.into(), wanted: wanted.into() });
    assert_eq!(start(vec![spec("720p", v), spec("sound", a)]), changed("sound", "audio"));
    assert_eq!(start(vec![spec("audio", v), spec("sound", a)]), changed("audio", "audio"));
    assert_eq!(start(vec![spec("1080p", v), spec("720p", a)]), changed("720p", "video"));
}

#[test]
fn an_epoch_that_publishes_nothing_leaves_no_trace() {
    let mut packager = packager(2000, 60);
    let mut feed = Feed::plain();
    feed.start(&mut packager, WALL_MS);
    feed.push_until(&mut packager, 0, 1000).expect("good frames");
    packager.end_epoch();
    assert_eq!(packager.position(), Default::default());
    assert!(packager.take_snapshot(Instant::now()).is_none());
    packager.end();
    assert!(packager.take_snapshot(Instant::now()).is_none());
    assert_eq!(packager.start_epoch(feed.epoch(WALL_MS)), Err(EpochError::Ended));
}

#[test]
fn a_segment_does_not_wait_for_the_next_frame() {
    let mut packager = packager(2000, 60);
    let rate = FrameRate::new(30, 1);
    let mut feed = Feed::new(&["360p"], rate, rate, 60);
    feed.start(&mut packager, WALL_MS);
    feed.push_until(&mut packager, 0, 2000).expect("good frames");
    for _ in 0..93 {
        let frame = feed.next(1);
        packager.push(1, frame).expect("good frames");
    }
    assert!(packager.take_snapshot(Instant::now()).is_none());
    let last = feed.next(1);
    packager.push(1, last).expect("good frames");
    assert!(packager.take_snapshot(Instant::now()).is_some());
}

#[test]
fn renditions_that_end_apart_are_made_to_end_together() {
    let mut packager = packager(2000, 60);
    let mut feed = Feed::plain();
    feed.start(&mut packager, WALL_MS);
    for (index, end_ms) in [(0, 3500), (1, 5300), (2, 3400), (3, 3000)] {
        feed.push_until(&mut packager, index, end_ms).expect("good frames");
    }
    packager.end_epoch();
    let snapshot = packager.take_snapshot(Instant::now()).expect("changed");
    let lengths: Vec<_> = snapshot.renditions.iter().map(|r| parse(&r.playlist.plain).entries[1].duration_us).collect();
    // Audio has 141 frames, to 3.008 s; of video the frame that begins before that stays.
    assert_eq!(lengths, [1_033_333, 1_033_333, 1_033_333, 1_002_667]);
    assert_eq!(packager.counters().frames_trimmed, 14 + 29 + 11);
    assert_eq!(packager.counters().parts_dropped, 1);
    assert_eq!(packager.position().next_base_ms, 3034);
}
