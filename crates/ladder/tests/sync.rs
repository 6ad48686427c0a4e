//! Picture and sound that belong together in the source come out together: a flash and a beep at the same instant.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use support::{Source, decode_audio, decode_video, run, small_rungs, source};
use weir_media::{Frame, TrackKind};

#[test]
#[ignore = "the worker process of the other tests"]
fn the_worker_process() {
    let _ = weir_ladder::worker_main();
}

/// One AAC frame.
const LIMIT_US: i64 = 21_334;

fn clip(rate: &str, audio: &str) -> Source {
    source(&format!(
        "-f lavfi -i color=black:s=320x180:r={rate}:d=3,drawbox=enable='between(t\\,2\\,2.2)':c=white:t=fill \
         -f lavfi -i aevalsrc=0.7*sin(2*PI*1000*t)*between(t\\,2\\,2.2):s=48000:d=3 \
         -c:v libx264 -preset ultrafast -bf 2 -g 50 -pix_fmt yuv420p {audio}"
    ))
}

/// How much later than the flash the beep begins, in microseconds.
async fn beep_behind_flash(source: &Source, frames: impl IntoIterator<Item = Frame>) -> i64 {
    let job = source.job(&small_rungs());
    let rate = job.plan.rungs[0].frame_rate;
    let ladder = run(job.clone(), frames).await.expect("it runs to its end");
    ladder.check(&job.plan);
    let flash = decode_video(&ladder.tracks[0]).iter().position(|&light| light > 128).expect("a flash");
    let beep = decode_audio(ladder.audio()).iter().position(|sample| sample.unsigned_abs() > 4000).expect("a beep");
    beep as i64 * 1_000_000 / 48_000 - flash as i64 * 1_000_000 * i64::from(rate.den) / i64::from(rate.num)
}

/// Both were made to begin at 2 s, on a frame's edge.
async fn check(source: &Source) {
    let late_us = beep_behind_flash(source, source.frames.clone()).await;
    assert!(late_us.abs() <= LIMIT_US, "the beep comes {late_us} us behind the flash");
}

#[tokio::test]
async fn copied_sound_is_in_sync() {
    check(&clip("30", "-c:a aac -b:a 128k -ac 2")).await;
    check(&clip("25", "-c:a aac -b:a 128k -ac 2")).await;
}

#[tokio::test]
async fn converted_sound_is_in_sync() {
    check(&clip("30", "-c:a aac -b:a 128k -ac 1 -ar 44100")).await;
    check(&clip("25", "-c:a aac -b:a 256k -ac 6")).await;
}

#[tokio::test]
async fn sync_outlasts_a_second_without_sound_and_one_without_picture() {
    for audio in ["-c:a aac -b:a 128k -ac 2", "-c:a aac -b:a 128k -ac 1 -ar 44100"] {
        let source = clip("30", audio);
        let lost = |frame: &Frame, from: i64| (from..from + 45_000).contains(&frame.dts);
        let holed = source.frames.iter().filter(|frame| match frame.kind {
            TrackKind::Video => !lost(frame, 45_000),
            TrackKind::Audio => !lost(frame, 90_000),
        });
        let late_us = beep_behind_flash(&source, holed.cloned().collect::<Vec<_>>()).await;
        assert!(late_us.abs() <= LIMIT_US, "{audio}: the beep comes {late_us} us behind the flash");
    }
}
