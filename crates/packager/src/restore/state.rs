//! The window as it was when a segment began, without its media.

use std::collections::{HashSet, VecDeque};

use weir_media::{FrameRate, TrackKind};

use super::reader::Reader;
use super::slot::DURATION_US_MAX;
use super::{RestoreError, SLOTS_MAX};
use crate::epoch::is_rendition_name;
use crate::grid::is_usable;
use crate::journal::{AUDIO, VIDEO};
use crate::rates::{RECENT_MAX, Rates};
use crate::window::{Detail, RENDITIONS_MAX, Track, Traits, Window};

/// What a state says beside the numbers of its segment.
pub(super) struct State {
    /// A window without slots.
    pub(super) window: Window,
    /// How many slots are listed.
    pub(super) listed: usize,
    /// Until when the slots before them are to be had, by media time.
    pub(super) removed: Vec<u64>,
}

impl State {
    /// Reads what stands behind the head.
    pub(super) fn read(mut from: Reader) -> Result<Self, RestoreError> {
        let mut window = Window::default();
        (window.next.next_discontinuity, window.next.next_base_ms) = (from.number()?, from.number()?);
        (window.media_us, window.longest_us) = (from.number()?, from.number()?);
        (window.finished, window.private, window.opening) = (from.number()?, from.flag()?, from.flag()?);
        window.tracks = from.tracks()?;
        window.order = from.indices(&window.tracks)?;
        if window.order.len() != window.tracks.len() {
            return Err(RestoreError::Field("order of renditions"));
        }
        window.current = from.indices(&window.tracks)?;
        if window.current.is_empty() {
            return Err(RestoreError::Field("number of renditions"));
        }
        let listed = from.count(SLOTS_MAX, "number of segments")?;
        let count = from.count(SLOTS_MAX, "number of removed segments")?;
        let until_max = window.media_us + window.longest_us + DURATION_US_MAX;
        let mut removed = Vec::new();
        for _ in 0..count {
            let until_us = from.number()?;
            if until_us > until_max {
                return Err(RestoreError::Field("time of removal"));
            }
            removed.push(until_us);
        }
        from.end()?;
        Ok(Self { window, listed, removed })
    }
}

impl Reader {
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
        if audio != 1 || count < 2 {
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
        let (rates, iframe_rates) = (self.rates()?, self.rates()?);
        Ok(Track { name, traits: Traits { codec, detail }, rates, iframe_rates, inits: self.u32()?, last_init: None })
    }

    fn rates(&mut self) -> Result<Rates, RestoreError> {
        let (bytes, micros, peak_bps) = (self.number()?, self.number()?, self.number()?);
        let count = self.count(RECENT_MAX, "number of rates")?;
        let mut recent = VecDeque::with_capacity(count);
        for _ in 0..count {
            recent.push_back((self.number()?, self.number()?));
        }
        Ok(Rates { bytes, micros, peak_bps, recent })
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
}
