//! The process that encodes dies; nobody but the playlist notices.

use std::time::{Duration, Instant};

use weir_testkit::{Browser, Config, Daemon, Signal, Source, signal_pid};
use weir_tests::PLAYABLE_WITHIN;

/// What is promised from the death of a worker to the next segment.
const GOES_ON_WITHIN: Duration = Duration::from_secs(4);
/// A hang is known after three seconds without output, then the same holds.
const GOES_ON_AFTER_HANG_WITHIN: Duration = Duration::from_secs(8);
const PLAYS_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_killed_worker_costs_one_discontinuity_and_not_the_encoder_nor_the_player() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let mut encoder = Source::default().push(&daemon.publish_url()).unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let browser = Browser::open().await.unwrap();
    browser.goto(&daemon.watch_url()).await.unwrap();
    browser.check_playing(PLAYS_WITHIN).await.unwrap();

    let path = &hls.renditions().await.unwrap()[0];
    let worker = daemon.wait_worker(None, PLAYABLE_WITHIN).await.unwrap();
    let connections = daemon.metric("weir_ingest_connections_total", "").await.unwrap();
    signal_pid(worker, Signal::KILL).unwrap();
    let killed = Instant::now();
    let after = hls
        .wait_playlist(path, "a segment of the next worker", PLAYS_WITHIN, |playlist| {
            playlist.segments.iter().any(|segment| segment.epoch == 1)
        })
        .await
        .unwrap();
    let took = killed.elapsed();
    assert!(took < GOES_ON_WITHIN, "{took:?}");
    assert_eq!((after.discontinuities, after.ended), (1, false));
    daemon.wait_worker(Some(worker), GOES_ON_WITHIN).await.unwrap();

    let time = browser.video().await.unwrap().unwrap().time;
    browser.wait_time(time + 8.0, PLAYS_WITHIN).await.unwrap();
    browser.check_one_player("hls.js").await.unwrap();
    assert!(encoder.is_running());
    assert_eq!(daemon.metric("weir_ingest_connections_total", "").await.unwrap(), connections);
    assert_eq!(hls.playlist(path).await.unwrap().discontinuities, 1);
    browser.close().await.unwrap();
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn a_worker_that_hangs_is_replaced() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let mut encoder = Source::default().push(&daemon.publish_url()).unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let path = &hls.renditions().await.unwrap()[0];
    let worker = daemon.wait_worker(None, PLAYABLE_WITHIN).await.unwrap();
    signal_pid(worker, Signal::STOP).unwrap();
    let after = hls
        .wait_playlist(path, "a segment of the next worker", GOES_ON_AFTER_HANG_WITHIN, |playlist| {
            playlist.segments.iter().any(|segment| segment.epoch == 1)
        })
        .await
        .unwrap();
    assert_eq!(after.discontinuities, 1);
    assert!(encoder.is_running());
    daemon.stop().await.unwrap();
}
