//! Reads playlists: strict in what they may cost, lenient in what they say. Few tags are of interest here.

use super::attributes::attributes;
use super::media::Media;
use super::multivariant::Multivariant;

/// Bytes of a line. Keys and session data may come as `data:` URLs of some kilobytes.
pub(crate) const LINE_BYTES_MAX: usize = 16 * 1024;

/// Variants of a multivariant playlist. Large ladders with several audio formats have thirty.
pub(crate) const VARIANTS_MAX: usize = 100;

/// A playlist of either kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Playlist {
    /// It has an EXT-X-STREAM-INF.
    Multivariant(Multivariant),
    /// Anything else that begins with EXTM3U.
    Media(Media),
}

/// Why there is no playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPlaylist {
    #[error("the answer is empty")]
    Empty,
    #[error("the answer is a web page, not an HLS playlist")]
    Html,
    #[error("the answer is a DASH manifest, not an HLS playlist")]
    Dash,
    #[error("the answer is not an HLS playlist: it does not begin with #EXTM3U")]
    Other,
    #[error("line {line} is longer than {LINE_BYTES_MAX} bytes")]
    LongLine { line: usize },
    #[error("there are more than {VARIANTS_MAX} variants")]
    ManyVariants,
}

/// Reads the body of an answer.
pub(crate) fn read(body: &[u8]) -> Result<Playlist, NoPlaylist> {
    let text = String::from_utf8_lossy(body);
    // A byte order mark is forbidden (rfc8216bis 4.1) and happens all the same; browsers take it off.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if !text.starts_with("#EXTM3U") {
        return Err(other(text));
    }
    let (mut multivariant, mut media) = (Multivariant::default(), Media::default());
    let mut is_multivariant = false;
    for (index, line) in text.lines().enumerate() {
        if line.len() > LINE_BYTES_MAX {
            return Err(NoPlaylist::LongLine { line: index + 1 });
        }
        match Line::of(line) {
            Line::Tag("EXT-X-STREAM-INF", list) => {
                is_multivariant = true;
                multivariant.declare(attributes(list));
            }
            Line::Tag(name, value) => media.tag(name, value),
            Line::Uri(uri) => {
                multivariant.uri(uri);
                media.uri(uri);
            }
            Line::Nothing => {}
        }
        if multivariant.variants.len() > VARIANTS_MAX {
            return Err(NoPlaylist::ManyVariants);
        }
    }
    Ok(if is_multivariant { Playlist::Multivariant(multivariant) } else { Playlist::Media(media) })
}

/// What it is, if it is no playlist.
fn other(text: &str) -> NoPlaylist {
    let begins_with = |prefix: &str| {
        let begin = text.trim_start().as_bytes().get(..prefix.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    if text.trim().is_empty() {
        NoPlaylist::Empty
    } else if begins_with("<!doctype") || begins_with("<html") {
        NoPlaylist::Html
    } else if begins_with("<?xml") && text.contains("<MPD") || begins_with("<MPD") {
        NoPlaylist::Dash
    } else {
        NoPlaylist::Other
    }
}

/// A line of a playlist.
enum Line<'a> {
    /// Name without `#`, and what comes after the colon.
    Tag(&'a str, &'a str),
    Uri(&'a str),
    /// Empty, or a comment.
    Nothing,
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Self {
        let line = line.trim();
        match line.strip_prefix('#') {
            Some(tag) if tag.starts_with("EXT") => {
                let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
                Self::Tag(name, value)
            }
            None if !line.is_empty() => Self::Uri(line),
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_playlist_is_named() {
        let refused = |text: &str| read(text.as_bytes()).expect_err("no playlist");
        assert_eq!(refused(""), NoPlaylist::Empty);
        assert_eq!(refused(" \r\n"), NoPlaylist::Empty);
        assert_eq!(refused("\n<!DOCTYPE html><html>"), NoPlaylist::Html);
        assert_eq!(refused("<HTML>"), NoPlaylist::Html);
        assert_eq!(refused("<?xml version=\"1.0\"?>\n<MPD>"), NoPlaylist::Dash);
        assert_eq!(refused("{\"error\":\"none\"}"), NoPlaylist::Other);
    }

    #[test]
    fn long_lines_and_many_variants_are_refused() {
        let long = format!("#EXTM3U\n# {}\n", "x".repeat(LINE_BYTES_MAX));
        assert_eq!(read(long.as_bytes()), Err(NoPlaylist::LongLine { line: 2 }));
        let variants = |count| format!("#EXTM3U\n{}", "#EXT-X-STREAM-INF:BANDWIDTH=1\na\n".repeat(count));
        assert!(read(variants(VARIANTS_MAX).as_bytes()).is_ok());
        assert_eq!(read(variants(VARIANTS_MAX + 1).as_bytes()), Err(NoPlaylist::ManyVariants));
    }

    #[test]
    fn a_byte_order_mark_and_carriage_returns_do_not_matter() {
        let Ok(Playlist::Media(media)) = read("\u{feff}#EXTM3U\r\n#EXTINF:4,\r\na.ts\r\n".as_bytes()) else {
            panic!("no media playlist")
        };
        assert_eq!(media.newest.expect("a segment").uri, "a.ts");
    }

    /// Lines that resemble playlists, so that the tags are reached.
    fn lines() -> impl Strategy<Value = String> {
        let tag = prop_oneof![
            Just("#EXT-X-STREAM-INF:"),
            Just("#EXTINF:"),
            Just("#EXT-X-KEY:"),
            Just("#EXT-X-MAP:"),
            Just("#EXT-X-TARGETDURATION:"),
            Just("#EXT-X-GAP"),
            Just("#"),
            Just(""),
        ];
        let value = prop_oneof![
            ".*",
            r#"(BANDWIDTH|RESOLUTION|FRAME-RATE|METHOD|URI|CODECS)=("?[0-9a-zé.x,]{0,20}"?)(,[A-Z]*=?"?)?"#,
        ];
        proptest::collection::vec((tag, value).prop_map(|(tag, value)| format!("{tag}{value}\n")), 0..20)
            .prop_map(|lines| format!("#EXTM3U\n{}", lines.concat()))
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
            let _ = read(&[b"#EXTM3U\n".as_slice(), &bytes].concat());
        }

        #[test]
        fn no_playlist_makes_the_reader_panic(text in lines()) {
            let _ = read(text.as_bytes());
        }
    }
}
