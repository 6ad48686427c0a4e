//! What ffmpeg sends, in all the shapes encoders use, comes out of a real worker as a ladder that ffmpeg decodes.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use support::{
    Ladder, Source, Track, decode_audio, decode_tiles, decode_video, run, small_rungs, source, worker_command,
};
use weir_ladder::{CopyWatch, RungSpec, measure_speed};
use weir_media::{AudioParams, FrameRate, TrackFormat, TrackKind};

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
async fn all_rungs_show_the_same_picture_whatever_factor_they_shrink_by() {
    let [large, small] = small_rungs().try_into().expect("two rungs");
    let sized = |width, height, spec: &RungSpec| RungSpec { name: format!("{height}p"), width, height, ..spec.clone() };
    // By 3:2, by 2:1, and by a factor that is neither.
    let rungs = [sized(960, 540, &large), large, small.clone(), sized(256, 144, &small)];
    let source = clip("960x540", "25", COPIED);
    let ladder = run(source.job(&rungs), source.frames.clone()).await.expect("it runs to its end");
    let best = decode_tiles(&ladder.tracks[0]);
    assert!(best.len() >= 49, "{} pictures", best.len());
    for (track, spec) in ladder.tracks.iter().zip(&rungs).skip(1) {
        let tiles = decode_tiles(track);
        assert_eq!(tiles.len(), best.len(), "{}", spec.name);
        let off = |(a, b): (&Vec<u8>, &Vec<u8>)| a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max();
        let worst = best.iter().zip(&tiles).filter_map(off).max();
        assert!(worst.is_some_and(|worst| worst <= 8), "{}: a tile is off by {worst:?}", spec.name);
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

#[tokio::test]
async fn the_best_rung_may_be_the_sources_own_frames_byte_for_byte() {
    for bframes in [0, 2] {
        let source = source(&format!(
            "-f lavfi -i testsrc2=s=640x360:r=30:d=4 -f lavfi -i sine=d=4:r=48000 -c:v libx264 -preset veryfast \
             -bf {bframes} -g 15 -keyint_min 15 -sc_threshold 0 -b:v 500k -maxrate 500k -bufsize 500k -pix_fmt yuv420p {COPIED}"
        ));
        let mut job = source.job(&small_rungs());
        let mut watch = CopyWatch::new(&job.plan, &source.video, 15).expect("the picture is the rung's");
        source.frames.iter().try_for_each(|frame| watch.frame(frame)).expect("fit");
        assert_eq!(watch.frames_per_keyframe(), Some(15));
        job.plan.copy_best(15);
        let ladder = run(job.clone(), source.frames.clone()).await.expect("it runs to its end");

        let (copied, encoded) = (&ladder.tracks[0], &ladder.tracks[1]);
        assert!(matches!(&copied.format, Some(TrackFormat::Video { params, .. }) if *params == source.video));
        let came = source.frames.iter().filter(|frame| frame.kind == TrackKind::Video);
        assert!(came.map(|frame| &frame.data).eq(copied.frames.iter().map(|frame| &frame.data)), "{bframes} B-frames");
        let times = |track: &Track| track.frames.iter().map(|frame| (frame.dts, frame.pts / 1000)).collect::<Vec<_>>();
        assert!(copied.frames.iter().zip(0..).all(|(frame, n)| frame.dts == n * 1000), "{:?}", times(copied));
        let mut shown: Vec<i64> = copied.frames.iter().map(|frame| frame.pts / 1000).collect();
        shown.sort_unstable();
        let first = i64::from(bframes > 0) * 2;
        assert!(shown.iter().copied().eq(first..first + 120), "{shown:?}");

        assert_eq!(copied.keyframes(), (0..8).map(|n| n * 15).collect::<Vec<_>>());
        assert_eq!((encoded.frames.len(), encoded.keyframes()), (120, copied.keyframes()));
        assert_eq!(decode_video(encoded).len(), 120);
    }
}

#[tokio::test]
async fn a_copied_rung_never_runs_ahead_of_the_others() {
    let source = source(&format!(
        "-f lavfi -i testsrc2=s=640x360:r=30:d=3 -f lavfi -i sine=d=3:r=48000 -c:v libx264 -preset ultrafast -bf 0 -g 30 \
         -keyint_min 30 -sc_threshold 0 -pix_fmt yuv420p {COPIED}"
    ));
    let mut job = source.job(&small_rungs());
    job.plan.copy_best(30);
    // A whole group of pictures found no room: all that comes begins with a keyframe in its right place.
    let lost = 90_000..180_000;
    let frames = source.frames.iter().filter(|frame| frame.kind == TrackKind::Audio || !lost.contains(&frame.dts));
    let failure = run(job, frames.cloned()).await.expect_err("a hole");
    assert!(
        failure.to_string().contains("frame 60 of a source that is copied came in the place of frame 30"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_ladder_of_one_copied_rung_decodes_nothing() {
    let source = clip("320x180", "25", COPIED);
    let mut job = source.job(&small_rungs()[1..]);
    job.plan.copy_best(25);
    let ladder = run(job, source.frames.clone()).await.expect("it runs to its end");
    assert_eq!((ladder.tracks.len(), ladder.tracks[0].frames.len()), (2, 50));
    assert!((92..=97).contains(&ladder.audio().frames.len()));
}

#[tokio::test]
async fn the_machine_can_be_measured() {
    let speed = measure_speed(&worker_command()).await.expect("it runs to its end");
    // From a fast desktop to a slow machine that does other things beside.
    assert!((100..100_000).contains(&speed.ns_per_macroblock) && speed.cores >= 1, "{speed:?}");
}
