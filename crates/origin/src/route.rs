use std::borrow::Cow;

use crate::meters::Kind;

/// What a path asks for, and the token that it asks with. The token stands in the path, before all the rest, because
/// that is what relative URIs in playlists keep: a query would be lost with the first of them, and players that are
/// not ours send neither headers nor cookies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// As it came; `None` for a path that is not below `/token/`.
    pub(crate) token: Option<&'a str>,
    pub(crate) route: Route<'a>,
}

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
    /// Below `/live/` or `/token/`, but nothing that could exist.
    UnknownLive,
    Watch {
        name: Cow<'a, str>,
    },
    /// What is announced under a name, for the page that watches it.
    Status {
        name: Cow<'a, str>,
    },
    Asset(&'a str),
    Home,
    Health,
    Ready,
    Metrics,
    Unknown,
}

const PLAYLIST: &str = "index.m3u8";
const IFRAMES: &str = "iframes.m3u8";
const STATUS: &str = "/status.json";
const LIVE: &str = "/live/";
const TOKEN: &str = "/token/";

impl<'a> Target<'a> {
    /// Reads a path as it came. Below `/token/{token}/` there is `/live/` and nothing else.
    pub(crate) fn parse(path: &'a str) -> Self {
        let Some(below) = path.strip_prefix(TOKEN) else {
            return Self { token: None, route: Route::parse(path) };
        };
        let parts = below.split_once(LIVE).filter(|(token, _)| !token.is_empty() && !token.contains('/'));
        let (token, route) = parts.map_or((below, None), |(token, below)| (token, Route::live(below)));
        Self { token: Some(token), route: route.unwrap_or(Route::UnknownLive) }
    }
}

/// A path as a log may have it: without whatever could be a token, also in a path that is not quite right.
pub(crate) fn without_token(path: &str) -> Cow<'_, str> {
    let Some(at) = path.find(TOKEN) else { return Cow::Borrowed(path) };
    let shown = path.rfind(LIVE).filter(|live| *live > at).and_then(|live| path.get(live..)).unwrap_or_default();
    Cow::Owned(format!("{}{TOKEN}-{shown}", path.get(..at).unwrap_or_default()))
}

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
        if let Some(below) = path.strip_prefix(LIVE) {
            return Self::live(below).unwrap_or(Self::UnknownLive);
        }
        if let Some(name) = path.strip_prefix("/assets/") {
            return Self::Asset(name);
        }
        path.strip_prefix("/watch/").and_then(Self::watch).unwrap_or(Self::Unknown)
    }

    fn watch(below: &'a str) -> Option<Self> {
        let (segment, is_status) = below.strip_suffix(STATUS).map_or((below, false), |segment| (segment, true));
        let name = decoded(segment).filter(|name| !name.is_empty())?;
        Some(if is_status { Self::Status { name } } else { Self::Watch { name } })
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
            Self::Watch { .. } | Self::Status { .. } | Self::Asset(_) | Self::Home => Kind::Page,
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
        let name = Cow::Borrowed("studio");
        assert_eq!(Route::parse("/watch/studio"), Route::Watch { name: name.clone() });
        assert_eq!(Route::parse("/watch/studio/status.json"), Route::Status { name });
        for path in [
            "/watch",
            "/watch/",
            "/watch/a/b",
            "/watch/a%2fb",
            "/watch//status.json",
            "/live",
            "//",
            "",
            "*",
            "/../etc/passwd",
        ] {
            assert_eq!(Route::parse(path), Route::Unknown, "{path}");
        }
    }

    #[test]
    fn a_token_stands_before_what_is_live_and_before_nothing_else() {
        let asked = Target::parse("/token/a.b-c_d/live/studio/720p/s1.m4s");
        assert_eq!(asked, Target { token: Some("a.b-c_d"), route: Route::parse("/live/studio/720p/s1.m4s") });
        assert_eq!(Target::parse("/live/studio/index.m3u8").token, None);
        for path in [
            "/token/",
            "/token/a",
            "/token//live/studio/index.m3u8",
            "/token/a/b/live/studio/index.m3u8",
            "/token/a/live/studio",
            "/token/a/live/",
            "/token/a/metrics",
            "/token/a/watch/studio",
            "/token/a/token/b/live/studio/index.m3u8",
        ] {
            let asked = Target::parse(path);
            assert_eq!((asked.token.is_some(), asked.route), (true, Route::UnknownLive), "{path}");
        }
    }

    #[test]
    fn what_could_be_a_token_is_cut_out_of_what_is_logged() {
        for (path, shown) in [
            ("/token/SECRET/live/studio/720p/s1.m4s", "/token/-/live/studio/720p/s1.m4s"),
            ("/token/SECRET", "/token/-"),
            ("/token//SECRET/live/studio/index.m3u8", "/token/-/live/studio/index.m3u8"),
            ("//token/SECRET/live/studio/index.m3u8", "//token/-/live/studio/index.m3u8"),
            ("/live/token/SECRET", "/live/token/-"),
            ("/token/token/SECRET/watch/studio", "/token/-"),
            ("/live/studio/index.m3u8", "/live/studio/index.m3u8"),
        ] {
            assert_eq!(without_token(path), shown, "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_token_is_never_in_what_is_logged(
            before in "(/live/|/x)?", token in "[-_A-Za-z0-9.]{20,60}", after in "(/live/[a-z/.]{0,20})?",
        ) {
            let path = format!("{before}/token/{token}{after}");
            prop_assert!(!without_token(&path).contains(&token));
            let _ = Target::parse(&path);
        }

        #[test]
        fn no_path_makes_the_router_panic(path in "/(live/|watch/|assets/|token/)?[a-z%/0-9.é]{0,30}") {
            let _ = Target::parse(&path).route.kind();
        }
    }
}
