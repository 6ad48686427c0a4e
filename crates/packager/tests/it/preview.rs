//! A presentation that is private first and then open to the public at the present.

use std::sync::Arc;
use std::time::Instant;

use insta::assert_snapshot;
use weir_media::FrameRate;
use weir_packager::{Config, Latency, Packager, Position, Snapshot};

use crate::files::Files;
use crate::observer::parse;
use crate::support::{Feed, SESSION, WALL_MS};

fn config() -> Config {
    Config::new(Latency::Low, 2000, 60).expect("in range")
}

fn preview() -> Packager {
    Packager::new(config(), SESSION, Position::default()).expect("a good session id").journaled().private()
}

fn small() -> Feed {
    let rate = FrameRate::new(30, 1);
    Feed::new(&["360p"], rate, rate, 60)
}

fn shown(packager: &mut Packager) -> Arc<Snapshot> {
    packager.take_snapshot(Instant::now()).expect("changed")
}

fn text(snapshot: &Snapshot) -> &str {
    std::str::from_utf8(&snapshot.rendition("360p").expect("there").playlist.plain).expect("UTF-8")
}

fn media(snapshot: &Snapshot) -> Vec<&str> {
    let mut names: Vec<_> = snapshot.rendition("360p").expect("there").media.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn the_public_begins_with_the_next_segment() {
    let mut packager = preview();
    let mut feed = small();
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 5000, |_| ()).expect("good frames");
    packager.open_to_public();
    packager.open_to_public();
    assert!(shown(&mut packager).private);
    feed.run(&mut packager, 5900, |_| ()).expect("good frames");
    let last = shown(&mut packager);
    assert!(last.private && text(&last).contains("a1b2c3d4e5-p10.m4s"));
    feed.run(&mut packager, 7000, |_| ()).expect("good frames");
    let first = shown(&mut packager);
    assert!(!first.private);
    assert_snapshot!(text(&first), @r#"
    #EXTM3U
    #EXT-X-VERSION:8
    #EXT-X-TARGETDURATION:2
    #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.537,HOLD-BACK=6,CAN-SKIP-UNTIL=12
    #EXT-X-PART-INF:PART-TARGET=0.512
    #EXT-X-MEDIA-SEQUENCE:3
    #EXT-X-DISCONTINUITY-SEQUENCE:0
    #EXT-X-MAP:URI="a1b2c3d4e5-init1.mp4"
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:11.678Z
    #EXT-X-PART:DURATION=0.500000,URI="a1b2c3d4e5-p12.m4s",INDEPENDENT=YES
    #EXT-X-PART:DURATION=0.500000,URI="a1b2c3d4e5-p13.m4s"
    #EXT-X-PRELOAD-HINT:TYPE=PART,URI="a1b2c3d4e5-p14.m4s"
    #EXT-X-RENDITION-REPORT:URI="../audio/index.m3u8",LAST-MSN=3,LAST-PART=1
    "#);
    assert_eq!(media(&first), ["a1b2c3d4e5-init1.mp4", "a1b2c3d4e5-p12.m4s", "a1b2c3d4e5-p13.m4s"]);
    assert_eq!(packager.counters().segments, 0);
    assert_eq!(packager.position().next_msn, 4);
    // It is public for good.
    packager.open_to_public();
    feed.run(&mut packager, 12_100, |_| ()).expect("good frames");
    let parsed = parse(&shown(&mut packager).renditions[0].playlist.plain);
    assert_eq!((parsed.msn, parsed.entries.len(), packager.counters().segments), (3, 3, 3));
}

#[test]
fn an_epoch_that_opens_to_the_public_follows_nothing() {
    let mut packager = preview();
    let mut feed = small();
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 5000, |_| ()).expect("good frames");
    packager.open_to_public();
    let mut feed = small();
    feed.start(&mut packager, WALL_MS + 9000);
    assert!(shown(&mut packager).private);
    feed.run(&mut packager, 4600, |_| ()).expect("good frames");
    packager.end_epoch();
    let mut feed = small();
    feed.start(&mut packager, WALL_MS + 15_000);
    feed.run(&mut packager, 2100, |_| ()).expect("good frames");
    let parsed = parse(&shown(&mut packager).renditions[0].playlist.plain);
    let joints: Vec<_> = parsed.entries.iter().map(|entry| entry.discontinuity).collect();
    // Three segments and one discontinuity were private.
    assert_eq!((parsed.msn, parsed.dseq, joints), (3, Some(1), vec![false, false, false, true]));
    assert!(parsed.entries.iter().all(|entry| !entry.map.is_empty()));
}

#[test]
fn a_gap_is_the_present_too() {
    let mut packager = preview();
    let mut feed = small();
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 4000, |_| ()).expect("good frames");
    packager.end_epoch();
    packager.open_to_public();
    packager.fill(WALL_MS + 4600);
    let open = shown(&mut packager);
    assert!(!open.private && media(&open).is_empty());
    packager.fill(WALL_MS + 6100);
    let parsed = parse(&shown(&mut packager).renditions[0].playlist.plain);
    assert_eq!((parsed.msn, parsed.dseq, parsed.entries.len()), (2, Some(0), 1));
    assert!(parsed.entries[0].gap && packager.counters().segments == 0);
}

#[test]
fn rates_are_those_of_what_the_public_gets() {
    let mut packager = preview();
    let mut feed = small();
    feed.sizes = (90_000, 90_000);
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 2100, |_| ()).expect("good frames");
    packager.open_to_public();
    feed.sizes = (1000, 1000);
    feed.run(&mut packager, 6100, |_| ()).expect("good frames");
    let snapshot = shown(&mut packager);
    let multivariant = std::str::from_utf8(&snapshot.multivariant.plain).expect("UTF-8");
    // 30 kB of video and 47 kB of audio a second, and boxes.
    assert!(multivariant.contains("BANDWIDTH=630000,AVERAGE-BANDWIDTH=630000"), "{multivariant}");
}

/// A segment that is published whole has frames long before anybody sees it.
#[test]
fn a_segment_with_a_frame_from_before_is_not_for_the_public() {
    let config = Config::new(Latency::Standard, 2000, 60).expect("in range");
    let mut packager = Packager::new(config, SESSION, Position::default()).expect("a good session id").private();
    let mut feed = small();
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 2100, |_| ()).expect("good frames");
    packager.open_to_public();
    feed.run(&mut packager, 4100, |_| ()).expect("good frames");
    assert!(shown(&mut packager).private);
    feed.run(&mut packager, 6100, |_| ()).expect("good frames");
    let public = shown(&mut packager);
    assert_eq!((public.private, media(&public)), (false, vec!["a1b2c3d4e5-2.m4s", "a1b2c3d4e5-init1.mp4"]));
}

#[test]
fn what_ends_in_private_stays_private() {
    let mut packager = preview();
    let mut feed = small();
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 5000, |_| ()).expect("good frames");
    packager.open_to_public();
    packager.end();
    let ended = shown(&mut packager);
    assert!(ended.private && ended.ended);
    packager.open_to_public();
    assert!(packager.take_snapshot(Instant::now()).is_none());
}

#[test]
fn one_that_was_told_to_open_and_was_killed_still_opens() {
    let (mut packager, mut files) = (preview(), Files::default());
    let mut feed = small();
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 5000, |packager| files.write(packager)).expect("good frames");
    assert!(files.clone().resume(config(), "f00dfeed", Position::default()).is_ok_and(|mut packager| {
        packager.fill(WALL_MS + 9000);
        shown(&mut packager).private
    }));
    packager.open_to_public();
    files.write(&mut packager);
    let mut after = files.resume(config(), "f00dfeed", packager.position()).expect("what was recorded");
    assert!(shown(&mut after).private);
    after.fill(WALL_MS + 9000);
    files.write(&mut after);
    let public = shown(&mut after);
    assert!(!public.private && !text(&public).contains(SESSION));
    // And stays open.
    let mut again = files.resume(config(), "f00dfee2", after.position()).expect("what was recorded");
    assert!(!shown(&mut again).private);
    assert!(files.by_msn.keys().all(|msn| *msn >= 3));
}
