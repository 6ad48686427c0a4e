//! What a channel shows: the epochs whose workers still run, and the playlists made of their output.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{error, info, warn};
use weir_ladder::{Output, Worker, WorkerFailure};
use weir_media::{Frame, MEDIA_HZ, TrackFormat, TrackKind};
use weir_packager::{Counters, Epoch, EpochError, FormatError, Packager, PushError, Snapshot};

use crate::position::PositionFile;
use crate::stages::Stages;

/// How many workers may run for one channel: one that is fed, and those that still drain because the
/// source broke off twice within moments. Beyond that the oldest is cut short.
const WORKERS_MAX: usize = 3;

/// Playlists appear with this many segments: players that join a single one stall at once, and Chromium's own
/// gives up on it.
const FIRST_SEGMENTS: u64 = 2;

/// Index of the best rendition of an epoch.
const BEST: usize = 0;

/// One run of a worker.
struct Running {
    worker: Worker,
    epoch: Option<Epoch>,
    started: Instant,
    finishing: bool,
    stages: Stages,
    /// Timescale of the best rendition, once its format is known.
    timescale: Option<u32>,
}

/// The worker that is fed has failed.
#[derive(Debug)]
pub struct Failed {
    /// When the worker was started.
    pub started: Instant,
    /// Why it failed.
    pub failure: EpochFailure,
}

/// Why an epoch ended before its source did.
#[derive(Debug, thiserror::Error)]
pub enum EpochFailure {
    /// The process.
    #[error(transparent)]
    Worker(#[from] WorkerFailure),
    /// What the ladder made cannot follow what was there before.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// The ladder made something else than planned.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The ladder's output cannot be packaged.
    #[error(transparent)]
    Push(#[from] PushError),
}

impl EpochFailure {
    /// The value of the `reason` label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Worker(WorkerFailure::Process(_) | WorkerFailure::Exited { .. }) => "exited",
            Self::Worker(WorkerFailure::Hung { .. }) => "hung",
            Self::Worker(WorkerFailure::Memory { .. }) => "memory",
            Self::Worker(WorkerFailure::Pipeline(_)) => "pipeline",
            Self::Worker(WorkerFailure::Protocol(_)) => "protocol",
            Self::Epoch(_) | Self::Format(_) | Self::Push(_) => "output",
        }
    }
}

/// The presentation of one channel from its first picture to its end.
pub struct Show {
    channel: String,
    packager: Packager,
    position: PositionFile,
    segment_ms: u32,
    epochs: VecDeque<Running>,
    snapshots: Arc<watch::Sender<Option<Arc<Snapshot>>>>,
    published: Instant,
    /// The segment that is to be finished next, and since when it is.
    segment: (u64, Instant),
    /// Until there is enough to begin with.
    held_back: bool,
}

impl Show {
    /// A presentation whose playlists go to `snapshots`.
    pub fn new(
        channel: &str,
        packager: Packager,
        segment_ms: u32,
        position: PositionFile,
        snapshots: Arc<watch::Sender<Option<Arc<Snapshot>>>>,
    ) -> Self {
        let channel = channel.to_owned();
        let (epochs, now, held_back) = (VecDeque::new(), Instant::now(), false);
        let (published, segment) = (now, (0, now));
        Self { channel, packager, position, segment_ms, epochs, snapshots, published, segment, held_back }
    }

    /// Lets nothing be seen before there is enough to begin with. For a presentation without a past.
    pub fn hold_back(mut self) -> Self {
        self.held_back = true;
        self
    }

    /// Adds an epoch; its output comes after that of the epochs before it.
    pub fn begin(&mut self, worker: Worker, epoch: Epoch) {
        self.finish();
        if self.epochs.len() >= WORKERS_MAX {
            warn!(channel = self.channel, "source broke off too often: an epoch is cut short");
            self.drop_front();
        }
        let (started, stages) = (Instant::now(), Stages::default());
        let epoch = Some(epoch);
        self.epochs.push_back(Running { worker, epoch, started, finishing: false, stages, timescale: None });
    }

    /// The worker that takes the source's frames, if one does.
    pub fn fed(&mut self) -> Option<&mut Worker> {
        self.fed_epoch().map(|running| &mut running.worker)
    }

    /// Gives a frame that has just come to the worker that takes the source's frames.
    pub fn send(&mut self, frame: Frame, now: Instant) {
        let Some(running) = self.fed_epoch() else { return };
        if frame.kind == TrackKind::Video {
            running.stages.arrived(frame.pts, now);
        }
        running.worker.send(frame);
    }

    fn fed_epoch(&mut self) -> Option<&mut Running> {
        self.epochs.back_mut().filter(|running| !running.finishing)
    }

    /// Lets the fed worker drain: its source has ended.
    pub fn finish(&mut self) {
        if let Some(running) = self.epochs.back_mut().filter(|running| !running.finishing) {
            running.finishing = true;
            running.worker.finish();
        }
    }

    /// Whether no worker runs any more.
    pub fn is_drained(&self) -> bool {
        self.epochs.is_empty()
    }

    /// Seconds since the playlists last changed.
    pub fn age(&self, now: Instant) -> f64 {
        now.duration_since(self.published).as_secs_f64()
    }

    /// How long the segment that comes next has been waited for.
    pub fn segment_age(&self, now: Instant) -> Duration {
        now.duration_since(self.segment.1)
    }

    /// Says that nothing came until `wall_ms` (milliseconds since the Unix epoch): the playlists go on with gaps, up
    /// to where the next epoch begins.
    pub async fn fill(&mut self, wall_ms: i64) {
        let pending = self.epochs.front().and_then(|running| running.epoch.as_ref());
        let until = pending.map_or(wall_ms, |epoch| epoch.wall_start_ms.min(wall_ms));
        self.packager.fill(until);
        self.publish().await;
    }

    /// What the packager counted.
    pub fn counters(&self) -> Counters {
        self.packager.counters()
    }

    /// The next output of the oldest epoch; waits for ever when no worker runs. Cancel-safe.
    pub async fn recv(&mut self) -> Result<Output, WorkerFailure> {
        match self.epochs.front_mut() {
            Some(running) => running.worker.recv().await,
            None => std::future::pending().await,
        }
    }

    /// Takes in what [`recv`](Self::recv) gave. Answers if that ended an epoch whose source goes on.
    pub async fn apply(&mut self, received: Result<Output, WorkerFailure>) -> Option<Failed> {
        let taken = received.map_err(EpochFailure::from).and_then(|output| self.take(output));
        let failed = taken.err().and_then(|failure| self.front_failed(failure));
        self.publish().await;
        failed
    }

    fn take(&mut self, output: Output) -> Result<(), EpochFailure> {
        match output {
            Output::Format { rendition, format } => {
                self.begin_front()?;
                if let (BEST, TrackFormat::Video { frame_rate, .. }, Some(front)) =
                    (rendition, &format, self.epochs.front_mut())
                {
                    front.timescale = Some(frame_rate.timescale());
                }
                self.packager.set_format(rendition, format)?;
            }
            Output::Frame { rendition, frame } => {
                if let (BEST, Some(front)) = (rendition, self.epochs.front())
                    && let Some(timescale) = front.timescale
                {
                    front.stages.encoded(frame.pts * MEDIA_HZ / i64::from(timescale), Instant::now());
                }
                self.packager.push(rendition, frame)?;
            }
            Output::Stats(_) => {}
            Output::Finished => self.drop_front(),
        }
        Ok(())
    }

    /// Ends the playlists; nothing may be pushed afterwards.
    pub async fn end(&mut self) {
        self.epochs.clear();
        self.packager.end();
        self.held_back = false;
        self.publish().await;
        if let Err(e) = self.settle().await {
            error!(channel = self.channel, error = %e, "cannot store where the playlists ended");
        }
    }

    /// Closes what is open and hands out the window, for another run of the daemon to go on with.
    pub async fn suspend(mut self) -> io::Result<Packager> {
        self.epochs.clear();
        self.packager.end_epoch();
        self.publish().await;
        self.settle().await?;
        Ok(self.packager)
    }

    /// Shows what changed, after its numbers are safe on disk.
    pub async fn publish(&mut self) {
        self.held_back &= self.packager.counters().segments < FIRST_SEGMENTS;
        if self.held_back {
            return;
        }
        let Some(snapshot) = self.packager.take_snapshot(Instant::now()) else { return };
        let position = self.packager.position();
        if !self.position.covers(&position) {
            let segment_ms = self.segment_ms;
            if let Err(e) = self.on_disk(move |file| file.reserve(&position, segment_ms)).await {
                // Going on would risk numbers that go back after a crash; standing still would end the
                // broadcast for certain. The broadcast is worth more.
                error!(channel = self.channel, error = %e, "cannot reserve sequence numbers on disk");
            }
        }
        let now = Instant::now();
        self.published = now;
        if snapshot.edge.next_msn != self.segment.0 {
            self.segment = (snapshot.edge.next_msn, now);
        }
        if let (Some(pts), Some(front)) = (self.packager.last_picture(MEDIA_HZ), self.epochs.front()) {
            front.stages.closed(pts, now);
        }
        self.snapshots.send_replace(Some(snapshot));
    }

    async fn settle(&mut self) -> io::Result<()> {
        let position = self.packager.position();
        self.on_disk(move |file| file.settle(&position)).await
    }

    /// Runs blocking work on the position file without holding up the runtime.
    async fn on_disk<F>(&mut self, work: F) -> io::Result<()>
    where
        F: FnOnce(&mut PositionFile) -> io::Result<()> + Send + 'static,
    {
        let mut file = self.position.clone();
        let (file, result) = tokio::task::spawn_blocking(move || {
            let result = work(&mut file);
            (file, result)
        })
        .await
        .map_err(io::Error::other)?;
        self.position = file;
        result
    }

    /// The oldest epoch's first output: from here on the packager is in it.
    fn begin_front(&mut self) -> Result<(), EpochError> {
        match self.epochs.front_mut().and_then(|running| running.epoch.take()) {
            Some(epoch) => self.packager.start_epoch(epoch),
            None => Ok(()),
        }
    }

    fn drop_front(&mut self) {
        if let Some(running) = self.epochs.pop_front()
            && running.epoch.is_none()
        {
            self.packager.end_epoch();
        }
    }

    fn front_failed(&mut self, failure: EpochFailure) -> Option<Failed> {
        let (finishing, started) = self.epochs.front().map(|running| (running.finishing, running.started))?;
        self.drop_front();
        if finishing {
            info!(channel = self.channel, error = %failure, "a draining worker ended early");
            return None;
        }
        Some(Failed { started, failure })
    }
}
