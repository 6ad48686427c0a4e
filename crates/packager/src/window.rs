use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use weir_media::{FrameRate, TrackKind};

use crate::config::Position;
use crate::journal::Recorder;
use crate::rates::Rates;
use crate::slot::{Init, Segment, Slot};
use crate::snapshot::MediaFile;

/// Renditions of one presentation, those of earlier epochs included. A ladder has four; each one costs every
/// snapshot a playlist.
pub(crate) const RENDITIONS_MAX: usize = 16;
/// No segment has more parts: ten seconds of half a second each, and the rest that may follow them.
pub(crate) const PARTS_MAX: usize = 32;

/// A rendition that was advertised once and so goes on for the life of the presentation.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) name: String,
    pub(crate) traits: Traits,
    pub(crate) rates: Rates,
    /// Of what the I-frame playlist lists.
    pub(crate) iframe_rates: Rates,
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
    /// The segment of which parts are published, and which is not finished.
    pub(crate) open: Option<Slot>,
    pub(crate) removed: VecDeque<Removed>,
    pub(crate) next: Position,
    /// Parts that have got a name so far, whether or not they are listed.
    pub(crate) parts_made: u64,
    /// Segments finished since the presentation began or was opened to the public, gaps left out.
    pub(crate) finished: u64,
    /// Wall clock at the end of the last part.
    pub(crate) wall_end_ms: Option<i64>,
    /// Media time published so far, every second once.
    pub(crate) media_us: u64,
    /// The longest playlist there has been.
    pub(crate) longest_us: u64,
    pub(crate) ended: bool,
    /// Whether only those may see it who check the signal.
    pub(crate) private: bool,
    /// Whether the next segment is the first for the public.
    pub(crate) opening: bool,
    /// Records of what is added, where a journal is kept.
    pub(crate) journal: Option<Recorder>,
}

/// A rendition that an epoch brings into the window.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) traits: Traits,
    pub(crate) init: Vec<u8>,
}

impl Window {
    pub(crate) fn new(next: Position) -> Self {
        Self { next, parts_made: parts_before(next), ..Self::default() }
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
            let (rates, iframe_rates) = (Rates::default(), Rates::default());
            self.tracks.push(Track { name, traits, rates, iframe_rates, inits: 0, last_init: None });
            self.tracks.len() - 1
        });
        let track = &mut self.tracks[index];
        let same = track.last_init.as_ref().filter(|init| init.file.pieces.concat() == entry.init).cloned();
        let init = same.unwrap_or_else(|| {
            track.inits = track.inits.saturating_add(1);
            let name = format!("{session}-init{}.mp4", track.inits);
            let file = media_file(&name, vec![entry.init.into()], init_type(entry.traits.detail.kind()));
            Arc::new(Init { name, file })
        });
        track.traits = entry.traits;
        track.last_init = Some(Arc::clone(&init));
        (index, init)
    }

    /// The segment that stands for `track` in `slot`, and the track it belongs to: its own, or that of the next
    /// lower, else of the next higher video rendition.
    pub(crate) fn stand_in<'a>(&self, slot: &'a Slot, track: usize) -> Option<(usize, &'a Segment)> {
        self.replacement(track, |index| slot.segment(index).map(|segment| (index, segment)))
    }

    /// The track whose media will come next in the playlist of `track`.
    pub(crate) fn next_owner(&self, track: usize) -> Option<usize> {
        self.replacement(track, |index| self.current.contains(&index).then_some(index))
    }

    /// What `found` has first of `track` itself, the lower video renditions from the best down, and the higher ones
    /// from the worst up.
    fn replacement<T>(&self, track: usize, found: impl Fn(usize) -> Option<T>) -> Option<T> {
        let at = self.order.iter().position(|&index| index == track)?;
        let kind = self.tracks.get(track)?.traits.detail.kind();
        let (higher, rest) = self.order.split_at(at);
        let alike = |index: &&usize| self.tracks.get(**index).is_some_and(|track| track.traits.detail.kind() == kind);
        rest.iter().chain(higher.iter().rev()).filter(alike).find_map(|&index| found(index))
    }

    /// Every slot that a player may ask for, the oldest first.
    pub(crate) fn all_slots(&self) -> impl Iterator<Item = &Slot> {
        self.removed.iter().map(|removed| &removed.slot).chain(&self.slots).chain(&self.open)
    }

    /// Every file of a track that a player may ask for, by name.
    pub(crate) fn files(&self, track: usize) -> HashMap<String, Arc<MediaFile>> {
        let mut files = HashMap::with_capacity(self.removed.len() + 3 * self.slots.len() + 1);
        for segment in self.all_slots().filter_map(|slot| slot.segment(track)) {
            if let Some(file) = &segment.file {
                files.insert(segment.name.clone(), Arc::clone(file));
            }
            files.extend(segment.parts.iter().map(|part| (part.name.clone(), Arc::clone(&part.file))));
            if !files.contains_key(&segment.init.name) {
                files.insert(segment.init.name.clone(), Arc::clone(&segment.init.file));
            }
        }
        files
    }
}

/// Where a window that goes on from `next` begins to number its parts: behind all that came before, for the numbers
/// also stand in `mfhd`, where they must grow.
fn parts_before(next: Position) -> u64 {
    next.next_msn * PARTS_MAX as u64
}

/// A file whose name is never used again, so that the name is its entity tag too.
pub(crate) fn media_file(name: &str, pieces: Vec<bytes::Bytes>, content_type: &'static str) -> Arc<MediaFile> {
    Arc::new(MediaFile { pieces, etag: format!("\"{name}\""), content_type })
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
