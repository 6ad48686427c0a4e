use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use weir_packager::MediaFile;

use crate::files::{FileInMemory, Files};

/// What a connection was given to write, has not written yet, and could send from a file, in the order in which it was given.
pub(crate) struct Outgoing {
    files: Arc<Files>,
    chunks: Mutex<VecDeque<Chunk>>,
}

/// Bytes to be written, and where they lie. While they are here they live, so nothing else is written from their address.
struct Chunk {
    bytes: Bytes,
    file: Arc<FileInMemory>,
    offset: u64,
}

impl Outgoing {
    pub(crate) fn new(files: Arc<Files>) -> Self {
        files.entered();
        Self { files, chunks: Mutex::default() }
    }

    /// The file that the bytes of these media lie in, if they have one.
    pub(crate) fn file(&self, media: &Arc<MediaFile>) -> Option<Arc<FileInMemory>> {
        self.files.file(media)
    }

    /// The connection is given these bytes to write, which lie in the file from `offset` on.
    pub(crate) fn push(&self, bytes: Bytes, file: Arc<FileInMemory>, offset: u64) {
        self.chunks().push_back(Chunk { bytes, file, offset });
    }

    fn chunks(&self) -> MutexGuard<'_, VecDeque<Chunk>> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.files.left();
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
        let mut offset = chunk.offset;
        let sent = self.stream.try_io(Interest::WRITABLE, || {
            Ok(rustix::fs::sendfile(&self.stream, chunk.file.file(), Some(&mut offset), count)?)
        })?;
        // The file has all of the bytes.
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        chunk.bytes.advance(sent);
        chunk.offset = offset;
        Ok(sent)
    }

    /// Writes what the socket takes of one slice, from the file where it lies in one.
    fn write(&self, slice: &[u8], more: bool, chunks: &mut VecDeque<Chunk>) -> io::Result<usize> {
        let Some(at) = chunks.iter().position(|chunk| chunk.bytes.as_ptr() == slice.as_ptr()) else {
            return self.copy(slice, more);
        };
        // What lies before it has been passed over.
        chunks.drain(..at);
        let Some(chunk) = chunks.front_mut() else { return self.copy(slice, more) };
        match self.send(chunk, slice.len().min(chunk.bytes.len())) {
            Ok(sent) => {
                if chunk.bytes.is_empty() {
                    chunks.pop_front();
                }
                Ok(sent)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            // If it was the connection that failed, copying says so.
            Err(_) => {
                chunks.pop_front();
                self.copy(slice, more)
            }
        }
    }

    /// Writes slices one after the other until the socket is full; how many bytes it took.
    fn write_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut chunks = self.outgoing.chunks();
        let mut written = 0;
        for (at, slice) in slices.iter().enumerate().filter(|(_, slice)| !slice.is_empty()) {
            match self.write(slice, at + 1 < slices.len(), &mut chunks) {
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
        if self.outgoing.chunks().is_empty() {
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
    use crate::files::tests::media;

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

    /// Bytes of `CHUNKS` chunks, and a file as long that has none of them: one sees which of the two was sent.
    fn bytes_and_file() -> (Bytes, Arc<FileInMemory>) {
        let (files, media) = (Files::default(), media(CHUNKS * CHUNK_BYTES));
        assert!(files.file(&media).is_none());
        let bytes = media.pieces.concat().iter().map(|byte| byte ^ 0xff).collect();
        (bytes, files.file(&media).expect("a file"))
    }

    async fn received(mut near: TcpStream) -> Vec<u8> {
        let mut all = Vec::new();
        near.read_to_end(&mut all).await.expect("all of it");
        all
    }

    #[tokio::test]
    async fn what_lies_in_a_file_is_sent_from_there_and_the_rest_as_it_is() {
        let (mut stream, near, outgoing) = connected().await;
        let (bytes, file) = bytes_and_file();
        let mut offset = 0;
        let received = tokio::spawn(received(near));
        let mut expected = Vec::new();
        for chunk in bytes.chunks(CHUNK_BYTES).map(|chunk| bytes.slice_ref(chunk)) {
            // This one is never written.
            outgoing.push(chunk.slice(1..), Arc::clone(&file), offset + 1);
            outgoing.push(chunk.clone(), Arc::clone(&file), offset);
            offset += chunk.len() as u64;
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
            expected.extend(chunk.iter().map(|byte| byte ^ 0xff));
            expected.extend_from_slice(b"tail");
        }
        assert!(outgoing.chunks().is_empty());
        stream.shutdown().await.expect("an end");
        assert!(received.await.expect("no panic") == expected);
    }

    #[tokio::test]
    async fn what_cannot_be_sent_from_its_file_is_copied() {
        let (mut stream, near, outgoing) = connected().await;
        let (bytes, file) = bytes_and_file();
        let received = tokio::spawn(received(near));
        // No file goes that far.
        outgoing.push(bytes.clone(), file, i64::MAX as u64);
        stream.write_all(&bytes).await.expect("written");
        stream.shutdown().await.expect("an end");
        assert!(received.await.expect("no panic") == bytes);
    }

    #[tokio::test]
    async fn a_client_that_left_is_an_error() {
        let (mut stream, near, outgoing) = connected().await;
        let (bytes, file) = bytes_and_file();
        drop(near);
        outgoing.push(bytes.clone(), file, 0);
        // Until the other end has said that it is gone, the socket takes what it is given.
        assert!(stream.write_all(&bytes).await.is_err());
    }
}
