use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

/// Everything a player can ask for of one presentation at one moment. Immutable: the packager makes a new
/// one whenever a segment is published, and whoever serves it swaps the whole.
#[derive(Debug)]
pub struct Snapshot {
    /// The multivariant playlist.
    pub multivariant: Playlist,
    /// The renditions, video from the best down, then audio.
    pub renditions: Vec<RenditionSnapshot>,
    /// Whether the playlists carry ENDLIST.
    pub ended: bool,
}

/// One rendition of a [`Snapshot`].
#[derive(Debug)]
pub struct RenditionSnapshot {
    /// The name in its URL, for example `720p` or `audio`.
    pub name: String,
    /// The media playlist.
    pub playlist: Playlist,
    /// Media by file name: initialisation sections and segments, those that left the playlist included for
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
    /// Strong entity tag of the text, with its quotes. The gzip coding is another representation: whoever
    /// serves it adds a suffix.
    pub etag: String,
}

/// An immutable file under a name that is never given to other bytes.
#[derive(Debug)]
pub struct MediaFile {
    /// The bytes.
    pub body: Bytes,
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
