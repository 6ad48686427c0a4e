//! `preset = "auto"`: the machine is measured, the preset follows, and who does not fit is told so.

use std::time::Duration;

use weir_testkit::rtmp::Rtmp;
use weir_testkit::{Config, Daemon, Rung, Source};
use weir_tests::PLAYABLE_WITHIN;

const REFUSED_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_preset_follows_from_the_machine() {
    let daemon = Daemon::start(Config { preset: "auto", ..Config::default() }).await.unwrap();
    let _encoder = Source::default().push(&daemon.publish_url()).unwrap();
    daemon.hls().wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let log = daemon.log().text();
    assert!(log.contains("the machine was measured, presets follow from it"), "{log}");
    assert!(log.contains("\"preset\":\"") && !log.contains("\"preset\":\"auto\""), "{log}");
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn a_ladder_that_the_machine_cannot_hold_is_refused_with_the_figures() {
    // Eight encoders of 1080p on three quarters of one processor: four times what any holds at the fastest preset.
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let rung = |name| Rung { name, size: (1920, 1080), kbps: (5000, 6000), fps_max: None, profile: "high" };
    let config = Config { preset: "auto", cpu: Some(0), rungs: names.map(rung).to_vec(), ..Config::default() };
    let mut daemon = Daemon::start(config).await.unwrap();
    let mut encoder = Rtmp::connect(daemon.rtmp()).await.unwrap();
    let answer = encoder.publish(daemon.key()).await.unwrap();
    assert_eq!(answer.level, "error", "{answer:?}");
    assert!(answer.description.starts_with("this machine cannot hold another broadcast"), "{answer:?}");
    assert!(answer.description.contains("processors, and 0.75 of 0.75 are free beside 0 other(s)"), "{answer:?}");
    encoder.closed(REFUSED_WITHIN).await.unwrap();
    daemon.is_well().await.unwrap();
    daemon.stop().await.unwrap();
}
