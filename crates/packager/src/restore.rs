//! Makes a window of what [`crate::journal`] recorded. Checksums catch accidents; the checks behind them see to it that
//! whatever the files hold, the window is one that there can have been.

mod file;
mod reader;
mod slot;
mod state;

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::config::{Config, InvalidSession, Position};
use crate::journal::Recorder;
use crate::packager::Packager;
use crate::slot::Slot;
use crate::window::{Removed, Window};

use file::SegmentFile;
use slot::SlotReader;
use state::State;

/// The most slots taken back, and as many that left the playlists: an hour of the shortest segments, and as much again.
const SLOTS_MAX: usize = 20_000;

/// Why a window was not restored. The caller can go on with an empty one: [`Packager::new`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RestoreError {
    /// The session id is unusable.
    #[error(transparent)]
    Session(#[from] InvalidSession),
    /// A file of the journal is not there.
    #[error("the journal has no file of segment {msn}")]
    Missing {
        /// The segment's media sequence number.
        msn: u64,
    },
    /// A file that is none of a journal, or of another version.
    #[error("the file of segment {msn} is not one of a journal of this version")]
    Magic {
        /// The segment's media sequence number.
        msn: u64,
    },
    /// A record is not what was written.
    #[error(
        "the journal's file of segment {msn} is damaged: its bytes give the checksum {wanted:08x}, stored is {found:08x}"
    )]
    Checksum {
        /// The segment's media sequence number.
        msn: u64,
        /// Reckoned from the bytes.
        wanted: u32,
        /// Stored.
        found: u32,
    },
    /// It ends before what it announces.
    #[error("the journal ends in the middle of what it announces")]
    Short,
    /// Something that no window has.
    #[error("the journal has an impossible {0}")]
    Field(&'static str),
    /// Other segments than configured: TARGETDURATION must not change (rfc8216bis 4.4.3.1).
    #[error("the kept playlists have a target duration of {found} s, the configuration gives {wanted} s")]
    TargetDuration {
        /// Configured.
        wanted: u32,
        /// Recorded.
        found: u32,
    },
    /// More was published than was recorded.
    #[error("the journal ends at {found:?}, but {wanted:?} was reached")]
    Stale {
        /// Where the numbers stand.
        wanted: Position,
        /// Where the journal ends.
        found: Position,
    },
}

/// A presentation that goes on, and the files that are its journal from now on.
#[derive(Debug)]
pub struct Restored {
    /// It records what is added; nothing has to be said to it.
    pub packager: Packager,
    /// Media sequence numbers of the segments whose files are the journal. Any other file is to be removed.
    pub files: RangeInclusive<u64>,
    /// To how many bytes the last of these files is to be cut, for the end of it may be half a record.
    pub last_len: u64,
}

/// What the files hold: the window, and the journal as in [`Restored`].
pub(crate) struct Found {
    pub(crate) window: Window,
    pub(crate) files: RangeInclusive<u64>,
    pub(crate) last_len: u64,
}

pub(crate) fn restored(
    config: Config,
    reached: Position,
    newest: u64,
    mut file: impl FnMut(u64) -> Option<Bytes>,
) -> Result<Found, RestoreError> {
    let (last, tail) = last_file(newest, &mut file)?;
    let (head, rest) = tail.head()?;
    let (wanted, found) = (config.target_duration_s(), head.target_duration_s);
    if found != wanted {
        return Err(RestoreError::TargetDuration { wanted, found });
    }
    let State { mut window, listed, removed } = State::read(rest)?;
    let tracks = std::mem::take(&mut window.tracks);
    let mut slots = SlotReader::new(&tracks);
    let before = removed.len() + listed;
    let mut read = Vec::new();
    for msn in last.checked_sub(before as u64).ok_or(RestoreError::Field("number of segments"))?..last {
        let Some(bytes) = file(msn) else {
            // What left the playlists for good after the state was recorded is no longer there.
            if read.is_empty() && msn + (listed as u64) < last {
                continue;
            }
            return Err(RestoreError::Missing { msn });
        };
        read.push(closed(&mut slots, config, msn, &SegmentFile::read(msn, &bytes)?)?);
    }
    let open = slots.slot(&tail, &head)?;
    let gone = before - read.len();
    window.slots = read.split_off(removed.len() - gone).into();
    window.removed = read
        .into_iter()
        .zip(removed.into_iter().skip(gone))
        .map(|(slot, until_us)| Removed { slot, until_us })
        .collect();
    window.tracks = tracks;
    window.parts_made = open.parts_made;
    window.wall_end_ms = Some(open.wall_end_ms);
    window.next.next_base_ms = window.next.next_base_ms.max(open.next_base_ms);
    window.take_open(open.slot);
    window.close_open(config);
    if let Some(target_ms) = config.part_target_ms() {
        window.slots.iter_mut().for_each(|slot| slot.forget_parts_over(u64::from(target_ms) * 1000));
    }
    window.opening = window.private && (window.opening || tail.opening);
    check(&window, last, reached)?;
    let first = window.all_slots().next().map_or(last, |slot| slot.msn);
    window.journal = Some(Recorder::resumed(first, last));
    Ok(Found { window, files: first..=last, last_len: tail.whole as u64 })
}

/// The last segment of which there is a part. One of which there is none was never seen, and there can be only one.
fn last_file(newest: u64, file: &mut impl FnMut(u64) -> Option<Bytes>) -> Result<(u64, SegmentFile), RestoreError> {
    let mut read = |msn| SegmentFile::read(msn, &file(msn).ok_or(RestoreError::Missing { msn })?);
    let found = read(newest)?;
    if !found.parts.is_empty() {
        return Ok((newest, found));
    }
    let before = newest.checked_sub(1).ok_or(RestoreError::Short)?;
    let found = read(before)?;
    if found.parts.is_empty() { Err(RestoreError::Short) } else { Ok((before, found)) }
}

/// A segment that another follows.
fn closed(slots: &mut SlotReader<'_>, config: Config, msn: u64, file: &SegmentFile) -> Result<Slot, RestoreError> {
    if file.parts.is_empty() {
        return Err(RestoreError::Short);
    }
    let (head, _) = file.head()?;
    if head.msn != msn {
        return Err(RestoreError::Field("number of a segment"));
    }
    let mut slot = slots.slot(file, &head)?.slot;
    slot.finish(slots.tracks, config.part_target_ms().is_some());
    Ok(slot)
}

/// What the slots must be to one another, and to what was advertised.
fn check(window: &Window, last: u64, reached: Position) -> Result<(), RestoreError> {
    let mut before: Option<&Slot> = None;
    for slot in window.all_slots() {
        if let Some(before) = before {
            let stepped = before.discontinuity + u64::from(slot.tagged);
            if slot.msn != before.msn + 1 || slot.discontinuity != stepped {
                return Err(RestoreError::Field("order of segments"));
            }
        } else if slot.discontinuity < u64::from(slot.tagged) {
            return Err(RestoreError::Field("discontinuity"));
        }
        before = Some(slot);
    }
    let found = window.next;
    let next = |slot: &Slot| (slot.msn + 1, slot.discontinuity + 1);
    if before.is_none_or(|slot| slot.msn != last || next(slot) != (found.next_msn, found.next_discontinuity))
        || found != found.bounded()
    {
        return Err(RestoreError::Field("position"));
    }
    if reached.next_msn > found.next_msn
        || reached.next_discontinuity > found.next_discontinuity
        || reached.next_base_ms > found.next_base_ms
    {
        return Err(RestoreError::Stale { wanted: reached, found });
    }
    Ok(())
}
