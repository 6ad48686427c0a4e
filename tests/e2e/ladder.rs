//! The full ladder of each declared input, from a source that is sent without being encoded again.

use std::time::Duration;

use anyhow::Result;
use weir_testkit::{Config, Daemon, Probe, Source, decode, push_clip};
use weir_tests::{ENDED_WITHIN, PLAYABLE_WITHIN, Rendition, check_ladder};

const SECONDS: u32 = 8;

/// Pushes a clip of `source` into a full ladder declared as `input` and judges all that comes out. With `cpu`, on that core alone.
async fn check(
    input: &'static str,
    cpu: Option<u32>,
    source: Source,
    wanted: &[(&'static str, (i64, i64))],
) -> Result<()> {
    let daemon = Daemon::start(Config { reconnect_window_s: 5, cpu, ..Config::full_ladder(input) }).await?;
    let clip = daemon.folder().join("clip.flv");
    source.write_clip(&clip).await?;
    let frames = Probe::video(&clip).await?.frames();

    let mut encoder = push_clip(&clip, &[], &daemon.publish_url())?;
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await?;
    encoder.succeed(Duration::from_secs(60)).await?;
    let downloads = hls.download_ended(ENDED_WITHIN).await?;

    let wanted: Vec<Rendition> =
        wanted.iter().map(|&(name, size)| Rendition { name, size, rate: "30/1", frames }).collect();
    check_ladder(&downloads, &wanted, daemon.folder()).await?;
    decode(hls.url().as_ref()).await?;
    daemon.stop().await.map(drop)
}

#[tokio::test]
async fn a_1080p_source_becomes_three_renditions_and_audio() {
    let source = Source { width: 1920, height: 1080, seconds: Some(SECONDS), gop: 60, kbps: 5000, ..Source::default() };
    let wanted = [("1080p", (1920, 1080)), ("720p", (1280, 720)), ("360p", (640, 360))];
    check("1080p", None, source, &wanted).await.unwrap();
}

/// 720p30 with sound.
fn source_720p() -> Source {
    Source { width: 1280, height: 720, seconds: Some(SECONDS), gop: 60, kbps: 3000, ..Source::default() }
}

const WANTED_OF_720P: [(&str, (i64, i64)); 2] = [("720p", (1280, 720)), ("360p", (640, 360))];

#[tokio::test]
async fn a_720p_source_becomes_two_renditions_and_audio() {
    check("720p", None, source_720p(), &WANTED_OF_720P).await.unwrap();
}

/// There all rungs are encoded in one thread.
#[tokio::test]
async fn one_core_makes_the_same_ladder() {
    check("720p", Some(0), source_720p(), &WANTED_OF_720P).await.unwrap();
}
