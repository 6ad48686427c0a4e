use std::array;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Response, StatusCode};
use weir_packager::{Edge, MediaFile, Playlist};

use crate::body::Content;
use crate::conditional::{not_modified, range_allowed};
use crate::headers::{NO_STORE, share_with_all};
use crate::range::{Wanted, wanted};

const PLAYLIST_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const BYTES: HeaderValue = HeaderValue::from_static("bytes");
/// The type of what is neither audio nor an initialisation section.
const VIDEO_SEGMENT: &str = "video/iso.segment";
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");

/// A media file never changes. An hour is longer than any window it is listed in, so no cache asks twice; after
/// that nobody can want it, and it need not take room for a year.
const MEDIA_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=3600, immutable");

/// How urgent an answer is (RFC 9218, 4.1; rfc8216bis B.1): playlists go before media, and what every viewer needs
/// before what only some do.
const PRIORITY: HeaderName = HeaderName::from_static("priority");
const PRIORITY_PLAYLIST: HeaderValue = HeaderValue::from_static("u=1");
const PRIORITY_AUDIO: HeaderValue = HeaderValue::from_static("u=2");
const PRIORITY_VIDEO: HeaderValue = HeaderValue::from_static("u=3");

/// How long an answer may be kept, in target durations, when it was `blocking`, that is, can be asked for only once
/// it is due (rfc8216bis B.1).
const BLOCKING_TARGETS: u32 = 6;

/// How long a playlist may be kept. A plain one may be half a target duration old (rfc8216bis B.1); one with ENDLIST
/// is kept no longer: nobody asks for it again but who waits for the next broadcast, which begins under the same
/// address and must not be hidden by the end of the last.
///
/// What was asked for with directives is for caches that many share. A player that asks for the same again wants to
/// know what came since: video.js does so after each segment, and stood still for as long as its browser kept the answer.
fn playlist_cache(edge: &Edge, blocking: bool) -> HeaderValue {
    let target = edge.target_duration_s;
    match PLAYLIST_CACHES.get(target as usize) {
        Some([plain, held]) => if blocking { held } else { plain }.clone(),
        None => made_playlist_cache(target, blocking),
    }
}

/// Target durations, in seconds from 0 on, for which there are values made beforehand: all that the packager may have.
const TARGETS_MADE: usize = 16;
/// What [`playlist_cache`] says, by target duration and by `blocking`: thousands are answered at once, and say the same.
static PLAYLIST_CACHES: LazyLock<[[HeaderValue; 2]; TARGETS_MADE]> = LazyLock::new(|| {
    array::from_fn(|target| [false, true].map(|blocking| made_playlist_cache(target as u32, blocking)))
});

fn made_playlist_cache(target_s: u32, blocking: bool) -> HeaderValue {
    if !blocking {
        return max_age((target_s / 2).max(1));
    }
    let shared = BLOCKING_TARGETS * target_s;
    HeaderValue::try_from(format!("max-age=0, s-maxage={shared}")).unwrap_or(NO_STORE)
}

/// `max-age` of so many seconds.
pub(crate) fn max_age(seconds: u32) -> HeaderValue {
    HeaderValue::try_from(format!("max-age={seconds}")).unwrap_or(NO_STORE)
}

/// Answers with a playlist, in the gzip coding or as it is. `Range` is ignored: Chromium's own player asks for `bytes=0-` and
/// wants the whole.
pub(crate) fn playlist(
    request: &HeaderMap,
    gzip: bool,
    playlist: &Playlist,
    edge: &Edge,
    blocking: bool,
) -> Response<Content> {
    let etag = if gzip { &playlist.gzip_etag } else { &playlist.etag };
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(header::VARY, ACCEPT_ENCODING);
    headers.insert(header::CACHE_CONTROL, playlist_cache(edge, blocking));
    headers.insert(PRIORITY, PRIORITY_PLAYLIST);
    let is_known = not_modified(request, etag);
    insert_text(&mut headers, header::ETAG, etag.clone());
    share_with_all(&mut headers);
    if is_known {
        return assembled(StatusCode::NOT_MODIFIED, headers, Vec::new());
    }
    headers.insert(header::CONTENT_TYPE, PLAYLIST_TYPE);
    if gzip {
        headers.insert(header::CONTENT_ENCODING, GZIP);
    }
    let body = if gzip { &playlist.gzip } else { &playlist.plain };
    assembled(StatusCode::OK, headers, vec![body.clone()])
}

/// Answers with an initialisation section or a segment, or with a part of it.
pub(crate) fn media(method: &Method, request: &HeaderMap, file: &Arc<MediaFile>) -> Response<Content> {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(header::CACHE_CONTROL, MEDIA_CACHE);
    headers.insert(header::ACCEPT_RANGES, BYTES);
    headers.insert(PRIORITY, if file.content_type == VIDEO_SEGMENT { PRIORITY_VIDEO } else { PRIORITY_AUDIO });
    insert_tag(&mut headers, &file.etag);
    share_with_all(&mut headers);
    if not_modified(request, file.etag.as_bytes()) {
        return assembled(StatusCode::NOT_MODIFIED, headers, Vec::new());
    }
    let length = file.len();
    // Only GET knows ranges (RFC 9110, 14.2).
    let ranged = method == Method::GET && range_allowed(request, &file.etag);
    match if ranged { wanted(request, length) } else { Wanted::Whole } {
        Wanted::Whole => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
            with_media(assembled(StatusCode::OK, headers, file.pieces.clone()), file, 0)
        }
        Wanted::Part { start, end } => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
            insert_text(&mut headers, header::CONTENT_RANGE, format!("bytes {start}-{}/{length}", end - 1));
            with_media(assembled(StatusCode::PARTIAL_CONTENT, headers, file.slice(start..end)), file, start)
        }
        Wanted::Unsatisfiable => {
            insert_text(&mut headers, header::CONTENT_RANGE, format!("bytes */{length}"));
            // The tag and the hour of life belong to the file, not to this refusal.
            headers.remove(header::ETAG);
            headers.insert(header::CACHE_CONTROL, max_age(1));
            assembled(StatusCode::RANGE_NOT_SATISFIABLE, headers, Vec::new())
        }
    }
}

/// Says that the body is of these media, from `begin` on.
fn with_media(mut response: Response<Content>, file: &Arc<MediaFile>, begin: usize) -> Response<Content> {
    response.body_mut().media = Some((Arc::clone(file), begin));
    response
}

pub(crate) fn assembled(status: StatusCode, headers: HeaderMap, body: Vec<Bytes>) -> Response<Content> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

pub(crate) fn insert_tag(headers: &mut HeaderMap, etag: &str) {
    insert_text(headers, header::ETAG, etag.to_owned());
}

/// Inserts text of our own making; what cannot stand in a header is left out.
fn insert_text(headers: &mut HeaderMap, name: header::HeaderName, text: impl Into<Bytes>) {
    if let Ok(value) = HeaderValue::from_maybe_shared(text.into()) {
        headers.insert(name, value);
    }
}
