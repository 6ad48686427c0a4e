use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::files::{Files, Place};

/// What of the bodies under way on a connection lies in files, in the order in which it will be written.
pub(crate) struct Outgoing {
    files: Arc<Files>,
    chunks: Mutex<VecDeque<Chunk>>,
}

/// Bytes that the connection was given and has not written yet, and where they lie. While they are here they live, so
/// nothing else is written from their address.
struct Chunk {
    bytes: Bytes,
    place: Place,
}

impl Outgoing {
    pub(crate) fn new(files: Arc<Files>) -> Self {
        Self { files, chunks: Mutex::default() }
    }

    /// Where a piece of a body lies, if it has a file.
    pub(crate) fn place(&self, piece: &Bytes) -> Option<Place> {
        self.files.place(piece)
    }

    /// The connection is given these bytes to write, which lie there.
    pub(crate) fn push(&self, bytes: Bytes, place: Place) {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner).push_back(Chunk { bytes, place });
    }
}

/// A TCP stream that sends from a file (`sendfile`) what it is asked to write and what lies in one, and copies the rest.
/// The pages of the file go to the network as they are: over loopback, and with cards that sum up themselves, nobody
/// touches the bytes on the way.
pub(crate) struct SendFile {
    stream: TcpStream,
    outgoing: Arc<Outgoing>,
}

impl SendFile {
    pub(crate) fn new(stream: TcpStream, outgoing: Arc<Outgoing>) -> Self {
        Self { stream, outgoing }
    }

    /// Writes what the socket takes of the slice, copying it. Says whether `more` follows at once.
    fn copy(&self, slice: &[u8], more: bool) -> io::Result<usize> {
        let flags = if more { SendFlags::MORE | SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL };
        self.stream.try_io(Interest::WRITABLE, || Ok(rustix::net::send(&self.stream, slice, flags)?))
    }

    /// Writes what the socket takes of the first `count` bytes of the chunk, from its file.
    fn send(&self, chunk: &mut Chunk, count: usize) -> io::Result<usize> {
        let mut offset = chunk.place.offset;
        let sent = self.stream.try_io(Interest::WRITABLE, || {
            Ok(rustix::fs::sendfile(&self.stream, &*chunk.place.file, Some(&mut offset), count)?)
        })?;
        // The file has all of the bytes.
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        chunk.bytes.advance(sent);
        chunk.place.offset = offset;
        Ok(sent)
    }

    /// Writes slices one after the other until the socket is full; how many bytes it took.
    fn write_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut chunks = self.outgoing.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut written = 0;
        for (at, slice) in slices.iter().enumerate().filter(|(_, slice)| !slice.is_empty()) {
            let outcome = match chunks.front_mut().filter(|chunk| chunk.bytes.as_ptr() == slice.as_ptr()) {
                Some(chunk) => self.send(chunk, slice.len().min(chunk.bytes.len())),
                None => self.copy(slice, at + 1 < slices.len()),
            };
            if chunks.front().is_some_and(|chunk| chunk.bytes.is_empty()) {
                chunks.pop_front();
            }
            match outcome {
                Ok(sent) if sent == slice.len() => written += sent,
                Ok(sent) => return Ok(written + sent),
                Err(_) if written > 0 => return Ok(written),
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }
}

impl AsyncRead for SendFile {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for SendFile {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.outgoing.chunks.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        }
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.write_slices(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const CHUNK_BYTES: usize = 100_000;
    const CHUNKS: usize = 40;

    /// A stream, its other end, and where it is told what lies in files.
    async fn connected() -> (SendFile, TcpStream, Arc<Outgoing>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let near = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connects");
        let (far, _) = listener.accept().await.expect("a connection");
        let outgoing = Arc::new(Outgoing::new(Arc::default()));
        (SendFile::new(far, Arc::clone(&outgoing)), near, outgoing)
    }

    /// A piece of `CHUNKS` chunks, and where it lies in a file of which every byte is one more than in the piece: so that one
    /// sees which of the two was sent.
    fn piece_and_file() -> (Bytes, Place) {
        let piece: Bytes = (0..CHUNKS * CHUNK_BYTES).map(|at| (at % 251) as u8).collect();
        let files = Files::default();
        let other: Bytes = piece.iter().map(|byte| byte + 1).collect();
        assert!(files.place(&other).is_none());
        (piece, files.place(&other).expect("a file"))
    }

    async fn received(mut near: TcpStream) -> Vec<u8> {
        let mut all = Vec::new();
        near.read_to_end(&mut all).await.expect("all of it");
        all
    }

    #[tokio::test]
    async fn what_lies_in_a_file_is_sent_from_there_and_the_rest_as_it_is() {
        let (mut stream, near, outgoing) = connected().await;
        let (piece, mut place) = piece_and_file();
        let received = tokio::spawn(received(near));
        let mut expected = Vec::new();
        for chunk in piece.chunks(CHUNK_BYTES).map(|chunk| piece.slice_ref(chunk)) {
            outgoing.push(chunk.clone(), place.clone());
            place.offset += chunk.len() as u64;
            // More than a socket takes at once, and so in several attempts.
            let slices = [&b"head"[..], &[], &chunk, b"tail"];
            let mut at = [0; 4];
            while let Some(begun) = (0..4).find(|&slice| at[slice] < slices[slice].len()) {
                let left: Vec<IoSlice<'_>> =
                    (begun..4).map(|slice| IoSlice::new(&slices[slice][at[slice]..])).collect();
                let mut taken = stream.write_vectored(&left).await.expect("written");
                for slice in begun..4 {
                    let of_it = taken.min(slices[slice].len() - at[slice]);
                    (at[slice], taken) = (at[slice] + of_it, taken - of_it);
                }
            }
            expected.extend_from_slice(b"head");
            expected.extend(chunk.iter().map(|byte| byte + 1));
            expected.extend_from_slice(b"tail");
        }
        assert!(outgoing.chunks.lock().expect("not poisoned").is_empty());
        stream.shutdown().await.expect("an end");
        assert!(received.await.expect("no panic") == expected);
    }

    #[tokio::test]
    async fn a_client_that_left_is_an_error_and_not_a_signal() {
        let (mut stream, near, outgoing) = connected().await;
        let (piece, place) = piece_and_file();
        drop(near);
        outgoing.push(piece.clone(), place);
        // Until the other end has said that it is gone, the socket takes what it is given.
        assert!(stream.write_all(&piece).await.is_err());
    }
}
