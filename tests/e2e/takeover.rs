//! Two encoders with one key.

use std::time::{Duration, Instant};

use weir_testkit::rtmp::Rtmp;
use weir_testkit::{Config, Daemon, Signal, Source, until};
use weir_tests::PLAYABLE_WITHIN;

/// How long a publisher must have been silent to be replaced, and how soon after that it must be.
const SILENCE: Duration = Duration::from_secs(3);
const AT_ONCE: Duration = Duration::from_secs(2);
/// ffmpeg must report a refusal, not hang.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_second_publisher_is_refused_while_the_first_sends() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let mut first = Source::default().push(&daemon.publish_url()).unwrap();
    daemon.hls().wait_playable(PLAYABLE_WITHIN).await.unwrap();

    let mut second = Source::default().push(&daemon.publish_url()).unwrap();
    let status = second.wait(REFUSED_WITHIN).await.unwrap();
    assert!(!status.success());
    let mut by_hand = Rtmp::connect(daemon.rtmp()).await.unwrap();
    let answer = by_hand.publish(daemon.key()).await.unwrap();
    assert_eq!((answer.level.as_str(), answer.code.as_str()), ("error", "NetStream.Publish.BadName"));
    assert!(answer.description.contains("another encoder"), "{answer:?}");
    assert!(!answer.description.contains(daemon.key()));
    by_hand.closed(REFUSED_WITHIN).await.unwrap();

    assert!(first.is_running());
    let hls = daemon.hls();
    assert_eq!(hls.playlist(&hls.renditions().await.unwrap()[0]).await.unwrap().discontinuities, 0);
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn a_publisher_that_fell_silent_is_replaced_at_once() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let mut first = Source::default().push(&daemon.publish_url()).unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    first.signal(Signal::STOP).unwrap();
    let silent = Instant::now();
    let _second = until("the second publisher is taken", SILENCE + AT_ONCE, async || {
        let mut client = Rtmp::connect(daemon.rtmp()).await?;
        Ok((client.publish(daemon.key()).await?.level == "status").then_some(client))
    })
    .await
    .unwrap();
    let took = silent.elapsed();
    // What lay in socket buffers when it was stopped counts as sent.
    assert!(took > SILENCE - Duration::from_millis(500), "{took:?}");

    // The first finds its connection closed when it wakes.
    first.signal(Signal::CONT).unwrap();
    assert!(!first.wait(REFUSED_WITHIN).await.unwrap().success());
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn what_the_second_encoder_sends_goes_on_in_the_same_playlists() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let first = Source::default().push(&daemon.publish_url()).unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    first.signal(Signal::STOP).unwrap();
    let mut second = None;
    let path = &hls.renditions().await.unwrap()[0];
    until("segments of the second encoder", SILENCE + PLAYABLE_WITHIN, async || {
        // An encoder that was refused has ended: people press the button again.
        if !second.as_mut().is_some_and(weir_testkit::Process::is_running) {
            second = Some(Source::default().push(&daemon.publish_url())?);
        }
        let playlist = hls.playlist(path).await?;
        Ok(playlist.segments.iter().any(|segment| segment.epoch == 1).then_some(()))
    })
    .await
    .unwrap();
    daemon.stop().await.unwrap();
}
