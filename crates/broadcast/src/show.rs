//! What a channel shows: the epochs whose workers still run, and the playlists made of their output.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{error, info, warn};
use weir_ladder::{Output, Worker, WorkerFailure, WorkerStats};
use weir_media::{Frame, MEDIA_HZ, TrackFormat, TrackKind};
use weir_packager::{Counters, Epoch, EpochError, FormatError, Packager, PushError, Snapshot};

use crate::capacity::Cores;
use crate::ledger::Ledger;
use crate::stages::Stages;
use crate::wall::Wall;

#[cfg(test)]
mod tests;

/// How many workers may run for one channel: one that is fed, and those that still drain because the
/// source broke off twice within moments. Beyond that the oldest is cut short.
const WORKERS_MAX: usize = 3;

/// Playlists appear with this many segments, at the beginning and when they open to the public: players that join a
/// single one stall at once, and Chromium's own gives up on it.
const FIRST_SEGMENTS: u64 = 2;

/// How long a worker must have run for its CPU time to say something.
const LOAD_AFTER: Duration = Duration::from_secs(10);

/// Index of the best rendition of an epoch.
const BEST: usize = 0;

/// One run of a worker.
struct Running {
    worker: Worker,
    /// What the packager is to be told with its first output.
    epoch: Option<Epoch>,
    /// When its instant 0 was, and the clock that dates it.
    began: (Instant, Wall),
    finishing: bool,
    stages: Stages,
    /// Timescale of the best rendition, once its format is known.
    timescale: Option<u32>,
    /// When all its renditions had begun, and what CPU time the worker had used by then.
    first_stats: Option<(Instant, u64)>,
    stats: Option<WorkerStats>,
}

/// How the fed worker does.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Media that waits for it, in milliseconds.
    pub backlog_ms: i64,
    /// Media time that its slowest rendition gives out in the time that passes, in per mille.
    pub speed_milli: u64,
    /// What it takes of the machine; `None` while it has not run for long enough.
    pub cores: Option<Cores>,
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
    ledger: Ledger,
    epochs: VecDeque<Running>,
    snapshots: Arc<watch::Sender<Option<Arc<Snapshot>>>>,
    published: Instant,
    /// The clock that dates what is published.
    wall: Wall,
    /// When the last epoch ended, and up to when its media are dated.
    media_ended: Option<(Instant, i64)>,
    /// The segment that is to be finished next, and since when it is.
    segment: (u64, Instant),
}

impl Show {
    /// A presentation that is kept in `ledger` and whose playlists go to `snapshots`.
    pub fn new(
        channel: &str,
        packager: Packager,
        ledger: Ledger,
        snapshots: Arc<watch::Sender<Option<Arc<Snapshot>>>>,
    ) -> Self {
        let (channel, epochs, now) = (channel.to_owned(), VecDeque::new(), Instant::now());
        let wall = Wall::read().going_on(now, packager.dated_ms());
        Self {
            channel,
            packager,
            ledger,
            epochs,
            snapshots,
            published: now,
            wall,
            media_ended: None,
            segment: (0, now),
        }
    }

    /// Shows what was shown before the daemon was ended, at once: whoever asks first must not be told that there is nothing.
    /// All of it is in the ledger.
    pub fn show_restored(&mut self) {
        if !self.is_held_back()
            && let Some(snapshot) = self.packager.take_snapshot(Instant::now())
        {
            self.snapshots.send_replace(Some(snapshot));
        }
    }

    /// Opens a private presentation to the public with its next segment, also if the daemon is killed before that. Those
    /// who watch see the last of what was private until the public part is enough to begin with.
    pub async fn open_to_public(&mut self) {
        self.packager.open_to_public();
        self.publish().await;
    }

    /// Adds an epoch whose instant 0 was at `began`, by the clock with it; its output comes after that of the epochs before it.
    pub fn begin(&mut self, worker: Worker, epoch: Epoch, began: (Instant, Wall)) {
        self.finish();
        if self.epochs.len() >= WORKERS_MAX {
            warn!(channel = self.channel, "source broke off too often: an epoch is cut short");
            self.drop_front();
        }
        let stages = Stages::default();
        let epoch = Some(epoch);
        let (finishing, timescale, first_stats, stats) = (false, None, None, None);
        let running = Running { worker, epoch, began, finishing, stages, timescale, first_stats, stats };
        self.epochs.push_back(running);
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

    /// How the fed worker does, once it has begun to give out something and nothing older drains before it.
    pub fn load(&self, now: Instant) -> Option<Load> {
        let front = self.epochs.front().filter(|front| !front.finishing)?;
        let ((since, cpu_before), stats) = (front.first_stats?, front.stats.as_ref()?);
        let ran = now.duration_since(since);
        let cpu_ms = stats.cpu_ms.saturating_sub(cpu_before);
        let cores = (ran >= LOAD_AFTER).then(|| Cores((u128::from(cpu_ms) * 1000 / ran.as_millis()) as u32));
        let video = stats.renditions.len().saturating_sub(1);
        let speed_milli = stats.renditions.iter().take(video).map(|rendition| rendition.speed_milli).min()?;
        Some(Load { backlog_ms: front.worker.backlog_ms(), speed_milli, cores })
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

    /// Says that nothing came until `now`: the playlists go on with gaps, up to where the next epoch begins.
    pub async fn fill(&mut self, now: Instant) {
        let pending = self.epochs.front().filter(|running| running.epoch.is_some());
        let until = pending.map_or(now, |running| running.began.0.min(now));
        // Media that came at once after a stall are dated ahead of the clock. A gap behind them is told in time all the same,
        // and a fifth slower than time goes, until the clock has caught up.
        let clock = self.wall.at(until);
        let told = self.media_ended.map_or(clock, |(ended, dated_ms)| {
            clock.max(dated_ms + until.saturating_duration_since(ended).as_millis() as i64 * 4 / 5)
        });
        self.packager.fill(told);
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
    pub async fn apply(&mut self, received: Result<Output, WorkerFailure>) -> Option<EpochFailure> {
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
            Output::Stats(stats) => {
                if let Some(front) = self.epochs.front_mut() {
                    // Before every rendition has begun the worker is still starting.
                    if stats.renditions.iter().all(|rendition| rendition.frames > 0) {
                        front.first_stats.get_or_insert((Instant::now(), stats.cpu_ms));
                    }
                    front.stats = Some(stats);
                }
            }
            // Nobody asks a worker that encodes.
            Output::Speed { .. } => {}
            Output::Finished => self.drop_front(),
        }
        Ok(())
    }

    /// Ends the playlists; nothing may be pushed afterwards.
    pub async fn end(&mut self) {
        self.epochs.clear();
        self.packager.end();
        // Before anybody sees the end, so that no other run goes on behind it.
        if let Err(e) = self.ledger.close(self.packager.position()).await {
            error!(channel = self.channel, error = %e, "cannot store where the playlists ended");
        }
        self.publish().await;
    }

    /// Closes what is open and keeps the window for another run of the daemon to go on with.
    pub async fn suspend(mut self) -> io::Result<()> {
        self.epochs.clear();
        self.packager.end_epoch();
        self.publish().await;
        self.ledger.keep(self.packager.position()).await
    }

    /// Shows what changed, after it is safe on disk.
    pub async fn publish(&mut self) {
        let next_msn = self.packager.edge().next_msn;
        if next_msn != self.segment.0 {
            self.segment = (next_msn, Instant::now());
        }
        let recorded = self.packager.take_journal();
        let snapshot = if self.is_held_back() { None } else { self.packager.take_snapshot(Instant::now()) };
        if recorded.is_none() && snapshot.is_none() {
            return;
        }
        let shown = snapshot.is_some().then(|| self.packager.position());
        if !self.ledger.store(recorded, shown).await {
            self.packager.stop_journal();
        }
        let Some(snapshot) = snapshot else { return };
        let now = Instant::now();
        self.published = now;
        if let (Some(pts), Some(front)) = (self.packager.last_picture(MEDIA_HZ), self.epochs.front()) {
            front.stages.closed(pts, now);
        }
        self.snapshots.send_replace(Some(snapshot));
    }

    /// Whether there is not enough to begin with yet. What has ended is all there will be.
    fn is_held_back(&self) -> bool {
        self.packager.counters().segments < FIRST_SEGMENTS && !self.packager.has_ended()
    }

    /// The oldest epoch's first output: from here on the packager is in it.
    fn begin_front(&mut self) -> Result<(), EpochError> {
        let Some(front) = self.epochs.front_mut() else { return Ok(()) };
        let Some(epoch) = front.epoch.take() else { return Ok(()) };
        let (began, wall) = front.began;
        self.wall = wall.going_on(began, self.packager.dated_ms());
        self.packager.start_epoch(epoch)
    }

    fn drop_front(&mut self) {
        if let Some(running) = self.epochs.pop_front()
            && running.epoch.is_none()
        {
            self.end_epoch();
        }
    }

    fn end_epoch(&mut self) {
        self.packager.end_epoch();
        self.media_ended = self.packager.dated_ms().map(|dated_ms| (Instant::now(), dated_ms));
    }

    fn front_failed(&mut self, failure: EpochFailure) -> Option<EpochFailure> {
        let finishing = self.epochs.front()?.finishing;
        self.drop_front();
        if finishing {
            info!(channel = self.channel, error = %failure, "a draining worker ended early");
            return None;
        }
        Some(failure)
    }
}
