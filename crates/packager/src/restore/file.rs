//! One file of a journal, as records.

use bytes::{Buf, Bytes};

use super::RestoreError;
use super::reader::Reader;
use crate::journal::{GAP, MAGIC, MEDIA, OPENING, RECORD_HEAD_BYTES, STATE};
use crate::window::PARTS_MAX;

/// What a file holds, as far as it is whole.
pub(super) struct SegmentFile {
    /// The state with which the segment began.
    pub(super) state: Bytes,
    /// The records of its parts.
    pub(super) parts: Vec<Bytes>,
    /// Whether the presentation was to open to the public.
    pub(super) opening: bool,
    /// Its length up to the end of the last whole record.
    pub(super) whole: usize,
}

impl SegmentFile {
    /// Reads the file of segment `msn`. A last record that was cut off is left out; a damaged one is an error, for it may
    /// have been seen. A file that was cut off in its state has no parts.
    pub(super) fn read(msn: u64, bytes: &Bytes) -> Result<Self, RestoreError> {
        if !MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())]) {
            return Err(RestoreError::Magic { msn });
        }
        let mut file = Self { state: Bytes::new(), parts: Vec::new(), opening: false, whole: 0 };
        let mut rest = bytes.slice(bytes.len().min(MAGIC.len())..);
        while let Some(record) = next_record(msn, &mut rest)? {
            match (record.first().copied(), file.state.is_empty()) {
                (Some(STATE), true) => file.state = record,
                (Some(MEDIA | GAP), false) if file.parts.len() < PARTS_MAX => file.parts.push(record),
                (Some(OPENING), false) => file.opening = true,
                _ => return Err(RestoreError::Field("record")),
            }
            file.whole = bytes.len() - rest.len();
        }
        Ok(file)
    }

    /// What the state says of the segment, and a reader of the rest of it.
    pub(super) fn head(&self) -> Result<(Head, Reader), RestoreError> {
        let mut from = Reader { rest: self.state.clone() };
        from.u8()?;
        let target_duration_s = from.u32()?;
        let (msn, discontinuity, tagged) = (from.number()?, from.number()?, from.flag()?);
        Ok((Head { target_duration_s, msn, discontinuity, tagged, parts_made: from.number()? }, from))
    }
}

/// The segment of a file.
pub(super) struct Head {
    pub(super) target_duration_s: u32,
    pub(super) msn: u64,
    pub(super) discontinuity: u64,
    pub(super) tagged: bool,
    /// Parts made before it.
    pub(super) parts_made: u64,
}

/// The next record, if all of it is there.
fn next_record(msn: u64, rest: &mut Bytes) -> Result<Option<Bytes>, RestoreError> {
    let mut head = rest.slice(..rest.len().min(RECORD_HEAD_BYTES));
    let (Ok(length), Ok(turned), Ok(found)) = (head.try_get_u64(), head.try_get_u64(), head.try_get_u32()) else {
        return Ok(None);
    };
    if turned != !length {
        return Err(RestoreError::Field("length of a record"));
    }
    if length > (rest.len() - RECORD_HEAD_BYTES) as u64 {
        return Ok(None);
    }
    rest.advance(RECORD_HEAD_BYTES);
    let record = rest.split_to(length as usize);
    let mut checksum = flate2::Crc::new();
    checksum.update(&record);
    let wanted = checksum.sum();
    if wanted == found { Ok(Some(record)) } else { Err(RestoreError::Checksum { msn, wanted, found }) }
}
