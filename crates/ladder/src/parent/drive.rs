use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, ChildStderr};
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, Interval, MissedTickBehavior};
use weir_media::{AudioParams, Frame, TrackFormat, TrackKind, VideoParams};

use super::meters::Meters;
use super::outcome::{Output, RenditionStats, WorkerFailure, WorkerStats};
use super::queue::{InputQueue, Item};
use super::{Job, WorkerLimits, usage};
use crate::wire::{self, Message, WireCounts, WireFailure, WireFormat, WireSpeed, from_worker, to_worker};

/// How often the deadlines are looked at: they are of seconds.
const TICK: Duration = Duration::from_millis(250);
/// Every how many ticks the worker's usage is read and reported.
const TICKS_PER_REPORT: u32 = 4;
/// Room made for reading: several frames at once.
const READ_BYTES: usize = 64 << 10;
/// With less room than this left, more is made. The frames of earlier reads share the room, so that it is new memory each time.
const ROOM_BYTES_MIN: usize = 16 << 10;
/// The longest line of the worker's standard error that is logged whole; libraries may print anything.
const LINE_BYTES_MAX: u64 = 1000;
/// How long the worker's last words may take to arrive behind a broken connection.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Writes what waits in the queue to the worker, until it no longer reads.
pub(super) async fn feed(mut socket: OwnedWriteHalf, queue: Arc<InputQueue>) {
    loop {
        let written = match queue.pop().await {
            Item::Control(message) => socket.write_all(&message).await,
            Item::Frame(frame) => {
                let Frame { kind, dts, pts, keyframe, data } = frame;
                let track = wire::source_track(kind);
                let prefix = wire::frame_prefix(to_worker::FRAME, track, keyframe, dts, pts, data.len());
                socket.write_all_buf(&mut Bytes::copy_from_slice(&prefix).chain(data)).await
            }
        };
        // Its death is seen, and explained, where its output is read.
        if written.is_err() {
            return;
        }
    }
}

/// Logs what the worker prints.
pub(super) async fn log_lines(stderr: ChildStderr, channel: Arc<str>, pid: Option<u32>) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while let Ok(1..) = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line);
        tracing::warn!(%channel, pid, "ladder worker says: {}", text.trim_end());
        line.clear();
    }
}

/// Reads the worker's output and watches over it.
pub(super) struct Drive {
    pub child: Child,
    pub limits: WorkerLimits,
    pub queue: Arc<InputQueue>,
    pub output: mpsc::Sender<Result<Output, WorkerFailure>>,
    pub job: watch::Receiver<Option<Arc<Job>>>,
    pub finish_at: watch::Receiver<Option<Instant>>,
    pub ready: watch::Sender<bool>,
    pub meters: Meters,
    pub seen: Seen,
}

/// What the worker has done so far.
pub(super) struct Seen {
    spawned_at: Instant,
    /// When the last picture came out.
    picture_at: Instant,
    ticks: u32,
    reported_at: Instant,
    counts: WireCounts,
    frames: Vec<u64>,
    stats: WorkerStats,
}

impl Seen {
    /// Nothing: the process was started just now.
    pub fn nothing() -> Self {
        let now = Instant::now();
        let (counts, frames, stats) = Default::default();
        Self { spawned_at: now, picture_at: now, ticks: 0, reported_at: now, counts, frames, stats }
    }
}

/// What reading on means.
enum Next {
    Continue,
    Finished,
}

impl Drive {
    /// Runs until the worker has finished or failed, or nobody listens any more. The process is dead afterwards.
    pub async fn run(mut self, socket: OwnedReadHalf) {
        let result = self.read(socket).await;
        self.report();
        let _ = self.child.kill().await;
        let names = self.names();
        self.meters.ended(&names);
        let _ = self.output.send(result.map(|()| Output::Finished)).await;
    }

    async fn read(&mut self, mut socket: OwnedReadHalf) -> Result<(), WorkerFailure> {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        let mut tick = every_tick();
        loop {
            while let Some(message) = wire::take(&mut buffer).map_err(protocol)? {
                if let Next::Finished = self.message(message).await? {
                    return Ok(());
                }
            }
            if buffer.capacity() - buffer.len() < ROOM_BYTES_MIN {
                buffer.reserve(READ_BYTES);
            }
            tokio::select! {
                // After a wait for the caller, what the worker has said is heard before it is judged.
                biased;
                read = socket.read_buf(&mut buffer) => if !matches!(read, Ok(1..)) {
                    return Err(self.exited().await);
                },
                now = tick.tick() => self.tick(now)?,
            }
        }
    }

    async fn message(&mut self, message: Message) -> Result<Next, WorkerFailure> {
        match message.name {
            from_worker::READY => {
                self.queue.count_from(Instant::now());
                self.ready.send_replace(true);
            }
            from_worker::FORMAT => {
                let output = self.format(&message.json().map_err(protocol)?)?;
                self.give(output).await;
            }
            from_worker::FRAME => self.frame(message).await?,
            from_worker::COUNTS => self.seen.counts = message.json().map_err(protocol)?,
            from_worker::SPEED => {
                let WireSpeed { ns_per_macroblock } = message.json().map_err(protocol)?;
                self.give(Output::Speed { ns_per_macroblock }).await;
            }
            from_worker::FINISHED => return Ok(Next::Finished),
            from_worker::FAILED => {
                let WireFailure { what } = message.json().map_err(protocol)?;
                return Err(WorkerFailure::Pipeline(what));
            }
            other => return Err(protocol(wire::WireError::Unknown(other))),
        }
        Ok(Next::Continue)
    }

    fn format(&self, wire: &WireFormat) -> Result<Output, WorkerFailure> {
        let job = self.current_job()?;
        let unknown = || WorkerFailure::Protocol(format!("there is no video rendition {}", wire.rendition));
        let format = match &wire.avcc {
            None => TrackFormat::Audio { params: AudioParams::lc_48k_stereo() },
            Some(avcc) => {
                let rung = job.plan.rungs.get(wire.rendition).ok_or_else(unknown)?;
                let params = VideoParams::from_avcc(Bytes::copy_from_slice(avcc))
                    .map_err(|e| WorkerFailure::Protocol(format!("{}: {e}", rung.name)))?;
                TrackFormat::Video { params, frame_rate: rung.frame_rate }
            }
        };
        Ok(Output::Format { rendition: wire.rendition, format })
    }

    async fn frame(&mut self, message: Message) -> Result<(), WorkerFailure> {
        let audio = self.current_job()?.plan.audio_rendition();
        let kind = |rendition: u8| if usize::from(rendition) == audio { TrackKind::Audio } else { TrackKind::Video };
        let (rendition, frame) = message.frame(kind).map_err(protocol)?;
        let rendition = usize::from(rendition);
        if rendition > audio {
            return Err(WorkerFailure::Protocol(format!("there is no rendition {rendition}")));
        }
        if frame.kind == TrackKind::Video {
            self.queue.answered();
            self.seen.picture_at = Instant::now();
        }
        self.seen.frames.resize(audio + 1, 0);
        self.seen.frames[rendition] += 1;
        self.give(Output::Frame { rendition, frame }).await;
        Ok(())
    }

    fn current_job(&self) -> Result<Arc<Job>, WorkerFailure> {
        let early = || WorkerFailure::Protocol("output before there was a job".to_owned());
        self.job.borrow().clone().ok_or_else(early)
    }

    /// When nobody listens any more this task is about to be dropped with the process.
    async fn give(&self, output: Output) {
        let _ = self.output.send(Ok(output)).await;
    }

    fn tick(&mut self, now: Instant) -> Result<(), WorkerFailure> {
        self.seen.ticks += 1;
        if self.seen.ticks.is_multiple_of(TICKS_PER_REPORT) {
            self.report();
            let (bytes, max) = (self.seen.stats.rss_bytes, self.limits.memory_bytes_max);
            if bytes > max {
                return Err(WorkerFailure::Memory { bytes, max });
            }
        }
        let overdue = |since: Instant, limit: Duration| {
            let waited = now.saturating_duration_since(since);
            if waited > limit { Err(WorkerFailure::Hung { ms: waited.as_millis() as u64 }) } else { Ok(()) }
        };
        if !*self.ready.borrow() {
            return overdue(self.seen.spawned_at, self.limits.start_timeout);
        }
        let finish_at = *self.finish_at.borrow();
        match (finish_at, self.queue.unanswered_since()) {
            (Some(since), _) => overdue(since.max(self.seen.picture_at), self.limits.finish_timeout),
            (None, Some(since)) => overdue(since, self.limits.hang_timeout),
            (None, None) => Ok(()),
        }
    }

    /// Reads the usage and gives out the statistics since the last time.
    fn report(&mut self) {
        let Some(job) = self.job.borrow().clone() else {
            if let Some(used) = self.child.id().and_then(usage::of_process) {
                self.seen.stats.rss_bytes = used.rss_bytes;
            }
            return;
        };
        let now = Instant::now();
        let passed_us = (now - self.seen.reported_at).as_micros().max(1) as u64;
        let renditions = self.seen.frames.iter().enumerate().map(|(index, &frames)| {
            let new = frames - self.seen.stats.renditions.get(index).map_or(0, |before| before.frames);
            let fps_milli = new * 1_000_000_000 / passed_us;
            let rate_milli = job.plan.rungs.get(index).map_or(46_875, |rung| rung.frame_rate.millihertz());
            RenditionStats { frames, fps_milli, speed_milli: fps_milli * 1000 / rate_milli.max(1) }
        });
        let used = self.child.id().and_then(usage::of_process);
        let stats = WorkerStats {
            cpu_ms: used.map_or(self.seen.stats.cpu_ms, |used| used.cpu_ms.max(self.seen.stats.cpu_ms)),
            rss_bytes: used.map_or(self.seen.stats.rss_bytes, |used| used.rss_bytes),
            renditions: renditions.collect(),
            duplicated: self.seen.counts.duplicated,
            dropped: self.seen.counts.dropped,
            decode_errors: self.seen.counts.decode_errors,
            silent_audio_frames: self.seen.counts.silent_audio_frames,
            dropped_audio_frames: self.seen.counts.dropped_audio_frames,
        };
        self.meters.report(&self.names(), &self.seen.stats, &stats);
        self.seen.stats = stats.clone();
        self.seen.reported_at = now;
        // A caller that is behind gets the next ones instead.
        let _ = self.output.try_send(Ok(Output::Stats(stats)));
    }

    /// The renditions' names, audio last.
    fn names(&self) -> Vec<String> {
        let job = self.job.borrow();
        let rungs = job.iter().flat_map(|job| &job.plan.rungs).map(|rung| rung.name.clone());
        rungs.chain(job.iter().map(|_| "audio".to_owned())).collect()
    }

    /// The connection ended: says how the process did.
    async fn exited(&mut self) -> WorkerFailure {
        match tokio::time::timeout(EXIT_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) => WorkerFailure::Exited { status: Some(status) },
            Ok(Err(error)) => WorkerFailure::Process(error),
            Err(_) => WorkerFailure::Protocol("it closed the connection and lives on".to_owned()),
        }
    }
}

fn protocol(error: wire::WireError) -> WorkerFailure {
    WorkerFailure::Protocol(error.to_string())
}

fn every_tick() -> Interval {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}
