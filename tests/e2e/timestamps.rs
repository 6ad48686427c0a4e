//! Clocks of encoders that do what clocks should not.

use std::time::Duration;

use anyhow::Result;
use weir_testkit::flv::{Tag, read};
use weir_testkit::rtmp::Rtmp;
use weir_testkit::{Config, Daemon, Download, Probe, Source, check_change, decode, push_clip};
use weir_tests::{ENDED_WITHIN, PLAYABLE_WITHIN, Rendition, check_ladder, check_parity};

const SECONDS: u32 = 6;
const FRAMES: usize = SECONDS as usize * 30;
/// Where the second half begins: at a keyframe, for there is one every second.
const HALF_MS: u32 = SECONDS * 500;

async fn start() -> Result<Daemon> {
    Daemon::start(Config { reconnect_window_s: 5, ..Config::default() }).await
}

async fn tags(daemon: &Daemon, seconds: u32) -> Result<Vec<Tag>> {
    let clip = daemon.folder().join("clip.flv");
    Source { seconds: Some(seconds), ..Source::default() }.write_clip(&clip).await?;
    read(&clip)
}

/// Sends a clip in real time with every timestamp changed by `stamp`, leaves, and gives all that came out.
async fn push_stamped(daemon: &Daemon, stamp: impl Fn(u32) -> u32) -> Result<Vec<Download>> {
    let tags = tags(daemon, SECONDS).await?;
    let mut client = Rtmp::publisher(daemon.rtmp(), daemon.key()).await?;
    client.send_paced(&tags, stamp).await?;
    drop(client);
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await?;
    hls.download_ended(ENDED_WITHIN).await
}

fn wanted(frames: usize) -> [Rendition; 2] {
    let rendition = |name, size| Rendition { name, size, rate: "30/1", frames };
    [rendition("360p", (640, 360)), rendition("180p", (320, 180))]
}

/// Two epochs, nearly all frames in them, every file clean.
async fn check_jump(stamp: impl Fn(u32) -> u32) -> Result<()> {
    let daemon = start().await?;
    let downloads = push_stamped(&daemon, stamp).await?;
    check_parity(&downloads)?;
    for download in &downloads {
        assert_eq!(download.playlist.discontinuities, 1, "{}", download.path);
        let audio = download.path.ends_with("/audio/index.m3u8");
        let mut frames = 0;
        for file in download.write_epochs(daemon.folder())? {
            decode(&file).await?;
            if !audio {
                frames += Probe::video(&file).await?.frames();
            }
        }
        // One at either end of each epoch, at most.
        assert!(audio || frames.abs_diff(FRAMES) <= 2, "{}: {frames} frames", download.path);
    }
    daemon.stop().await.map(drop)
}

#[tokio::test]
async fn a_jump_back_begins_an_epoch_and_loses_nothing() {
    check_jump(|ms| if ms < HALF_MS { ms + 60_000 } else { ms - HALF_MS }).await.unwrap();
}

#[tokio::test]
async fn a_jump_far_ahead_begins_an_epoch_and_loses_nothing() {
    check_jump(|ms| if ms < HALF_MS { ms } else { ms + 3_600_000 }).await.unwrap();
}

/// One epoch with every frame, although the counter passed its end in the middle.
async fn check_wrap(stamp: impl Fn(u32) -> u32) -> Result<()> {
    let daemon = start().await?;
    let downloads = push_stamped(&daemon, stamp).await?;
    check_ladder(&downloads, &wanted(FRAMES), daemon.folder()).await?;
    daemon.stop().await.map(drop)
}

#[tokio::test]
async fn a_counter_of_32_bits_may_wrap() {
    check_wrap(|ms| ms.wrapping_sub(HALF_MS)).await.unwrap();
}

#[tokio::test]
async fn a_counter_of_31_bits_may_wrap() {
    check_wrap(|ms| ms.wrapping_sub(HALF_MS) & 0x7fff_ffff).await.unwrap();
}

#[tokio::test]
async fn a_counter_may_pass_24_bits() {
    check_wrap(|ms| ms + 0xff_ffff - HALF_MS).await.unwrap();
}

#[tokio::test]
async fn a_source_with_b_frames_comes_out_whole() {
    let daemon = start().await.unwrap();
    let clip = daemon.folder().join("clip.flv");
    let source = Source { bframes: 2, gop: 60, seconds: Some(SECONDS), ..Source::default() };
    source.write_clip(&clip).await.unwrap();
    let mut encoder = push_clip(&clip, &[], &daemon.publish_url()).unwrap();
    encoder.succeed(Duration::from_secs(40)).await.unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let downloads = hls.download_ended(ENDED_WITHIN).await.unwrap();
    check_ladder(&downloads, &wanted(FRAMES), daemon.folder()).await.unwrap();
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn metadata_may_be_absent_or_lie() {
    for lie in [None, Some(lying_metadata())] {
        let daemon = start().await.unwrap();
        let mut tags = tags(&daemon, 4).await.unwrap();
        tags.retain(|tag| tag.kind != 18);
        if let Some(body) = lie {
            tags.insert(0, Tag { kind: 18, timestamp: 0, body: body.into() });
        }
        let mut client = Rtmp::publisher(daemon.rtmp(), daemon.key()).await.unwrap();
        client.send_paced(&tags, |ms| ms).await.unwrap();
        drop(client);
        let hls = daemon.hls();
        hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
        let downloads = hls.download_ended(ENDED_WITHIN).await.unwrap();
        check_ladder(&downloads, &wanted(120), daemon.folder()).await.unwrap();
        daemon.stop().await.unwrap();
    }
}

/// `@setDataFrame`, `onMetaData` and an array that says 4K at 60 frames per second.
fn lying_metadata() -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let mut body = [&[2][..], &text("@setDataFrame"), &[2], &text("onMetaData"), &[8, 0, 0, 0, 3]].concat();
    for (name, value) in [("width", 3840.0_f64), ("height", 2160.0), ("framerate", 60.0)] {
        body.extend_from_slice(&text(name));
        body.push(0);
        body.extend_from_slice(&value.to_be_bytes());
    }
    body.extend_from_slice(&[0, 0, 9]);
    body
}

#[tokio::test]
async fn a_picture_that_changes_its_size_in_mid_stream_goes_on() {
    let daemon = start().await.unwrap();
    let first = tags(&daemon, 4).await.unwrap();
    let clip = daemon.folder().join("other.flv");
    let other = Source { width: 480, height: 270, seconds: Some(4), ..Source::default() };
    other.write_clip(&clip).await.unwrap();
    let second = read(&clip).unwrap();
    let mut client = Rtmp::publisher(daemon.rtmp(), daemon.key()).await.unwrap();
    client.send_paced(&first, |ms| ms).await.unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let before = hls.renditions().await.unwrap();
    let early = hls.playlist(&before[0]).await.unwrap();
    client.send_paced(&second, |ms| ms + 4000).await.unwrap();
    drop(client);
    // Every playlist that was ever named goes on, whatever the second picture can fill.
    for path in before {
        let playlist = hls.wait_playlist(&path, "it has ended", ENDED_WITHIN, |playlist| playlist.ended).await.unwrap();
        assert_eq!(playlist.discontinuities, 1, "{path}");
        if path.contains("360p") {
            check_change(&early, &playlist).unwrap();
        }
        let download = hls.download(&path, playlist).await.unwrap();
        for file in download.write_epochs(daemon.folder()).unwrap() {
            decode(&file).await.unwrap();
        }
    }
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn sound_may_begin_before_the_picture_and_the_picture_before_the_sound() {
    for (held_back, kind) in [("picture", 9), ("sound", 8)] {
        let daemon = start().await.unwrap();
        let mut tags = tags(&daemon, 6).await.unwrap();
        // One kind begins two seconds late; its sequence header comes with it.
        let header = |tag: &Tag| tag.is_video_header() || tag.is_audio_header();
        tags.retain(|tag| tag.kind != kind || header(tag) || tag.timestamp >= 2000);
        let late = tags.iter().position(|tag| tag.kind == kind && !header(tag)).unwrap();
        let at = tags.iter().position(|tag| tag.kind == kind && header(tag)).unwrap();
        tags[at..late].rotate_left(1);
        for tag in &mut tags[at..late] {
            tag.timestamp = tag.timestamp.max(if header(tag) && tag.kind == kind { 2000 } else { 0 });
        }
        let mut client = Rtmp::publisher(daemon.rtmp(), daemon.key()).await.unwrap();
        client.send_paced(&tags, |ms| ms).await.unwrap();
        drop(client);
        let hls = daemon.hls();
        hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
        let downloads = hls.download_ended(ENDED_WITHIN).await.unwrap();
        let frames = if held_back == "picture" { 120 } else { 180 };
        check_ladder(&downloads, &wanted(frames), daemon.folder()).await.unwrap();
        daemon.stop().await.unwrap();
    }
}
