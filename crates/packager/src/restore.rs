//! Reads what [`crate::saved`] wrote. The checksum catches accidents; the checks behind it see to it that whatever a
//! file holds, the window is one that could have been saved.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use weir_media::{FrameRate, TrackKind};

use crate::config::{Config, InvalidSession, Position, Session};
use crate::epoch::{WALL_MS_MAX, is_rendition_name};
use crate::grid::is_usable;
use crate::rates::Rates;
use crate::render::{FNV_START, fnv1a};
use crate::saved::{AUDIO, MAGIC, SavedWindow, VIDEO};
use crate::slot::{Content, Gap, Init, Segment, Slot};
use crate::window::{
    Detail, RENDITIONS_MAX, Removed, Track, Traits, Window, init_type, media_file, parts_before, segment_type,
};

/// The most slots taken back: an hour of the shortest segments, twice for what left the playlist, and some.
const SLOTS_MAX: usize = 20_000;
/// Longer than any segment, in microseconds.
const DURATION_US_MAX: u64 = 15_000_000;
/// The largest number in any field, so that counting on from it cannot overflow.
const NUMBER_MAX: u64 = 1 << 60;
/// The longest text in any field.
const TEXT_MAX: usize = 128;

/// Why a window was not restored. The caller can go on with an empty one: [`Packager::new`](crate::Packager::new).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RestoreError {
    /// The session id is unusable.
    #[error(transparent)]
    Session(#[from] InvalidSession),
    /// Not a window, or of another version.
    #[error("not a saved window of this version")]
    Magic,
    /// It is not what was written.
    #[error("the saved window is damaged: its bytes give the checksum {wanted:016x}, stored is {found:016x}")]
    Checksum {
        /// Reckoned from the bytes.
        wanted: u64,
        /// Stored.
        found: u64,
    },
    /// It ends before what it announces.
    #[error("the saved window ends in the middle of what it announces")]
    Short,
    /// Something that no window has.
    #[error("the saved window has an impossible {0}")]
    Field(&'static str),
    /// Other segments than configured: TARGETDURATION must not change (rfc8216bis 4.4.3.1).
    #[error("the saved playlists have a target duration of {found} s, the configuration gives {wanted} s")]
    TargetDuration {
        /// Configured.
        wanted: u32,
        /// Saved.
        found: u32,
    },
    /// More was published after it was saved.
    #[error("the saved window ends at {found:?}, but {wanted:?} was reached")]
    Stale {
        /// Where the numbers stand.
        wanted: Position,
        /// Where the window ends.
        found: Position,
    },
}

pub(crate) fn restored(config: Config, reached: Position, saved: SavedWindow) -> Result<Window, RestoreError> {
    let mut from = Reader { rest: checked(saved)? };
    let (wanted, found) = (config.target_duration_s(), from.u32()?);
    if found != wanted {
        return Err(RestoreError::TargetDuration { wanted, found });
    }
    let window = from.window()?;
    let found = window.next;
    if reached.next_msn > found.next_msn
        || reached.next_discontinuity > found.next_discontinuity
        || reached.next_base_ms > found.next_base_ms
    {
        return Err(RestoreError::Stale { wanted: reached, found });
    }
    check_sequence(&window)?;
    Ok(window)
}

/// The fields, after the magic and the checksum were found right. The media stay slices of the one buffer, which so
/// lives until the last of them left the window.
fn checked(saved: SavedWindow) -> Result<Bytes, RestoreError> {
    let mut bytes = match <[Bytes; 1]>::try_from(saved.chunks) {
        Ok([whole]) => whole,
        Err(chunks) => chunks.concat().into(),
    };
    if !bytes.starts_with(&MAGIC) {
        return Err(RestoreError::Magic);
    }
    let at = bytes.len().checked_sub(8).filter(|&at| at >= MAGIC.len()).ok_or(RestoreError::Short)?;
    let found = bytes.split_off(at).get_u64();
    let wanted = fnv1a(FNV_START, &bytes);
    if wanted != found {
        return Err(RestoreError::Checksum { wanted, found });
    }
    bytes.advance(MAGIC.len());
    Ok(bytes)
}

/// What the slots must be to one another.
fn check_sequence(window: &Window) -> Result<(), RestoreError> {
    let mut before: Option<&Slot> = None;
    for slot in window.removed.iter().map(|removed| &removed.slot).chain(&window.slots) {
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
    let next = |slot: &Slot| (slot.msn + 1, slot.discontinuity + 1);
    if before.is_some_and(|last| next(last) != (window.next.next_msn, window.next.next_discontinuity)) {
        return Err(RestoreError::Field("position"));
    }
    if window.slots.is_empty() != (window.tracks.is_empty() || window.current.is_empty()) {
        return Err(RestoreError::Field("number of segments"));
    }
    Ok(())
}

struct Reader {
    rest: Bytes,
}

impl Reader {
    fn take(&mut self, count: usize) -> Result<Bytes, RestoreError> {
        if count > self.rest.len() {
            return Err(RestoreError::Short);
        }
        Ok(self.rest.split_to(count))
    }

    fn u8(&mut self) -> Result<u8, RestoreError> {
        self.rest.try_get_u8().map_err(|_| RestoreError::Short)
    }

    fn u32(&mut self) -> Result<u32, RestoreError> {
        self.rest.try_get_u32().map_err(|_| RestoreError::Short)
    }

    fn flag(&mut self) -> Result<bool, RestoreError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RestoreError::Field("flag")),
        }
    }

    /// A number from which one can count on.
    fn number(&mut self) -> Result<u64, RestoreError> {
        let number = self.rest.try_get_u64().map_err(|_| RestoreError::Short)?;
        if number > NUMBER_MAX { Err(RestoreError::Field("number")) } else { Ok(number) }
    }

    /// A wall clock that can be written with four digits of year.
    fn wall(&mut self) -> Result<i64, RestoreError> {
        let wall = self.number()? as i64;
        if wall > WALL_MS_MAX { Err(RestoreError::Field("date")) } else { Ok(wall) }
    }

    fn count(&mut self, max: usize, what: &'static str) -> Result<usize, RestoreError> {
        let count = self.u32()? as usize;
        if count > max { Err(RestoreError::Field(what)) } else { Ok(count) }
    }

    fn text(&mut self) -> Result<String, RestoreError> {
        let length = self.count(TEXT_MAX, "length of a text")?;
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| RestoreError::Field("text"))
    }

    fn body(&mut self) -> Result<Bytes, RestoreError> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    fn window(&mut self) -> Result<Window, RestoreError> {
        let next =
            Position { next_msn: self.number()?, next_discontinuity: self.number()?, next_base_ms: self.number()? };
        if next != next.bounded() {
            return Err(RestoreError::Field("position"));
        }
        let wall_end_ms = (self.flag()?, self.wall()?);
        let (media_us, longest_us, ended) = (self.number()?, self.number()?, self.flag()?);
        let tracks = self.tracks()?;
        let order = self.indices(&tracks)?;
        if order.len() != tracks.len() {
            return Err(RestoreError::Field("order of renditions"));
        }
        let current = self.indices(&tracks)?;
        let inits = self.inits(&tracks)?;
        let mut removed = std::collections::VecDeque::new();
        for _ in 0..self.count(SLOTS_MAX, "number of removed segments")? {
            let until_us = self.number()?;
            if until_us > media_us.saturating_add(longest_us).saturating_add(DURATION_US_MAX) {
                return Err(RestoreError::Field("time of removal"));
            }
            removed.push_back(Removed { slot: self.slot(&tracks, &inits)?, until_us });
        }
        let count = self.count(SLOTS_MAX, "number of segments")?;
        let slots = (0..count).map(|_| self.slot(&tracks, &inits)).collect::<Result<_, _>>()?;
        if !self.rest.is_empty() {
            return Err(RestoreError::Field("rest"));
        }
        let wall_end_ms = wall_end_ms.0.then_some(wall_end_ms.1);
        let (open, parts_made, segments_published) = (None, parts_before(next), 0);
        Ok(Window {
            tracks,
            order,
            current,
            slots,
            open,
            removed,
            next,
            parts_made,
            segments_published,
            wall_end_ms,
            media_us,
            longest_us,
            ended,
        })
    }

    fn tracks(&mut self) -> Result<Vec<Track>, RestoreError> {
        let count = self.count(RENDITIONS_MAX, "number of renditions")?;
        let mut tracks = Vec::with_capacity(count);
        for _ in 0..count {
            let track = self.track()?;
            if !is_rendition_name(&track.name) || tracks.iter().any(|other: &Track| other.name == track.name) {
                return Err(RestoreError::Field("rendition name"));
            }
            tracks.push(track);
        }
        let audio = tracks.iter().filter(|track| track.traits.detail.kind() == TrackKind::Audio).count();
        if count > 0 && (audio != 1 || count < 2) {
            return Err(RestoreError::Field("set of renditions"));
        }
        Ok(tracks)
    }

    fn track(&mut self) -> Result<Track, RestoreError> {
        let (name, codec) = (self.text()?, self.text()?);
        if !codec.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') {
            return Err(RestoreError::Field("codec"));
        }
        let detail = match self.u8()? {
            VIDEO => {
                let (width, height) = (self.u32()?, self.u32()?);
                let frame_rate = FrameRate { num: self.u32()?, den: self.u32()? };
                if !is_usable(frame_rate) {
                    return Err(RestoreError::Field("frame rate"));
                }
                Detail::Video { width, height, frame_rate }
            }
            AUDIO => Detail::Audio { channels: self.u8()? },
            _ => return Err(RestoreError::Field("kind of rendition")),
        };
        let rates = Rates::resumed(self.number()?, self.number()?, self.number()?);
        let iframe_rates = Rates::resumed(self.number()?, self.number()?, self.number()?);
        Ok(Track { name, traits: Traits { codec, detail }, rates, iframe_rates, inits: self.u32()?, last_init: None })
    }

    /// Indices of tracks, none of them twice, audio last.
    fn indices(&mut self, tracks: &[Track]) -> Result<Vec<usize>, RestoreError> {
        let count = self.count(tracks.len(), "number of renditions")?;
        let indices = (0..count).map(|_| self.u32().map(|index| index as usize)).collect::<Result<Vec<_>, _>>()?;
        let distinct: HashSet<_> = indices.iter().collect();
        let is_audio = |index: &usize| tracks.get(*index).map(|track| track.traits.detail.kind() == TrackKind::Audio);
        let last = indices.len().wrapping_sub(1);
        let sorted = indices.iter().enumerate().all(|(at, index)| is_audio(index) == Some(at == last));
        if distinct.len() == count && sorted { Ok(indices) } else { Err(RestoreError::Field("order of renditions")) }
    }

    fn inits(&mut self, tracks: &[Track]) -> Result<Vec<(usize, Arc<Init>)>, RestoreError> {
        let mut inits: Vec<(usize, Arc<Init>)> = Vec::new();
        for _ in 0..self.count(SLOTS_MAX, "number of initialisation sections")? {
            let (track, name, body) = (self.u32()? as usize, self.text()?, self.body()?);
            let kind = tracks.get(track).map(|track| track.traits.detail.kind());
            let kind = kind.ok_or(RestoreError::Field("rendition"))?;
            let taken = inits.iter().any(|(other, init)| *other == track && init.name == name);
            if taken || !is_file_name(&name, |rest| numbered(rest, "init", ".mp4")) {
                return Err(RestoreError::Field("name of an initialisation section"));
            }
            let file = media_file(&name, vec![body], init_type(kind));
            inits.push((track, Arc::new(Init { name, file })));
        }
        Ok(inits)
    }

    fn slot(&mut self, tracks: &[Track], inits: &[(usize, Arc<Init>)]) -> Result<Slot, RestoreError> {
        let (msn, discontinuity, tagged) = (self.number()?, self.number()?, self.flag()?);
        let mut segments: Vec<(usize, Segment)> = Vec::new();
        let (mut video, mut audio) = (0, 0);
        let count = self.count(tracks.len(), "number of renditions")?;
        if count == 0 {
            return Ok(Slot { msn, discontinuity, tagged, content: Content::Gap(self.gap(msn)?) });
        }
        for _ in 0..count {
            let track = self.u32()? as usize;
            let kind = tracks.get(track).map(|track| track.traits.detail.kind());
            match kind {
                Some(TrackKind::Video) => video += 1,
                Some(TrackKind::Audio) => audio += 1,
                None => return Err(RestoreError::Field("rendition")),
            }
            if segments.iter().any(|(other, _)| *other == track) {
                return Err(RestoreError::Field("rendition"));
            }
            let segment = self.segment(msn, track, kind.unwrap_or(TrackKind::Video), inits)?;
            segments.push((track, segment));
        }
        // Every playlist finds a segment then: its own, or another video rendition's.
        if video == 0 || audio != 1 {
            return Err(RestoreError::Field("set of renditions"));
        }
        Ok(Slot { msn, discontinuity, tagged, content: Content::Media(segments) })
    }

    fn segment(
        &mut self,
        msn: u64,
        track: usize,
        kind: TrackKind,
        inits: &[(usize, Arc<Init>)],
    ) -> Result<Segment, RestoreError> {
        let init = inits.get(self.u32()? as usize).filter(|(owner, _)| *owner == track);
        let (_, init) = init.ok_or(RestoreError::Field("initialisation section"))?;
        let Gap { name, wall_ms, duration_us, parts: _ } = self.gap(msn)?;
        let iframe = self.u32()? as usize..self.u32()? as usize;
        let body = self.body()?;
        if iframe.start > iframe.end || iframe.end > body.len() {
            return Err(RestoreError::Field("range of a picture"));
        }
        let file = Some(media_file(&name, vec![body], segment_type(kind)));
        Ok(Segment { name, file, init: Arc::clone(init), wall_ms, duration_us, parts: Vec::new(), iframe })
    }

    /// What a gap has, and a segment too.
    fn gap(&mut self, msn: u64) -> Result<Gap, RestoreError> {
        let (name, wall_ms, duration_us) = (self.text()?, self.wall()?, self.number()?);
        if !is_file_name(&name, |rest| rest == format!("{msn}.m4s")) {
            return Err(RestoreError::Field("name of a segment"));
        }
        if !(1..=DURATION_US_MAX).contains(&duration_us) {
            return Err(RestoreError::Field("duration"));
        }
        Ok(Gap { name, wall_ms, duration_us, parts: Vec::new() })
    }
}

/// Whether a name is a session id, a dash and what `is_rest` wants.
fn is_file_name(name: &str, is_rest: impl Fn(&str) -> bool) -> bool {
    name.split_once('-').is_some_and(|(session, rest)| Session::new(session).is_ok() && is_rest(rest))
}

/// Whether a text is `before`, a number and `after`.
fn numbered(text: &str, before: &str, after: &str) -> bool {
    let number = text.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    number.is_some_and(|number| number.parse::<u32>().is_ok_and(|value| value.to_string() == number))
}
