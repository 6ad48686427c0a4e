//! The files of one channel: where its sequence numbers and, between two runs, its window are kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tracing::warn;
use weir_packager::{Config, Packager, SavedWindow};

use crate::position::{PositionFile, write_durably};

/// The folder of one channel.
#[derive(Debug, Clone)]
pub struct ChannelFiles {
    folder: PathBuf,
}

impl ChannelFiles {
    /// Opens the folder of channel `name` under `state_dir`, and makes it when it is missing.
    pub fn open(state_dir: &Path, name: &str) -> io::Result<Self> {
        let folder = state_dir.join(name);
        fs::create_dir_all(&folder).map_err(|e| named(&folder, e))?;
        Ok(Self { folder })
    }

    /// The sequence numbers.
    pub fn position(&self) -> io::Result<PositionFile> {
        PositionFile::open(&self.folder.join("position.json"))
    }

    /// Takes the window that the run before left, if it left one. It is gone from the disk then: a later
    /// crash must not bring it back. One that cannot be read is left out and named in the log.
    pub fn take_window(&self, config: Config, session: &str) -> io::Result<Option<Packager>> {
        let path = self.window();
        let saved = match fs::read(&path) {
            Ok(saved) => SavedWindow::from_bytes(saved.into()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(named(&path, e)),
        };
        fs::remove_file(&path).map_err(|e| named(&path, e))?;
        let restored = Packager::restore(config, session, self.position()?.position(), saved);
        Ok(restored
            .inspect_err(|e| warn!(path = %path.display(), error = %e, "kept playlists cannot be used; new ones begin"))
            .ok())
    }

    /// Keeps the window for the next run.
    pub async fn keep_window(&self, packager: Packager) -> io::Result<()> {
        let path = self.window();
        let write = move || write_durably(&path, |file| packager.save().write_to(file)).map_err(|e| named(&path, e));
        tokio::task::spawn_blocking(write).await.map_err(io::Error::other)?
    }

    fn window(&self) -> PathBuf {
        self.folder.join("window.bin")
    }
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
