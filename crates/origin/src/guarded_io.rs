use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::config::Limits;
use crate::meters::Refusal;
use crate::sendfile::Outgoing;

/// What a connection is at, told by the service that takes its requests to the stream that they arrive on.
/// Both run in one task, so the order of the accesses needs no fences.
#[derive(Default)]
pub(crate) struct Phase {
    requests: AtomicU64,
    answering: AtomicBool,
    /// Set once HTTP/2 is spoken, where bytes come all the time and heads have their own limits.
    http2: AtomicBool,
    /// Requests that have got no answer yet, or whose answer is under way.
    open: AtomicU64,
    /// Bodies begun and ended, and bytes taken of them.
    bodies_begun: AtomicU64,
    bodies_ended: AtomicU64,
    bytes: AtomicU64,
    cut: OnceLock<Refusal>,
    /// Where the stream can send from files.
    outgoing: Option<Arc<Outgoing>>,
}

impl Phase {
    /// Of a connection that sends from files what of its bodies lies in them.
    pub(crate) fn sending_files(outgoing: Arc<Outgoing>) -> Self {
        Self { outgoing: Some(outgoing), ..Self::default() }
    }

    /// Where to tell what of a body lies in files, if the connection can make use of it. HTTP/2 cannot: it writes frames.
    pub(crate) fn outgoing(&self) -> Option<&Arc<Outgoing>> {
        self.outgoing.as_ref().filter(|_| !self.is_http2())
    }

    /// A request head is complete. The request lasts until what this answers is dropped.
    pub(crate) fn requested(self: &Arc<Self>, version: Version) -> OpenRequest {
        if version == Version::HTTP_2 {
            self.http2.store(true, Ordering::Relaxed);
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.answering.store(true, Ordering::Relaxed);
        OpenRequest(Arc::clone(self))
    }

    /// Whether HTTP/2 is spoken, as far as is known.
    pub(crate) fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    /// The body of an answer is ready to be sent.
    pub(crate) fn body_opened(&self) {
        self.bodies_begun.fetch_add(1, Ordering::Relaxed);
    }

    /// The connection took so many bytes of a body.
    pub(crate) fn taken(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The connection has all of a body, or has given up on it.
    pub(crate) fn body_closed(&self) {
        self.bodies_ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Watches over HTTP/2, where one stream may stand still while the connection lives. Returns when a body that
    /// was there a `write_stall_timeout` ago still is and too little was taken meanwhile, or when nothing was asked
    /// for during `idle_timeout`. Never returns for HTTP/1, whose stream has these deadlines itself.
    pub(crate) async fn watch_streams(&self, limits: &Limits) -> Option<Refusal> {
        let mut idle_since = Instant::now();
        let mut requests = 0;
        loop {
            let (begun, bytes) = (self.bodies_begun.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
            sleep(limits.write_stall_timeout).await;
            if !self.http2.load(Ordering::Relaxed) {
                continue;
            }
            let taken = self.bytes.load(Ordering::Relaxed) - bytes;
            if self.bodies_ended.load(Ordering::Relaxed) < begun && taken < limits.write_bytes_min as u64 {
                return Some(Refusal::WriteStall);
            }
            let now_requested = self.requests.load(Ordering::Relaxed);
            if now_requested != requests || self.open.load(Ordering::Relaxed) > 0 {
                (requests, idle_since) = (now_requested, Instant::now());
            } else if idle_since.elapsed() >= limits.idle_timeout {
                return None;
            }
        }
    }

    /// Why the stream ended the connection, if it did.
    pub(crate) fn cut(&self) -> Option<Refusal> {
        self.cut.get().copied()
    }
}

/// A request that is not yet answered to the last byte.
pub(crate) struct OpenRequest(Arc<Phase>);

impl OpenRequest {
    pub(crate) fn phase(&self) -> &Phase {
        &self.0
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.answering.store(false, Ordering::Relaxed);
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that ends the connection when a request head or the reading of an answer takes too long. The time
/// between requests is not its business.
pub(crate) struct GuardedIo<S> {
    stream: S,
    phase: Arc<Phase>,
    header_timeout: Duration,
    header: Deadline,
    /// Requests complete when the header deadline was last looked at.
    requests_seen: u64,
    write_stall_timeout: Duration,
    write_bytes_min: usize,
    stall: Deadline,
    /// Bytes taken by the reader since the stall deadline was set.
    written: usize,
}

impl<S> GuardedIo<S> {
    /// Guards a connection that was just accepted: the first request head must come in time.
    pub(crate) fn new(stream: S, limits: &Limits, phase: Arc<Phase>) -> Self {
        let mut header = Deadline::default();
        header.set(limits.header_timeout);
        Self {
            stream,
            phase,
            header_timeout: limits.header_timeout,
            header,
            requests_seen: 0,
            write_stall_timeout: limits.write_stall_timeout,
            write_bytes_min: limits.write_bytes_min,
            stall: Deadline::default(),
            written: 0,
        }
    }

    fn cut(&self, reason: Refusal) -> io::Error {
        let _ = self.phase.cut.set(reason);
        io::ErrorKind::TimedOut.into()
    }

    /// Looks at what a write came to, of `offered` bytes.
    fn judge_write(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
        offered: usize,
    ) -> Poll<io::Result<usize>> {
        match &outcome {
            Poll::Ready(Ok(taken)) if *taken >= offered => self.stall.clear(),
            Poll::Ready(Ok(taken)) => self.written += taken,
            Poll::Ready(Err(_)) => {}
            Poll::Pending => return self.wait_for_reader(cx).map(Err),
        }
        outcome
    }

    /// The reader takes nothing right now. An error once it has been too slow.
    fn wait_for_reader(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            if !self.stall.is_set() {
                self.stall.set(self.write_stall_timeout);
                self.written = 0;
            }
            if self.stall.poll(cx).is_pending() {
                return Poll::Pending;
            }
            if self.written < self.write_bytes_min {
                return Poll::Ready(self.cut(Refusal::WriteStall));
            }
            self.stall.clear();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for GuardedIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let requests = this.phase.requests.load(Ordering::Relaxed);
        if requests != this.requests_seen {
            this.requests_seen = requests;
            this.header.clear();
        }
        let filled = buf.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(cx, buf);
        // While an answer is under way the bytes of a pipelined request may rest in the buffer for as long
        // as the answer takes, which is no fault of the client.
        let answering = this.phase.answering.load(Ordering::Relaxed) || this.phase.http2.load(Ordering::Relaxed);
        if outcome.is_ready() {
            if buf.filled().len() > filled && !answering && !this.header.is_set() {
                this.header.set(this.header_timeout);
            }
        } else if this.header.is_set() && this.header.poll(cx).is_ready() {
            return Poll::Ready(Err(this.cut(Refusal::HeaderTimeout)));
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for GuardedIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, data);
        self.judge_write(cx, outcome, data.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        let offered = slices.iter().map(|slice| slice.len()).sum();
        self.judge_write(cx, outcome, offered)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => self.wait_for_reader(cx).map(Err),
            done => done,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Pending => self.wait_for_reader(cx).map(Err),
            done => done,
        }
    }
}

/// A point in time that may be set, and its timer, which is made when first needed.
#[derive(Default)]
struct Deadline {
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    fn set(&mut self, after: Duration) {
        let at = Instant::now() + after;
        self.at = Some(at);
        if let Some(timer) = &mut self.timer {
            timer.as_mut().reset(at);
        }
    }

    fn clear(&mut self) {
        self.at = None;
    }

    fn is_set(&self) -> bool {
        self.at.is_some()
    }

    /// Ready when it is set and has passed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        self.timer.get_or_insert_with(|| Box::pin(sleep_until(at))).as_mut().poll(cx)
    }
}
