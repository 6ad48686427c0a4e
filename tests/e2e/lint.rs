//! The judge watches a live ladder while an encoder comes back, a worker dies and the input pauses.

use std::time::Duration;

use weir_hls_lint::Severity;
use weir_hls_lint::watch::{Options, watch};
use weir_testkit::{Config, Daemon, Signal, Source, signal_pid, until};
use weir_tests::PLAYABLE_WITHIN;

/// Long enough for three interruptions on a busy machine.
const WATCHED: Duration = Duration::from_secs(45);
const GOES_ON_WITHIN: Duration = Duration::from_secs(20);
/// These say when something comes, which on a machine that runs other tests beside this one is not the daemon's fault.
const TIMED: [&str; 2] = ["L2", "P12"];

#[tokio::test]
async fn the_judge_finds_nothing_through_reconnect_worker_kill_and_pause() {
    let config = Config { segment_ms: 2000, ..Config::default() };
    let daemon = Daemon::start(config).await.unwrap();
    let mut encoder = Source::default().push(&daemon.publish_url()).unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let options = Options { lasts: WATCHED, allow: TIMED.map(str::to_owned).to_vec(), ..Options::default() };
    let url = hls.url();
    let judge = tokio::spawn(async move { watch(&url, options).await });

    let path = &hls.renditions().await.unwrap()[0];
    let epochs = async |wanted: u64| {
        until("the next run has a segment", GOES_ON_WITHIN, async || {
            let playlist = hls.playlist(path).await?;
            Ok(playlist.segments.iter().any(|segment| segment.epoch >= wanted).then_some(()))
        })
        .await
    };
    encoder.kill().await.unwrap();
    until("a gap is shown", GOES_ON_WITHIN, async || {
        Ok(hls.playlist(path).await?.segments.iter().any(|segment| segment.gap).then_some(()))
    })
    .await
    .unwrap();
    let encoder = Source::default().push(&daemon.publish_url()).unwrap();
    epochs(1).await.unwrap();
    let worker = daemon.wait_worker(None, PLAYABLE_WITHIN).await.unwrap();
    signal_pid(worker, Signal::KILL).unwrap();
    epochs(2).await.unwrap();
    signal_pid(encoder.pid(), Signal::STOP).unwrap();
    let gaps = hls.playlist(path).await.unwrap().segments.iter().filter(|segment| segment.gap).count();
    until("the pause is shown", GOES_ON_WITHIN, async || {
        let playlist = hls.playlist(path).await?;
        Ok((playlist.segments.iter().filter(|segment| segment.gap).count() > gaps).then_some(()))
    })
    .await
    .unwrap();
    signal_pid(encoder.pid(), Signal::CONT).unwrap();
    epochs(3).await.unwrap();

    let report = judge.await.unwrap().unwrap();
    let must = |id: &str| weir_hls_lint::rule(id).is_some_and(|rule| rule.severity == Severity::Must);
    let broken: Vec<_> = report.findings.iter().filter(|finding| must(finding.rule)).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(report.parts > 100 && report.gaps > 0 && report.discontinuities > 0, "{report:?}");
    daemon.stop().await.unwrap();
}
