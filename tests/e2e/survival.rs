//! An event that is on air when the daemon is killed.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;
use weir_hls_lint::Severity;
use weir_hls_lint::watch::{Options, watch};
use weir_testkit::{Browser, Config, Daemon, Source, check_change, until};
use weir_tests::PLAYABLE_WITHIN;

const GOES_ON_WITHIN: Duration = Duration::from_secs(20);
/// Long enough for a kill, a restart and a returning encoder on a busy machine.
const WATCHED: Duration = Duration::from_secs(40);
/// Requests of a player that meet a dead daemon: more than one for each of its playlists.
const UNANSWERED_MIN: usize = 4;
/// These say when something comes, and while the daemon is dead nothing does.
const TIMED: [&str; 2] = ["L2", "P12"];

/// A port that was free just now: players must find the daemon again where it was.
#[cfg(test)]
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_live_event_goes_on_after_a_kill_and_so_do_its_players() {
    let config = Config { segment_ms: 2000, http_listen: free_address(), ..Config::default() };
    let daemon = Daemon::start(config).await.unwrap();
    let api = daemon.api("operator").await.unwrap();
    let id = api.event(json!({ "kind": "rtmp", "input": "1080p" }), "free").await.unwrap();
    api.post(&format!("/events/{id}/start"), None).await.unwrap();
    let credentials = api.get(&format!("/events/{id}/credentials")).await.unwrap();
    let key = credentials["stream_key"].as_str().unwrap().to_owned();
    daemon.forbid(&key);
    let encoder = Source::default().push(&format!("rtmp://{}/live/{key}", daemon.rtmp())).unwrap();
    api.wait_state(&id, "preview", PLAYABLE_WITHIN).await.unwrap();
    api.post(&format!("/events/{id}/air"), None).await.unwrap();
    let hls = daemon.event_hls(&id);
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let browser = Browser::open().await.unwrap();
    browser.goto(&daemon.http().url(&format!("/watch/{id}"))).await.unwrap();
    browser.check_playing(GOES_ON_WITHIN).await.unwrap();
    let url = hls.url();
    let options = Options {
        lasts: WATCHED,
        allow: TIMED.map(str::to_owned).to_vec(),
        away: GOES_ON_WITHIN,
        ..Options::default()
    };
    let judge = tokio::spawn(async move { watch(&url, options).await });
    let path = &hls.renditions().await.unwrap()[0];
    let playlist = hls
        .wait_playlist(path, "three segments", GOES_ON_WITHIN, |playlist| playlist.segments.len() >= 3)
        .await
        .unwrap();
    let before = hls.download(path, playlist).await.unwrap();

    let home = daemon.kill().await.unwrap();
    drop(encoder);
    until("the page finds the daemon gone", GOES_ON_WITHIN, async || {
        Ok((browser.watch_page().await?.errors.len() >= UNANSWERED_MIN).then_some(()))
    })
    .await
    .unwrap();
    let daemon = Daemon::start_in(home).await.unwrap();
    daemon.forbid(&key);
    let api = daemon.api("operator").await.unwrap();
    let event = api.get(&format!("/events/{id}")).await.unwrap();
    assert_eq!((event["state"].as_str(), event["connected"].as_bool()), (Some("live"), Some(false)));
    let hls = daemon.event_hls(&id);
    hls.wait_playable(GOES_ON_WITHIN).await.unwrap();
    let after = hls.playlist(path).await.unwrap();
    check_change(&before.playlist, &after).unwrap();
    let again = hls.download(path, before.playlist.clone()).await.unwrap();
    let same = again.segments.iter().zip(&before.segments).all(|(a, b)| a.body == b.body && a.init == b.init);
    assert!(same, "other bytes under the same names");

    // The same key lets the encoder in again, and the page plays on over it all.
    let _encoder = Source::default().push(&format!("rtmp://{}/live/{key}", daemon.rtmp())).unwrap();
    let later = hls
        .wait_playlist(path, "two segments after the restart", GOES_ON_WITHIN, |playlist| {
            playlist.segments.iter().filter(|segment| segment.epoch > before.playlist.segments[0].epoch).count() >= 2
        })
        .await
        .unwrap();
    check_change(&after, &later).unwrap();
    let joint = browser.video().await.unwrap().unwrap().time;
    browser.wait_time(joint + 6.0, GOES_ON_WITHIN).await.unwrap();
    browser.check_one_player("hls.js").await.unwrap();
    browser.close().await.unwrap();

    let report = judge.await.unwrap().unwrap();
    let must = |id: &str| weir_hls_lint::rule(id).is_some_and(|rule| rule.severity == Severity::Must);
    let broken: Vec<_> = report.findings.iter().filter(|finding| must(finding.rule)).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(report.discontinuities > 0 && report.parts > 50, "{report:?}");
    let stopped = api.post(&format!("/events/{id}/stop"), None).await.unwrap();
    assert_eq!(stopped["state"], "ended");
    daemon.stop().await.unwrap();
}
