use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use weir_media::{FrameRate, TrackKind};

use crate::config::{Config, Position};
use crate::rates::Rates;
use crate::snapshot::MediaFile;

/// The least number of segments in a playlist after one was removed (Apple's authoring rules, 8.11).
const SEGMENTS_MIN: usize = 6;
/// Renditions of one presentation, those of earlier epochs included. A ladder has four; each one costs every
/// snapshot a playlist.
pub(crate) const RENDITIONS_MAX: usize = 16;

/// A rendition that was advertised once and so goes on for the life of the presentation.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) name: String,
    pub(crate) traits: Traits,
    pub(crate) rates: Rates,
    /// Initialisation sections made so far; it numbers their names.
    pub(crate) inits: u32,
    pub(crate) last_init: Option<Arc<Init>>,
}

/// What the multivariant playlist says of a rendition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traits {
    /// RFC 6381.
    pub(crate) codec: String,
    pub(crate) detail: Detail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    Video { width: u32, height: u32, frame_rate: FrameRate },
    Audio { channels: u8 },
}

impl Detail {
    pub(crate) fn kind(self) -> TrackKind {
        match self {
            Self::Video { .. } => TrackKind::Video,
            Self::Audio { .. } => TrackKind::Audio,
        }
    }
}

/// An initialisation section.
#[derive(Debug)]
pub(crate) struct Init {
    pub(crate) name: String,
    pub(crate) file: Arc<MediaFile>,
}

/// One media segment of one rendition.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) file: Arc<MediaFile>,
    pub(crate) init: Arc<Init>,
    /// Wall clock of its first sample, milliseconds since the Unix epoch.
    pub(crate) wall_ms: i64,
    pub(crate) duration_us: u64,
}

/// The segments of all renditions under one media sequence number.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) msn: u64,
    /// Discontinuity sequence number of its segments.
    pub(crate) discontinuity: u64,
    /// Whether EXT-X-DISCONTINUITY stands before it.
    pub(crate) tagged: bool,
    /// By index of the track; those the epoch did not produce are absent.
    pub(crate) segments: Vec<(usize, Segment)>,
}

impl Slot {
    pub(crate) fn segment(&self, track: usize) -> Option<&Segment> {
        self.segments.iter().find(|(owner, _)| *owner == track).map(|(_, segment)| segment)
    }

    pub(crate) fn shortest_us(&self) -> u64 {
        self.segments.iter().map(|(_, segment)| segment.duration_us).min().unwrap_or(0)
    }

    pub(crate) fn longest_us(&self) -> u64 {
        self.segments.iter().map(|(_, segment)| segment.duration_us).max().unwrap_or(0)
    }
}

/// A slot that left the playlists and whose files are still to be had until the media time `until_us`.
#[derive(Debug)]
pub(crate) struct Removed {
    pub(crate) slot: Slot,
    pub(crate) until_us: u64,
}

/// All that is published: what the playlists list, and what they listed until a while ago.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Never shrinks, so that an index is a name for good.
    pub(crate) tracks: Vec<Track>,
    /// Indices of all tracks, video from the best down, then audio.
    pub(crate) order: Vec<usize>,
    /// Those of the running epoch, in the same order.
    pub(crate) current: Vec<usize>,
    pub(crate) slots: VecDeque<Slot>,
    pub(crate) removed: VecDeque<Removed>,
    pub(crate) next: Position,
    /// Wall clock at the end of the last segment.
    pub(crate) wall_end_ms: Option<i64>,
    /// Media time published so far, every second once.
    pub(crate) media_us: u64,
    /// The longest playlist there has been.
    pub(crate) longest_us: u64,
    pub(crate) ended: bool,
}

/// A rendition that an epoch brings into the window.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) traits: Traits,
    pub(crate) init: Vec<u8>,
}

impl Window {
    pub(crate) fn new(next: Position) -> Self {
        Self { next, ..Self::default() }
    }

    pub(crate) fn track(&self, name: &str) -> Option<&Track> {
        self.tracks.iter().find(|track| track.name == name)
    }

    /// The name of the audio rendition, which is one for the life of the presentation.
    pub(crate) fn audio(&self) -> Option<&str> {
        let audio = |track: &&Track| track.traits.detail.kind() == TrackKind::Audio;
        self.tracks.iter().find(audio).map(|track| track.name.as_str())
    }

    /// Takes the renditions of a new epoch, best first. Answers the index of each and its initialisation section.
    pub(crate) fn enter(&mut self, session: &str, entries: Vec<Entry<'_>>) -> Vec<(usize, Arc<Init>)> {
        let members: Vec<_> = entries.into_iter().map(|entry| self.enter_one(session, entry)).collect();
        self.current = members.iter().map(|(track, _)| *track).collect();
        // A rendition that is new goes before the first known one that the epoch lists after it.
        for at in (0..self.current.len()).rev() {
            let track = self.current[at];
            if self.order.contains(&track) {
                continue;
            }
            let follower = self.current.get(at + 1).and_then(|next| self.order.iter().position(|known| known == next));
            self.order.insert(follower.unwrap_or(self.order.len()), track);
        }
        members
    }

    fn enter_one(&mut self, session: &str, entry: Entry<'_>) -> (usize, Arc<Init>) {
        let index = self.tracks.iter().position(|track| track.name == entry.name).unwrap_or_else(|| {
            let (name, traits) = (entry.name.to_owned(), entry.traits.clone());
            self.tracks.push(Track { name, traits, rates: Rates::default(), inits: 0, last_init: None });
            self.tracks.len() - 1
        });
        let track = &mut self.tracks[index];
        let same = track.last_init.as_ref().filter(|init| init.file.body == entry.init).cloned();
        let init = same.unwrap_or_else(|| {
            track.inits = track.inits.saturating_add(1);
            let name = format!("{session}-init{}.mp4", track.inits);
            let file = media_file(&name, entry.init.into(), init_type(entry.traits.detail.kind()));
            Arc::new(Init { name, file })
        });
        track.traits = entry.traits;
        track.last_init = Some(Arc::clone(&init));
        (index, init)
    }

    /// Appends a slot, which ends at media time `end_ms`, to the playlists, and drops from their heads what is no longer due.
    pub(crate) fn publish(&mut self, config: Config, slot: Slot, end_ms: u64) {
        for (index, segment) in &slot.segments {
            let bytes = segment.file.body.len() as u64;
            self.tracks[*index].rates.add(bytes, segment.duration_us, config.target_duration_s());
        }
        let wall_end = slot.segments.iter().map(|(_, s)| s.wall_ms + s.duration_us.div_ceil(1000) as i64).max();
        self.wall_end_ms = self.wall_end_ms.max(wall_end);
        self.next = Position {
            next_msn: slot.msn + 1,
            next_discontinuity: slot.discontinuity + 1,
            next_base_ms: self.next.next_base_ms.max(end_ms),
        };
        self.media_us += slot.shortest_us();
        self.slots.push_back(slot);
        self.longest_us = self.longest_us.max(self.slots.iter().map(Slot::longest_us).sum());
        self.trim(config);
    }

    /// Drops from the head while what remains is long enough (rfc8216bis 6.2.2: never shorter than three target
    /// durations), and forgets removed files that no player can still be asking for.
    fn trim(&mut self, config: Config) {
        let least_us = u64::from(config.window_s().max(3 * config.target_duration_s())) * 1_000_000;
        let mut length_us: u64 = self.slots.iter().map(Slot::shortest_us).sum();
        while let Some(head_us) = self.slots.front().map(Slot::shortest_us)
            && self.slots.len() > SEGMENTS_MIN
            && length_us - head_us >= least_us
        {
            length_us -= head_us;
            if let Some(slot) = self.slots.pop_front() {
                // "The duration of the segment plus the duration of the longest playlist" (6.2.2).
                let until_us = self.media_us + slot.longest_us() + self.longest_us;
                self.removed.push_back(Removed { slot, until_us });
            }
        }
        while self.removed.front().is_some_and(|removed| removed.until_us <= self.media_us) {
            self.removed.pop_front();
        }
    }

    /// The segment that stands for `track` in `slot`, and the track it belongs to: its own, or that of the next
    /// lower, else of the next higher video rendition.
    pub(crate) fn stand_in<'a>(&self, slot: &'a Slot, track: usize) -> Option<(usize, &'a Segment)> {
        let at = self.order.iter().position(|&index| index == track)?;
        let kind = self.tracks.get(track)?.traits.detail.kind();
        let (higher, rest) = self.order.split_at(at);
        let alike = |index: &&usize| self.tracks.get(**index).is_some_and(|track| track.traits.detail.kind() == kind);
        let mut candidates = rest.iter().chain(higher.iter().rev()).filter(alike);
        candidates.find_map(|&index| slot.segment(index).map(|segment| (index, segment)))
    }

    /// Every file of a track that a player may ask for, by name.
    pub(crate) fn files(&self, track: usize) -> HashMap<String, Arc<MediaFile>> {
        let slots = self.removed.iter().map(|removed| &removed.slot).chain(&self.slots);
        let mut files = HashMap::with_capacity(self.removed.len() + self.slots.len() + 1);
        for segment in slots.filter_map(|slot| slot.segment(track)) {
            files.insert(segment.name.clone(), Arc::clone(&segment.file));
            if !files.contains_key(&segment.init.name) {
                files.insert(segment.init.name.clone(), Arc::clone(&segment.init.file));
            }
        }
        files
    }
}

/// A file whose name is never used again, so that the name is its entity tag too.
pub(crate) fn media_file(name: &str, body: bytes::Bytes, content_type: &'static str) -> Arc<MediaFile> {
    Arc::new(MediaFile { body, etag: format!("\"{name}\""), content_type })
}

/// MIME type of an initialisation section (rfc8216bis 3.1.2, Apple's authoring rules 10.4).
pub(crate) fn init_type(kind: TrackKind) -> &'static str {
    match kind {
        TrackKind::Video => "video/mp4",
        TrackKind::Audio => "audio/mp4",
    }
}

/// MIME type of a segment.
pub(crate) fn segment_type(kind: TrackKind) -> &'static str {
    match kind {
        TrackKind::Video => "video/iso.segment",
        TrackKind::Audio => "audio/mp4",
    }
}
