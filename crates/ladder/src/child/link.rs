use std::io::{self, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use serde::Serialize;
use weir_media::TrackKind;

use super::ChildError;
use crate::wire::{self, Message, WireFailure, from_worker};

/// Room made for reading: several frames at once.
const READ_BYTES: usize = 64 << 10;

/// The way to the parent, shared by all threads of the worker. Writing blocks while the parent does not read, and
/// with it the pipelines: that is the back pressure.
#[derive(Debug)]
pub(super) struct Link {
    out: Mutex<Out>,
}

#[derive(Debug)]
struct Out {
    socket: UnixStream,
    /// Messages with frames that leave with the next message of another kind.
    waiting: Vec<u8>,
    /// How many they are.
    frames_waiting: u32,
}

impl Link {
    pub fn new(socket: UnixStream) -> Self {
        Self { out: Mutex::new(Out { socket, waiting: Vec::new(), frames_waiting: 0 }) }
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all parts as one message.
    fn write(&self, parts: &[&[u8]]) -> io::Result<()> {
        self.out().write(parts)
    }

    pub fn bare(&self, name: u8) -> io::Result<()> {
        self.write(&[&wire::bare(name)])
    }

    pub fn control(&self, name: u8, body: &impl Serialize) -> io::Result<()> {
        self.write(&[&wire::control(name, body)?])
    }

    /// One frame that is shown when it is decoded.
    pub fn frame(&self, rendition: usize, keyframe: bool, time: i64, data: &[u8]) -> io::Result<()> {
        self.reordered_frame(rendition, keyframe, (time, time), data)
    }

    /// One frame with its times of decoding and showing.
    pub fn reordered_frame(
        &self,
        rendition: usize,
        keyframe: bool,
        (dts, pts): (i64, i64),
        data: &[u8],
    ) -> io::Result<()> {
        let prefix = wire::frame_prefix(from_worker::FRAME, rendition as u8, keyframe, dts, pts, data.len());
        self.write(&[&prefix, data])
    }

    /// One frame that waits for the next message, so that the parent is not woken for it alone: sound, since the picture is
    /// always later, and pictures of smaller rungs, since that of the best one takes longest.
    pub fn waiting_frame(&self, rendition: usize, keyframe: bool, time: i64, data: &[u8]) -> io::Result<()> {
        let prefix = wire::frame_prefix(from_worker::FRAME, rendition as u8, keyframe, time, time, data.len());
        let mut out = self.out();
        out.waiting.extend_from_slice(&prefix);
        out.waiting.extend_from_slice(data);
        out.frames_waiting += 1;
        if out.frames_waiting < wire::FRAMES_WAITING_MAX { Ok(()) } else { out.write(&[]) }
    }

    /// Tells the parent what went wrong, if it still listens.
    pub fn failed(&self, what: &str) {
        let _ = self.control(from_worker::FAILED, &WireFailure { what: what.to_owned() });
    }

    /// Ends the process from any thread of a pipeline: what is half encoded then is of no use to anybody.
    pub fn fatal(&self, what: &str) -> ! {
        self.failed(what);
        eprintln!("{what}");
        std::process::exit(1)
    }
}

impl Out {
    /// Writes the frames that wait, and all parts behind them.
    fn write(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let Self { socket, waiting, frames_waiting } = self;
        let whole = [waiting.as_slice()].into_iter().chain(parts.iter().copied());
        let mut slices: Vec<IoSlice<'_>> = whole.filter(|part| !part.is_empty()).map(IoSlice::new).collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            match socket.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        waiting.clear();
        *frames_waiting = 0;
        Ok(())
    }
}

/// The way from the parent.
#[derive(Debug)]
pub(super) struct Inbox {
    socket: UnixStream,
    buffer: BytesMut,
    read: Box<[u8]>,
}

impl Inbox {
    pub fn new(socket: UnixStream) -> Self {
        Self { socket, buffer: BytesMut::new(), read: vec![0; READ_BYTES].into() }
    }

    /// The next message; `None` once the parent has gone.
    pub fn next(&mut self) -> Result<Option<Message>, ChildError> {
        loop {
            if let Some(message) = wire::take(&mut self.buffer)? {
                return Ok(Some(message));
            }
            match self.socket.read(&mut self.read) {
                Ok(0) => return Ok(None),
                Ok(count) => self.buffer.extend_from_slice(&self.read[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The track a number of the parent's means.
pub(super) fn track_of(number: u8) -> TrackKind {
    if number == wire::source_track(TrackKind::Video) { TrackKind::Video } else { TrackKind::Audio }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The renditions of the frames that can be read by now.
    fn arrived(inbox: &mut Inbox) -> Vec<u8> {
        let frame = |message: Message| message.frame(track_of).expect("a frame").0;
        std::iter::from_fn(|| inbox.next().ok().flatten()).map(frame).collect()
    }

    #[test]
    fn frames_wait_for_the_next_picture_and_leave_before_it() {
        let (ours, theirs) = UnixStream::pair().expect("sockets");
        theirs.set_nonblocking(true).expect("a socket of ours");
        let (link, mut inbox) = (Link::new(ours), Inbox::new(theirs));
        link.waiting_frame(3, true, 0, b"sound").expect("room");
        link.waiting_frame(1, true, 0, b"small").expect("room");
        assert!(arrived(&mut inbox).is_empty());
        link.frame(0, true, 0, b"large").expect("room");
        assert_eq!(arrived(&mut inbox), [3, 1, 0]);
    }

    #[test]
    fn frames_do_not_wait_for_ever() {
        let (ours, theirs) = UnixStream::pair().expect("sockets");
        theirs.set_nonblocking(true).expect("a socket of ours");
        let (link, mut inbox) = (Link::new(ours), Inbox::new(theirs));
        for time in 0..i64::from(wire::FRAMES_WAITING_MAX) {
            assert!(arrived(&mut inbox).is_empty());
            link.waiting_frame(1, true, time, b"small").expect("room");
        }
        assert_eq!(arrived(&mut inbox), vec![1; wire::FRAMES_WAITING_MAX as usize]);
    }
}
