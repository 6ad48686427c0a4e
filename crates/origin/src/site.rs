use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use crate::assets::Assets;
use crate::config::Limits;
use crate::directory::Directory;
use crate::headers::{self, NO_STORE, TEXT};
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
    pub(crate) response: Response<Bytes>,
    pub(crate) kind: Kind,
    /// Set when the request broke a limit.
    pub(crate) refused: Option<Refusal>,
}

/// Long enough to spare the origin a crowd that waits for a stream, short enough not to make them miss it.
const MISSING_CACHE: HeaderValue = HeaderValue::from_static("max-age=1");
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
            let mut answer =
                refused(Refusal::Method, kind, StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and OPTIONS\n");
            headers::allow_methods(answer.response.headers_mut());
            share_live(&route, &mut answer.response);
            return answer;
        }
        if !request.body().is_end_stream() {
            return refused(Refusal::Body, kind, StatusCode::PAYLOAD_TOO_LARGE, "requests have no body here\n");
        }
        let response = match *request.method() {
            Method::OPTIONS => options(&route),
            _ => self.resource(&route, request.method(), request.headers()),
        };
        Answer { response, kind, refused: None }
    }

    fn resource(&self, route: &Route<'_>, method: &Method, request: &HeaderMap) -> Response<Bytes> {
        let found = match route {
            Route::Multivariant { .. } | Route::MediaPlaylist { .. } | Route::Media { .. } => {
                self.live(route, method, request)
            }
            Route::Watch => self.assets.page(request),
            Route::Asset(name) => self.assets.hashed(name, request),
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
        found.unwrap_or_else(|| missing(route))
    }

    fn live(&self, route: &Route<'_>, method: &Method, request: &HeaderMap) -> Option<Response<Bytes>> {
        match route {
            Route::Multivariant { channel } => {
                let snapshot = self.directory.snapshot(channel)?;
                Some(live::playlist(request, &snapshot.multivariant))
            }
            Route::MediaPlaylist { channel, rendition } => {
                let snapshot = self.directory.snapshot(channel)?;
                Some(live::playlist(request, &snapshot.rendition(rendition)?.playlist))
            }
            Route::Media { channel, rendition, file } => {
                let snapshot = self.directory.snapshot(channel)?;
                let file = snapshot.rendition(rendition)?.media.get(file.as_ref())?;
                Some(live::media(method, request, file))
            }
            _ => None,
        }
    }
}

/// One answer for all that is not there: a channel that is off air looks like one that never was.
fn missing(route: &Route<'_>) -> Response<Bytes> {
    let mut response = text(StatusCode::NOT_FOUND, "not found\n");
    response.headers_mut().insert(header::CACHE_CONTROL, MISSING_CACHE);
    share_live(route, &mut response);
    response
}

/// Answers OPTIONS: below `/live/` as a preflight, elsewhere with the methods alone, so that pages of other
/// origins read neither metrics nor health.
fn options(route: &Route<'_>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    headers::allow_methods(response.headers_mut());
    if route.is_live() {
        headers::allow_preflight(response.headers_mut());
    }
    response
}

fn share_live(route: &Route<'_>, response: &mut Response<Bytes>) {
    if route.is_live() {
        headers::share_with_all(response.headers_mut());
    }
}

/// Refuses a request and closes its connection, on which there may be a body that nobody is going to read.
fn refused(refusal: Refusal, kind: Kind, status: StatusCode, why: &'static str) -> Answer {
    let mut response = text(status, why);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Answer { response, kind, refused: Some(refusal) }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, TEXT);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers::forbid_sniffing(&mut headers);
    live::assembled(status, headers, body.into())
}
