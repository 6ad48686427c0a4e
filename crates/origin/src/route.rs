use std::borrow::Cow;

use crate::meters::Kind;

/// What a path names. Nothing here is looked up in a file system, so `..` is merely a name that nobody has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Multivariant {
        channel: Cow<'a, str>,
    },
    MediaPlaylist {
        channel: Cow<'a, str>,
        rendition: Cow<'a, str>,
    },
    IFrames {
        channel: Cow<'a, str>,
        rendition: Cow<'a, str>,
    },
    Media {
        channel: Cow<'a, str>,
        rendition: Cow<'a, str>,
        file: Cow<'a, str>,
    },
    /// Below `/live/`, but nothing that could exist.
    UnknownLive,
    Watch,
    Asset(&'a str),
    Home,
    Health,
    Ready,
    Metrics,
    Unknown,
}

const PLAYLIST: &str = "index.m3u8";
const IFRAMES: &str = "iframes.m3u8";

impl<'a> Route<'a> {
    /// Reads a path as it came, still percent-encoded.
    pub(crate) fn parse(path: &'a str) -> Self {
        match path {
            "/" => return Self::Home,
            "/healthz" => return Self::Health,
            "/readyz" => return Self::Ready,
            "/metrics" => return Self::Metrics,
            _ => {}
        }
        if let Some(below) = path.strip_prefix("/live/") {
            return Self::live(below).unwrap_or(Self::UnknownLive);
        }
        if let Some(name) = path.strip_prefix("/assets/") {
            return Self::Asset(name);
        }
        match path.strip_prefix("/watch/").map(decoded) {
            Some(Some(name)) if !name.is_empty() => Self::Watch,
            _ => Self::Unknown,
        }
    }

    fn live(below: &'a str) -> Option<Self> {
        let mut parts = below.splitn(4, '/');
        let channel = decoded(parts.next()?)?;
        let second = parts.next()?;
        let third = parts.next();
        Some(match (third, parts.next()) {
            (None, _) if second == PLAYLIST => Self::Multivariant { channel },
            (Some(PLAYLIST), None) => Self::MediaPlaylist { channel, rendition: decoded(second)? },
            (Some(IFRAMES), None) => Self::IFrames { channel, rendition: decoded(second)? },
            (Some(file), None) => Self::Media { channel, rendition: decoded(second)?, file: decoded(file)? },
            _ => return None,
        })
    }

    /// Under which head the answer is counted.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Multivariant { .. } | Self::MediaPlaylist { .. } | Self::IFrames { .. } => Kind::Playlist,
            Self::Media { .. } => Kind::Media,
            Self::Watch | Self::Asset(_) | Self::Home => Kind::Page,
            Self::UnknownLive | Self::Health | Self::Ready | Self::Metrics | Self::Unknown => Kind::Other,
        }
    }

    /// Whether pages of other origins may read the answer.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.kind(), Kind::Playlist | Kind::Media) || matches!(self, Self::UnknownLive)
    }
}

/// One path segment without its percent-encoding (RFC 3986, 2.1). `None` when the encoding is broken, hides a
/// separator or a control character, or is not UTF-8.
fn decoded(segment: &str) -> Option<Cow<'_, str>> {
    if segment.contains('/') {
        return None;
    }
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { hex(rest.next()?)? << 4 | hex(rest.next()?)? } else { byte });
    }
    let text = String::from_utf8(bytes).ok()?;
    let plain = !text.contains(['/', '\\']) && !text.contains(char::is_control);
    plain.then_some(Cow::Owned(text))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_below_live_name_playlists_and_files() {
        let channel = Cow::Borrowed("studio");
        let rendition = Cow::Borrowed("720p");
        assert_eq!(Route::parse("/live/studio/index.m3u8"), Route::Multivariant { channel: channel.clone() });
        assert_eq!(
            Route::parse("/live/studio/720p/index.m3u8"),
            Route::MediaPlaylist { channel: channel.clone(), rendition: rendition.clone() }
        );
        assert_eq!(
            Route::parse("/live/studio/720p/s1.m4s"),
            Route::Media { channel, rendition, file: Cow::Borrowed("s1.m4s") }
        );
    }

    #[test]
    fn names_may_be_percent_encoded() {
        let Route::Multivariant { channel } = Route::parse("/live/caf%C3%A9%201/index.m3u8") else {
            panic!("not a multivariant playlist");
        };
        assert_eq!(channel, "café 1");
    }

    #[test]
    fn what_hides_a_separator_or_is_no_text_names_nothing() {
        for path in [
            "/live/a%2fb/index.m3u8",
            "/live/a%5cb/index.m3u8",
            "/live/a%00/index.m3u8",
            "/live/a%/index.m3u8",
            "/live/a%zz/index.m3u8",
            "/live/%ff/index.m3u8",
            "/live/studio",
            "/live/studio/",
            "/live/studio/other",
            "/live/studio/720p/a/b",
            "/live/",
        ] {
            assert_eq!(Route::parse(path), Route::UnknownLive, "{path}");
        }
    }

    #[test]
    fn a_watch_page_is_one_segment_with_a_name() {
        assert_eq!(Route::parse("/watch/studio"), Route::Watch);
        for path in ["/watch", "/watch/", "/watch/a/b", "/watch/a%2fb", "/live", "//", "", "*", "/../etc/passwd"] {
            assert_eq!(Route::parse(path), Route::Unknown, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_makes_the_router_panic(path in "/(live/|watch/|assets/)?[a-z%/0-9.é]{0,30}") {
            let _ = Route::parse(&path).kind();
        }
    }
}
