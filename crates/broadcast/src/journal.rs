//! The journal of one presentation: a folder with a file for every segment that can still be asked for. It is written
//! into the page cache, which survives whatever ends the process, and not to the disk before the daemon stops.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tracing::warn;
use weir_packager::{Config, JournalBatch, JournalRecord, Packager, Position, Restored};

/// What the names of all journals' folders begin with.
const PREFIX: &str = "journal-";
const EXTENSION: &str = "bin";

/// The files of a journal, and the one that is written.
#[derive(Debug)]
pub struct Journal {
    id: String,
    folder: PathBuf,
    /// The first segment that has a file.
    first: Option<u64>,
    newest: Option<(u64, File)>,
}

impl Journal {
    /// A journal called `id` under `state`; its folder is made with the first record.
    pub fn begin(state: &Path, id: &str) -> Self {
        Self { id: id.to_owned(), folder: folder(state, id), first: None, newest: None }
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
        let (id, first, newest) = (id.to_owned(), Some(*files.start()), Some((*files.end(), last)));
        Ok((packager, Self { id, folder, first, newest }))
    }

    /// What [`resume`](Self::resume) is to be given.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.newest.is_none()
    }

    /// Appends records, then removes the files that are not needed any more.
    pub fn write(&mut self, batch: &JournalBatch) -> io::Result<()> {
        for record in &batch.records {
            let mut file = self.file_of(record)?;
            record.chunks.iter().try_for_each(|chunk| file.write_all(chunk))?;
        }
        while let Some(first) = self.first.filter(|first| *first < batch.keep_from) {
            match fs::remove_file(file(&self.folder, first)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => self.first = Some(first + 1),
            }
        }
        Ok(())
    }

    fn file_of(&mut self, record: &JournalRecord) -> io::Result<&File> {
        if record.begins {
            if self.first.is_none() {
                fs::create_dir_all(&self.folder)?;
                self.first = Some(record.msn);
            }
            let made = File::create(file(&self.folder, record.msn))?;
            self.newest = Some((record.msn, made));
        }
        let newest = self.newest.as_ref().filter(|(msn, _)| *msn == record.msn);
        newest.map(|(_, file)| file).ok_or_else(|| io::Error::other("a record for a segment that is not the newest"))
    }

    /// Returns when everything is on the disk.
    pub fn sync(&self) -> io::Result<()> {
        if let (Some(first), Some((last, _))) = (self.first, &self.newest) {
            (first..=*last).try_for_each(|msn| File::open(file(&self.folder, msn))?.sync_all())?;
        }
        File::open(&self.folder)?.sync_all()
    }

    /// Removes all files.
    pub fn remove(self) -> io::Result<()> {
        remove_folder(&self.folder)
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
