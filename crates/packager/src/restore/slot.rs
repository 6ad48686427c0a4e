//! A segment in all renditions, from the records of its parts.

use std::collections::HashMap;
use std::sync::Arc;

use weir_media::TrackKind;

use super::RestoreError;
use super::file::{Head, SegmentFile};
use super::reader::Reader;
use crate::journal::MEDIA;
use crate::slot::{Content, Gap, Init, Part, Segment, Slot};
use crate::window::{Track, init_type, media_file, segment_type};

/// Longer than any segment, in microseconds.
pub(super) const DURATION_US_MAX: u64 = 15_000_000;

/// A segment, and where the numbers stand behind it.
pub(super) struct Restored {
    pub(super) slot: Slot,
    pub(super) parts_made: u64,
    pub(super) next_base_ms: u64,
    pub(super) wall_end_ms: i64,
}

/// Reads segments whose renditions are `tracks`.
pub(super) struct SlotReader<'a> {
    pub(super) tracks: &'a [Track],
    /// Those of one track and name are the same.
    inits: HashMap<(usize, String), Arc<Init>>,
    /// Parts made so far: no number is given twice.
    parts_made: u64,
}

impl<'a> SlotReader<'a> {
    pub(super) fn new(tracks: &'a [Track]) -> Self {
        Self { tracks, inits: HashMap::new(), parts_made: 0 }
    }

    pub(super) fn slot(&mut self, file: &SegmentFile, head: &Head) -> Result<Restored, RestoreError> {
        if head.parts_made < self.parts_made {
            return Err(RestoreError::Field("number of a part"));
        }
        let is_media = file.parts.first().and_then(|part| part.first()) == Some(&MEDIA);
        let content = if is_media {
            Content::Media(Vec::new())
        } else {
            Content::Gap(Gap { name: String::new(), wall_ms: 0, duration_us: 0, parts: Vec::new() })
        };
        let slot = Slot { msn: head.msn, discontinuity: head.discontinuity, tagged: head.tagged, content };
        let mut to = Restored { slot, parts_made: head.parts_made, next_base_ms: 0, wall_end_ms: 0 };
        for part in &file.parts {
            let mut from = Reader { rest: part.clone() };
            if (from.u8()? == MEDIA) != is_media {
                return Err(RestoreError::Field("kind of part"));
            }
            (to.next_base_ms, to.wall_end_ms) = (from.number()?, from.wall()?);
            match &mut to.slot.content {
                Content::Media(segments) => self.media_part(&mut from, head.msn, to.parts_made, segments)?,
                Content::Gap(gap) => gap_part(&mut from, head.msn, to.parts_made, gap)?,
            }
            from.end()?;
            to.parts_made += 1;
        }
        self.parts_made = to.parts_made;
        Ok(to)
    }

    fn media_part(
        &mut self,
        from: &mut Reader,
        msn: u64,
        number: u64,
        segments: &mut Vec<(usize, Segment)>,
    ) -> Result<(), RestoreError> {
        let begins = segments.is_empty();
        let count = from.count(self.tracks.len(), "number of renditions")?;
        for at in 0..count {
            if begins {
                let begun = self.begin_segment(from, msn, segments)?;
                segments.push(begun);
            }
            let (track, segment) = segments.get_mut(at).ok_or(RestoreError::Field("number of renditions"))?;
            let kind = self.kind(*track)?;
            let (name, duration_us) = part(from, number)?;
            segment.duration_us = lasting(segment.duration_us + duration_us)?;
            let (independent, body) = (from.flag()?, from.body()?);
            if begins && segment.iframe.end > body.len() {
                return Err(RestoreError::Field("range of a picture"));
            }
            let file = media_file(&name, vec![body], segment_type(kind));
            segment.parts.push(Part { name, file, duration_us, independent });
        }
        let of = |kind| segments.iter().filter(|(track, _)| self.kind(*track) == Ok(kind)).count();
        // Every playlist finds a segment then: its own, or another video rendition's.
        if count != segments.len() || of(TrackKind::Audio) != 1 || of(TrackKind::Video) == 0 {
            return Err(RestoreError::Field("set of renditions"));
        }
        Ok(())
    }

    /// A segment that has no part yet, and its track.
    fn begin_segment(
        &mut self,
        from: &mut Reader,
        msn: u64,
        others: &[(usize, Segment)],
    ) -> Result<(usize, Segment), RestoreError> {
        let track = from.u32()? as usize;
        let init = self.init(from, track)?;
        let (name, wall_ms) = (segment_name(from, msn)?, from.wall()?);
        let iframe = from.u32()? as usize..from.u32()? as usize;
        if others.iter().any(|(other, _)| *other == track) {
            return Err(RestoreError::Field("rendition"));
        }
        if iframe.start > iframe.end {
            return Err(RestoreError::Field("range of a picture"));
        }
        Ok((track, Segment { name, file: None, init, wall_ms, duration_us: 0, parts: Vec::new(), iframe }))
    }

    fn init(&mut self, from: &mut Reader, track: usize) -> Result<Arc<Init>, RestoreError> {
        let kind = self.kind(track)?;
        let what = "name of an initialisation section";
        let name = from.file_name(what, |rest| numbered(rest, "init", ".mp4"))?;
        let body = from.body()?;
        if let Some(known) = self.inits.get(&(track, name.clone())) {
            return if known.file.pieces == [body] { Ok(Arc::clone(known)) } else { Err(RestoreError::Field(what)) };
        }
        let file = media_file(&name, vec![body], init_type(kind));
        let init = Arc::new(Init { name: name.clone(), file });
        self.inits.insert((track, name), Arc::clone(&init));
        Ok(init)
    }

    fn kind(&self, track: usize) -> Result<TrackKind, RestoreError> {
        let track = self.tracks.get(track).ok_or(RestoreError::Field("rendition"))?;
        Ok(track.traits.detail.kind())
    }
}

fn gap_part(from: &mut Reader, msn: u64, number: u64, gap: &mut Gap) -> Result<(), RestoreError> {
    if gap.parts.is_empty() {
        (gap.name, gap.wall_ms) = (segment_name(from, msn)?, from.wall()?);
    }
    let part = part(from, number)?;
    gap.duration_us = lasting(gap.duration_us + part.1)?;
    gap.parts.push(part);
    Ok(())
}

/// Name and length of the part with that number.
fn part(from: &mut Reader, number: u64) -> Result<(String, u64), RestoreError> {
    let name = from.file_name("name of a part", |rest| rest == format!("p{number}.m4s"))?;
    Ok((name, lasting(from.number()?)?))
}

fn lasting(duration_us: u64) -> Result<u64, RestoreError> {
    if (1..=DURATION_US_MAX).contains(&duration_us) { Ok(duration_us) } else { Err(RestoreError::Field("duration")) }
}

fn segment_name(from: &mut Reader, msn: u64) -> Result<String, RestoreError> {
    from.file_name("name of a segment", |rest| rest == format!("{msn}.m4s"))
}

/// Whether a text is `before`, a number and `after`.
fn numbered(text: &str, before: &str, after: &str) -> bool {
    let number = text.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    number.is_some_and(|number| number.parse::<u32>().is_ok_and(|value| value.to_string() == number))
}
