//! Frame rates that must come out exactly as they went in.

use std::time::Duration;

use anyhow::Result;
use weir_testkit::{Config, Daemon, Probe, Source, push_clip};
use weir_tests::{ENDED_WITHIN, PLAYABLE_WITHIN, Rendition, check_ladder};

/// Pushes five seconds at `rate`; the lower rung may be limited to half of it.
async fn check(rate: &'static str, out: &'static str, gop: u32, lower: Option<(u32, &'static str)>) -> Result<()> {
    let mut config = Config { reconnect_window_s: 5, ..Config::default() };
    if let Some(rung) = config.rungs.last_mut() {
        rung.fps_max = lower.map(|(fps_max, _)| fps_max);
    }
    let daemon = Daemon::start(config).await?;
    let clip = daemon.folder().join("clip.flv");
    Source { rate, gop, seconds: Some(5), ..Source::default() }.write_clip(&clip).await?;
    let frames = Probe::video(&clip).await?.frames();
    push_clip(&clip, &[], &daemon.publish_url())?.succeed(Duration::from_secs(40)).await?;

    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await?;
    let downloads = hls.download_ended(ENDED_WITHIN).await?;
    let (low_rate, low_frames) = lower.map_or((out, frames), |(_, rate)| (rate, frames.div_ceil(2)));
    let wanted = [
        Rendition { name: "360p", size: (640, 360), rate: out, frames },
        Rendition { name: "180p", size: (320, 180), rate: low_rate, frames: low_frames },
    ];
    check_ladder(&downloads, &wanted, daemon.folder()).await?;
    daemon.stop().await.map(drop)
}

#[tokio::test]
async fn a_source_at_25_stays_at_25() {
    check("25", "25/1", 25, None).await.unwrap();
}

#[tokio::test]
async fn a_source_at_29_97_stays_at_29_97() {
    check("30000/1001", "30000/1001", 30, None).await.unwrap();
}

#[tokio::test]
async fn a_source_at_60_stays_at_60_and_its_low_rung_has_30() {
    check("60", "60/1", 60, Some((30, "30/1"))).await.unwrap();
}
