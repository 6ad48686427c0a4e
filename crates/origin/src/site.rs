use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use weir_packager::Edge;

use crate::assets::Assets;
use crate::config::Limits;
use crate::directives::Directives;
use crate::directory::Directory;
use crate::headers::{self, NO_STORE, TEXT};
use crate::hold::{Asked, Held, Look, Wanted};
use crate::live;
use crate::meters::{Kind, Refusal};
use crate::route::Route;

/// What the daemon knows of itself, asked anew for each request for it.
#[derive(Clone)]
pub struct Status {
    /// The metrics in the text format of Prometheus, for `/metrics`.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether the daemon can do its work, or why not in a few words that anybody may read, for `/readyz`.
    pub ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
}

/// Everything there is to be had, and what to answer to a request for it.
pub(crate) struct Site {
    directory: Directory,
    status: Status,
    assets: Assets,
}

/// An answer, and how to count it.
pub(crate) struct Answer {
    pub(crate) response: Reply,
    pub(crate) kind: Kind,
    /// Set when the request broke a limit.
    pub(crate) refused: Option<Refusal>,
}

/// The response, or the promise of one.
pub(crate) enum Reply {
    Now(Response<Vec<Bytes>>),
    Held(Box<Held>),
}

/// Long enough to spare the origin a crowd that waits for a stream, short enough not to make them miss it.
const MISSING_CACHE: HeaderValue = HeaderValue::from_static("max-age=1");
/// A refusal of directives may be kept for four target durations (rfc8216bis B.1).
const BAD_REQUEST_TARGETS: u32 = 4;
/// Seconds after which to ask again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
const METRICS_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

impl Site {
    pub(crate) fn new(directory: Directory, status: Status) -> Self {
        Self { directory, status, assets: Assets::load() }
    }

    /// Answers a request. To HEAD it says the same as to GET; the connection leaves the body out.
    pub(crate) fn answer<B: Body>(&self, request: &Request<B>, limits: &Limits) -> Answer {
        let uri = request.uri();
        if uri.path_and_query().is_some_and(|path| path.as_str().len() > limits.uri_bytes_max) {
            return refused(Refusal::UriBytes, Kind::Other, StatusCode::URI_TOO_LONG, "the URL is too long\n");
        }
        let route = Route::parse(uri.path());
        let kind = route.kind();
        if !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
            let mut response = closing(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and OPTIONS\n");
            headers::allow_methods(response.headers_mut());
            share_live(&route, &mut response);
            return Answer { response: Reply::Now(response), kind, refused: Some(Refusal::Method) };
        }
        if !request.body().is_end_stream() {
            return refused(Refusal::Body, kind, StatusCode::PAYLOAD_TOO_LARGE, "requests have no body here\n");
        }
        let response = match *request.method() {
            Method::OPTIONS => Reply::Now(options(&route)),
            _ => self.resource(&route, request),
        };
        Answer { response, kind, refused: None }
    }

    fn resource<B>(&self, route: &Route<'_>, request: &Request<B>) -> Reply {
        let (query, method, headers) = (request.uri().query().unwrap_or_default(), request.method(), request.headers());
        let found = match route {
            Route::Multivariant { channel } => self
                .directory
                .source(channel)
                .map(|(snapshot, _)| live::playlist(headers, &snapshot.multivariant, &snapshot.edge, false)),
            Route::MediaPlaylist { channel, rendition } => {
                return self.rendition(channel, rendition, Wanted::Playlist, query, method, headers);
            }
            Route::IFrames { channel, rendition } => {
                return self.rendition(channel, rendition, Wanted::IFrames, query, method, headers);
            }
            Route::Media { channel, rendition, file } => {
                let wanted = Wanted::File(file.as_ref().into());
                return self.look(channel, Asked::new(wanted, rendition, method, headers));
            }
            Route::Watch => self.assets.page(headers),
            Route::Asset(name) => self.assets.hashed(name, headers),
            Route::Home => Some(text(StatusCode::OK, "weir runs here. A stream is watched at /watch/ and its name.\n")),
            Route::Health => Some(text(StatusCode::OK, "alive\n")),
            Route::Ready => Some(match (self.status.ready)() {
                Ok(()) => text(StatusCode::OK, "ready\n"),
                Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
            }),
            Route::Metrics => {
                let mut response = text(StatusCode::OK, (self.status.metrics)());
                response.headers_mut().insert(header::CONTENT_TYPE, METRICS_TYPE);
                Some(response)
            }
            Route::UnknownLive | Route::Unknown => None,
        };
        Reply::Now(found.unwrap_or_else(|| if route.is_live() { missing_live() } else { missing() }))
    }

    /// A playlist of a rendition, with the directives of the query unless the playlist has its end.
    fn rendition(
        &self,
        channel: &str,
        rendition: &str,
        wanted: fn(Directives) -> Wanted,
        query: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Reply {
        let asked = |directives| Asked::new(wanted(directives), rendition, method, headers);
        match Directives::parse(query) {
            Ok(directives) => self.look(channel, asked(directives)),
            Err(why) => match self.directory.source(channel) {
                Some((snapshot, _)) if !snapshot.ended => Reply::Now(bad_request(why, &snapshot.edge)),
                _ => self.look(channel, asked(Directives::default())),
            },
        }
    }

    fn look(&self, channel: &str, asked: Asked) -> Reply {
        let Some((snapshot, source)) = self.directory.source(channel) else { return Reply::Now(missing_live()) };
        match asked.look(&snapshot) {
            Look::Answer(response) => Reply::Now(response),
            Look::Hold(at_most) => Reply::Held(Box::new(Held { asked, source, at_most })),
        }
    }
}

/// Something below `/live/` that is not there: a channel that is off air looks like one that never was.
pub(crate) fn missing_live() -> Response<Vec<Bytes>> {
    let mut response = missing();
    headers::share_with_all(response.headers_mut());
    response
}

fn missing() -> Response<Vec<Bytes>> {
    let mut response = text(StatusCode::NOT_FOUND, "not found\n");
    response.headers_mut().insert(header::CACHE_CONTROL, MISSING_CACHE);
    response
}

/// Directives that nobody can follow.
pub(crate) fn bad_request(why: &'static str, edge: &Edge) -> Response<Vec<Bytes>> {
    let mut response = text(StatusCode::BAD_REQUEST, why);
    let cache = live::max_age(BAD_REQUEST_TARGETS * edge.target_duration_s);
    response.headers_mut().insert(header::CACHE_CONTROL, cache);
    headers::share_with_all(response.headers_mut());
    response
}

/// What was waited for did not come, or there is no room to wait. Not to be kept: it says nothing of the next moment.
pub(crate) fn unavailable() -> Response<Vec<Bytes>> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "not available now, ask again\n");
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    headers::share_with_all(response.headers_mut());
    response
}

/// Answers OPTIONS: below `/live/` as a preflight, elsewhere with the methods alone, so that pages of other
/// origins read neither metrics nor health.
fn options(route: &Route<'_>) -> Response<Vec<Bytes>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    headers::allow_methods(response.headers_mut());
    if route.is_live() {
        headers::allow_preflight(response.headers_mut());
    }
    response
}

fn share_live(route: &Route<'_>, response: &mut Response<Vec<Bytes>>) {
    if route.is_live() {
        headers::share_with_all(response.headers_mut());
    }
}

/// Refuses a request and closes its connection, on which there may be a body that nobody is going to read.
fn refused(refusal: Refusal, kind: Kind, status: StatusCode, why: &'static str) -> Answer {
    Answer { response: Reply::Now(closing(status, why)), kind, refused: Some(refusal) }
}

fn closing(status: StatusCode, why: &'static str) -> Response<Vec<Bytes>> {
    let mut response = text(status, why);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Vec<Bytes>> {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, TEXT);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers::forbid_sniffing(&mut headers);
    live::assembled(status, headers, vec![body.into()])
}
