//! What the playlists list under one media sequence number.

use std::ops::Range;
use std::sync::Arc;

use crate::snapshot::MediaFile;
use crate::window::{Track, media_file, segment_type};

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
    /// `None` while parts are still to come.
    pub(crate) file: Option<Arc<MediaFile>>,
    pub(crate) init: Arc<Init>,
    /// Wall clock of its first sample, milliseconds since the Unix epoch.
    pub(crate) wall_ms: i64,
    pub(crate) duration_us: u64,
    /// Its parts, until nobody can still be asking for them.
    pub(crate) parts: Vec<Part>,
    /// Where in it the fragment of the first picture begins, and where that picture ends.
    pub(crate) iframe: Range<usize>,
}

/// One part of a segment.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) file: Arc<MediaFile>,
    pub(crate) duration_us: u64,
    pub(crate) independent: bool,
}

/// A stretch of time in which there was nothing to publish: a segment without media (rfc8216bis 4.4.4.7).
#[derive(Debug)]
pub(crate) struct Gap {
    pub(crate) name: String,
    pub(crate) wall_ms: i64,
    pub(crate) duration_us: u64,
    /// Names and durations of its parts.
    pub(crate) parts: Vec<(String, u64)>,
}

/// What stands under a media sequence number.
#[derive(Debug)]
pub(crate) enum Content {
    /// Segments by index of the track; those the epoch did not produce are absent.
    Media(Vec<(usize, Segment)>),
    /// The same gap in every rendition.
    Gap(Gap),
}

/// The segments of all renditions under one media sequence number.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) msn: u64,
    /// Discontinuity sequence number of its segments.
    pub(crate) discontinuity: u64,
    /// Whether EXT-X-DISCONTINUITY stands before it.
    pub(crate) tagged: bool,
    pub(crate) content: Content,
}

impl Slot {
    pub(crate) fn segments(&self) -> &[(usize, Segment)] {
        match &self.content {
            Content::Media(segments) => segments,
            Content::Gap(_) => &[],
        }
    }

    pub(crate) fn segments_mut(&mut self) -> &mut [(usize, Segment)] {
        match &mut self.content {
            Content::Media(segments) => segments,
            Content::Gap(_) => &mut [],
        }
    }

    /// Makes files of the segments, each of its parts, which are kept only where there is a use for them.
    pub(crate) fn finish(&mut self, tracks: &[Track], keeps_parts: bool) {
        for (track, segment) in self.segments_mut() {
            let Some(track) = tracks.get(*track) else { continue };
            let pieces = segment.parts.iter().flat_map(|part| part.file.pieces.iter().cloned()).collect();
            segment.file = Some(media_file(&segment.name, pieces, segment_type(track.traits.detail.kind())));
            if !keeps_parts {
                segment.parts.clear();
            }
        }
    }

    /// Forgets its parts, if one of them lasts longer than `most_us`: those of a segment that was published whole.
    pub(crate) fn forget_parts_over(&mut self, most_us: u64) {
        match &mut self.content {
            Content::Media(segments) => {
                if segments.iter().flat_map(|(_, segment)| &segment.parts).any(|part| part.duration_us > most_us) {
                    segments.iter_mut().for_each(|(_, segment)| segment.parts.clear());
                }
            }
            Content::Gap(gap) => {
                if gap.parts.iter().any(|(_, duration_us)| *duration_us > most_us) {
                    gap.parts.clear();
                }
            }
        }
    }

    pub(crate) fn segment(&self, track: usize) -> Option<&Segment> {
        self.segments().iter().find(|(owner, _)| *owner == track).map(|(_, segment)| segment)
    }

    /// How many parts are listed for it, which is the same in all renditions.
    pub(crate) fn parts(&self) -> u32 {
        let parts = match &self.content {
            Content::Media(segments) => segments.first().map_or(0, |(_, segment)| segment.parts.len()),
            Content::Gap(gap) => gap.parts.len(),
        };
        parts as u32
    }

    pub(crate) fn shortest_us(&self) -> u64 {
        self.durations().min().unwrap_or(0)
    }

    pub(crate) fn longest_us(&self) -> u64 {
        self.durations().max().unwrap_or(0)
    }

    fn durations(&self) -> impl Iterator<Item = u64> {
        let gap = match &self.content {
            Content::Media(_) => None,
            Content::Gap(gap) => Some(gap.duration_us),
        };
        self.segments().iter().map(|(_, segment)| segment.duration_us).chain(gap)
    }
}
