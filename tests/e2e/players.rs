//! Players that weir does not bring along, in their own low-latency modes.

use std::time::Duration;

use anyhow::{Result, ensure};
use weir_testkit::{
    Browser, Config, Daemon, PlayerPages, Source, low_latency_requests, player_state, restart_counts, until,
};
use weir_tests::PLAYABLE_WITHIN;

const PLAYS_WITHIN: Duration = Duration::from_secs(40);
/// Media that is played and judged, in seconds.
const JUDGED_S: f64 = 12.0;
/// What is aimed at is 2.2 s on a machine with nothing else to do; this one runs other tests.
const LATENCY_MS_MAX: f64 = 6000.0;
/// video.js stands still at times for a second or two after it began, and stays as late as that: it appends its
/// initialization section twice, and the browser drops what follows up to the next keyframe.
const LATENCY_MS_MAX_VIDEOJS: f64 = 10_000.0;

async fn plays_with_parts(engine: &str, latency_ms_max: f64) -> Result<()> {
    let config = Config { segment_ms: 2000, log_level: "debug", ..Config::default() };
    let daemon = Daemon::start(config).await?;
    let source = Source { clock: true, gop: 60, ..Source::default() };
    let _encoder = source.push(&daemon.publish_url())?;
    daemon.hls().wait_playable(PLAYABLE_WITHIN).await?;
    let (browser, pages) = (Browser::open().await?, PlayerPages::serve().await?);
    pages.play(&browser, engine, &daemon.hls().url(), PLAYS_WITHIN).await?;
    restart_counts(&browser).await?;
    let begun = player_state(&browser).await?.time;
    until("it plays on", PLAYS_WITHIN, async || {
        Ok((player_state(&browser).await?.time > begun + JUDGED_S).then_some(()))
    })
    .await?;
    let state = player_state(&browser).await?;
    ensure!(state.fatal == 0, "{state:?}");
    ensure!(state.readings > 20 && state.readings > 9 * state.rejected, "{state:?}");
    ensure!(state.median_ms.is_some_and(|median| median < latency_ms_max), "{state:?}");
    let (blocking, parts) = low_latency_requests(&daemon.log().text())?;
    ensure!(blocking > 10 && parts > 10, "{blocking} blocking reloads, {parts} parts");
    browser.close().await?;
    daemon.stop().await.map(drop)
}

#[tokio::test]
async fn hls_js_plays_parts() {
    plays_with_parts("hlsjs", LATENCY_MS_MAX).await.unwrap();
}

#[tokio::test]
async fn shaka_plays_parts() {
    plays_with_parts("shaka", LATENCY_MS_MAX).await.unwrap();
}

#[tokio::test]
async fn video_js_plays_parts() {
    plays_with_parts("videojs", LATENCY_MS_MAX_VIDEOJS).await.unwrap();
}
