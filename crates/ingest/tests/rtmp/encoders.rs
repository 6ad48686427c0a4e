//! Real encoders push, and what arrives is compared with what ffprobe sees in the file.

use super::common::*;
use weir_ingest::{EndReason, Limits, Protocol, Refusal};
use weir_media::TrackKind;

fn probed(frames: &[weir_media::Frame]) -> Vec<Probed> {
    frames.iter().map(Probed::from).collect()
}

/// Presentation times from the first frame on. flvmux keeps neither decoding times nor the audio's priming.
fn steps(frames: &[Probed]) -> Vec<i64> {
    frames.iter().map(|frame| frame.pts - frames[0].pts).collect()
}

#[tokio::test]
async fn all_that_ffmpeg_sends_arrives_as_ffprobe_sees_it() {
    limited(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = clip(folder.path()).await;
        let mut server = Server::start(Limits::default()).await;
        for url in [server.url("live/s3cret"), server.url("live/s3cret?a=b"), server.tls_url("live/s3cret/")] {
            let encoder = ffmpeg(&file, &url).spawn().expect("ffmpeg runs");
            let request = server.request().await;
            assert_eq!((request.key.as_bytes(), request.app.as_str()), (&b"s3cret"[..], "live"));
            assert!(request.encoder.flash_ver.contains("Lavf"), "{:?}", request.encoder);
            assert_eq!(request.protocol == Protocol::Rtmps, url.starts_with("rtmps:"));
            let received = receive_all(request.accept()).await;
            let output = encoder.wait_with_output().await.expect("ffmpeg ends");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

            assert_eq!(received.end, Some(EndReason::Finished));
            assert_eq!(received.configs, [TrackKind::Video, TrackKind::Audio]);
            assert_eq!((received.sizes[0], received.lost), ((640, 360), 0));
            assert!(received.encoder.is_some_and(|encoder| encoder.contains("Lavf")));
            assert_eq!(received.video.len(), 60);
            assert_eq!(probed(&received.video), probe(&file, "v").await);
            assert_eq!(probed(&received.audio), probe(&file, "a").await);
            assert!(received.video.iter().any(|frame| frame.pts != frame.dts), "there are B-frames");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn all_that_gstreamer_and_librtmp_send_arrives() {
    limited(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = clip(folder.path()).await;
        let mut server = Server::start(Limits::default()).await;
        let (plain, tls) = (server.url("live/s3cret"), server.tls_url("live/s3cret"));
        for mut encoder in [rtmp2sink(&file, &plain), rtmp2sink(&file, &tls), librtmp(&file, &plain)] {
            let encoder = encoder.spawn().expect("gst-launch-1.0 runs");
            let request = server.request().await;
            assert_eq!(request.key.as_bytes(), b"s3cret");
            let received = receive_all(request.accept()).await;
            let output = encoder.wait_with_output().await.expect("gst-launch-1.0 ends");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

            assert_eq!(received.end, Some(EndReason::Finished));
            assert_eq!((received.sizes[0], received.lost), ((640, 360), 0));
            let wanted = probe(&file, "v").await;
            let keyframes = |frames: &[Probed]| frames.iter().map(|frame| frame.keyframe).collect::<Vec<_>>();
            assert_eq!(keyframes(&probed(&received.video)), keyframes(&wanted));
            assert_eq!(steps(&probed(&received.video)), steps(&wanted));
            assert_eq!(received.audio.len(), probe(&file, "a").await.len());
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn ffmpeg_reports_a_refusal_and_stops() {
    limited(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = clip(folder.path()).await;
        let mut server = Server::start(Limits::default()).await;
        let unavailable = Refusal::Unavailable("the broadcast begins at eight".to_owned());
        for refusal in [Refusal::WrongKey, Refusal::KeyInUse, unavailable] {
            let sentence = refusal.sentence().to_owned();
            let started = std::time::Instant::now();
            let encoder = ffmpeg(&file, &server.url("live/s3cret")).spawn().expect("ffmpeg runs");
            server.request().await.refuse(refusal);
            let output = encoder.wait_with_output().await.expect("ffmpeg ends");
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && log.contains(&sentence), "{log}");
            eprintln!("ffmpeg stopped after {:?}: {sentence}", started.elapsed());
        }
        let encoder = ffmpeg(&file, &server.url("other/s3cret")).spawn().expect("ffmpeg runs");
        let output = encoder.wait_with_output().await.expect("ffmpeg ends");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && log.contains("the application is unknown"), "{log}");
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn gstreamer_and_librtmp_stop_when_they_are_refused() {
    limited(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = clip(folder.path()).await;
        let mut server = Server::start(Limits::default()).await;
        let url = server.url("live/s3cret");
        for (mut encoder, complaint) in
            [(rtmp2sink(&file, &url), "publish denied"), (librtmp(&file, &url), "Could not connect to RTMP stream")]
        {
            let started = std::time::Instant::now();
            let encoder = encoder.spawn().expect("gst-launch-1.0 runs");
            server.request().await.refuse(Refusal::WrongKey);
            let output = encoder.wait_with_output().await.expect("gst-launch-1.0 ends");
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && log.contains(complaint), "{log}");
            eprintln!("GStreamer stopped after {:?}", started.elapsed());
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn ffmpeg_reports_a_codec_that_is_not_taken_and_stops() {
    limited(async {
        let mut server = Server::start(Limits::default()).await;
        for (codecs, sentence) in [
            (["flv", "aac"], "video is Sorenson H.263; send H.264"),
            (["libx264", "libmp3lame"], "audio is MP3; send AAC"),
        ] {
            let started = std::time::Instant::now();
            let encoder = ffmpeg_live(codecs, &server.url("live/s3cret")).spawn().expect("ffmpeg runs");
            let received = receive_all(server.request().await.accept()).await;
            let output = encoder.wait_with_output().await.expect("ffmpeg ends");
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && log.contains(sentence), "{log}");
            assert_eq!(received.end.map(|end| end.to_string()).as_deref(), Some(sentence));
            eprintln!("ffmpeg stopped after {:?}: {sentence}", started.elapsed());
        }
        server.stop().await;
    })
    .await;
}
