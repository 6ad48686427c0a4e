use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::CONTENT_LENGTH;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::body::Body;
use crate::config::Limits;
use crate::guarded_io::{GuardedIo, Phase};
use crate::meters::{Meters, Refusal};
use crate::site::{Answer, Site};

/// The smallest buffer that hyper takes.
const HEADER_BYTES_FLOOR: usize = 8192;

/// What all connections share.
pub(crate) struct Connections {
    pub(crate) site: Site,
    pub(crate) limits: Limits,
    pub(crate) meters: Arc<Meters>,
    http1: http1::Builder,
}

impl Connections {
    pub(crate) fn new(site: Site, limits: Limits) -> Self {
        let header_bytes = limits.header_bytes_max.max(HEADER_BYTES_FLOOR);
        let mut http1 = http1::Builder::new();
        // hyper's timeout runs from the end of one answer to the end of the next head, so it is the idle one.
        http1.timer(TokioTimer::new()).header_read_timeout(limits.idle_timeout);
        http1.max_header_size(header_bytes).max_buf_size(header_bytes);
        Self { site, limits, meters: Arc::default(), http1 }
    }

    /// Serves one connection to its end. Once `closing` holds true the answer under way is the last.
    pub(crate) async fn serve<S>(self: Arc<Self>, stream: S, peer: SocketAddr, mut closing: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let phase = Arc::new(Phase::default());
        let io = TokioIo::new(GuardedIo::new(stream, &self.limits, Arc::clone(&phase)));
        let service = service_fn(|request| {
            phase.requested();
            let response = self.respond(&request, peer, &phase);
            async move { Ok::<_, Infallible>(response) }
        });
        let mut connection = pin!(self.http1.serve_connection(io, service));
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = closed(&mut closing) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        report_end(outcome, phase.cut(), peer);
    }

    fn respond(&self, request: &Request<Incoming>, peer: SocketAddr, phase: &Arc<Phase>) -> Response<Body> {
        let Answer { mut response, kind, refused } = self.site.answer(request, &self.limits);
        if let Some(refusal) = refused {
            refusal.report(peer);
        }
        self.meters.answered(kind, response.status());
        tracing::debug!(%peer, method = %request.method(), path = request.uri().path(), status = response.status().as_u16(), "answered");
        if request.method() == Method::HEAD {
            let length = response.body().len();
            state_length(response.headers_mut(), length);
            *response.body_mut() = Bytes::new();
        }
        response.map(|bytes| Body::new(bytes, kind, Arc::clone(&self.meters), Arc::clone(phase)))
    }
}

/// Ready once the origin takes its leave.
async fn closed(closing: &mut watch::Receiver<bool>) {
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
fn report_end(outcome: hyper::Result<()>, cut: Option<Refusal>, peer: SocketAddr) {
    // A stream that fails between two requests is an orderly end to hyper, so this comes first.
    if let Some(reason) = cut {
        return reason.report(peer);
    }
    match outcome {
        Ok(()) => {}
        Err(error) if error.is_parse_too_large() => Refusal::HeaderBytes.report(peer),
        Err(error) if error.is_parse() => Refusal::Malformed.report(peer),
        Err(error) => tracing::debug!(%peer, %error, "an HTTP connection ended early"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::{Directory, Status};

    const BODY_BYTES: usize = 1 << 20;
    const REQUEST: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";

    /// A connection to an origin with default limits and metrics of [`BODY_BYTES`]. Time is paused.
    fn connect() -> DuplexStream {
        let status = Status { metrics: Arc::new(|| "x".repeat(BODY_BYTES)), ready: Arc::new(|| Ok(())) };
        let connections = Arc::new(Connections::new(Site::new(Directory::new(), status), Limits::default()));
        let (near, far) = duplex(16 * 1024);
        let peer = "127.0.0.1:1".parse().expect("an address");
        tokio::spawn(async move {
            let (_close, closing) = watch::channel(false);
            connections.serve(far, peer, closing).await;
        });
        near
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
}
