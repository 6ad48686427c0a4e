use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Method, Response, StatusCode};
use weir_packager::{MediaFile, Playlist};

use crate::conditional::{not_modified, range_allowed};
use crate::encoding::prefers_gzip;
use crate::headers::share_with_all;
use crate::range::{Wanted, wanted};

const PLAYLIST_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const BYTES: HeaderValue = HeaderValue::from_static("bytes");
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");

/// A live playlist may be half a target duration old (rfc8216bis B.1). Segments last 2 s or more, so one second
/// keeps that; it still lets a cache answer a crowd with one request a second. One with ENDLIST is kept no longer:
/// nobody asks for it again but who waits for the next broadcast, which begins under the same address and must
/// not be hidden by the end of the last.
const PLAYLIST_CACHE: HeaderValue = HeaderValue::from_static("max-age=1");
/// A media file never changes. An hour is longer than any window it is listed in, so no cache asks twice; after
/// that nobody can want it, and it need not take room for a year.
const MEDIA_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=3600, immutable");

/// What the gzip coding adds to the entity tag of a playlist: it is another representation (RFC 9110, 8.8.3.3).
const GZIP_TAG_SUFFIX: &str = "-gzip";

/// Answers with a playlist. `Range` is ignored: Chromium's own player asks for `bytes=0-` and wants the whole.
pub(crate) fn playlist(request: &HeaderMap, playlist: &Playlist) -> Response<Bytes> {
    let gzip = prefers_gzip(request);
    let etag = if gzip { gzip_tag(&playlist.etag) } else { playlist.etag.clone() };
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(header::VARY, ACCEPT_ENCODING);
    headers.insert(header::CACHE_CONTROL, PLAYLIST_CACHE);
    insert_tag(&mut headers, &etag);
    share_with_all(&mut headers);
    if not_modified(request, &etag) {
        return assembled(StatusCode::NOT_MODIFIED, headers, Bytes::new());
    }
    headers.insert(header::CONTENT_TYPE, PLAYLIST_TYPE);
    if gzip {
        headers.insert(header::CONTENT_ENCODING, GZIP);
    }
    let body = if gzip { &playlist.gzip } else { &playlist.plain };
    assembled(StatusCode::OK, headers, body.clone())
}

/// Answers with an initialisation section or a segment, or with a part of it.
pub(crate) fn media(method: &Method, request: &HeaderMap, file: &MediaFile) -> Response<Bytes> {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(header::CACHE_CONTROL, MEDIA_CACHE);
    headers.insert(header::ACCEPT_RANGES, BYTES);
    insert_tag(&mut headers, &file.etag);
    share_with_all(&mut headers);
    if not_modified(request, &file.etag) {
        return assembled(StatusCode::NOT_MODIFIED, headers, Bytes::new());
    }
    let length = file.body.len();
    // Only GET knows ranges (RFC 9110, 14.2).
    let ranged = method == Method::GET && range_allowed(request, &file.etag);
    match if ranged { wanted(request, length) } else { Wanted::Whole } {
        Wanted::Whole => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
            assembled(StatusCode::OK, headers, file.body.clone())
        }
        Wanted::Part { start, end } => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
            insert_text(&mut headers, header::CONTENT_RANGE, &format!("bytes {start}-{}/{length}", end - 1));
            assembled(StatusCode::PARTIAL_CONTENT, headers, file.body.slice(start..end))
        }
        Wanted::Unsatisfiable => {
            insert_text(&mut headers, header::CONTENT_RANGE, &format!("bytes */{length}"));
            // The tag and the hour of life belong to the file, not to this refusal.
            headers.remove(header::ETAG);
            headers.insert(header::CACHE_CONTROL, PLAYLIST_CACHE);
            assembled(StatusCode::RANGE_NOT_SATISFIABLE, headers, Bytes::new())
        }
    }
}

/// The entity tag of the gzip coding: the suffix goes inside the quotes.
pub(crate) fn gzip_tag(etag: &str) -> String {
    format!("{}{GZIP_TAG_SUFFIX}\"", etag.strip_suffix('"').unwrap_or(etag))
}

pub(crate) fn assembled(status: StatusCode, headers: HeaderMap, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

pub(crate) fn insert_tag(headers: &mut HeaderMap, etag: &str) {
    insert_text(headers, header::ETAG, etag);
}

/// Inserts text of our own making; what cannot stand in a header is left out.
fn insert_text(headers: &mut HeaderMap, name: header::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}
