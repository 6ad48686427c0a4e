//! What of one presentation is kept on disk: where its numbers stand, and the journal of its window.
//!
//! Before a snapshot is shown, everything in it is in the journal, and its numbers are reserved. The position file names
//! the journal that is in force; no other is ever gone on with. A disk that takes nothing for a moment, or has no room, does not
//! hold up those who watch: then snapshots are shown first, and the disk follows as soon as it can.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use metrics::{counter, describe_counter};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::{error, info, warn};
use weir_packager::{JournalBatch, Position};

use crate::journal::Journal;
use crate::position::PositionFile;

/// How long a snapshot may wait for the disk. A part lasts half a second, and players are three of them behind.
const WAIT_MAX: Duration = Duration::from_millis(150);
/// What may wait for a disk that takes nothing: two minutes of parts, whose media the window holds for the most part anyway.
const QUEUE_MAX: usize = 256;

/// The files of a presentation. A thread of their own uses them, in the order of what it is told.
#[derive(Debug)]
pub struct Ledger {
    channel: String,
    work: mpsc::Sender<Work>,
    /// What the thread was told and has not done.
    waiting: Arc<AtomicUsize>,
    /// Snapshots are shown without waiting for the disk.
    is_late: bool,
    /// Something was not put into the queue: the journal lacks it.
    is_torn: bool,
}

#[derive(Debug)]
enum Work {
    Store { batch: Option<JournalBatch>, shown: Option<Position>, is_torn: bool, done: oneshot::Sender<bool> },
    Keep(Position, oneshot::Sender<io::Result<()>>),
    Close(Position, oneshot::Sender<io::Result<()>>),
}

#[derive(Debug)]
struct Disk {
    channel: String,
    segment_ms: u32,
    position: PositionFile,
    /// None after it was given up.
    journal: Option<Journal>,
    /// Whether the last attempt to write the journal, or to reserve, failed. It is said once.
    journal_fails: bool,
    position_fails: bool,
}

impl Ledger {
    /// A ledger of `channel`, whose segments last about `segment_ms`.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn new(channel: &str, segment_ms: u32, position: PositionFile, journal: Journal) -> io::Result<Self> {
        let channel = channel.to_owned();
        let disk = Disk {
            channel: channel.clone(),
            segment_ms,
            position,
            journal: Some(journal),
            journal_fails: false,
            position_fails: false,
        };
        let (work, works) = mpsc::channel(QUEUE_MAX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&waiting);
        std::thread::Builder::new().name("ledger".to_owned()).spawn(move || disk.run(works, &left))?;
        Ok(Self { channel, work, waiting, is_late: false, is_torn: false })
    }

    /// Stores what is to be safe before numbers up to `shown` are advertised. What goes wrong is logged, for the
    /// broadcast goes on. Answers whether the journal goes on; when it does not, nothing more need be recorded.
    pub async fn store(&mut self, batch: Option<JournalBatch>, shown: Option<Position>) -> bool {
        let (done, answer) = oneshot::channel();
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        if self.work.try_send(Work::Store { batch, shown, is_torn: self.is_torn, done }).is_err() {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            if !self.is_torn {
                error!(channel = self.channel, "the disk takes nothing: these playlists would not survive a restart");
            }
            self.is_torn = true;
            return false;
        }
        if self.is_late && before > 0 {
            return !self.is_torn;
        }
        let whole = timeout(WAIT_MAX, answer).await;
        if whole.is_err() != self.is_late {
            self.is_late = whole.is_err();
            match self.is_late {
                true => warn!(channel = self.channel, "the disk is slow: playlists are shown before they are stored"),
                false => {
                    info!(channel = self.channel, "the disk has caught up: playlists are stored before they are shown")
                }
            }
        }
        // Of a thread that is gone nothing more can be had.
        whole.map_or(!self.is_torn, |whole| whole.unwrap_or(false))
    }

    /// Puts everything on the disk, for another run of the daemon to go on with from `position`.
    pub async fn keep(&self, position: Position) -> io::Result<()> {
        self.ask(|done| Work::Keep(position, done)).await
    }

    /// The presentation ends at `position`: gives back what was reserved and not used, and removes the journal.
    pub async fn close(&self, position: Position) -> io::Result<()> {
        self.ask(|done| Work::Close(position, done)).await
    }

    async fn ask(&self, work: impl FnOnce(oneshot::Sender<io::Result<()>>) -> Work) -> io::Result<()> {
        let (done, answer) = oneshot::channel();
        self.waiting.fetch_add(1, Ordering::AcqRel);
        self.work.send(work(done)).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
        answer.await.map_err(io::Error::other)?
    }
}

impl Disk {
    /// Does what it is told until nobody is left to tell. What was begun is finished even when nobody waits for it.
    fn run(mut self, mut works: mpsc::Receiver<Work>, waiting: &AtomicUsize) {
        while let Some(work) = works.blocking_recv() {
            match work {
                Work::Store { batch, shown, is_torn, done } => {
                    let whole = self.store(batch, shown, is_torn);
                    let _ = done.send(whole);
                    self.reserve_ahead(shown);
                }
                Work::Keep(position, done) => drop(done.send(self.keep(position))),
                Work::Close(position, done) => drop(done.send(self.close(position))),
            }
            waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn store(&mut self, batch: Option<JournalBatch>, shown: Option<Position>, is_torn: bool) -> bool {
        if is_torn {
            self.drop_journal();
        }
        if let Some(batch) = batch {
            self.record(batch);
        }
        if let Some(position) = shown
            && !self.position.covers(&position, self.journal.as_ref().map(Journal::id))
        {
            self.reserve(position);
        }
        self.journal.is_some()
    }

    /// Writes to the journal. What cannot be written is tried again with what comes next, and until then nobody may go on
    /// with what there is of it.
    fn record(&mut self, batch: JournalBatch) {
        let Some(journal) = &mut self.journal else { return };
        let channel = &self.channel;
        match journal.write(batch).and_then(|()| journal.bring_back()) {
            Ok(()) if self.journal_fails => {
                info!(channel, "the journal is whole again: these playlists would survive a restart");
                self.journal_fails = false;
            }
            Ok(()) => {}
            Err(_) if self.journal_fails => {}
            Err(e) => {
                error!(channel, error = %e, "cannot write the journal: for now these playlists would not survive a restart");
                counter!("weir_journal_failures_total", "channel" => channel.clone()).increment(1);
                self.journal_fails = true;
                if let Err(e) = journal.set_aside() {
                    error!(channel, error = %e, "cannot set the journal aside");
                    self.drop_journal();
                }
            }
        }
    }

    fn reserve(&mut self, position: Position) {
        let journal = self.journal.as_ref().map(Journal::id);
        let outcome = self.position.reserve(&position, self.segment_ms, journal);
        if let Err(e) = &outcome
            && !self.position_fails
        {
            // Going on would risk numbers that go back after a crash; standing still would end the
            // broadcast for certain. The broadcast is worth more.
            error!(channel = self.channel, error = %e, "cannot reserve sequence numbers on disk");
        }
        self.position_fails = outcome.is_err();
    }

    /// Reserves while there is time: a snapshot that needs it would have to wait for the disk.
    fn reserve_ahead(&mut self, shown: Option<Position>) {
        if let Some(position) = shown
            && self.position.runs_out(&position)
        {
            self.reserve(position);
        }
    }

    /// A journal that lacks something must not be gone on with. Either of the two steps sees to that; and a position
    /// that still names it is written again before anything else is shown.
    fn drop_journal(&mut self) {
        let Some(journal) = self.journal.take() else { return };
        let (forgotten, removed) = (self.position.forget_journal(), journal.remove());
        if let Err(e) = forgotten.and(removed) {
            error!(channel = self.channel, error = %e, "cannot remove the journal");
        }
    }

    fn keep(&mut self, position: Position) -> io::Result<()> {
        let journal = self.journal.as_ref().filter(|journal| journal.is_whole());
        journal.map_or(Ok(()), Journal::sync)?;
        self.position.settle(&position, journal.map(Journal::id))
    }

    fn close(&mut self, position: Position) -> io::Result<()> {
        let settled = self.position.settle(&position, None);
        let removed = self.journal.take().map_or(Ok(()), Journal::remove);
        settled.and(removed)
    }
}

/// Describes the metrics of this module.
pub fn describe_metrics() {
    describe_counter!(
        "weir_journal_failures_total",
        "How often playlists could not be written to disk, and for a while would not have survived a restart, by channel."
    );
}
