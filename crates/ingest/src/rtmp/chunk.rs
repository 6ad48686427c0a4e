//! Chunks to messages (RTMP 1.0, 5.3). Pure: takes bytes as they come, split anywhere.

use bytes::{Buf, Bytes, BytesMut};

/// Chunk size until the peer sets another (5.4.1).
const CHUNK_BYTES_INITIAL: u32 = 128;
/// A larger chunk than the largest message makes no difference (5.4.1).
const CHUNK_BYTES_MAX: u32 = 0xff_ffff;
/// Chunk stream ids a peer may use. Encoders use 3 to 6.
const STREAMS_MAX: usize = 64;
/// The largest message of a peer that has not been authorised: a `connect` has under 1 kB.
pub(super) const UNAUTHORISED_MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Unfinished messages together may hold so many of the largest message: one each of video and audio.
const PARTIAL_MESSAGES_MAX: usize = 2;
/// The value of the 24-bit field that announces an extended timestamp (5.3.1.3).
const EXTENDED: u32 = 0xff_ffff;

const SET_CHUNK_SIZE: u8 = 1;
const ABORT: u8 = 2;

/// One complete message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Message type id (5.4, 7.1).
    pub kind: u8,
    /// Milliseconds, wrapping at 32 bits.
    pub timestamp: u32,
    pub payload: Bytes,
}

/// Why the chunk stream cannot be read on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum ChunkError {
    #[error("a message of type {kind} has {bytes} bytes, at most {max} are taken here")]
    MessageTooLong { kind: u8, bytes: usize, max: usize },
    #[error("unfinished messages hold {bytes} bytes, at most {max} are taken here")]
    PartialTooMuch { bytes: usize, max: usize },
    #[error("more than {STREAMS_MAX} chunk streams are in use")]
    TooManyStreams,
    #[error("chunk stream {id} begins with a chunk of type {format}, which needs one before it")]
    NoPredecessor { id: u32, format: u8 },
    #[error("a chunk of type {format} on chunk stream {id} interrupts a message that lacks {missing} bytes")]
    Interrupted { id: u32, format: u8, missing: usize },
    #[error("a chunk size of {0} was set, 1 to 2147483647 are allowed")]
    ChunkSize(u32),
    #[error("a control message of type {kind} has {bytes} bytes, 4 are needed")]
    ShortControl { kind: u8, bytes: usize },
}

/// What is remembered of one chunk stream: the last header, and the message that is being collected.
#[derive(Debug)]
struct Stream {
    id: u32,
    timestamp: u32,
    /// The last timestamp field; what a chunk of type 3 that begins a message adds again (5.3.1.2.4).
    delta: u32,
    /// Whether that field was an extended one.
    extended: bool,
    length: usize,
    kind: u8,
    partial: Option<BytesMut>,
}

/// The chunk whose payload is being read.
#[derive(Debug, Clone, Copy)]
struct Open {
    stream: usize,
    bytes_left: usize,
}

/// Reads chunks.
#[derive(Debug)]
pub(super) struct ChunkReader {
    chunk_bytes: u32,
    message_bytes_max: usize,
    /// Lengths of all messages being collected.
    partial_bytes: usize,
    streams: Vec<Stream>,
    open: Option<Open>,
}

/// A parsed chunk header: how many bytes it has, and what it says.
struct Header {
    bytes: usize,
    id: u32,
    format: u8,
    /// Timestamp field and whether it was extended; absent in type 3.
    time: Option<(u32, bool)>,
    /// Length and type; absent in types 2 and 3.
    shape: Option<(usize, u8)>,
}

impl ChunkReader {
    pub fn new() -> Self {
        Self {
            chunk_bytes: CHUNK_BYTES_INITIAL,
            message_bytes_max: UNAUTHORISED_MESSAGE_BYTES_MAX,
            partial_bytes: 0,
            streams: Vec::new(),
            open: None,
        }
    }

    /// Sets the length up to which messages are taken.
    pub fn set_message_bytes_max(&mut self, max: usize) {
        self.message_bytes_max = max;
    }

    /// The next complete message; `None` when `input` has been used up, but for a header cut short (under
    /// 19 bytes). `Set Chunk Size` and `Abort` are obeyed here and not handed on.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Message>, ChunkError> {
        loop {
            let open = match self.open.take() {
                Some(open) => open,
                None => match self.begin_chunk(input)? {
                    Some(open) => open,
                    None => return Ok(None),
                },
            };
            let Some(message) = self.collect(open, input) else {
                if self.open.is_some() {
                    return Ok(None);
                }
                continue;
            };
            match message.kind {
                SET_CHUNK_SIZE => self.set_chunk_size(&message)?,
                ABORT => self.abort(control_value(&message)?),
                _ => return Ok(Some(message)),
            }
        }
    }

    /// Moves payload of the open chunk into its message. The message when that completes it.
    fn collect(&mut self, open: Open, input: &mut BytesMut) -> Option<Message> {
        let stream = self.streams.get_mut(open.stream)?;
        let partial = stream.partial.as_mut()?;
        let take = open.bytes_left.min(input.len());
        partial.extend_from_slice(input.get(..take)?);
        input.advance(take);
        if partial.len() == stream.length {
            self.partial_bytes -= stream.length;
            let payload = stream.partial.take().unwrap_or_default().freeze();
            return Some(Message { kind: stream.kind, timestamp: stream.timestamp, payload });
        }
        if take < open.bytes_left {
            self.open = Some(Open { bytes_left: open.bytes_left - take, ..open });
        }
        None
    }

    /// Reads the next header. `None` when it is not complete in `input`.
    fn begin_chunk(&mut self, input: &mut BytesMut) -> Result<Option<Open>, ChunkError> {
        let Some(header) = parse_header(input) else { return Ok(None) };
        let index = self.stream(&header)?;
        let Some(stream) = self.streams.get_mut(index) else { return Ok(None) };
        let mut header_bytes = header.bytes;
        if header.format == 3 && stream.extended {
            match repeats(input.get(header_bytes..).unwrap_or_default(), stream.delta) {
                Some(true) => header_bytes += 4,
                Some(false) => {}
                None => return Ok(None),
            }
        }
        let missing = stream.partial.as_ref().map(|partial| stream.length - partial.len());
        let missing = match missing {
            Some(missing) if header.format == 3 => missing,
            Some(missing) => {
                return Err(ChunkError::Interrupted { id: header.id, format: header.format, missing });
            }
            None => {
                stream.begin(&header);
                self.begin_message(index)?
            }
        };
        input.advance(header_bytes);
        Ok(Some(Open { stream: index, bytes_left: missing.min(self.chunk_bytes as usize) }))
    }

    /// The place of the header's chunk stream, made if it is new.
    fn stream(&mut self, header: &Header) -> Result<usize, ChunkError> {
        if let Some(index) = self.streams.iter().position(|stream| stream.id == header.id) {
            return Ok(index);
        }
        // Some senders begin with type 1, which lacks only the message stream id.
        if header.shape.is_none() {
            return Err(ChunkError::NoPredecessor { id: header.id, format: header.format });
        }
        if self.streams.len() == STREAMS_MAX {
            return Err(ChunkError::TooManyStreams);
        }
        let id = header.id;
        self.streams.push(Stream { id, timestamp: 0, delta: 0, extended: false, length: 0, kind: 0, partial: None });
        Ok(self.streams.len() - 1)
    }

    /// Makes room for the message that the header at `index` announces, if it is within the limits.
    fn begin_message(&mut self, index: usize) -> Result<usize, ChunkError> {
        let Some(stream) = self.streams.get_mut(index) else { return Ok(0) };
        let (bytes, max) = (stream.length, self.message_bytes_max);
        if bytes > max {
            return Err(ChunkError::MessageTooLong { kind: stream.kind, bytes, max });
        }
        let (bytes, max) = (self.partial_bytes + bytes, max * PARTIAL_MESSAGES_MAX);
        if bytes > max {
            return Err(ChunkError::PartialTooMuch { bytes, max });
        }
        self.partial_bytes = bytes;
        stream.partial = Some(BytesMut::with_capacity(stream.length));
        Ok(stream.length)
    }

    fn set_chunk_size(&mut self, message: &Message) -> Result<(), ChunkError> {
        let size = control_value(message)?;
        if size == 0 || size > i32::MAX as u32 {
            return Err(ChunkError::ChunkSize(size));
        }
        self.chunk_bytes = size.min(CHUNK_BYTES_MAX);
        Ok(())
    }

    /// Forgets the unfinished message of a chunk stream (5.4.2).
    fn abort(&mut self, id: u32) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id)
            && stream.partial.take().is_some()
        {
            self.partial_bytes -= stream.length;
        }
    }
}

impl Stream {
    /// Takes over the header that begins a message.
    fn begin(&mut self, header: &Header) {
        if let Some((length, kind)) = header.shape {
            self.length = length;
            self.kind = kind;
        }
        if let Some((delta, extended)) = header.time {
            self.delta = delta;
            self.extended = extended;
        }
        self.timestamp = if header.format == 0 { self.delta } else { self.timestamp.wrapping_add(self.delta) };
    }
}

/// Reads basic and message header (5.3.1.1, 5.3.1.2). `None` when `input` ends before it does.
fn parse_header(input: &[u8]) -> Option<Header> {
    let first = *input.first()?;
    let (id, basic) = match first & 0x3f {
        0 => (64 + u32::from(*input.get(1)?), 2),
        1 => (64 + u32::from(*input.get(1)?) + (u32::from(*input.get(2)?) << 8), 3),
        id => (u32::from(id), 1),
    };
    let format = first >> 6;
    let mut bytes = basic + [11, 7, 3, 0][usize::from(format)];
    let message = input.get(basic..bytes)?;
    let time = match message {
        [a, b, c, ..] => {
            let field = u32::from_be_bytes([0, *a, *b, *c]);
            let extended = field == EXTENDED;
            let value = if extended { be32(input.get(bytes..)?)? } else { field };
            bytes += if extended { 4 } else { 0 };
            Some((value, extended))
        }
        _ => None,
    };
    let shape = match message {
        [_, _, _, a, b, c, kind, ..] => Some((u32::from_be_bytes([0, *a, *b, *c]) as usize, *kind)),
        _ => None,
    };
    Some(Header { bytes, id, format, time, shape })
}

/// Whether `input`, behind the basic header of a type 3 chunk, repeats the extended timestamp. The
/// specification (5.3.1.3) wants it, OBS left it out until 2024. `None` when too little is there to know.
fn repeats(input: &[u8], timestamp: u32) -> Option<bool> {
    let expected = timestamp.to_be_bytes();
    let seen = input.len().min(4);
    if input[..seen] != expected[..seen] {
        return Some(false);
    }
    (seen == 4).then_some(true)
}

fn control_value(message: &Message) -> Result<u32, ChunkError> {
    be32(&message.payload).ok_or(ChunkError::ShortControl { kind: message.kind, bytes: message.payload.len() })
}

/// The first four bytes as a big-endian number.
pub(super) fn be32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
#[path = "chunk_tests.rs"]
mod tests;
