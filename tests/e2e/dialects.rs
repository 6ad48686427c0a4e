//! Encoders other than ffmpeg over plain RTMP.

use std::time::Duration;

use anyhow::Result;
use weir_testkit::{Config, Daemon, Source, proc};
use weir_tests::{ENDED_WITHIN, PLAYABLE_WITHIN, Rendition, check_ladder};

const SECONDS: u32 = 6;
const PUSHED_WITHIN: Duration = Duration::from_secs(40);

fn source() -> Source {
    Source { seconds: Some(SECONDS), ..Source::default() }
}

fn wanted() -> [Rendition; 2] {
    let rendition = |name, size| Rendition { name, size, rate: "30/1", frames: SECONDS as usize * 30 };
    [rendition("360p", (640, 360)), rendition("180p", (320, 180))]
}

async fn start(tls: bool) -> Result<Daemon> {
    Daemon::start(Config { reconnect_window_s: 5, tls, ..Config::default() }).await
}

/// Judges what came of [`source`] after the encoder left.
async fn check(daemon: Daemon) -> Result<()> {
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await?;
    let downloads = hls.download_ended(ENDED_WITHIN).await?;
    check_ladder(&downloads, &wanted(), daemon.folder()).await?;
    daemon.stop().await.map(drop)
}

#[tokio::test]
async fn gstreamer_is_understood() {
    let daemon = start(false).await.unwrap();
    let mut encoder = source().push_by_gstreamer(&daemon.publish_url()).unwrap();
    encoder.succeed(PUSHED_WITHIN).await.unwrap();
    check(daemon).await.unwrap();
}

#[tokio::test]
async fn rtmps_carries_the_same() {
    let daemon = start(true).await.unwrap();
    let mut encoder = source().push(&daemon.publish_url_tls().unwrap()).unwrap();
    encoder.succeed(PUSHED_WITHIN).await.unwrap();
    check(daemon).await.unwrap();
}

#[tokio::test]
async fn gstreamer_over_rtmps_is_understood() {
    let daemon = start(true).await.unwrap();
    let mut encoder = source().push_by_gstreamer(&daemon.publish_url_tls().unwrap()).unwrap();
    encoder.succeed(PUSHED_WITHIN).await.unwrap();
    check(daemon).await.unwrap();
}

#[tokio::test]
async fn a_daemon_that_is_killed_leaves_no_worker_behind() {
    let daemon = start(false).await.unwrap();
    let _encoder = Source::default().push(&daemon.publish_url()).unwrap();
    let worker = daemon.wait_worker(None, PLAYABLE_WITHIN).await.unwrap();
    daemon.hls().wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let _home = daemon.kill().await.unwrap();
    weir_testkit::until("the worker has ended", Duration::from_secs(5), async || {
        Ok((!proc::command_line(worker).contains("ladder-worker")).then_some(()))
    })
    .await
    .unwrap();
}
