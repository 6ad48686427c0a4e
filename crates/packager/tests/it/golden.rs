use std::time::Instant;

use insta::assert_snapshot;
use weir_media::FrameRate;
use weir_packager::{Packager, Snapshot};

use crate::support::{Feed, WALL_MS, packager};

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn playlist<'a>(snapshot: &'a Snapshot, rendition: &str) -> &'a str {
    text(&snapshot.rendition(rendition).expect("there").playlist.plain)
}

fn run(packager: &mut Packager, mut feed: Feed, wall_ms: i64, length_ms: u64) {
    feed.start(packager, wall_ms);
    feed.run(packager, length_ms, |_| ()).expect("good frames");
}

#[test]
fn a_multivariant_playlist_lists_the_ladder() {
    let mut packager = packager(2000, 60);
    let rate = FrameRate::new(60_000, 1001);
    let mut feed = Feed::new(&["1080p", "720p", "360p"], rate, rate.halved(), 120);
    feed.sizes = (60_000, 5_000);
    run(&mut packager, feed, WALL_MS, 4500);
    let snapshot = packager.take_snapshot(Instant::now()).expect("changed");
    assert_snapshot!(text(&snapshot.multivariant.plain), @r#"
    #EXTM3U
    #EXT-X-VERSION:6
    #EXT-X-INDEPENDENT-SEGMENTS
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Main",LANGUAGE="und",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="audio/index.m3u8"
    #EXT-X-STREAM-INF:BANDWIDTH=4500000,AVERAGE-BANDWIDTH=4500000,CODECS="avc1.640028,mp4a.40.2",RESOLUTION=1920x1080,FRAME-RATE=59.940,AUDIO="audio",CLOSED-CAPTIONS=NONE
    1080p/index.m3u8
    #EXT-X-STREAM-INF:BANDWIDTH=4500000,AVERAGE-BANDWIDTH=4500000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=59.940,AUDIO="audio",CLOSED-CAPTIONS=NONE
    720p/index.m3u8
    #EXT-X-STREAM-INF:BANDWIDTH=3300000,AVERAGE-BANDWIDTH=3300000,CODECS="avc1.4d401e,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=29.970,AUDIO="audio",CLOSED-CAPTIONS=NONE
    360p/index.m3u8
    #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=250000,AVERAGE-BANDWIDTH=250000,CODECS="avc1.640028",RESOLUTION=1920x1080,URI="1080p/iframes.m3u8"
    #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=250000,AVERAGE-BANDWIDTH=250000,CODECS="avc1.64001f",RESOLUTION=1280x720,URI="720p/iframes.m3u8"
    #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=250000,AVERAGE-BANDWIDTH=250000,CODECS="avc1.4d401e",RESOLUTION=640x360,URI="360p/iframes.m3u8"
    "#);
}

#[test]
fn a_live_playlist_of_video() {
    let mut packager = packager(2000, 60);
    let rate = FrameRate::new(30_000, 1001);
    run(&mut packager, Feed::new(&["360p"], rate, rate, 60), WALL_MS, 6500);
    assert_snapshot!(playlist(&packager.take_snapshot(Instant::now()).expect("changed"), "360p"), @r#"
    #EXTM3U
    #EXT-X-VERSION:8
    #EXT-X-TARGETDURATION:2
    #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=6,CAN-SKIP-UNTIL=12
    #EXT-X-MEDIA-SEQUENCE:0
    #EXT-X-DISCONTINUITY-SEQUENCE:0
    #EXT-X-MAP:URI="a1b2c3d4e5-init1.mp4"
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678Z
    #EXTINF:2.002000,
    a1b2c3d4e5-0.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:07.680Z
    #EXTINF:2.002000,
    a1b2c3d4e5-1.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:09.682Z
    #EXTINF:2.002000,
    a1b2c3d4e5-2.m4s
    #EXT-X-RENDITION-REPORT:URI="../audio/index.m3u8",LAST-MSN=2
    "#);
}

#[test]
fn a_live_playlist_of_audio() {
    let mut packager = packager(2000, 60);
    run(&mut packager, Feed::plain(), WALL_MS, 6500);
    assert_snapshot!(playlist(&packager.take_snapshot(Instant::now()).expect("changed"), "audio"), @r#"
    #EXTM3U
    #EXT-X-VERSION:8
    #EXT-X-TARGETDURATION:2
    #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=6,CAN-SKIP-UNTIL=12
    #EXT-X-MEDIA-SEQUENCE:0
    #EXT-X-DISCONTINUITY-SEQUENCE:0
    #EXT-X-MAP:URI="a1b2c3d4e5-init1.mp4"
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678Z
    #EXTINF:2.005333,
    a1b2c3d4e5-0.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:07.683Z
    #EXTINF:2.005333,
    a1b2c3d4e5-1.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:09.688Z
    #EXTINF:1.984000,
    a1b2c3d4e5-2.m4s
    #EXT-X-RENDITION-REPORT:URI="../1080p/index.m3u8",LAST-MSN=2
    #EXT-X-RENDITION-REPORT:URI="../720p/index.m3u8",LAST-MSN=2
    #EXT-X-RENDITION-REPORT:URI="../360p/index.m3u8",LAST-MSN=2
    "#);
}

#[test]
fn an_encoder_that_comes_back_smaller_leaves_every_playlist_going() {
    let mut packager = packager(2000, 60);
    let rate = FrameRate::new(30, 1);
    run(&mut packager, Feed::plain(), WALL_MS, 4500);
    packager.end_epoch();
    run(&mut packager, Feed::new(&["720p", "360p"], rate, rate, 60), WALL_MS + 20_000, 2500);
    packager.end();
    let snapshot = packager.take_snapshot(Instant::now()).expect("changed");
    assert_snapshot!(playlist(&snapshot, "1080p"), @r#"
    #EXTM3U
    #EXT-X-VERSION:8
    #EXT-X-TARGETDURATION:2
    #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=6,CAN-SKIP-UNTIL=12
    #EXT-X-MEDIA-SEQUENCE:0
    #EXT-X-DISCONTINUITY-SEQUENCE:0
    #EXT-X-MAP:URI="a1b2c3d4e5-init1.mp4"
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678Z
    #EXTINF:2.000000,
    a1b2c3d4e5-0.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:07.678Z
    #EXTINF:2.000000,
    a1b2c3d4e5-1.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:09.678Z
    #EXTINF:0.500000,
    a1b2c3d4e5-2.m4s
    #EXT-X-DISCONTINUITY
    #EXT-X-MAP:URI="../720p/a1b2c3d4e5-init1.mp4"
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:25.678Z
    #EXTINF:2.000000,
    ../720p/a1b2c3d4e5-3.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:27.678Z
    #EXTINF:0.500000,
    ../720p/a1b2c3d4e5-4.m4s
    #EXT-X-ENDLIST
    "#);
    assert_snapshot!(playlist(&snapshot, "720p"), @r#"
    #EXTM3U
    #EXT-X-VERSION:8
    #EXT-X-TARGETDURATION:2
    #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=6,CAN-SKIP-UNTIL=12
    #EXT-X-MEDIA-SEQUENCE:0
    #EXT-X-DISCONTINUITY-SEQUENCE:0
    #EXT-X-MAP:URI="a1b2c3d4e5-init1.mp4"
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678Z
    #EXTINF:2.000000,
    a1b2c3d4e5-0.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:07.678Z
    #EXTINF:2.000000,
    a1b2c3d4e5-1.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:09.678Z
    #EXTINF:0.500000,
    a1b2c3d4e5-2.m4s
    #EXT-X-DISCONTINUITY
    #EXT-X-MAP:URI="a1b2c3d4e5-init1.mp4"
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:25.678Z
    #EXTINF:2.000000,
    a1b2c3d4e5-3.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:27.678Z
    #EXTINF:0.500000,
    a1b2c3d4e5-4.m4s
    #EXT-X-ENDLIST
    "#);
    assert!(!text(&snapshot.multivariant.plain).contains("1080p"));
}

#[test]
fn a_rendition_that_appears_later_has_a_past() {
    let mut packager = packager(2000, 60);
    let rate = FrameRate::new(30, 1);
    run(&mut packager, Feed::new(&["720p", "360p"], rate, rate, 60), WALL_MS, 2500);
    packager.end_epoch();
    // Without a word until it has a segment of its own.
    Feed::plain().start(&mut packager, WALL_MS + 20_000);
    assert!(packager.take_snapshot(Instant::now()).expect("changed").rendition("1080p").is_none());
    run(&mut packager, Feed::plain(), WALL_MS + 20_000, 2500);
    let snapshot = packager.take_snapshot(Instant::now()).expect("changed");
    let names: Vec<_> = snapshot.renditions.iter().map(|rendition| rendition.name.as_str()).collect();
    assert_eq!(names, ["1080p", "720p", "360p", "audio"]);
    assert_snapshot!(playlist(&snapshot, "1080p"), @r#"
    #EXTM3U
    #EXT-X-VERSION:8
    #EXT-X-TARGETDURATION:2
    #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=6,CAN-SKIP-UNTIL=12
    #EXT-X-MEDIA-SEQUENCE:0
    #EXT-X-DISCONTINUITY-SEQUENCE:0
    #EXT-X-MAP:URI="../720p/a1b2c3d4e5-init1.mp4"
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678Z
    #EXTINF:2.000000,
    ../720p/a1b2c3d4e5-0.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:07.678Z
    #EXTINF:0.500000,
    ../720p/a1b2c3d4e5-1.m4s
    #EXT-X-DISCONTINUITY
    #EXT-X-MAP:URI="a1b2c3d4e5-init1.mp4"
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:25.678Z
    #EXTINF:2.000000,
    a1b2c3d4e5-2.m4s
    #EXT-X-RENDITION-REPORT:URI="../720p/index.m3u8",LAST-MSN=2
    #EXT-X-RENDITION-REPORT:URI="../360p/index.m3u8",LAST-MSN=2
    #EXT-X-RENDITION-REPORT:URI="../audio/index.m3u8",LAST-MSN=2
    "#);
}

#[test]
fn a_long_run_drops_its_head_and_its_joint() {
    let mut packager = packager(2000, 8);
    run(&mut packager, Feed::plain(), WALL_MS, 4500);
    packager.end_epoch();
    run(&mut packager, Feed::plain(), WALL_MS + 20_000, 20_500);
    assert_snapshot!(playlist(&packager.take_snapshot(Instant::now()).expect("changed"), "360p"), @r#"
    #EXTM3U
    #EXT-X-VERSION:8
    #EXT-X-TARGETDURATION:2
    #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=6,CAN-SKIP-UNTIL=12
    #EXT-X-MEDIA-SEQUENCE:7
    #EXT-X-DISCONTINUITY-SEQUENCE:1
    #EXT-X-MAP:URI="a1b2c3d4e5-init1.mp4"
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:33.678Z
    #EXTINF:2.000000,
    a1b2c3d4e5-7.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:35.678Z
    #EXTINF:2.000000,
    a1b2c3d4e5-8.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:37.678Z
    #EXTINF:2.000000,
    a1b2c3d4e5-9.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:39.678Z
    #EXTINF:2.000000,
    a1b2c3d4e5-10.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:41.678Z
    #EXTINF:2.000000,
    a1b2c3d4e5-11.m4s
    #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:43.678Z
    #EXTINF:2.000000,
    a1b2c3d4e5-12.m4s
    #EXT-X-RENDITION-REPORT:URI="../1080p/index.m3u8",LAST-MSN=12
    #EXT-X-RENDITION-REPORT:URI="../720p/index.m3u8",LAST-MSN=12
    #EXT-X-RENDITION-REPORT:URI="../audio/index.m3u8",LAST-MSN=12
    "#);
}
