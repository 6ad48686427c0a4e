//! What fuzzing asks of the origin: functions that take bytes as a client could send them, and panic if something does not
//! hold that must hold whatever they are.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::{CONTENT_RANGE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::sync::watch;
use weir_packager::{Edge, MediaFile, PartGrid, Playlist, RenditionSnapshot, Snapshot};

use crate::access::Access;
use crate::body::Content;
use crate::config::Limits;
use crate::directory::Directory;
use crate::route::without_token;
use crate::site::{Answer, Reply, Site, Status};
use crate::token::{Audience, TokenKey, TokenKeys};

/// The keys that tokens of the corpus are signed with.
const PLAYBACK_KEY: &[u8] = b"for the fuzzer: playback";
const PREVIEW_KEY: &[u8] = b"for the fuzzer: preview";
/// When all requests come, in seconds since 1970.
const NOW_S: i64 = 1_800_000_000;
/// What must not be shown but to bearers of a token.
const SECRET: &[u8] = b"behind the door";
const TARGET_DURATION_S: u32 = 2;

/// A request: a line of a method and a path with its query, then lines of a header each. There are a free channel, a paid one
/// and one that is private; nobody who writes bytes at random has a token.
pub fn request(data: &[u8]) {
    let Some(request) = read(data) else { return };
    if let Some((_, behind)) = without_token(request.uri().path()).split_once("/token/") {
        assert!(behind.strip_prefix('-').is_some_and(|rest| rest.is_empty() || rest.starts_with("/live/")));
    }
    let Answer { response, refused, .. } = SITE.answer(&request, &Limits::default(), NOW_S * 1000);
    match response {
        Reply::Now(response) => {
            assert_eq!(refused.is_some(), matches!(response.status().as_u16(), 405 | 413 | 414));
            assert_answer(&response);
        }
        Reply::Held(held) => {
            assert!(refused.is_none() && held.at_most <= Duration::from_secs(3 * u64::from(TARGET_DURATION_S)));
        }
    }
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let directory = Directory::new();
    for (name, access, private) in
        [("free", Access::Free, false), ("paid", Access::Paid, false), ("private", Access::Free, true)]
    {
        // Nobody publishes any more; what was published last stays.
        let (_, source) = watch::channel(Some(Arc::new(snapshot(name != "free", private))));
        directory.insert(name, source, access);
    }
    let status = Status { metrics: Arc::new(String::new), ready: Arc::new(|| Ok(())) };
    Site::new(directory, status, Some(keys()))
});

fn keys() -> TokenKeys {
    TokenKeys { playback: TokenKey::new(PLAYBACK_KEY), preview: TokenKey::new(PREVIEW_KEY) }
}

/// Ten segments of four parts, two parts of the eleventh.
fn snapshot(secret: bool, private: bool) -> Snapshot {
    let text = if secret { Bytes::from_static(SECRET) } else { Bytes::from_static(b"#EXTM3U\n#EXT-X-ENDLIST\n") };
    let playlist =
        Playlist { plain: text.clone(), gzip: text.clone(), etag: "\"a,b\"".into(), gzip_etag: "\"a,b-gzip\"".into() };
    let pieces = vec![text.slice(..4), text.slice(4..)];
    let media = MediaFile { pieces, etag: "\"s1\"".to_owned(), content_type: "video/iso.segment" };
    let rendition = RenditionSnapshot {
        name: "720p".to_owned(),
        playlist: playlist.clone(),
        delta: Some(playlist.clone()),
        iframes: Some(playlist.clone()),
        hint: Some("p42.m4s".to_owned()),
        media: HashMap::from([("s1.m4s".to_owned(), Arc::new(media))]),
    };
    let part = Some(PartGrid { target_ms: 512, per_segment: 4 });
    let edge = Edge { next_msn: 10, parts: 2, last_parts: 4, target_duration_s: TARGET_DURATION_S, part };
    let (renditions, published_at) = (vec![rendition], Instant::now());
    Snapshot { multivariant: playlist, renditions, edge, published_at, ended: false, private }
}

fn read(data: &[u8]) -> Option<Request<String>> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.splitn(2, |byte| *byte == b' ');
    let method = Method::from_bytes(first.next()?).ok()?;
    let uri = Uri::try_from(first.next()?).ok()?;
    let mut request = Request::new(String::new());
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    for line in lines {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next()?).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(parts.next()?.trim_ascii()).ok()?);
    }
    Some(request)
}

fn assert_answer(response: &Response<Content>) {
    let Content { pieces, media } = response.body();
    let body = pieces.concat();
    if let Some((media, begin)) = media {
        assert_eq!(media.slice(*begin..begin + body.len()).concat(), body);
    }
    assert!(!body.windows(SECRET.len()).any(|window| window == SECRET), "shown to somebody without a token");
    match response.status() {
        StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT => assert!(body.is_empty()),
        StatusCode::PARTIAL_CONTENT => assert_eq!(length_of_range(response.headers()), Some(body.len())),
        StatusCode::RANGE_NOT_SATISFIABLE => assert!(response.headers().contains_key(CONTENT_RANGE)),
        _ => {}
    }
}

/// The length that a `Content-Range` gives, if it lies inside the whole.
fn length_of_range(headers: &HeaderMap) -> Option<usize> {
    let (range, whole) = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, whole): (usize, usize, usize) = (first.parse().ok()?, last.parse().ok()?, whole.parse().ok()?);
    (first <= last && last < whole).then_some(last - first + 1)
}

/// Tokens. The first byte says whether the rest is one as it came, or header and claims (a zero between them) to be signed
/// with one of the keys. Whoever has not the key gets nothing, whoever has it gets what it is for, and no other text says the
/// same.
pub fn token(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let keys = keys();
    if how & 1 == 0 {
        assert!(keys.verify(text, "event", NOW_S).is_err());
        return;
    }
    let Some((header, claims)) = text.split_once('\0') else { return };
    let (key, audience) = match how & 2 {
        0 => (&keys.playback, Audience::Playback),
        _ => (&keys.preview, Audience::Preview),
    };
    let token = key.sign(header, claims);
    let Ok(grant) = keys.verify(&token, "event", NOW_S) else { return };
    assert!(token.len() <= 1024 && grant.audience == audience && grant.expires_s > NOW_S);
    assert!(grant.viewer.as_ref().is_none_or(|viewer| (1..=128).contains(&viewer.chars().count())));
    assert!(audience == Audience::Preview || grant.viewer.is_some());
    assert!(keys.verify(&token, "another", NOW_S).is_err() && keys.verify(&token, "event", grant.expires_s).is_err());
    let at = usize::from(how) * token.len() / 256;
    let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
    let mut forged = token;
    forged.replace_range(at..=at, other);
    assert!(keys.verify(&forged, "event", NOW_S).is_err(), "another text says the same");
}
