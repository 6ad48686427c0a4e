//! Sources made by ffmpeg, a worker that is this very test program, and ffmpeg as the judge of what comes out.

#![allow(dead_code, unused_imports, reason = "every test program uses a part")]

mod flv;
mod judge;

use std::time::Duration;

use weir_ladder::{
    DeclaredInput, Job, Output, Plan, Profile, RateFinder, RungSpec, Worker, WorkerCommand, WorkerFailure,
    WorkerLimits, WorkerStats, plan, spawn,
};
use weir_media::{AudioParams, Frame, TrackFormat, TrackKind, VideoParams};

pub use flv::source;
pub use judge::{decode_audio, decode_tiles, decode_video};

/// Name of the ignored test that every program with workers has: run on its own, it is the worker process.
pub const WORKER_TEST: &str = "the_worker_process";

/// What ffmpeg made, with times in ticks of 90 kHz.
#[derive(Debug, Clone)]
pub struct Source {
    pub video: VideoParams,
    pub audio: Option<AudioParams>,
    pub frames: Vec<Frame>,
}

impl Source {
    pub fn video_frames(&self) -> usize {
        self.frames.iter().filter(|frame| frame.kind == TrackKind::Video).count()
    }

    /// Without the sound.
    pub fn mute(mut self) -> Self {
        self.audio = None;
        self.frames.retain(|frame| frame.kind == TrackKind::Video);
        self
    }

    pub fn job(&self, specs: &[RungSpec]) -> Job {
        Job {
            plan: self.plan(specs),
            video: self.video.clone(),
            audio: self.audio.clone(),
            preset: "ultrafast".parse().expect("a preset"),
        }
    }

    fn plan(&self, specs: &[RungSpec]) -> Plan {
        let mut finder = RateFinder::new(self.video.sps.declared_rate, None);
        let mut video = self.frames.iter().filter(|frame| frame.kind == TrackKind::Video);
        let rate = video.find_map(|frame| finder.push(frame.dts)).unwrap_or_else(|| finder.decide());
        plan(DeclaredInput::P1080, specs, &self.video.sps, rate, 1000)
    }
}

/// A ladder small enough for tests: the whole picture, and half of it at 30 frames a second at most.
pub fn small_rungs() -> Vec<RungSpec> {
    let rung = |name: &str, width, height, fps_max, profile| RungSpec {
        name: name.to_owned(),
        width,
        height,
        kbps: 600,
        kbps_high: 900,
        fps_max,
        profile,
    };
    vec![rung("360p", 640, 360, None, Profile::High), rung("180p", 320, 180, Some(30), Profile::Main)]
}

pub fn worker_command() -> WorkerCommand {
    let args = ["--ignored", "--exact", WORKER_TEST, "--nocapture", "--test-threads=1"];
    WorkerCommand {
        program: std::env::current_exe().expect("this program has a path"),
        args: args.into_iter().map(Into::into).collect(),
    }
}

/// Files are fed faster than real time, so the queue must hold them.
pub fn roomy_limits() -> WorkerLimits {
    WorkerLimits {
        queue_ms_max: 3_600_000,
        queue_bytes_max: 1 << 30,
        queue_frames_max: 1 << 20,
        hang_timeout: Duration::from_secs(30),
        finish_timeout: Duration::from_secs(60),
        ..WorkerLimits::default()
    }
}

pub fn worker() -> Worker {
    spawn(&worker_command(), roomy_limits(), "test").expect("the worker starts")
}

/// Everything one rendition gave out.
#[derive(Debug, Clone, Default)]
pub struct Track {
    pub format: Option<TrackFormat>,
    pub frames: Vec<Frame>,
}

impl Track {
    pub fn keyframes(&self) -> Vec<usize> {
        (0..self.frames.len()).filter(|&n| self.frames[n].keyframe).collect()
    }

    pub fn size(&self) -> (u32, u32) {
        match &self.format {
            Some(TrackFormat::Video { params, .. }) => (params.sps.width, params.sps.height),
            other => panic!("not video: {other:?}"),
        }
    }
}

#[derive(Debug, Default)]
pub struct Ladder {
    pub tracks: Vec<Track>,
    pub stats: WorkerStats,
}

impl Ladder {
    pub fn audio(&self) -> &Track {
        self.tracks.last().expect("an audio rendition")
    }

    /// What holds for every ladder: times exact, no hole, cuts at the same instants on all rungs.
    pub fn check(&self, plan: &Plan) {
        assert_eq!(self.tracks.len(), plan.rungs.len() + 1);
        for (index, track) in self.tracks.iter().enumerate() {
            let ticks = track.format.as_ref().expect("a format").frame_ticks() as usize;
            for (n, frame) in track.frames.iter().enumerate() {
                assert_eq!((frame.dts, frame.pts), ((n * ticks) as i64, (n * ticks) as i64), "rendition {index}");
            }
            if let Some(rung) = plan.rungs.get(index) {
                let per_segment = (plan.frames_per_segment / rung.frame_step) as usize;
                let cuts: Vec<usize> = (0..track.frames.len()).step_by(per_segment).collect();
                assert_eq!(track.keyframes(), cuts, "{}", rung.name);
                assert_eq!(track.size(), (rung.width, rung.height));
            }
        }
    }
}

/// Reads until the worker has finished or failed.
pub async fn collect(worker: &mut Worker, renditions: usize) -> Result<Ladder, WorkerFailure> {
    let mut ladder = Ladder { tracks: vec![Track::default(); renditions], stats: WorkerStats::default() };
    loop {
        match worker.recv().await? {
            Output::Format { rendition, format } => ladder.tracks[rendition].format = Some(format),
            Output::Frame { rendition, frame } => ladder.tracks[rendition].frames.push(frame),
            Output::Stats(stats) => ladder.stats = stats,
            Output::Speed { .. } => panic!("nobody asked how fast the machine is"),
            Output::Finished => return Ok(ladder),
        }
    }
}

/// Runs a source through a worker of its own.
pub async fn run(job: Job, frames: impl IntoIterator<Item = Frame>) -> Result<Ladder, WorkerFailure> {
    let renditions = job.plan.rungs.len() + 1;
    let mut worker = worker();
    worker.start(job);
    for frame in frames {
        worker.send(frame);
    }
    worker.finish();
    collect(&mut worker, renditions).await
}
