//! The files of one channel: where its sequence numbers and its window are kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tracing::warn;
use weir_packager::{Config, Packager};

use crate::journal::{Journal, remove_others};
use crate::ledger::Ledger;
use crate::position::{Kept, PositionFile};

/// The folder of one channel.
#[derive(Debug, Clone)]
pub struct ChannelFiles {
    name: String,
    folder: PathBuf,
}

impl ChannelFiles {
    /// Opens the folder of channel `name` under `state_dir`, and makes it when it is missing.
    pub fn open(state_dir: &Path, name: &str) -> io::Result<Self> {
        let folder = state_dir.join(name);
        fs::create_dir_all(&folder).map_err(|e| named(&folder, e))?;
        Ok(Self { name: name.to_owned(), folder })
    }

    /// A presentation with empty playlists, whose numbers go on behind everything that was there before. `session` must
    /// be new, as for [`Packager::new`]. Where playlists of an earlier run were left, they are lost.
    pub fn begin(&self, config: Config, session: &str) -> io::Result<(Packager, Ledger)> {
        let mut position = self.position()?;
        self.discard(&mut position);
        let packager = Packager::new(config, session, position.position()).map_err(io::Error::other)?;
        let journal = Journal::begin(&self.folder, session);
        Ok((packager.journaled(), Ledger::new(&self.name, config.segment_ms(), position, journal)?))
    }

    /// The presentation that an earlier run left, however that run ended. One that cannot be gone on with is
    /// left out and named in the log: then the numbers go on behind those reserved.
    pub fn resume(&self, config: Config, session: &str) -> io::Result<Option<(Packager, Ledger)>> {
        let mut position = self.position()?;
        let found = match position.journal() {
            None => None,
            Some(Kept { id, reached, is_whole: true }) => {
                Some(Journal::resume(&self.folder, id, config, session, reached).map_err(|e| e.to_string()))
            }
            Some(_) => Some(Err("the machine was restarted and may not have written all of them".to_owned())),
        };
        match found {
            Some(Ok((packager, journal))) => {
                if let Err(e) = remove_others(&self.folder, Some(journal.id())) {
                    warn!(channel = self.name, error = %e, "cannot remove an old journal");
                }
                Ok(Some((packager, Ledger::new(&self.name, config.segment_ms(), position, journal)?)))
            }
            Some(Err(error)) => {
                warn!(channel = self.name, error, "kept playlists cannot be used; new ones begin");
                self.discard(&mut position);
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Removes everything that is kept of the channel, its numbers included: for one that never is on air again.
    pub fn remove(self) -> io::Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(named(&self.folder, e)),
            _ => Ok(()),
        }
    }

    fn position(&self) -> io::Result<PositionFile> {
        PositionFile::open(&self.folder.join("position.json"))
    }

    /// Sees to it that no journal that is there now is ever gone on with.
    fn discard(&self, position: &mut PositionFile) {
        let forgotten = position.forget_journal();
        if let Err(e) = forgotten.and(remove_others(&self.folder, None)) {
            warn!(channel = self.name, error = %e, "cannot remove an old journal");
        }
    }
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
