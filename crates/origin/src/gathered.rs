use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::guarded_io::Phase;

/// What fits into one TLS record (RFC 8446, 5.1). HTTP/2 sends frames of as much and nine bytes of header each, which would
/// make two records of every frame, and one system call of every answer, however short.
const RECORD_BYTES: usize = 16 * 1024;
/// Slices of one write: the buffer and what HTTP/2 offers, which is a header and a payload.
const SLICES_MAX: usize = 8;

/// A stream that gathers what HTTP/2 writes until a record is full or [`send`](Self::send) is called: once a turn of the
/// connection, when it has written all it had. What is long goes past the buffer and is not copied. HTTP/1, which writes
/// an answer at once, goes through untouched. Clones are the same stream.
pub(crate) struct Gathered<S> {
    inner: Arc<Mutex<Inner<S>>>,
}

struct Inner<S> {
    stream: S,
    phase: Arc<Phase>,
    buffer: Vec<u8>,
}

impl<S> Clone for Gathered<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    /// Gathers in front of `stream` once `phase` says that HTTP/2 is spoken.
    pub(crate) fn new(stream: S, phase: Arc<Phase>) -> Self {
        Self { inner: Arc::new(Mutex::new(Inner { stream, phase, buffer: Vec::new() })) }
    }

    /// Sends what was gathered. Pending while the reader does not take it.
    pub(crate) fn send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        if inner.phase.is_http2() { inner.flush(cx) } else { Poll::Ready(Ok(())) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncWrite + Unpin> Inner<S> {
    fn write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if !self.phase.is_http2() {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        loop {
            let gathered = self.buffer.len();
            if gathered + offered < RECORD_BYTES {
                slices.iter().for_each(|slice| self.buffer.extend_from_slice(slice));
                return Poll::Ready(Ok(offered));
            }
            let whole = (gathered + offered) / RECORD_BYTES * RECORD_BYTES;
            let sent = ready!(self.write_whole(cx, slices, whole))?;
            if sent <= gathered {
                self.buffer.drain(..sent);
                continue;
            }
            self.buffer.clear();
            return Poll::Ready(Ok(sent - gathered));
        }
    }

    /// Writes of the buffer, and of the slices behind it, `whole` bytes at most.
    fn write_whole(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>], whole: usize) -> Poll<io::Result<usize>> {
        let mut all = [IoSlice::new(&[]); SLICES_MAX];
        let (mut count, mut rest) = (0, whole);
        let buffer = Some(self.buffer.as_slice()).filter(|buffer| !buffer.is_empty());
        for (place, bytes) in all.iter_mut().zip(buffer.into_iter().chain(slices.iter().map(|slice| &**slice))) {
            let taken = bytes.get(..rest).unwrap_or(bytes);
            *place = IoSlice::new(taken);
            (count, rest) = (count + 1, rest - taken.len());
        }
        match ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, all.get(..count).unwrap_or_default()))? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            sent => Poll::Ready(Ok(sent)),
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.buffer.is_empty() {
            let sent = ready!(self.write_whole(cx, &[], self.buffer.len()))?;
            self.buffer.drain(..sent);
        }
        // An idle connection has no buffer.
        self.buffer = Vec::new();
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut inner.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.lock().write(cx, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.lock().write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.lock().stream.is_write_vectored()
    }

    /// HTTP/2 flushes after every answer. Its turn is not over then, and [`send`](Gathered::send) comes at the end of it.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        if inner.phase.is_http2() { Poll::Ready(Ok(())) } else { Pin::new(&mut inner.stream).poll_flush(cx) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        ready!(inner.flush(cx))?;
        Pin::new(&mut inner.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use hyper::Version;
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Counts what comes out.
    #[derive(Default)]
    struct Sink {
        writes: Vec<usize>,
        bytes: Vec<u8>,
    }

    impl AsyncWrite for Sink {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
            self.writes.push(data.len());
            self.bytes.extend_from_slice(data);
            Poll::Ready(Ok(data.len()))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            self.poll_write(cx, &all)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Sizes of the writes that pieces of these lengths come to, each flushed.
    async fn writes(version: Version, lengths: &[usize]) -> Vec<usize> {
        let phase = Arc::new(Phase::default());
        let _open = phase.requested(version);
        let mut stream = Gathered::new(Sink::default(), phase);
        let mut sent = Vec::new();
        for (fill, &length) in (0..).zip(lengths) {
            let piece = vec![fill; length];
            sent.extend_from_slice(&piece);
            let (header, payload) = piece.split_at(9);
            let slices = [IoSlice::new(header), IoSlice::new(payload)];
            let taken = stream.write_vectored(&slices).await.expect("written");
            stream.write_all(&piece[taken..]).await.expect("written");
            stream.flush().await.expect("flushed");
        }
        std::future::poll_fn(|cx| stream.send(cx)).await.expect("sent");
        let inner = stream.lock();
        assert!(inner.stream.bytes == sent && inner.buffer.capacity() == 0);
        inner.stream.writes.clone()
    }

    #[tokio::test]
    async fn short_answers_of_http2_are_sent_together_and_long_ones_in_whole_records() {
        assert_eq!(writes(Version::HTTP_2, &[100, 400, 100, 400]).await, [1000]);
        assert_eq!(writes(Version::HTTP_2, &[100, 16_393, 16_393, 50]).await, [16_384, 16_384, 168]);
        assert_eq!(writes(Version::HTTP_2, &[100_000]).await, [98_304, 1696]);
    }

    #[tokio::test]
    async fn http1_goes_through() {
        assert_eq!(writes(Version::HTTP_11, &[100, 20_000]).await, [100, 20_000]);
    }
}
