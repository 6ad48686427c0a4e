use std::sync::Arc;

use super::attributes::attributes;
use super::report::Timing;

/// What is of interest in a media playlist.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Media {
    /// TARGETDURATION in seconds.
    pub target_duration_s: Option<u64>,
    /// Segments, with gaps.
    pub segments: usize,
    /// The last segment that is no gap.
    pub newest: Option<Segment>,
    /// It has PART-INF, so it has parts.
    pub low_latency: bool,
    /// A segment is encrypted.
    pub encrypted: bool,
    /// A key comes in the open, for every player.
    key_for_all: bool,
    playlist_type: Option<PlaylistType>,
    ended: bool,
    /// EXTINF was there, its URI is still to come.
    pending: bool,
    gap: bool,
    map: Option<Arc<str>>,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// As the playlist has it.
    pub uri: String,
    /// Its initialisation section, if it has one.
    pub map: Option<Arc<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaylistType {
    Event,
    Vod,
}

impl Media {
    /// A tag, without `#`, and its value.
    pub fn tag(&mut self, name: &str, value: &str) {
        match name {
            "EXTINF" => self.pending = true,
            "EXT-X-GAP" => self.gap = true,
            "EXT-X-TARGETDURATION" => self.target_duration_s = value.trim().parse().ok(),
            "EXT-X-ENDLIST" => self.ended = true,
            "EXT-X-PLAYLIST-TYPE" => {
                self.playlist_type = match value.trim() {
                    "EVENT" => Some(PlaylistType::Event),
                    "VOD" => Some(PlaylistType::Vod),
                    _ => None,
                };
            }
            "EXT-X-PART-INF" => self.low_latency = true,
            "EXT-X-MAP" => self.map = attributes(value).find(|(name, _)| *name == "URI").map(|(_, uri)| uri.into()),
            "EXT-X-KEY" => self.key(value),
            _ => {}
        }
    }

    /// EXT-X-KEY (rfc8216bis 4.4.4.4).
    fn key(&mut self, list: &str) {
        let (mut method, mut format) = ("NONE", "identity");
        for (name, value) in attributes(list) {
            match name {
                "METHOD" => method = value,
                "KEYFORMAT" => format = value,
                _ => {}
            }
        }
        if method != "NONE" {
            self.encrypted = true;
            self.key_for_all |= format == "identity";
        }
    }

    /// A URI: that of the segment whose EXTINF came before it.
    pub fn uri(&mut self, uri: &str) {
        let gap = std::mem::take(&mut self.gap);
        if !std::mem::take(&mut self.pending) {
            return;
        }
        self.segments += 1;
        if !gap {
            self.newest = Some(Segment { uri: uri.to_owned(), map: self.map.clone() });
        }
    }

    /// Whether and how it grows. An event that has ended is complete like any other.
    pub fn timing(&self) -> Timing {
        match self.playlist_type {
            _ if self.ended => Timing::Vod,
            Some(PlaylistType::Vod) => Timing::Vod,
            Some(PlaylistType::Event) => Timing::Event,
            None => Timing::Live,
        }
    }

    /// Whether a licence of a DRM system is needed: it is encrypted, and no key comes in the open.
    pub fn needs_licence(&self) -> bool {
        self.encrypted && !self.key_for_all
    }
}

#[cfg(test)]
mod tests {
    use super::super::playlist::{Playlist, read};
    use super::*;

    fn media(lines: &str) -> Media {
        match read(format!("#EXTM3U\n{lines}").as_bytes()) {
            Ok(Playlist::Media(media)) => media,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_ends_is_complete_and_what_does_not_is_live_or_an_event() {
        assert_eq!(media("").timing(), Timing::Live);
        assert_eq!(media("#EXT-X-PLAYLIST-TYPE:EVENT").timing(), Timing::Event);
        assert_eq!(media("#EXT-X-PLAYLIST-TYPE:VOD").timing(), Timing::Vod);
        assert_eq!(media("#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-ENDLIST").timing(), Timing::Vod);
    }

    #[test]
    fn the_newest_segment_is_the_last_that_is_no_gap() {
        let playlist = media(
            "#EXT-X-MAP:URI=\"i1\"\n#EXTINF:4,\na\n#EXT-X-MAP:URI=\"i2\"\n#EXTINF:4,\nb\n#EXTINF:4,\n#EXT-X-GAP\nc\nd",
        );
        assert_eq!(playlist.segments, 3, "d has no EXTINF");
        assert_eq!(playlist.newest, Some(Segment { uri: "b".to_owned(), map: Some("i2".into()) }));
    }

    #[test]
    fn a_licence_is_needed_when_no_key_comes_in_the_open() {
        let clear = media("#EXT-X-KEY:METHOD=NONE");
        assert!(!clear.encrypted && !clear.needs_licence());
        let open = media("#EXT-X-KEY:METHOD=AES-128,URI=\"k\"");
        assert!(open.encrypted && !open.needs_licence());
        let fairplay = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://k\",KEYFORMAT=\"com.apple.streamingkeydelivery\"";
        assert!(media(fairplay).needs_licence());
        assert!(!media(&format!("{fairplay}\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"")).needs_licence());
    }
}
