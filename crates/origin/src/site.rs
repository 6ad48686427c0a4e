use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use weir_packager::{Edge, Snapshot};

use crate::access::{Door, NoEntry, Pass};
use crate::assets::Assets;
use crate::body::Content;
use crate::config::Limits;
use crate::directives::Directives;
use crate::directory::{Directory, Showing, Source};
use crate::encoding::prefers_gzip;
use crate::headers::{self, NO_STORE, TEXT};
use crate::hold::{Asked, Held, Look, Wanted};
use crate::live;
use crate::meters::{Kind, Refusal};
use crate::route::{Route, Target};
use crate::token::{TokenFault, TokenKeys};

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
    tokens: Option<TokenKeys>,
    assets: Assets,
}

/// A channel whose door has opened.
struct Entered {
    snapshot: Arc<Snapshot>,
    source: Source,
    door: Door,
}

/// A request with what is known of it before anything is looked up.
struct Asking<'a> {
    query: &'a str,
    method: &'a Method,
    headers: &'a HeaderMap,
    token: Option<&'a str>,
    now_ms: i64,
}

/// An answer, and how to count it.
pub(crate) struct Answer {
    pub(crate) response: Reply,
    pub(crate) kind: Kind,
    /// Whether the address holds a token, so that no cache may give the answer to somebody else.
    pub(crate) for_one: bool,
    /// Set when the request broke a limit.
    pub(crate) refused: Option<Refusal>,
}

/// The response, or the promise of one.
pub(crate) enum Reply {
    Now(Response<Content>),
    Held(Box<Held>),
}

/// Long enough to spare the origin a crowd that waits for a stream, short enough not to make them miss it.
const MISSING_CACHE: HeaderValue = HeaderValue::from_static("max-age=1");
/// A refusal of directives may be kept for four target durations (rfc8216bis B.1).
const BAD_REQUEST_TARGETS: u32 = 4;
/// Seconds after which to ask again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
/// Spares the origin a crowd that waits for an event, and is little beside the time between two looks at it.
const STATUS_CACHE: HeaderValue = HeaderValue::from_static("max-age=1");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const METRICS_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

impl Site {
    pub(crate) fn new(directory: Directory, status: Status, tokens: Option<TokenKeys>) -> Self {
        Self { directory, status, tokens, assets: Assets::load() }
    }

    /// Answers a request that came at `now_ms`, in milliseconds since 1970. To HEAD it says the same as to GET; the
    /// connection leaves the body out.
    pub(crate) fn answer<B: Body>(&self, request: &Request<B>, limits: &Limits, now_ms: i64) -> Answer {
        let uri = request.uri();
        if uri.path_and_query().is_some_and(|path| path.as_str().len() > limits.uri_bytes_max) {
            return refused(Refusal::UriBytes, Kind::Other, StatusCode::URI_TOO_LONG, "the URL is too long\n");
        }
        let Target { token, route } = Target::parse(uri.path());
        let (kind, for_one) = (route.kind(), token.is_some());
        if !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
            let mut response = closing(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and OPTIONS\n");
            headers::allow_methods(response.headers_mut());
            share_live(&route, &mut response);
            return Answer { response: Reply::Now(response), kind, for_one, refused: Some(Refusal::Method) };
        }
        if !request.body().is_end_stream() {
            return refused(Refusal::Body, kind, StatusCode::PAYLOAD_TOO_LARGE, "requests have no body here\n");
        }
        let response = match *request.method() {
            Method::OPTIONS => Reply::Now(options(&route)),
            _ => {
                let (method, headers) = (request.method(), request.headers());
                let asking = Asking { query: uri.query().unwrap_or_default(), method, headers, token, now_ms };
                self.resource(&route, &asking)
            }
        };
        Answer { response, kind, for_one, refused: None }
    }

    fn resource(&self, route: &Route<'_>, asking: &Asking<'_>) -> Reply {
        let headers = asking.headers;
        let found = match route {
            Route::Multivariant { channel } => {
                return Reply::Now(match self.enter(channel, asking) {
                    Ok(Entered { snapshot, .. }) => {
                        live::playlist(headers, prefers_gzip(headers), &snapshot.multivariant, &snapshot.edge, false)
                    }
                    Err(why) => no_entry(why),
                });
            }
            Route::MediaPlaylist { channel, rendition } => {
                return self.rendition(channel, rendition, Wanted::Playlist, asking);
            }
            Route::IFrames { channel, rendition } => {
                return self.rendition(channel, rendition, Wanted::IFrames, asking);
            }
            Route::Media { channel, rendition, file } => {
                return match self.enter(channel, asking) {
                    Ok(entered) => entered.look(Wanted::File(Cow::Borrowed(file)), rendition, asking),
                    Err(why) => Reply::Now(no_entry(why)),
                };
            }
            Route::Watch { name } => {
                let external = self.directory.notice(name).and_then(|notice| notice.external_origin());
                self.assets.page(headers, external.as_deref())
            }
            Route::Status { name } => self.directory.notice(name).map(|notice| {
                let mut response = text(StatusCode::OK, notice.json(asking.now_ms));
                response.headers_mut().insert(header::CONTENT_TYPE, JSON);
                response.headers_mut().insert(header::CACHE_CONTROL, STATUS_CACHE);
                response
            }),
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

    /// Opens the door of a channel, or says what to answer instead. A token is verified before anything is looked up,
    /// so that the time it takes is the same whether there is something behind the door or not.
    fn enter(&self, channel: &str, asking: &Asking<'_>) -> Result<Entered, NoEntry> {
        let now_s = asking.now_ms.div_euclid(1000);
        let verified = match (asking.token, &self.tokens) {
            (None, _) => Err(TokenFault::Missing),
            (Some(token), Some(keys)) => keys.verify(token, channel, now_s),
            (Some(_), None) => Err(TokenFault::Signature),
        };
        let Showing { snapshot, source, access } = self.directory.showing(channel).ok_or(NoEntry::NothingThere)?;
        let door = Door::new(access, Pass::new(verified));
        door.admits(&snapshot, now_s)?;
        Ok(Entered { snapshot, source, door })
    }

    /// A playlist of a rendition, with the directives of the query unless the playlist has its end.
    fn rendition(
        &self,
        channel: &str,
        rendition: &str,
        wanted: fn(Directives) -> Wanted<'static>,
        asking: &Asking<'_>,
    ) -> Reply {
        match (self.enter(channel, asking), Directives::parse(asking.query)) {
            (Err(why), _) => Reply::Now(no_entry(why)),
            (Ok(entered), Ok(directives)) => entered.look(wanted(directives), rendition, asking),
            (Ok(Entered { snapshot, .. }), Err(why)) if !snapshot.ended => Reply::Now(bad_request(why, &snapshot.edge)),
            (Ok(entered), Err(_)) => entered.look(wanted(Directives::default()), rendition, asking),
        }
    }
}

impl Entered {
    fn look(self, wanted: Wanted<'_>, rendition: &str, asking: &Asking<'_>) -> Reply {
        let Asking { method, headers, .. } = *asking;
        let gzip = !matches!(wanted, Wanted::File(_)) && prefers_gzip(headers);
        let asked = Asked { wanted, rendition, method, headers, gzip };
        match asked.look(&self.snapshot) {
            Look::Answer(response) => Reply::Now(response),
            Look::Hold(at_most) => Reply::Held(Box::new(Held::new(asked, self.door, self.source, at_most))),
        }
    }
}

/// Something below `/live/` that is not there: a channel that is off air looks like one that never was.
pub(crate) fn missing_live() -> Response<Content> {
    let mut response = missing();
    headers::share_with_all(response.headers_mut());
    response
}

fn missing() -> Response<Content> {
    let mut response = text(StatusCode::NOT_FOUND, "not found\n");
    response.headers_mut().insert(header::CACHE_CONTROL, MISSING_CACHE);
    response
}

/// The answer to whoever may not see what is asked for. The page makes a sentence of the fault.
pub(crate) fn no_entry(why: NoEntry) -> Response<Content> {
    match why {
        NoEntry::NothingThere => missing_live(),
        NoEntry::Token(fault) => {
            let mut response = text(StatusCode::FORBIDDEN, format!("{fault}\n"));
            headers::share_with_all(response.headers_mut());
            response
        }
    }
}

/// Directives that nobody can follow.
pub(crate) fn bad_request(why: &'static str, edge: &Edge) -> Response<Content> {
    let mut response = text(StatusCode::BAD_REQUEST, why);
    let cache = live::max_age(BAD_REQUEST_TARGETS * edge.target_duration_s);
    response.headers_mut().insert(header::CACHE_CONTROL, cache);
    headers::share_with_all(response.headers_mut());
    response
}

/// What was waited for did not come, or there is no room to wait. Not to be kept: it says nothing of the next moment.
pub(crate) fn unavailable() -> Response<Content> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "not available now, ask again\n");
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    headers::share_with_all(response.headers_mut());
    response
}

/// Answers OPTIONS: below `/live/` as a preflight, whatever is there, elsewhere with the methods alone, so that pages of other
/// origins read neither metrics nor health.
fn options(route: &Route<'_>) -> Response<Content> {
    let mut response = Response::new(Content::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    headers::allow_methods(response.headers_mut());
    if route.is_live() {
        headers::allow_preflight(response.headers_mut());
    }
    response
}

fn share_live(route: &Route<'_>, response: &mut Response<Content>) {
    if route.is_live() {
        headers::share_with_all(response.headers_mut());
    }
}

/// Refuses a request and closes its connection, on which there may be a body that nobody is going to read.
fn refused(refusal: Refusal, kind: Kind, status: StatusCode, why: &'static str) -> Answer {
    // Such an answer is not stored anyway.
    Answer { response: Reply::Now(closing(status, why)), kind, for_one: false, refused: Some(refusal) }
}

fn closing(status: StatusCode, why: &'static str) -> Response<Content> {
    let mut response = text(status, why);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Content> {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, TEXT);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers::forbid_sniffing(&mut headers);
    live::assembled(status, headers, vec![body.into()])
}
