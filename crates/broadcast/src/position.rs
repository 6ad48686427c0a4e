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

/// Says which boot of the machine this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The numbers on disk: the first that nobody may have seen yet.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    next_msn: u64,
    next_discontinuity: u64,
    next_base_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    journal: Option<InForce>,
}

/// The journal that holds what was shown. Another one, or one while none is named, holds less.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InForce {
    id: String,
    /// The boot in which it is written: in another one its end may be missing, for it was in memory only. `None` once
    /// all of it is on the disk.
    boot: Option<String>,
    /// How far it reached when this was written.
    next_msn: u64,
    next_discontinuity: u64,
    next_base_ms: u64,
}

/// A journal that was in force when the run before ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept<'a> {
    /// What it is called.
    pub id: &'a str,
    /// How far it must reach.
    pub reached: Position,
    /// Whether all that was written to it is there.
    pub is_whole: bool,
}

/// The position file of one channel.
#[derive(Debug)]
pub struct PositionFile {
    path: PathBuf,
    stored: Stored,
    boot: Option<String>,
}

impl PositionFile {
    /// Opens the file, or starts from zero where there is none. A file that cannot be read is an error:
    /// starting again from zero would send players back in time.
    pub fn open(path: &Path) -> io::Result<Self> {
        let boot = fs::read_to_string(BOOT_ID).ok().map(|id| id.trim().to_owned());
        Self::open_in(path, boot)
    }

    fn open_in(path: &Path, boot: Option<String>) -> io::Result<Self> {
        let stored = match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {e}", path.display())))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Stored::default(),
            Err(e) => return Err(io::Error::new(e.kind(), format!("{}: {e}", path.display()))),
        };
        Ok(Self { path: path.to_owned(), stored, boot })
    }

    /// Where a presentation that knows nothing of an earlier one has to begin.
    pub fn position(&self) -> Position {
        let Stored { next_msn, next_discontinuity, next_base_ms, .. } = self.stored;
        Position { next_msn, next_discontinuity, next_base_ms }
    }

    /// The journal that is in force, if one is.
    pub fn journal(&self) -> Option<Kept<'_>> {
        let InForce { id, boot, next_msn, next_discontinuity, next_base_ms } = self.stored.journal.as_ref()?;
        let reached =
            Position { next_msn: *next_msn, next_discontinuity: *next_discontinuity, next_base_ms: *next_base_ms };
        Some(Kept { id, reached, is_whole: boot.is_none() || *boot == self.boot })
    }

    /// Whether [`reserve`](Self::reserve) need not write before `position` may be advertised, all of it being in `journal`.
    pub fn covers(&self, position: &Position, journal: Option<&str>) -> bool {
        // Where boots cannot be told apart, none is in force before it is on the disk.
        let wanted = journal.filter(|_| self.boot.is_some()).map(|id| (id, &self.boot));
        position.next_msn <= self.stored.next_msn
            && position.next_discontinuity <= self.stored.next_discontinuity
            && position.next_base_ms <= self.stored.next_base_ms
            && self.stored.journal.as_ref().map(|found| (found.id.as_str(), &found.boot)) == wanted
    }

    /// Whether less than half of what was reserved is left behind `position`.
    pub fn runs_out(&self, position: &Position) -> bool {
        position.next_msn + RESERVED_SEGMENTS / 2 > self.stored.next_msn
            || position.next_discontinuity + RESERVED_DISCONTINUITIES / 2 > self.stored.next_discontinuity
    }

    /// Writes a reservation that covers `position` and what follows it for a while, `segment_ms` each, and that `journal`
    /// is in force, which reaches as far as `position` and is being written.
    pub fn reserve(&mut self, position: &Position, segment_ms: u32, journal: Option<&str>) -> io::Result<()> {
        let journal = journal.filter(|_| self.boot.is_some()).map(|id| in_force(id, self.boot.clone(), position));
        self.write(Stored {
            next_msn: position.next_msn + RESERVED_SEGMENTS,
            next_discontinuity: position.next_discontinuity + RESERVED_DISCONTINUITIES,
            next_base_ms: position.next_base_ms + RESERVED_SEGMENTS * u64::from(segment_ms),
            journal,
        })
    }

    /// Gives back what was reserved but not used: `position` is exactly where the presentation ended. A `journal` it can
    /// be gone on with is on the disk.
    pub fn settle(&mut self, position: &Position, journal: Option<&str>) -> io::Result<()> {
        let Position { next_msn, next_discontinuity, next_base_ms } = *position;
        let journal = journal.map(|id| in_force(id, None, position));
        self.write(Stored { next_msn, next_discontinuity, next_base_ms, journal })
    }

    /// Says that no journal is in force. The numbers stay reserved.
    pub fn forget_journal(&mut self) -> io::Result<()> {
        if self.stored.journal.is_none() {
            return Ok(());
        }
        let Stored { next_msn, next_discontinuity, next_base_ms, .. } = self.stored;
        self.write(Stored { next_msn, next_discontinuity, next_base_ms, journal: None })
    }

    fn write(&mut self, stored: Stored) -> io::Result<()> {
        let text = serde_json::to_vec(&stored)?;
        write_durably(&self.path, |file| file.write_all(&text))?;
        self.stored = stored;
        Ok(())
    }
}

fn in_force(id: &str, boot: Option<String>, reached: &Position) -> InForce {
    let Position { next_msn, next_discontinuity, next_base_ms } = *reached;
    InForce { id: id.to_owned(), boot, next_msn, next_discontinuity, next_base_ms }
}

/// Replaces the file in one step and returns when it is on the disk, so that a crash leaves the old
/// content or the new, never half of it.
fn write_durably(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
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
        file.reserve(&position(1, 0, 2000), 2000, None).expect("written");
        file.settle(&position(7, 1, 14_000), None).expect("written");
        assert_eq!(PositionFile::open(&path).expect("opens").position(), position(7, 1, 14_000));
    }

    #[test]
    fn a_journal_is_in_force_in_the_boot_that_writes_it_and_in_all_once_it_is_on_the_disk() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("position.json");
        let open = |boot: &str| PositionFile::open_in(&path, Some(boot.to_owned())).expect("opens");
        let (mut file, reached) = (open("one"), position(3, 1, 6000));
        assert!(!file.covers(&Position::default(), Some("a")) && file.covers(&Position::default(), None));
        file.reserve(&reached, 2000, Some("a")).expect("written");
        assert!(file.covers(&reached, Some("a")) && !file.covers(&reached, Some("b")) && !file.covers(&reached, None));
        let kept = |is_whole| Some(Kept { id: "a", reached, is_whole });
        assert_eq!((open("one").journal(), open("two").journal()), (kept(true), kept(false)));
        assert_eq!(PositionFile::open_in(&path, None).expect("opens").journal(), kept(false));
        file.settle(&reached, Some("a")).expect("written");
        assert_eq!(open("two").journal(), kept(true));
        // Whoever goes on with it writes to it, and says so first.
        assert!(!file.covers(&reached, Some("a")));
        file.forget_journal().expect("written");
        assert_eq!((open("one").journal(), open("one").position()), (None, reached));
    }

    #[test]
    fn where_boots_cannot_be_told_apart_a_journal_counts_only_once_it_is_on_the_disk() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("position.json");
        let mut file = PositionFile::open_in(&path, None).expect("opens");
        file.reserve(&position(3, 1, 6000), 2000, Some("a")).expect("written");
        assert!(file.journal().is_none() && file.covers(&position(3, 1, 6000), Some("a")));
        file.settle(&position(3, 1, 6000), Some("a")).expect("written");
        assert!(file.journal().is_some_and(|kept| kept.is_whole));
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
                if !file.covers(&now, None) {
                    file.reserve(&now, 2000, None).expect("written");
                }
                let after_kill = PositionFile::open(&path).expect("opens").position();
                prop_assert!(after_kill.next_msn >= now.next_msn);
                prop_assert!(after_kill.next_discontinuity >= now.next_discontinuity);
                prop_assert!(after_kill.next_base_ms >= now.next_base_ms);
            }
        }
    }
}
