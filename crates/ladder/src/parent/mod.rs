//! The daemon's side of a worker process: starting, feeding, reading, watching and ending it.

mod drive;
mod meters;
mod outcome;
mod queue;
pub(crate) mod usage;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use weir_media::{AudioParams, Frame, VideoParams};

use crate::plan::{MachineSpeed, Plan, Preset};
use crate::wire::{self, WireAudio, WireJob, to_worker};
use drive::{Drive, Seen};
use meters::Meters;
pub use meters::describe_metrics;
pub use outcome::{Output, RenditionStats, WorkerFailure, WorkerStats};
use queue::{InputQueue, Refusal};

/// How many outputs wait for a slow caller before the worker is made to wait: about half a second of a ladder.
const OUTPUTS_MAX: usize = 64;

/// The program that becomes a worker, normally this daemon itself with the hidden subcommand.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// Path of the program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// What one epoch is made from.
#[derive(Debug, Clone)]
pub struct Job {
    /// Which rungs, and where to cut.
    pub plan: Plan,
    /// Decoder parameters of the source's video.
    pub video: VideoParams,
    /// Decoder parameters of the source's audio; `None` while it has announced none.
    pub audio: Option<AudioParams>,
    /// x264's speed.
    pub preset: Preset,
}

/// What a worker may use, and how long it may take.
#[derive(Debug, Clone)]
pub struct WorkerLimits {
    /// Resident memory in bytes. A 1080p60 ladder takes about 300 MB, one from a 4K source under 1 GB.
    pub memory_bytes_max: u64,
    /// From start to ready. GStreamer scans its plugins at the first start on a machine, which takes seconds.
    pub start_timeout: Duration,
    /// Without a picture although pictures are fed.
    pub hang_timeout: Duration,
    /// Without a picture after [`Worker::finish`], before all that was sent has come out.
    pub finish_timeout: Duration,
    /// Video waiting for the worker, in milliseconds of its timestamps: a start takes one or two, a hang is found after three.
    pub queue_ms_max: u32,
    /// Bytes waiting for the worker: `queue_ms_max` at 50 Mbps.
    pub queue_bytes_max: usize,
    /// Frames waiting for the worker, against floods of tiny ones: `queue_ms_max` of 60 fps and audio, several times over.
    pub queue_frames_max: usize,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 1536 << 20,
            start_timeout: Duration::from_secs(15),
            hang_timeout: Duration::from_secs(3),
            finish_timeout: Duration::from_secs(3),
            queue_ms_max: 4000,
            queue_bytes_max: 24 << 20,
            queue_frames_max: 4096,
        }
    }
}

/// What became of a frame that was handed to [`Worker::send`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It waits for the worker.
    Queued,
    /// The worker is too slow; the frame is lost, and with it the rest of its group of pictures.
    Dropped,
}

/// A worker process and the tasks that serve it. Dropping it kills the process.
#[derive(Debug)]
pub struct Worker {
    channel: Arc<str>,
    queue: Arc<InputQueue>,
    outputs: mpsc::Receiver<Result<Output, WorkerFailure>>,
    started: watch::Sender<Option<Arc<Job>>>,
    finishing: watch::Sender<Option<Instant>>,
    ready: watch::Receiver<bool>,
    pid: Option<u32>,
    meters: Meters,
    _tasks: JoinSet<()>,
}

/// Starts a worker process for `channel`. It gets ready on its own (GStreamer's start takes a moment) and waits for
/// [`Worker::start`], so it can be started ahead of need. Must be called within a tokio runtime.
pub fn spawn(command: &WorkerCommand, limits: WorkerLimits, channel: &str) -> io::Result<Worker> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let socket = UnixStream::from_std(ours)?;
    let mut child = Command::new(&command.program)
        .args(&command.args)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        // Ctrl-C in a terminal goes to the whole group: it is for the daemon, which lets its workers drain.
        .process_group(0)
        .spawn()?;
    // The command, dropped by now, held their end of the pair: only so does the worker's death end our reading.
    let pid = child.id();
    let channel: Arc<str> = channel.into();
    let queue = InputQueue::new(limits.clone());
    let (output, outputs) = mpsc::channel(OUTPUTS_MAX);
    let (started, job) = watch::channel(None);
    let (finishing, finish_at) = watch::channel(None);
    let (ready_at, ready) = watch::channel(false);
    let meters = Meters::new(&channel);
    let (reader, writer) = socket.into_split();
    let mut tasks = JoinSet::new();
    if let Some(stderr) = child.stderr.take() {
        tasks.spawn(drive::log_lines(stderr, Arc::clone(&channel), pid));
    }
    tasks.spawn(drive::feed(writer, Arc::clone(&queue)));
    let drive = Drive {
        child,
        limits,
        queue: Arc::clone(&queue),
        output,
        job,
        finish_at,
        ready: ready_at,
        meters: meters.clone(),
        seen: Seen::nothing(),
    };
    tasks.spawn(drive.run(reader));
    Ok(Worker { channel, queue, outputs, started, finishing, ready, pid, meters, _tasks: tasks })
}

/// Whether `command` gives a worker that starts and finds every element of GStreamer it needs.
pub async fn check_worker(command: &WorkerCommand) -> Result<(), WorkerFailure> {
    let mut worker = spawn(command, WorkerLimits::default(), "check").map_err(WorkerFailure::from_spawn)?;
    worker.ready().await
}

/// Lets a worker encode a little and answers how long that took. Takes about a second of one processor.
///
/// # Errors
/// The worker does not start, or fails.
pub async fn measure_speed(command: &WorkerCommand) -> Result<MachineSpeed, WorkerFailure> {
    let mut worker = spawn(command, WorkerLimits::default(), "measure").map_err(WorkerFailure::from_spawn)?;
    worker.queue.push_control(wire::bare(to_worker::MEASURE));
    loop {
        if let Output::Speed { ns_per_macroblock } = worker.recv().await? {
            let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
            return Ok(MachineSpeed { ns_per_macroblock, cores });
        }
    }
}

impl Worker {
    /// Waits until the process is up and has found its elements.
    pub async fn ready(&mut self) -> Result<(), WorkerFailure> {
        loop {
            tokio::select! {
                up = self.ready.wait_for(|&ready| ready) => if up.is_ok() { return Ok(()) },
                output = self.outputs.recv() => match output {
                    Some(Err(failure)) => return Err(failure),
                    Some(Ok(_)) => {}
                    None => return Err(WorkerFailure::Exited { status: None }),
                },
            }
        }
    }

    /// Gives the worker its job. Once, and before any frame: the first video frame must be a keyframe, its PTS becomes
    /// instant 0 of every rendition.
    pub fn start(&mut self, job: Job) {
        let body = WireJob {
            plan: job.plan.clone(),
            preset: job.preset,
            avcc: job.video.avcc.to_vec(),
            asc: job.audio.as_ref().map(|audio| audio.asc.to_vec()),
        };
        self.control(to_worker::START, &body);
        self.started.send_replace(Some(Arc::new(job)));
    }

    /// Queues a source frame with its times in ticks of 90 kHz. Never waits. When the worker is too slow for the
    /// source, whole tails of groups of pictures are dropped and counted.
    pub fn send(&mut self, frame: Frame) -> Sent {
        let (kind, pts) = (frame.kind, frame.pts);
        match self.queue.push(frame, Instant::now()) {
            Ok(()) => Sent::Queued,
            Err(Refusal::Full { first }) => {
                self.meters.dropped_input();
                if first {
                    tracing::warn!(channel = %self.channel, ?kind, pts, "ladder worker too slow, dropping up to the next keyframe");
                }
                Sent::Dropped
            }
        }
    }

    /// Audio appears in mid-epoch or changes its format; video goes on untouched.
    pub fn set_audio(&mut self, audio: &AudioParams) {
        self.control(to_worker::AUDIO, &WireAudio { asc: audio.asc.to_vec() });
    }

    /// No more frames follow: everything that was sent is encoded, then [`Output::Finished`] comes.
    pub fn finish(&mut self) {
        self.queue.push_control(wire::bare(to_worker::FINISH));
        self.finishing.send_replace(Some(Instant::now()));
    }

    /// The next thing the worker gives out. May be given up at any time without losing anything. After a failure or
    /// [`Output::Finished`] the worker is gone.
    pub async fn recv(&mut self) -> Result<Output, WorkerFailure> {
        self.outputs.recv().await.unwrap_or(Err(WorkerFailure::Exited { status: None }))
    }

    /// How far the source is ahead of what the worker has taken, in milliseconds of its timestamps.
    pub fn backlog_ms(&self) -> i64 {
        self.queue.backlog_ms()
    }

    /// The process, while it lives.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    fn control(&self, name: u8, body: &impl serde::Serialize) {
        match wire::control(name, body) {
            Ok(message) => self.queue.push_control(message),
            // Plain structs of numbers and bytes always serialise.
            Err(error) => tracing::error!(channel = %self.channel, %error, "control message not sent"),
        }
    }
}
