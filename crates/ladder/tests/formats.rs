//! What ffmpeg sends, in all the shapes encoders use, comes out of a real worker as a ladder that ffmpeg decodes.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use support::{Ladder, Source, decode_audio, decode_video, run, small_rungs, source};
use weir_media::{AudioParams, FrameRate, TrackFormat};

#[test]
#[ignore = "the worker process of the other tests"]
fn the_worker_process() {
    let _ = weir_ladder::worker_main();
}

/// Two seconds of a moving picture and a tone.
fn clip(size: &str, rate: &str, audio: &str) -> Source {
    source(&format!(
        "-f lavfi -i testsrc2=s={size}:r={rate}:d=2 -f lavfi -i sine=d=2:r=48000 \
         -c:v libx264 -preset ultrafast -bf 2 -g 50 -pix_fmt yuv420p {audio}"
    ))
}

async fn ladder(source: &Source) -> Ladder {
    let job = source.job(&small_rungs());
    let ladder = run(job.clone(), source.frames.clone()).await.expect("it runs to its end");
    ladder.check(&job.plan);
    for (rung, track) in job.plan.rungs.iter().zip(&ladder.tracks) {
        let pictures = decode_video(track);
        assert_eq!(pictures.len(), track.frames.len(), "{}", rung.name);
        let wanted = source.video_frames() / rung.frame_step as usize;
        assert!(pictures.len().abs_diff(wanted) <= 1, "{}: {} frames of {wanted}", rung.name, pictures.len());
    }
    assert_eq!(ladder.audio().format, Some(TrackFormat::Audio { params: AudioParams::lc_48k_stereo() }));
    let frames = ladder.audio().frames.len();
    // Two seconds, or what the frames in fact last.
    assert!((92..=97).contains(&frames), "{frames} audio frames");
    assert_eq!(decode_audio(ladder.audio()).len(), frames * 1024);
    assert_eq!((ladder.stats.decode_errors, ladder.stats.duplicated, ladder.stats.dropped), (0, 0, 0));
    ladder
}

const COPIED: &str = "-c:a aac -ac 2 -ar 48000";

#[tokio::test]
async fn every_frame_rate_of_broadcasting_passes_frame_for_frame() {
    let rates = [("24000/1001", (24_000, 1001)), ("25", (25, 1)), ("30000/1001", (30_000, 1001)), ("30", (30, 1))];
    for (name, (num, den)) in rates {
        let source = clip("640x360", name, COPIED);
        assert_eq!(source.job(&small_rungs()).plan.frame_rate, FrameRate::new(num, den));
        ladder(&source).await;
    }
}

#[tokio::test]
async fn fast_rates_are_halved_on_the_rung_that_allows_only_30() {
    for (name, (num, den)) in [("50", (50, 1)), ("60000/1001", (60_000, 1001)), ("60", (60, 1))] {
        let source = clip("640x360", name, COPIED);
        let plan = source.job(&small_rungs()).plan;
        assert_eq!((plan.frame_rate, plan.rungs[1].frame_step), (FrameRate::new(num, den), 2));
        let ladder = ladder(&source).await;
        let Some(TrackFormat::Video { params, frame_rate }) = &ladder.tracks[1].format else { panic!("video") };
        assert_eq!(
            (*frame_rate, params.sps.declared_rate),
            (FrameRate::new(num / 2, den), Some(FrameRate::new(num / 2, den)))
        );
    }
}

#[tokio::test]
async fn four_to_three_keeps_its_shape() {
    let ladder = ladder(&clip("480x360", "25", COPIED)).await;
    assert_eq!((ladder.tracks[0].size(), ladder.tracks[1].size()), ((480, 360), (240, 180)));
}

#[tokio::test]
async fn oblong_pixels_become_square() {
    let ladder = ladder(&clip("480x360", "25", "-c:a aac -ac 2 -ar 48000 -vf setsar=4/3")).await;
    assert_eq!((ladder.tracks[0].size(), ladder.tracks[1].size()), ((640, 360), (320, 180)));
}

#[tokio::test]
async fn mono_at_44100_hz_and_surround_become_stereo_at_48_khz() {
    for audio in ["-c:a aac -ac 1 -ar 44100", "-c:a aac -ac 6 -ar 48000", "-c:a aac -ac 2 -ar 22050"] {
        let ladder = ladder(&clip("320x180", "25", audio)).await;
        let samples = decode_audio(ladder.audio());
        let loud = samples.iter().filter(|sample| sample.unsigned_abs() > 300).count();
        assert!(loud > samples.len() / 2, "{audio}: {loud} of {} samples are loud", samples.len());
    }
}

#[tokio::test]
async fn without_sound_there_is_silence_as_long_as_the_picture() {
    let ladder = ladder(&clip("320x180", "25", COPIED).mute()).await;
    assert!(decode_audio(ladder.audio()).iter().all(|&sample| sample == 0));
    assert_eq!(ladder.audio().frames.len(), 94);
}

#[tokio::test]
async fn ten_bits_and_full_chroma_become_what_browsers_play() {
    let source = source(
        "-f lavfi -i testsrc2=s=320x180:r=25:d=2 -f lavfi -i sine=d=2:r=48000 -c:v libx264 -preset ultrafast -g 50 \
         -pix_fmt yuv422p10le -c:a aac -ac 2",
    );
    let ladder = ladder(&source).await;
    let Some(TrackFormat::Video { params, .. }) = &ladder.tracks[0].format else { panic!("video") };
    assert_eq!((params.sps.bit_depth, params.sps.chroma_format_idc), (8, 1));
}
