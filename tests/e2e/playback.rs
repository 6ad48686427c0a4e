//! What a browser makes of it.

use std::time::Duration;

use weir_testkit::m3u8::MediaPlaylist;
use weir_testkit::{Browser, Config, Daemon, Process, Source};
use weir_tests::PLAYABLE_WITHIN;

/// Chromium's own player gives up on a live playlist that is shorter than the distance it keeps from its end.
const NATIVE_SEGMENTS_MIN: usize = 3;
/// The longest from opening the page to a moving picture.
const PLAYS_WITHIN: Duration = Duration::from_secs(30);

const STICK: &str = "window.append = SourceBuffer.prototype.appendBuffer;
    SourceBuffer.prototype.appendBuffer = () => {};";
const UNSTICK: &str = "SourceBuffer.prototype.appendBuffer = window.append;";

async fn wait_native_playable(daemon: &Daemon) -> anyhow::Result<()> {
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await?;
    let path = &hls.renditions().await?[0];
    let long = |playlist: &MediaPlaylist| playlist.segments.len() >= NATIVE_SEGMENTS_MIN;
    hls.wait_playlist(path, "three segments", PLAYABLE_WITHIN, long).await.map(drop)
}

/// A stream, its encoder, and the watch page that plays it.
async fn watched() -> anyhow::Result<(Daemon, Process, Browser)> {
    let daemon = Daemon::start(Config::default()).await?;
    let encoder = Source::default().push(&daemon.publish_url())?;
    daemon.hls().wait_playable(PLAYABLE_WITHIN).await?;
    let browser = Browser::open().await?;
    browser.goto(&daemon.watch_url()).await?;
    browser.check_playing(PLAYS_WITHIN).await?;
    Ok((daemon, encoder, browser))
}

#[tokio::test]
async fn the_watch_page_plays_with_hls_js() {
    let (daemon, _encoder, browser) = watched().await.unwrap();
    browser.check_one_player("hls.js").await.unwrap();
    // The picture must come through Media Source Extensions, not the browser's own HLS player.
    let source = browser.run("return document.querySelector('video').currentSrc", vec![]).await.unwrap();
    assert!(source.as_str().is_some_and(|source| source.starts_with("blob:")), "{source}");
    browser.close().await.unwrap();
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn the_watch_page_waits_for_a_stream_that_has_not_begun() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let browser = Browser::open().await.unwrap();
    browser.goto(&daemon.watch_url()).await.unwrap();
    assert!(browser.video().await.unwrap().is_some_and(|video| video.error.is_none() && video.width == 0));
    let _encoder = Source::default().push(&daemon.publish_url()).unwrap();
    browser.check_playing(PLAYABLE_WITHIN + PLAYS_WITHIN).await.unwrap();
    browser.check_one_player("hls.js").await.unwrap();
    browser.close().await.unwrap();
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn a_player_that_is_stuck_is_begun_anew() {
    let (daemon, _encoder, browser) = watched().await.unwrap();
    // What is appended next never arrives, and hls.js waits for it with everything else.
    browser.run(STICK, vec![]).await.unwrap();
    browser.wait_state("buffering", PLAYS_WITHIN).await.unwrap();
    browser.run(UNSTICK, vec![]).await.unwrap();
    browser.wait_state("error", PLAYS_WITHIN).await.unwrap();
    browser.wait_state("live", PLAYS_WITHIN).await.unwrap();
    browser.check_playing(PLAYS_WITHIN).await.unwrap();
    let page = browser.watch_page().await.unwrap();
    assert_eq!((page.players, page.fatal), (2, 1), "{page:?}");
    assert!(page.errors.iter().any(|error| error["type"] == "stuck" && error["fatal"] == true), "{page:?}");
    browser.close().await.unwrap();
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn chromiums_own_player_plays_the_playlist() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let _encoder = Source::default().push(&daemon.publish_url()).unwrap();
    wait_native_playable(&daemon).await.unwrap();
    let browser = Browser::open().await.unwrap();
    // A page of the same origin, so that the picture may be read.
    browser.goto(&daemon.http().url("/healthz")).await.unwrap();
    browser.play_natively(&daemon.hls().url()).await.unwrap();
    browser.check_playing(PLAYS_WITHIN).await.unwrap();
    let source = browser.run("return document.querySelector('video').currentSrc", vec![]).await.unwrap();
    assert_eq!(source, daemon.hls().url());
    browser.close().await.unwrap();
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn the_watch_page_plays_without_hls_js_too() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let _encoder = Source::default().push(&daemon.publish_url()).unwrap();
    wait_native_playable(&daemon).await.unwrap();
    let browser = Browser::open().await.unwrap();
    browser.goto(&format!("{}?native", daemon.watch_url())).await.unwrap();
    browser.check_playing(PLAYS_WITHIN).await.unwrap();
    browser.check_one_player("native").await.unwrap();
    browser.close().await.unwrap();
    daemon.stop().await.unwrap();
}
