//! An encoder that leaves, with and without coming back.

use std::time::Duration;

use weir_testkit::{Browser, Config, Daemon, Source};
use weir_tests::{ENDED_WITHIN, PLAYABLE_WITHIN, check_parity};

const RECONNECT_WINDOW_S: u32 = 6;
/// From the return of the encoder to the first segment of it, and a few more.
const GOES_ON_WITHIN: Duration = Duration::from_secs(20);
/// Segments of a second that fill a window of fifteen, and the slack of a busy machine.
const WINDOW_PASSES_WITHIN: Duration = Duration::from_secs(35);

#[tokio::test]
async fn an_encoder_that_returns_goes_on_in_the_same_playlists_and_players() {
    let config = Config { window_s: 15, reconnect_window_s: RECONNECT_WINDOW_S, ..Config::default() };
    let daemon = Daemon::start(config).await.unwrap();
    let mut encoder = Source::default().push(&daemon.publish_url()).unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let path = &hls.renditions().await.unwrap()[0];
    let before = hls.playlist(path).await.unwrap();
    assert_eq!((before.media_sequence, before.discontinuities), (0, 0));
    let browser = Browser::open().await.unwrap();
    browser.goto(&daemon.watch_url()).await.unwrap();
    browser.check_playing(GOES_ON_WITHIN).await.unwrap();

    encoder.kill().await.unwrap();
    let mut encoder = Source::default().push(&daemon.publish_url()).unwrap();
    let after = hls
        .wait_playlist(path, "three segments of the second run", GOES_ON_WITHIN, |playlist| {
            playlist.segments.iter().filter(|segment| segment.epoch == 1).count() >= 3
        })
        .await
        .unwrap();
    assert_eq!((after.discontinuity_sequence + after.discontinuities as u64, after.ended), (1, false));
    weir_testkit::check_change(&before, &after).unwrap();

    // The player that was there before plays across the seam, to what was pushed after it.
    let joint = browser.video().await.unwrap().unwrap().time;
    browser.wait_time(joint + 8.0, GOES_ON_WITHIN).await.unwrap();
    browser.check_one_player("hls.js").await.unwrap();

    // Once its line has left the window, the sequence number counts the discontinuity.
    let later = hls
        .wait_playlist(path, "the discontinuity has left the window", WINDOW_PASSES_WITHIN, |playlist| {
            playlist.discontinuities == 0
        })
        .await
        .unwrap();
    assert_eq!(later.discontinuity_sequence, 1);
    assert!(later.media_sequence > 0);

    encoder.kill().await.unwrap();
    let downloads = hls.download_ended(ENDED_WITHIN).await.unwrap();
    check_parity(&downloads).unwrap();
    assert!(downloads.iter().all(|download| download.playlist.discontinuity_sequence == 1));
    browser.wait_state("ended", GOES_ON_WITHIN).await.unwrap();
    browser.check_one_player("hls.js").await.unwrap();
    browser.close().await.unwrap();
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn both_runs_decode_and_agree_at_the_seam() {
    let config = Config { reconnect_window_s: RECONNECT_WINDOW_S, ..Config::default() };
    let daemon = Daemon::start(config).await.unwrap();
    let source = Source { seconds: Some(4), ..Source::default() };
    for _ in 0..2 {
        source.push(&daemon.publish_url()).unwrap().succeed(GOES_ON_WITHIN).await.unwrap();
    }
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let downloads = hls.download_ended(ENDED_WITHIN).await.unwrap();
    check_parity(&downloads).unwrap();
    for download in &downloads {
        assert_eq!(download.playlist.discontinuities, 1, "{}", download.path);
        let dates: Vec<i64> = download.segments.iter().map(|piece| piece.segment.date_ms).collect();
        assert!(dates.is_sorted_by(|a, b| a < b), "{dates:?}");
        let files = download.write_epochs(daemon.folder()).unwrap();
        assert_eq!(files.len(), 2);
        for file in files {
            weir_testkit::decode(&file).await.unwrap();
        }
    }
    daemon.stop().await.unwrap();
}
