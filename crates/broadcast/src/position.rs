//! Sequence numbers that survive the daemon: what was advertised once is never advertised again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use weir_packager::Position;

/// How many segments are reserved by one write, so that the disk is not asked for every segment.
/// A daemon that was killed skips what is left of its reservation.
const RESERVED_SEGMENTS: u64 = 64;
/// How many discontinuities one write reserves.
const RESERVED_DISCONTINUITIES: u64 = 16;

/// The numbers on disk: the first that nobody may have seen yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    next_msn: u64,
    next_discontinuity: u64,
    next_base_ms: u64,
}

/// The position file of one channel. A clone stands for the same file: write through one of them only.
#[derive(Debug, Clone)]
pub struct PositionFile {
    path: PathBuf,
    stored: Stored,
}

impl PositionFile {
    /// Opens the file, or starts from zero where there is none. A file that cannot be read is an error:
    /// starting again from zero would send players back in time.
    pub fn open(path: &Path) -> io::Result<Self> {
        let stored = match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {e}", path.display())))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Stored::default(),
            Err(e) => return Err(io::Error::new(e.kind(), format!("{}: {e}", path.display()))),
        };
        Ok(Self { path: path.to_owned(), stored })
    }

    /// Where a presentation that knows nothing of an earlier one has to begin.
    pub fn position(&self) -> Position {
        let Stored { next_msn, next_discontinuity, next_base_ms } = self.stored;
        Position { next_msn, next_discontinuity, next_base_ms }
    }

    /// Whether [`reserve`](Self::reserve) has to write before `position` may be advertised.
    pub fn covers(&self, position: &Position) -> bool {
        position.next_msn <= self.stored.next_msn
            && position.next_discontinuity <= self.stored.next_discontinuity
            && position.next_base_ms <= self.stored.next_base_ms
    }

    /// Writes a reservation that covers `position` and what follows it for a while, `segment_ms` each.
    pub fn reserve(&mut self, position: &Position, segment_ms: u32) -> io::Result<()> {
        self.write(Stored {
            next_msn: position.next_msn + RESERVED_SEGMENTS,
            next_discontinuity: position.next_discontinuity + RESERVED_DISCONTINUITIES,
            next_base_ms: position.next_base_ms + RESERVED_SEGMENTS * u64::from(segment_ms),
        })
    }

    /// Gives back what was reserved but not used: `position` is exactly where the presentation ended.
    pub fn settle(&mut self, position: &Position) -> io::Result<()> {
        let Position { next_msn, next_discontinuity, next_base_ms } = *position;
        self.write(Stored { next_msn, next_discontinuity, next_base_ms })
    }

    fn write(&mut self, stored: Stored) -> io::Result<()> {
        let text = serde_json::to_vec(&stored)?;
        write_durably(&self.path, |file| file.write_all(&text))?;
        self.stored = stored;
        Ok(())
    }
}

/// Replaces the file in one step and returns when it is on the disk, so that a crash leaves the old
/// content or the new, never half of it.
pub fn write_durably(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    write(&mut file)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn position(next_msn: u64, next_discontinuity: u64, next_base_ms: u64) -> Position {
        Position { next_msn, next_discontinuity, next_base_ms }
    }

    #[test]
    fn a_channel_without_a_file_begins_at_zero() {
        let folder = tempfile::tempdir().expect("folder");
        let file = PositionFile::open(&folder.path().join("position.json")).expect("opens");
        assert_eq!(file.position(), position(0, 0, 0));
    }

    #[test]
    fn a_damaged_file_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("position.json");
        fs::write(&path, "{\"next_msn\":").expect("written");
        let error = PositionFile::open(&path).expect_err("damaged");
        assert!(error.to_string().contains("position.json"), "{error}");
    }

    #[test]
    fn what_was_settled_is_found_again_exactly() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("position.json");
        let mut file = PositionFile::open(&path).expect("opens");
        file.reserve(&position(1, 0, 2000), 2000).expect("written");
        file.settle(&position(7, 1, 14_000)).expect("written");
        assert_eq!(PositionFile::open(&path).expect("opens").position(), position(7, 1, 14_000));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn a_killed_daemon_begins_behind_everything_it_advertised(steps in prop::collection::vec((0_u64..3, 0_u64..2), 1..100)) {
            let folder = tempfile::tempdir().expect("folder");
            let path = folder.path().join("position.json");
            let mut file = PositionFile::open(&path).expect("opens");
            let mut now = position(0, 0, 0);
            for (segments, breaks) in steps {
                now = position(now.next_msn + segments, now.next_discontinuity + breaks, now.next_base_ms + segments * 2000);
                if !file.covers(&now) {
                    file.reserve(&now, 2000).expect("written");
                }
                let after_kill = PositionFile::open(&path).expect("opens").position();
                prop_assert!(after_kill.next_msn >= now.next_msn);
                prop_assert!(after_kill.next_discontinuity >= now.next_discontinuity);
                prop_assert!(after_kill.next_base_ms >= now.next_base_ms);
            }
        }
    }
}
