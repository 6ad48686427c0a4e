//! The journal of one presentation: a folder with a file for every segment that can still be asked for. It is written
//! into the page cache, which survives whatever ends the process, and not to the disk before the daemon stops.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tracing::warn;
use weir_packager::{Config, JournalBatch, JournalRecord, Packager, Position, Restored};

/// What the names of all journals' folders begin with.
const PREFIX: &str = "journal-";
const EXTENSION: &str = "bin";
/// What the name of a folder ends with that lacks something.
const BEHIND: &str = ".behind";

/// The files of a journal, and the one that is written.
#[derive(Debug)]
pub struct Journal {
    id: String,
    folder: PathBuf,
    /// The first segment that has a file.
    first: Option<u64>,
    newest: Option<Newest>,
    /// What could not be written yet. Its media are those of the window.
    pending: VecDeque<JournalRecord>,
    /// Whether its folder has the name of one that lacks something.
    is_aside: bool,
}

/// The file that is written.
#[derive(Debug)]
struct Newest {
    msn: u64,
    file: File,
    /// How many bytes of whole records it has.
    len: u64,
    /// Whether half a record may stand behind them.
    is_torn: bool,
}

impl Journal {
    /// A journal called `id` under `state`; its folder is made with the first record.
    pub fn begin(state: &Path, id: &str) -> Self {
        let (first, newest, pending) = (None, None, VecDeque::new());
        Self { id: id.to_owned(), folder: folder(state, id), first, newest, pending, is_aside: false }
    }

    /// Goes on with the journal `id` and the presentation in it, which is known to have come as far as `reached`.
    ///
    /// Where the journal is whole, every name that anybody has seen is in it: the session whose name it has goes on, and a part that was
    /// hinted at comes under that name. Where something at its end cannot be read, names may be lost, and the new `session` begins.
    pub fn resume(
        state: &Path,
        id: &str,
        config: Config,
        session: &str,
        reached: Position,
    ) -> io::Result<(Packager, Self)> {
        let folder = folder(state, id);
        let mut there = Vec::new();
        for entry in fs::read_dir(&folder)? {
            there.extend(msn_of(&entry?.path()));
        }
        let newest = there.iter().copied().max().ok_or(io::ErrorKind::NotFound)?;
        let read = |msn| match fs::read(file(&folder, msn)) {
            Ok(bytes) => Some(bytes.into()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => {
                warn!(path = %file(&folder, msn).display(), error = %e, "a segment cannot be read back");
                None
            }
        };
        let restore = |session| Packager::restore(config, session, reached, newest, read).map_err(io::Error::other);
        let mut restored = restore(id)?;
        if restored.last_len != fs::metadata(file(&folder, *restored.files.end()))?.len()
            || *restored.files.end() != newest
        {
            restored = restore(session)?;
        }
        let Restored { packager, files, last_len } = restored;
        for msn in there.into_iter().filter(|msn| !files.contains(msn)) {
            fs::remove_file(file(&folder, msn))?;
        }
        let last = File::options().append(true).open(file(&folder, *files.end()))?;
        last.set_len(last_len)?;
        let newest = Newest { msn: *files.end(), file: last, len: last_len, is_torn: false };
        let (id, first, newest, pending) = (id.to_owned(), Some(*files.start()), Some(newest), VecDeque::new());
        Ok((packager, Self { id, folder, first, newest, pending, is_aside: false }))
    }

    /// What [`resume`](Self::resume) is to be given.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it can be gone on with: something was written, and nothing waits to be.
    pub fn is_whole(&self) -> bool {
        self.newest.is_some() && self.pending.is_empty() && !self.is_aside
    }

    /// Appends records, then removes the files that are not needed any more. What cannot be written is kept and comes
    /// first at the next call, unless it is not needed any more by then: so no more is kept than the window holds.
    pub fn write(&mut self, batch: JournalBatch) -> io::Result<()> {
        self.pending.extend(batch.records);
        while self.pending.front().is_some_and(|record| record.msn < batch.keep_from) {
            self.pending.pop_front();
        }
        let written = self.write_pending();
        // Also where nothing can be written: it makes room.
        let removed = self.remove_before(batch.keep_from);
        written.and(removed)
    }

    fn write_pending(&mut self) -> io::Result<()> {
        while let Some(record) = self.pending.pop_front() {
            if let Err(e) = self.append(&record) {
                self.pending.push_front(record);
                return Err(e);
            }
        }
        Ok(())
    }

    fn append(&mut self, record: &JournalRecord) -> io::Result<()> {
        if record.begins {
            if self.first.is_none() {
                fs::create_dir_all(&self.folder)?;
                self.first = Some(record.msn);
            }
            let made = File::create(file(&self.folder, record.msn))?;
            self.newest = Some(Newest { msn: record.msn, file: made, len: 0, is_torn: false });
        }
        let newest = self.newest.as_mut().filter(|newest| newest.msn == record.msn);
        newest.ok_or_else(|| io::Error::other("a record for a segment that is not the newest"))?.append(&record.chunks)
    }

    fn remove_before(&mut self, keep_from: u64) -> io::Result<()> {
        while let Some(first) = self.first.filter(|first| *first < keep_from) {
            match fs::remove_file(file(&self.folder, first)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => self.first = Some(first + 1),
            }
        }
        Ok(())
    }

    /// Sees to it that nobody goes on with it while it lacks something. That needs no room on the disk.
    pub fn set_aside(&mut self) -> io::Result<()> {
        let name = format!("{}{BEHIND}", self.folder.file_name().unwrap_or_default().to_string_lossy());
        self.rename(!self.is_aside, &name)
    }

    /// It lacks nothing any more.
    pub fn bring_back(&mut self) -> io::Result<()> {
        self.rename(self.is_aside, &format!("{PREFIX}{}", self.id))
    }

    fn rename(&mut self, is_due: bool, name: &str) -> io::Result<()> {
        if !is_due {
            return Ok(());
        }
        let folder = self.folder.with_file_name(name);
        match fs::rename(&self.folder, &folder) {
            // It has not been made yet.
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => (self.folder, self.is_aside) = (folder, !self.is_aside),
        }
        Ok(())
    }

    /// Returns when everything is on the disk.
    pub fn sync(&self) -> io::Result<()> {
        if let (Some(first), Some(newest)) = (self.first, &self.newest) {
            (first..=newest.msn).try_for_each(|msn| File::open(file(&self.folder, msn))?.sync_all())?;
        }
        File::open(&self.folder)?.sync_all()
    }

    /// Removes all files.
    pub fn remove(self) -> io::Result<()> {
        remove_folder(&self.folder)
    }
}

impl Newest {
    /// Appends a record, all of it or nothing.
    fn append(&mut self, chunks: &[Bytes]) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.len)?;
            self.file.seek(SeekFrom::Start(self.len))?;
        }
        self.is_torn = true;
        chunks.iter().try_for_each(|chunk| self.file.write_all(chunk))?;
        self.len += chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        self.is_torn = false;
        Ok(())
    }
}

/// Removes every journal under `state` but the one called `kept`.
pub fn remove_others(state: &Path, kept: Option<&str>) -> io::Result<()> {
    let kept = kept.map(|id| folder(state, id));
    for entry in fs::read_dir(state)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && kept.as_ref() != Some(&entry.path()) {
            remove_folder(&entry.path())?;
        }
    }
    Ok(())
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn folder(state: &Path, id: &str) -> PathBuf {
    state.join(format!("{PREFIX}{id}"))
}

fn file(folder: &Path, msn: u64) -> PathBuf {
    folder.join(format!("{msn}.{EXTENSION}"))
}

fn msn_of(path: &Path) -> Option<u64> {
    let is_ours = path.extension().is_some_and(|extension| extension == EXTENSION);
    path.file_stem().filter(|_| is_ours)?.to_str()?.parse().ok()
}
