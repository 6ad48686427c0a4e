//! What goes wrong with a worker is noticed and named, and what goes wrong with a source does not harm the worker.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use support::{Source, collect, decode_video, roomy_limits, run, small_rungs, source, worker, worker_command};
use weir_ladder::{Output, Sent, Worker, WorkerCommand, WorkerFailure, WorkerLimits, check_worker, spawn};
use weir_media::{AudioParams, Frame, TrackKind};

#[test]
#[ignore = "the worker process of the other tests"]
fn the_worker_process() {
    let _ = weir_ladder::worker_main();
}

fn clip() -> Source {
    source(
        "-f lavfi -i testsrc2=s=320x180:r=25:d=4 -f lavfi -i sine=d=4:r=48000 \
         -c:v libx264 -preset ultrafast -bf 0 -g 25 -pix_fmt yuv420p -c:a aac -ac 2",
    )
}

/// Feeds everything and waits for the first picture.
async fn running(limits: WorkerLimits) -> (Worker, Source) {
    let source = clip();
    let mut worker = spawn(&worker_command(), limits, "test").expect("the worker starts");
    worker.start(source.job(&small_rungs()));
    for frame in &source.frames {
        assert_eq!(worker.send(frame.clone()), Sent::Queued);
    }
    while !matches!(worker.recv().await.expect("it works"), Output::Frame { rendition: 0, .. }) {}
    (worker, source)
}

async fn failure(worker: &mut Worker) -> WorkerFailure {
    loop {
        if let Err(failure) = worker.recv().await {
            return failure;
        }
    }
}

fn signal(worker: &Worker, name: &str) {
    let pid = worker.pid().expect("it lives").to_string();
    assert!(Command::new("kill").args([name, &pid]).status().expect("kill runs").success());
}

#[tokio::test]
async fn a_killed_worker_is_noticed_with_its_signal() {
    let (mut worker, _) = running(roomy_limits()).await;
    signal(&worker, "-KILL");
    let failure = failure(&mut worker).await;
    assert!(matches!(failure, WorkerFailure::Exited { status: Some(_) }), "{failure}");
    assert!(failure.to_string().contains("signal: 9"), "{failure}");
}

#[tokio::test]
async fn a_worker_that_hangs_is_noticed_and_killed() {
    let limits = WorkerLimits { hang_timeout: Duration::from_millis(500), ..roomy_limits() };
    let (mut worker, source) = running(limits).await;
    signal(&worker, "-STOP");
    let pid = worker.pid().expect("it lives");
    // What the stopped process had already written is still read, so feed it once more behind that.
    let failure = loop {
        worker.send(source.frames.iter().find(|frame| frame.kind == TrackKind::Video).expect("a picture").clone());
        if let Ok(Err(failure)) = tokio::time::timeout(Duration::from_millis(100), worker.recv()).await {
            break failure;
        }
    };
    assert!(matches!(failure, WorkerFailure::Hung { ms: 500.. }), "{failure}");
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[tokio::test]
async fn a_worker_that_grows_too_large_is_killed() {
    let limits = WorkerLimits { memory_bytes_max: 10 << 20, ..roomy_limits() };
    let mut worker = spawn(&worker_command(), limits, "test").expect("the worker starts");
    worker.start(clip().job(&small_rungs()));
    let failure = failure(&mut worker).await;
    assert!(matches!(failure, WorkerFailure::Memory { max: 10_485_760, .. }), "{failure}");
}

#[tokio::test]
async fn a_dropped_worker_is_killed_and_reaped() {
    let (worker, _) = running(roomy_limits()).await;
    let process = format!("/proc/{}", worker.pid().expect("it lives"));
    assert!(Path::new(&process).exists());
    drop(worker);
    while Path::new(&process).exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_program_that_is_no_worker_is_not_taken_for_one() {
    let check = |program: &str| WorkerCommand { program: program.into(), args: Vec::new() };
    assert!(matches!(check_worker(&check("/nowhere/weir")).await, Err(WorkerFailure::Process(_))));
    assert!(matches!(check_worker(&check("true")).await, Err(WorkerFailure::Exited { status: Some(_) })));
    check_worker(&worker_command()).await.expect("this one is a worker");
}

#[tokio::test]
async fn a_source_that_outruns_the_worker_loses_groups_of_pictures_and_goes_on() {
    let source = clip();
    let job = source.job(&small_rungs());
    let mut worker =
        spawn(&worker_command(), WorkerLimits { queue_ms_max: 1500, ..roomy_limits() }, "test").expect("it starts");
    worker.start(job.clone());
    // Nothing is written before the first await, so the queue alone decides.
    let sent = |worker: &mut Worker, frame: &Frame| worker.send(frame.clone()) == Sent::Queued;
    let video = source.frames.iter().filter(|frame| frame.kind == TrackKind::Video);
    let queued = video.clone().filter(|frame| sent(&mut worker, frame)).count();
    assert_eq!(queued, 38);
    worker.ready().await.expect("it works");
    while !matches!(worker.recv().await.expect("it works"), Output::Frame { rendition: 0, .. }) {}
    // With room again, nothing is taken before the next keyframe.
    let rest: Vec<&Frame> = video.skip(60).collect();
    let queued = rest.iter().filter(|frame| sent(&mut worker, frame)).count();
    assert_eq!(queued, 25);
    worker.finish();
    let ladder = collect(&mut worker, job.plan.rungs.len() + 1).await.expect("it runs to its end");
    assert_eq!(ladder.stats.duplicated, 75 - 38);
}

#[tokio::test]
async fn garbage_in_the_middle_is_counted_and_survived() {
    let source = clip();
    let job = source.job(&small_rungs());
    let mut frames = source.frames.clone();
    let noise: Vec<u8> = (0..2000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for frame in frames.iter_mut().filter(|frame| (90_000..126_000).contains(&frame.dts)) {
        frame.data = match (frame.kind, frame.dts % 7200) {
            (TrackKind::Audio, _) => Bytes::copy_from_slice(&noise[..100]),
            // Slices that begin well, and pure noise.
            (TrackKind::Video, 0) => Bytes::from([&frame.data[..frame.data.len() / 2], &noise].concat()),
            (TrackKind::Video, _) => Bytes::copy_from_slice(&noise),
        };
    }
    let ladder = run(job.clone(), frames).await.expect("it runs to its end");
    ladder.check(&job.plan);
    let pictures = decode_video(&ladder.tracks[0]).len();
    assert!(pictures.abs_diff(100) <= 1, "{pictures} pictures");
    assert!(ladder.stats.decode_errors > 0);
}

#[tokio::test]
async fn a_source_that_is_nothing_but_garbage_ends_in_words() {
    let mut source = clip();
    for frame in &mut source.frames {
        frame.data = Bytes::from_static(&[0xff; 64]);
    }
    let limits = WorkerLimits { hang_timeout: Duration::from_millis(500), ..roomy_limits() };
    let mut worker = spawn(&worker_command(), limits, "test").expect("the worker starts");
    worker.start(source.job(&small_rungs()));
    for frame in source.frames.clone() {
        worker.send(frame);
    }
    let failure = failure(&mut worker).await;
    assert!(matches!(failure, WorkerFailure::Hung { .. } | WorkerFailure::Pipeline(_)), "{failure}");
}

#[tokio::test]
async fn sound_that_appears_and_changes_in_mid_epoch_leaves_the_picture_alone() {
    let (copied, mono) = (clip(), clip_mono());
    let mut job = copied.job(&small_rungs());
    job.audio = None;
    let plan = job.plan.clone();
    let mut worker = worker();
    worker.start(job);
    let (mut one, mut two) = (false, false);
    let sounds = mono.frames.iter().filter(|frame| frame.kind == TrackKind::Audio && frame.dts >= 180_000);
    let mut frames: Vec<Frame> = copied
        .frames
        .iter()
        .filter(|frame| frame.kind == TrackKind::Video || (90_000..180_000).contains(&frame.dts))
        .chain(sounds)
        .cloned()
        .collect();
    frames.sort_by_key(|frame| frame.dts);
    for frame in frames {
        if frame.dts >= 90_000 && !std::mem::replace(&mut one, frame.dts >= 90_000) {
            worker.set_audio(&AudioParams::lc_48k_stereo());
        }
        if frame.dts >= 180_000 && !std::mem::replace(&mut two, frame.dts >= 180_000) {
            worker.set_audio(mono.audio.as_ref().expect("sound"));
        }
        worker.send(frame);
    }
    worker.finish();
    let ladder = collect(&mut worker, plan.rungs.len() + 1).await.expect("it runs to its end");
    ladder.check(&plan);
    // The sound that is converted ends where its own last frame ends.
    assert!((187..=189).contains(&ladder.audio().frames.len()));
    let samples = support::decode_audio(ladder.audio());
    let loud = |from: usize| samples[from..from + 24_000].iter().filter(|sample| sample.unsigned_abs() > 1000).count();
    assert_eq!(loud(0), 0);
    for second in 1..4 {
        assert!(loud(second * 48_000 + 12_000) > 12_000, "second {second}");
    }
}

fn clip_mono() -> Source {
    source(
        "-f lavfi -i testsrc2=s=320x180:r=25:d=4 -f lavfi -i sine=d=4:r=44100 \
         -c:v libx264 -preset ultrafast -bf 0 -g 25 -pix_fmt yuv420p -c:a aac -ac 1 -ar 44100",
    )
}
