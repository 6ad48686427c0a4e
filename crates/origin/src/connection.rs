use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::{Either, Ready, ready};
use hyper::body::Incoming;
use hyper::header::CONTENT_LENGTH;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use weir_packager::Snapshot;

use crate::admission::Admission;
use crate::body::{Body, Content};
use crate::config::Limits;
use crate::files::Files;
use crate::gathered::Gathered;
use crate::guarded_io::{GuardedIo, OpenRequest, Phase};
use crate::headers::keep_to_viewer;
use crate::hold::{Held, Released};
use crate::meters::{Kind, Meters, Refusal};
use crate::route::without_token;
use crate::sendfile::{Outgoing, SendFile};
use crate::site::{Answer, Reply, Site, unavailable};
use crate::turns::{BoxError, turns};

/// The smallest buffer that hyper takes.
const HEADER_BYTES_FLOOR: usize = 8192;
/// What an HTTP/2 client may send before it is told to go on: requests have no bodies here.
const WINDOW_BYTES: u32 = 64 * 1024;
/// Bytes of a body that HTTP/2 may queue for one stream.
const SEND_BUFFER_BYTES: usize = 256 * 1024;
/// Streams that a client may open and reset at once before its connection is closed (CVE-2023-44487).
const RESET_STREAMS_MAX: usize = 64;
/// An HTTP/2 client that is silent for so long is asked whether it is still there, and has so long to answer.
const PING_AFTER: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// What all connections share.
pub(crate) struct Connections {
    pub(crate) site: Site,
    pub(crate) limits: Limits,
    pub(crate) meters: Arc<Meters>,
    waiters: Arc<Admission>,
    protocols: auto::Builder<TokioExecutor>,
    files: Arc<Files>,
}

impl Connections {
    pub(crate) fn new(site: Site, limits: Limits) -> Self {
        let header_bytes = limits.header_bytes_max.max(HEADER_BYTES_FLOOR);
        let mut protocols = auto::Builder::new(TokioExecutor::new());
        // hyper's timeout runs from the end of one answer to the end of the next head, so it is the idle one.
        let mut http1 = protocols.http1();
        http1.timer(TokioTimer::new()).header_read_timeout(limits.idle_timeout).max_buf_size(header_bytes);
        let mut http2 = protocols.http2();
        http2.timer(TokioTimer::new()).keep_alive_interval(PING_AFTER).keep_alive_timeout(PONG_WITHIN);
        http2.max_concurrent_streams(limits.streams_per_connection_max).max_header_list_size(header_bytes as u32);
        http2.max_pending_accept_reset_streams(RESET_STREAMS_MAX).max_local_error_reset_streams(RESET_STREAMS_MAX);
        http2.initial_stream_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
        http2.max_send_buf_size(SEND_BUFFER_BYTES);
        let refusals = (Refusal::Waiters, Refusal::WaitersPerAddress);
        let waiters = Admission::new(limits.waiters_max, limits.waiters_per_address_max, refusals);
        Self { site, limits, meters: Arc::default(), waiters: Arc::new(waiters), protocols, files: Arc::default() }
    }

    /// Serves one connection to its end, in whichever version of HTTP the client begins with. Once `closing` holds
    /// true the answer under way is the last.
    pub(crate) async fn serve<S>(self: Arc<Self>, stream: S, peer: SocketAddr, closing: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.serve_phase(stream, Arc::default(), peer, closing).await;
    }

    /// The same for a connection without TLS, whose socket can be sent files.
    pub(crate) async fn serve_plain(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        closing: watch::Receiver<bool>,
    ) {
        let outgoing = Arc::new(Outgoing::new(Arc::clone(&self.files)));
        let phase = Arc::new(Phase::sending_files(Arc::clone(&outgoing)));
        self.serve_phase(SendFile::new(stream, outgoing), phase, peer, closing).await;
    }

    async fn serve_phase<S>(
        self: Arc<Self>,
        stream: S,
        phase: Arc<Phase>,
        peer: SocketAddr,
        closing: watch::Receiver<bool>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let gathered = Gathered::new(GuardedIo::new(stream, &self.limits, Arc::clone(&phase)), Arc::clone(&phase));
        let io = TokioIo::new(gathered.clone());
        let service = service_fn(|request| {
            let open = phase.requested(request.version());
            self.respond(request, peer, open, &closing)
        });
        let mut connection = pin!(self.protocols.serve_connection(io, service));
        let mut closing = closing.clone();
        let outcome = tokio::select! {
            biased;
            outcome = turns(connection.as_mut(), &gathered, &phase) => outcome,
            () = closed(&mut closing) => {
                connection.as_mut().graceful_shutdown();
                turns(connection, &gathered, &phase).await
            }
            stalled = phase.watch_streams(&self.limits) => {
                if let Some(refusal) = stalled {
                    return refusal.report(peer);
                }
                connection.as_mut().graceful_shutdown();
                turns(connection, &gathered, &phase).await
            }
        };
        report_end(outcome, phase.cut(), peer);
    }

    /// Answers at once what can be answered, in the task of the connection. A stream of HTTP/2 is a task of its own, with
    /// room for all that its future may have to remember: so what a held request needs lies apart.
    fn respond(
        self: &Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
        open: OpenRequest,
        closing: &watch::Receiver<bool>,
    ) -> Answering {
        let Answer { response, kind, for_one, refused } = self.site.answer(&request, &self.limits, now_ms());
        if let Some(refusal) = refused {
            refusal.report(peer);
        }
        let is_head = request.method() == Method::HEAD;
        let due =
            Due { kind, for_one, is_head, logged: Logged::new(request), peer, open, meters: Arc::clone(&self.meters) };
        match response {
            Reply::Now(response) => Either::Left(ready(Ok(due.answered(response, None)))),
            Reply::Held(held) => {
                let (this, closing) = (Arc::clone(self), closing.clone());
                Either::Right(Box::pin(async move {
                    let Released { response, snapshot } = this.hold(held, peer, closing).await;
                    Ok(due.answered(response, snapshot))
                }))
            }
        }
    }

    async fn hold(&self, held: Box<Held>, peer: SocketAddr, mut closing: watch::Receiver<bool>) -> Released {
        let place = match self.waiters.admit(peer) {
            Ok(place) => place,
            Err(refusal) => {
                refusal.report(peer);
                return Released { response: unavailable(), snapshot: None };
            }
        };
        self.meters.holds(self.waiters.taken());
        let released = held.released(&mut closing, now_s).await;
        drop(place);
        self.meters.holds(self.waiters.taken());
        released
    }
}

/// An answer that is there, or will be.
type Answering = Either<Ready<Answered>, Pin<Box<dyn Future<Output = Answered> + Send>>>;
type Answered = Result<Response<Body>, Infallible>;

/// What is left to be done for a request once it can be answered.
struct Due {
    kind: Kind,
    for_one: bool,
    is_head: bool,
    logged: Option<Box<Logged>>,
    peer: SocketAddr,
    open: OpenRequest,
    meters: Arc<Meters>,
}

impl Due {
    /// Counts and logs the answer and makes it ready to be sent. `snapshot` is what released it, if it was held.
    fn answered(self, mut response: Response<Content>, snapshot: Option<Arc<Snapshot>>) -> Response<Body> {
        let Self { kind, for_one, is_head, logged, peer, open, meters } = self;
        if for_one {
            keep_to_viewer(response.headers_mut());
        }
        meters.answered(kind, response.status());
        if let Some(logged) = logged {
            logged.answered(peer, response.status().as_u16());
        }
        if is_head {
            let length = response.body().len();
            state_length(response.headers_mut(), length);
            *response.body_mut() = Content::default();
        }
        let published_at = snapshot.map(|snapshot| snapshot.published_at);
        response.map(|content| Body::new(content, kind, published_at, meters, open))
    }
}

/// What the log says of a request. Of a path it leaves out the token, and of a query it says nothing but the delivery
/// directives: the rest may be secret.
struct Logged {
    uri: hyper::Uri,
    version: Version,
    method: Method,
    asked_at: Instant,
}

impl Logged {
    /// Nothing, unless it is going to be logged: a request that is held would keep it all the time.
    fn new(request: Request<Incoming>) -> Option<Box<Self>> {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return None;
        }
        let (head, _) = request.into_parts();
        Some(Box::new(Self { uri: head.uri, version: head.version, method: head.method, asked_at: Instant::now() }))
    }

    fn answered(&self, peer: SocketAddr, status: u16) {
        let directives = self.uri.query().and_then(|query| crate::directives::Directives::parse(query).ok());
        let directives = directives.unwrap_or_default();
        let (path, held_ms) = (without_token(self.uri.path()), self.asked_at.elapsed().as_millis() as u64);
        tracing::debug!(
            %peer, method = %self.method, path = path.as_ref(), version = ?self.version, msn = directives.msn, part = directives.part,
            skip = directives.skip, held_ms, status, "answered"
        );
    }
}

/// The wall clock, in milliseconds since 1970: tokens expire by it and countdowns run by it. Read here and passed on.
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

fn now_s() -> i64 {
    now_ms().div_euclid(1000)
}

/// Ready once the origin takes its leave.
pub(crate) async fn closed(closing: &mut watch::Receiver<bool>) {
    // The value is a lock guard, which must not live on into the last answer.
    let _ = closing.wait_for(|&closing| closing).await;
}

/// Says how long the body would have been. Of 304 and the like, whose body is empty either way, nothing is said.
fn state_length(headers: &mut HeaderMap, length: usize) {
    if length > 0 {
        headers.insert(CONTENT_LENGTH, length.into());
    }
}

/// Counts and logs the end of a connection if the client is to blame for it. That it left, or stayed idle for
/// too long, is ordinary.
fn report_end(outcome: Result<(), BoxError>, cut: Option<Refusal>, peer: SocketAddr) {
    // A stream that fails between two requests is an orderly end to hyper, so this comes first.
    if let Some(reason) = cut {
        return reason.report(peer);
    }
    let Err(error) = outcome else { return };
    match error.downcast_ref::<hyper::Error>() {
        Some(error) if error.is_parse_too_large() => Refusal::HeaderBytes.report(peer),
        Some(error) if error.is_parse() => Refusal::Malformed.report(peer),
        _ => tracing::debug!(%peer, %error, "an HTTP connection ended early"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{Instant, sleep};

    use weir_packager::{Edge, Playlist, RenditionSnapshot};

    use super::*;
    use crate::{Access, Directory, Status};

    const BODY_BYTES: usize = 1 << 20;
    const REQUEST: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";

    /// A connection to an origin with default limits and metrics of [`BODY_BYTES`]. Time is paused.
    fn connect() -> DuplexStream {
        connect_to(Directory::new())
    }

    fn connect_to(directory: Directory) -> DuplexStream {
        let status = Status { metrics: Arc::new(|| "x".repeat(BODY_BYTES)), ready: Arc::new(|| Ok(())) };
        let connections = Arc::new(Connections::new(Site::new(directory, status, None), Limits::default()));
        let (near, far) = duplex(16 * 1024);
        let peer = "127.0.0.1:1".parse().expect("an address");
        tokio::spawn(async move {
            let (_close, closing) = watch::channel(false);
            connections.serve(far, peer, closing).await;
        });
        near
    }

    /// A connection to an origin with the channel "a", whose one rendition has ten segments and hints at a part.
    fn connect_live() -> (DuplexStream, watch::Sender<Option<Arc<Snapshot>>>) {
        let playlist = Playlist {
            plain: "#EXTM3U\n".into(),
            gzip: Bytes::new(),
            etag: "\"a\"".into(),
            gzip_etag: "\"a-gzip\"".into(),
        };
        let rendition = RenditionSnapshot {
            name: "v".to_owned(),
            playlist: playlist.clone(),
            delta: None,
            iframes: None,
            hint: Some("p1.m4s".to_owned()),
            media: HashMap::new(),
        };
        let edge = Edge { next_msn: 10, parts: 0, last_parts: 0, target_duration_s: 2, part: None };
        let (renditions, published_at) = (vec![rendition], std::time::Instant::now());
        let snapshot =
            Snapshot { multivariant: playlist, renditions, edge, published_at, ended: false, private: false };
        let (publish, source) = watch::channel(Some(Arc::new(snapshot)));
        let directory = Directory::new();
        directory.insert("a", source, Access::Free);
        (connect_to(directory), publish)
    }

    /// Status of the answer to a GET, and the seconds that it took.
    async fn status_of(near: &mut DuplexStream, path: &str) -> (u16, u64) {
        let start = Instant::now();
        near.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.expect("taken");
        let mut answer = Vec::new();
        while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
            assert!(near.read_buf(&mut answer).await.expect("an answer") > 0);
        }
        let status = std::str::from_utf8(&answer[9..12]).expect("ASCII").parse().expect("a status");
        (status, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_within_three_target_durations_is_unavailable() {
        for path in ["/live/a/v/index.m3u8?_HLS_msn=10", "/live/a/v/p1.m4s"] {
            let (mut near, _publish) = connect_live();
            assert_eq!(status_of(&mut near, path).await, (503, 6), "{path}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_learns_at_once_that_the_channel_is_gone() {
        let (mut near, publish) = connect_live();
        let gone = async {
            sleep(Duration::from_secs(3)).await;
            publish.send_replace(None);
        };
        let (answer, ()) = tokio::join!(status_of(&mut near, "/live/a/v/index.m3u8?_HLS_msn=10"), gone);
        assert_eq!(answer, (404, 3));
    }

    /// Asks for something short and reads all of the answer.
    async fn ask_shortly(near: &mut DuplexStream) {
        near.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("taken");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nalive\n") {
            assert!(near.read_buf(&mut answer).await.expect("an answer") > 0);
        }
    }

    /// Reads `chunk` bytes a second until `enough` have come or the connection ends; how many came, and the
    /// seconds it took.
    async fn read_slowly(near: &mut DuplexStream, chunk: usize, enough: usize) -> (usize, u64) {
        let (start, mut buffer, mut total) = (Instant::now(), vec![0; chunk], 0);
        while total < enough {
            sleep(Duration::from_secs(1)).await;
            match near.read(&mut buffer).await {
                Ok(count) if count > 0 => total += count,
                _ => break,
            }
        }
        (total, start.elapsed().as_secs())
    }

    /// Sends a head that never ends, a byte a second; the seconds until the connection was closed.
    async fn drip(near: &mut DuplexStream) -> u64 {
        let start = Instant::now();
        near.write_all(b"GET / HTTP/1.1\r\n").await.expect("taken");
        while near.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_in_is_cut_off() {
        assert!((10..=11).contains(&drip(&mut connect()).await));
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_between_requests_is_not_time_of_the_head() {
        let mut near = connect();
        ask_shortly(&mut near).await;
        sleep(Duration::from_secs(45)).await;
        assert!((10..=11).contains(&drip(&mut near).await));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_closed() {
        let mut near = connect();
        ask_shortly(&mut near).await;
        let start = Instant::now();
        assert_eq!(near.read(&mut [0]).await.expect("an orderly end"), 0);
        assert_eq!(start.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_trickles_is_cut_off() {
        let mut near = connect();
        near.write_all(REQUEST).await.expect("taken");
        let (total, seconds) = read_slowly(&mut near, 1024, BODY_BYTES).await;
        // What had been sent by then lay in the pipe and was read to its end.
        assert!(total < 64 * 1024 && seconds <= 60, "{total} bytes in {seconds} s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_is_slow_but_steady_gets_all_and_may_have_asked_on() {
        let mut near = connect();
        let (begun, end) = REQUEST.split_at(10);
        near.write_all(REQUEST).await.expect("taken");
        near.write_all(begun).await.expect("taken");
        let (total, seconds) = read_slowly(&mut near, 4096, BODY_BYTES).await;
        assert!(total >= BODY_BYTES && seconds > 200, "{total} bytes in {seconds} s");
        near.write_all(end).await.expect("taken");
        assert!(read_slowly(&mut near, BODY_BYTES, BODY_BYTES).await.0 > BODY_BYTES / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_nobody_reads_does_not_hold_its_connection_for_ever() {
        let near = TokioIo::new(connect());
        let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        // What a client grants without having read anything.
        builder.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
        let (mut sender, connection) = builder.handshake(near).await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        let start = Instant::now();
        let request = Request::get("http://a/metrics").body(http_body_util::Empty::<Bytes>::new()).expect("a request");
        let unread = sender.send_request(request).await.expect("an answer");
        let _ = connection.await.expect("no panic");
        assert!((20..=40).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        drop(unread);
    }
}
