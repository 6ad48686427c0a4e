//! Pictures that are not 16:9, and sound of every kind.

use std::time::Duration;

use anyhow::Result;
use weir_testkit::{Audio, Config, Daemon, Probe, Source, push_clip, run_tool};
use weir_tests::{ENDED_WITHIN, PLAYABLE_WITHIN, Rendition, check_ladder};

/// Mean loudness in decibels that a full-scale-eighth sine keeps through any conversion, and silence does not.
const AUDIBLE_DB: f64 = -40.0;

/// Pushes five seconds of `source`, judges the ladder and gives the mean loudness of what came out.
async fn check(source: Source, sizes: [(i64, i64); 2]) -> Result<f64> {
    let daemon = Daemon::start(Config { reconnect_window_s: 5, ..Config::default() }).await?;
    let clip = daemon.folder().join("clip.flv");
    Source { seconds: Some(5), ..source }.write_clip(&clip).await?;
    let frames = Probe::video(&clip).await?.frames();
    push_clip(&clip, &[], &daemon.publish_url())?.succeed(Duration::from_secs(40)).await?;

    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await?;
    let downloads = hls.download_ended(ENDED_WITHIN).await?;
    let rendition = |name, size| Rendition { name, size, rate: "30/1", frames };
    let wanted = [rendition("360p", sizes[0]), rendition("180p", sizes[1])];
    check_ladder(&downloads, &wanted, daemon.folder()).await?;
    let loudness = loudness(&downloads.last().map(|audio| audio.write_epochs(daemon.folder())).transpose()?).await?;
    daemon.stop().await?;
    Ok(loudness)
}

async fn loudness(files: &Option<Vec<std::path::PathBuf>>) -> Result<f64> {
    let file = files.iter().flatten().next().and_then(|file| file.to_str()).unwrap_or_default();
    let args = ["-v", "error", "-i", file, "-ac", "1", "-f", "f32le", "-"];
    let bytes = run_tool("ffmpeg", &args, Duration::from_secs(30)).await?;
    let samples: Vec<f64> = bytes.as_chunks().0.iter().map(|four| f64::from(f32::from_le_bytes(*four))).collect();
    let power = samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len().max(1) as f64;
    Ok(10.0 * power.max(1e-12).log10())
}

const WIDE: [(i64, i64); 2] = [(640, 360), (320, 180)];

#[tokio::test]
async fn a_4_to_3_picture_is_not_stretched() {
    let source = Source { width: 640, height: 480, ..Source::default() };
    check(source, [(480, 360), (240, 180)]).await.unwrap();
}

#[tokio::test]
async fn mono_at_44100_becomes_stereo_at_48000() {
    let audio = Audio::Sine { rate: 44_100, layout: "mono" };
    let loudness = check(Source { audio, ..Source::default() }, WIDE).await.unwrap();
    assert!(loudness > AUDIBLE_DB, "{loudness} dB");
}

#[tokio::test]
async fn six_channels_become_two() {
    let audio = Audio::Sine { rate: 48_000, layout: "5.1" };
    let loudness = check(Source { audio, ..Source::default() }, WIDE).await.unwrap();
    assert!(loudness > AUDIBLE_DB, "{loudness} dB");
}

#[tokio::test]
async fn a_source_without_sound_gets_silence() {
    let loudness = check(Source { audio: Audio::None, ..Source::default() }, WIDE).await.unwrap();
    assert!(loudness < -90.0, "{loudness} dB");
}
