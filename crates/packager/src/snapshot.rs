use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

/// Everything a player can ask for of one presentation at one moment. Immutable: the packager makes a new
/// one whenever a part or a segment is published, in all renditions at once, and whoever serves it swaps the whole.
#[derive(Debug)]
pub struct Snapshot {
    /// The multivariant playlist.
    pub multivariant: Playlist,
    /// The renditions, video from the best down, then audio.
    pub renditions: Vec<RenditionSnapshot>,
    /// How far the playlists reach.
    pub edge: Edge,
    /// When it was made, for those who measure how long it takes to reach players.
    pub published_at: Instant,
    /// Whether the playlists carry ENDLIST.
    pub ended: bool,
    /// Whether only those may see it who check the signal before it goes on air.
    pub private: bool,
}

/// How far the playlists of a presentation reach, which is the same for all of its renditions: what a blocking
/// playlist reload is held against (rfc8216bis 6.2.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Media sequence number of the first segment that is not finished.
    pub next_msn: u64,
    /// How many parts of that segment are listed.
    pub parts: u32,
    /// How many parts the segment before it has; 0 when it was published whole.
    pub last_parts: u32,
    /// TARGETDURATION in seconds.
    pub target_duration_s: u32,
    /// The parts, where there are any.
    pub part: Option<PartGrid>,
}

/// The parts of segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartGrid {
    /// PART-TARGET in milliseconds.
    pub target_ms: u32,
    /// How many parts a segment of full length has.
    pub per_segment: u32,
}

/// One rendition of a [`Snapshot`].
#[derive(Debug)]
pub struct RenditionSnapshot {
    /// The name in its URL, for example `720p` or `audio`.
    pub name: String,
    /// The media playlist.
    pub playlist: Playlist,
    /// The same as a delta update, for those who ask for it with `_HLS_skip`; none once the presentation ended.
    pub delta: Option<Playlist>,
    /// The I-frame playlist; none for audio.
    pub iframes: Option<Playlist>,
    /// The file name that the playlist hints at: nothing has it yet, and a request for it is to be held.
    pub hint: Option<String>,
    /// Media by file name: initialisation sections, segments and parts, those that left the playlist included for
    /// as long as a player may still ask for them (rfc8216bis 6.2.2).
    pub media: HashMap<String, Arc<MediaFile>>,
}

/// A rendered playlist in both codings, made once per change and shared by all who ask.
#[derive(Debug, Clone)]
pub struct Playlist {
    /// UTF-8 text.
    pub plain: Bytes,
    /// The same text, gzip-coded.
    pub gzip: Bytes,
    /// Strong entity tag of the text, with its quotes.
    pub etag: Bytes,
    /// That of the gzip coding, which is another representation (RFC 9110, 8.8.3.3).
    pub gzip_etag: Bytes,
}

/// An immutable file under a name that is never given to other bytes.
#[derive(Debug)]
pub struct MediaFile {
    /// The bytes, in the pieces in which they came to be; none of them is empty.
    pub pieces: Vec<Bytes>,
    /// Strong entity tag, with its quotes.
    pub etag: String,
    /// MIME type.
    pub content_type: &'static str,
}

impl Snapshot {
    /// The rendition called `name`.
    pub fn rendition(&self, name: &str) -> Option<&RenditionSnapshot> {
        self.renditions.iter().find(|rendition| rendition.name == name)
    }
}

impl MediaFile {
    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of a range, without a copy. What lies behind the end is left out.
    pub fn slice(&self, range: Range<usize>) -> Vec<Bytes> {
        let mut start = 0;
        let mut pieces = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            let (from, to) = (range.start.max(start), range.end.min(start + piece.len()));
            if from < to {
                pieces.push(piece.slice(from - start..to - start));
            }
            start += piece.len();
        }
        pieces
    }
}
