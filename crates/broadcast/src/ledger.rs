//! What of one presentation is kept on disk: where its numbers stand, and the journal of its window.
//!
//! Before a snapshot is shown, everything in it is in the journal, and its numbers are reserved. The position file names
//! the journal that is in force; no other is ever gone on with.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{counter, describe_counter};
use tracing::error;
use weir_packager::{JournalBatch, Position};

use crate::journal::Journal;
use crate::position::PositionFile;

/// The files of a presentation. They are used without holding up the runtime.
#[derive(Debug)]
pub struct Ledger {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug)]
struct Disk {
    channel: String,
    segment_ms: u32,
    position: PositionFile,
    /// None after it could not be written.
    journal: Option<Journal>,
}

impl Ledger {
    /// A ledger of `channel`, whose segments last about `segment_ms`.
    pub fn new(channel: &str, segment_ms: u32, position: PositionFile, journal: Journal) -> Self {
        let channel = channel.to_owned();
        Self { disk: Arc::new(Mutex::new(Disk { channel, segment_ms, position, journal: Some(journal) })) }
    }

    /// Stores what is to be safe before numbers up to `shown` are advertised. What goes wrong is logged, for the
    /// broadcast goes on. Answers whether the journal is whole; when it is not, nothing more need be recorded.
    pub async fn store(&self, batch: Option<JournalBatch>, shown: Option<Position>) -> bool {
        self.on_disk(move |disk| disk.store(batch, shown)).await.unwrap_or(false)
    }

    /// Puts everything on the disk, for another run of the daemon to go on with from `position`.
    pub async fn keep(&self, position: Position) -> io::Result<()> {
        self.on_disk(move |disk| disk.keep(position)).await?
    }

    /// The presentation ends at `position`: gives back what was reserved and not used, and removes the journal.
    pub async fn close(&self, position: Position) -> io::Result<()> {
        self.on_disk(move |disk| disk.close(position)).await?
    }

    /// Runs blocking work. What was begun is finished even when nobody waits for it any more, and what follows waits.
    async fn on_disk<T: Send + 'static>(&self, work: impl FnOnce(&mut Disk) -> T + Send + 'static) -> io::Result<T> {
        let disk = Arc::clone(&self.disk);
        let work = move || work(&mut disk.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
    }
}

impl Disk {
    fn store(&mut self, batch: Option<JournalBatch>, shown: Option<Position>) -> bool {
        if let (Some(batch), Some(journal)) = (&batch, &mut self.journal)
            && let Err(e) = journal.write(batch)
        {
            let channel = self.channel.clone();
            error!(channel, error = %e, "cannot write the journal: these playlists would not survive a restart");
            counter!("weir_journal_failures_total", "channel" => channel).increment(1);
            self.drop_journal();
        }
        let journal = self.journal.as_ref().map(Journal::id);
        if let Some(position) = shown
            && !self.position.covers(&position, journal)
            && let Err(e) = self.position.reserve(&position, self.segment_ms, journal)
        {
            // Going on would risk numbers that go back after a crash; standing still would end the
            // broadcast for certain. The broadcast is worth more.
            error!(channel = self.channel, error = %e, "cannot reserve sequence numbers on disk");
        }
        self.journal.is_some()
    }

    /// A journal that lacks something must not be gone on with. Either of the two steps sees to that; and a position
    /// that still names it is written again before anything else is shown.
    fn drop_journal(&mut self) {
        let forgotten = self.position.forget_journal();
        let removed = self.journal.take().map_or(Ok(()), Journal::remove);
        if let Err(e) = forgotten.and(removed) {
            error!(channel = self.channel, error = %e, "cannot remove the journal");
        }
    }

    fn keep(&mut self, position: Position) -> io::Result<()> {
        let journal = self.journal.as_ref().filter(|journal| !journal.is_empty());
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
        "Broadcasts whose playlists could not be written to disk and so would not survive a restart, by channel."
    );
}
