//! An RTMP client made by hand, for what no real encoder does: every byte can be chosen. Only the answers are
//! read by a library.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use rml_amf0::Amf0Value;
use rml_rtmp::chunk_io::ChunkDeserializer;
use rml_rtmp::messages::{MessagePayload, RtmpMessage};
use rml_rtmp::time::RtmpTimestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::flv::Tag;

/// The longest that any answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Size of the chunks that the client sends, and of a new connection (RTMP 1.0, 5.4.1).
pub const CHUNK_SIZE: usize = 128;
const HANDSHAKE_BYTES: usize = 1536;

/// A connection after its handshake.
pub struct Rtmp {
    stream: TcpStream,
    reader: ChunkDeserializer,
}

/// One RTMP message before it is cut into chunks.
#[derive(Debug, Clone)]
pub struct Message {
    /// Chunk stream id, 2 to 63.
    pub chunk_stream: u8,
    /// Message type id.
    pub kind: u8,
    /// Message stream id.
    pub stream: u32,
    /// Milliseconds.
    pub timestamp: u32,
    /// The payload.
    pub body: Bytes,
}

/// How the server answered `publish`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// `status` or `error`.
    pub level: String,
    /// For example `NetStream.Publish.Start`.
    pub code: String,
    /// The sentence for people.
    pub description: String,
}

impl Rtmp {
    /// Connects and shakes hands in the simple way (RTMP 1.0, 5.2).
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut hello = vec![3];
        hello.extend((0..HANDSHAKE_BYTES).map(|at| if at < 8 { 0 } else { (at % 251) as u8 }));
        stream.write_all(&hello).await?;
        let mut answer = vec![0; 1 + 2 * HANDSHAKE_BYTES];
        timeout(ANSWER_TIMEOUT, stream.read_exact(&mut answer)).await.context("no handshake")??;
        ensure!(answer[0] == 3, "version {} in the handshake", answer[0]);
        stream.write_all(&answer[1..=HANDSHAKE_BYTES]).await?;
        Ok(Self { stream, reader: ChunkDeserializer::new() })
    }

    /// Sends bytes as they are.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Sends a message in chunks of [`CHUNK_SIZE`].
    pub async fn send(&mut self, message: &Message) -> Result<()> {
        self.send_bytes(&message.chunks().concat()).await
    }

    /// The next message of the server; `None` when it closed the connection.
    pub async fn receive(&mut self) -> Result<Option<RtmpMessage>> {
        timeout(ANSWER_TIMEOUT, self.next()).await.context("the server neither answers nor closes")?
    }

    async fn next(&mut self) -> Result<Option<RtmpMessage>> {
        let mut buffer = [0; 4096];
        let mut read: &[u8] = &[];
        loop {
            if let Some(payload) = self.reader.get_next_message(read)? {
                let message = payload.to_rtmp_message()?;
                if let RtmpMessage::SetChunkSize { size } = message {
                    self.reader.set_max_chunk_size(size as usize)?;
                }
                return Ok(Some(message));
            }
            // A reset is a way to close, too.
            let count = self.stream.read(&mut buffer).await.unwrap_or(0);
            if count == 0 {
                return Ok(None);
            }
            read = &buffer[..count];
        }
    }

    /// Waits until the server closes the connection and gives what it still said.
    pub async fn closed(&mut self, within: Duration) -> Result<Vec<RtmpMessage>> {
        let mut said = Vec::new();
        let drain = async {
            while let Some(message) = self.next().await? {
                said.push(message);
            }
            anyhow::Ok(())
        };
        timeout(within, drain).await.with_context(|| format!("not closed within {within:?}"))??;
        Ok(said)
    }

    /// Sends the command `connect` for `app` and gives the answer: `_result` or `_error` with its information.
    pub async fn connect_app(&mut self, app: &str) -> Result<(String, Status)> {
        let text = |text: &str| Amf0Value::Utf8String(text.to_owned());
        let object = HashMap::from([
            ("app".to_owned(), text(app)),
            ("flashVer".to_owned(), text("testkit")),
            ("tcUrl".to_owned(), text("rtmp://localhost/live")),
        ]);
        self.command("connect", 1.0, Amf0Value::Object(object), vec![]).await?;
        self.answer(1.0).await
    }

    /// Connects to `live` and asks to publish under `key`.
    pub async fn publish(&mut self, key: &str) -> Result<Status> {
        let (answer, status) = self.connect_app("live").await?;
        ensure!(answer == "_result", "connect: {answer} {status:?}");
        self.command("createStream", 2.0, Amf0Value::Null, vec![]).await?;
        let (answer, _) = self.answer(2.0).await?;
        ensure!(answer == "_result", "createStream: {answer}");
        let arguments = vec![Amf0Value::Utf8String(key.to_owned()), Amf0Value::Utf8String("live".to_owned())];
        self.command("publish", 3.0, Amf0Value::Null, arguments).await?;
        self.status().await
    }

    /// A connection that publishes under `key`.
    pub async fn publisher(address: SocketAddr, key: &str) -> Result<Self> {
        let mut client = Self::connect(address).await?;
        let status = client.publish(key).await?;
        ensure!(status.code == "NetStream.Publish.Start", "publish was answered by {status:?}");
        Ok(client)
    }

    /// The next `onStatus`.
    pub async fn status(&mut self) -> Result<Status> {
        while let Some(message) = self.receive().await? {
            if let RtmpMessage::Amf0Command { command_name, additional_arguments, .. } = message
                && command_name == "onStatus"
            {
                return Ok(Status::of(additional_arguments));
            }
        }
        bail!("closed without an onStatus")
    }

    async fn answer(&mut self, transaction: f64) -> Result<(String, Status)> {
        while let Some(message) = self.receive().await? {
            if let RtmpMessage::Amf0Command { command_name, transaction_id, additional_arguments, .. } = message
                && transaction_id == transaction
            {
                return Ok((command_name, Status::of(additional_arguments)));
            }
        }
        bail!("closed without an answer to transaction {transaction}")
    }

    async fn command(&mut self, name: &str, id: f64, object: Amf0Value, arguments: Vec<Amf0Value>) -> Result<()> {
        let body = command(name, id, object, arguments)?;
        let (kind, stream) = (20, u32::from(name == "publish"));
        self.send(&Message { chunk_stream: 3, kind, stream, timestamp: 0, body }).await
    }

    /// Sends an FLV tag on the published stream, with the timestamp `timestamp` instead of its own.
    pub async fn send_tag(&mut self, tag: &Tag, timestamp: u32) -> Result<()> {
        self.send(&Message::of_tag(tag, timestamp)).await
    }

    /// Sends tags at the speed of their own timestamps, each stamped with what `stamp` makes of that.
    pub async fn send_paced(&mut self, tags: &[Tag], stamp: impl Fn(u32) -> u32) -> Result<()> {
        let Some(first) = tags.first() else { return Ok(()) };
        let start = Instant::now();
        for tag in tags {
            let due = start + Duration::from_millis(u64::from(tag.timestamp.saturating_sub(first.timestamp)));
            tokio::time::sleep_until(due).await;
            self.send_tag(tag, stamp(tag.timestamp)).await?;
        }
        Ok(())
    }
}

impl Message {
    /// The RTMP message of an FLV tag: audio, video and data on chunk streams of their own.
    pub fn of_tag(tag: &Tag, timestamp: u32) -> Self {
        Self { chunk_stream: tag.kind.min(18) - 4, kind: tag.kind, stream: 1, timestamp, body: tag.body.clone() }
    }

    /// Its chunks: one of type 0, then type 3 (RTMP 1.0, 5.3.1), the extended timestamp repeated in each.
    pub fn chunks(&self) -> Vec<Vec<u8>> {
        let length = self.body.len() as u32;
        let field = self.timestamp.min(0xff_ffff);
        let extended = if field == 0xff_ffff { self.timestamp.to_be_bytes().to_vec() } else { Vec::new() };
        let mut head = vec![self.chunk_stream];
        head.extend_from_slice(&field.to_be_bytes()[1..]);
        head.extend_from_slice(&length.to_be_bytes()[1..]);
        head.push(self.kind);
        head.extend_from_slice(&self.stream.to_le_bytes());
        let mut chunks = Vec::new();
        for part in self.body.chunks(CHUNK_SIZE) {
            head.extend_from_slice(&extended);
            head.extend_from_slice(part);
            chunks.push(std::mem::replace(&mut head, vec![0xc0 | self.chunk_stream]));
        }
        chunks
    }
}

impl Status {
    fn of(arguments: Vec<Amf0Value>) -> Self {
        let information = arguments.into_iter().find_map(Amf0Value::get_object_properties).unwrap_or_default();
        let text = |name: &str| match information.get(name) {
            Some(Amf0Value::Utf8String(text)) => text.clone(),
            _ => String::new(),
        };
        Self { level: text("level"), code: text("code"), description: text("description") }
    }
}

/// The payload of an AMF0 command message.
pub fn command(name: &str, id: f64, object: Amf0Value, arguments: Vec<Amf0Value>) -> Result<Bytes> {
    let message = RtmpMessage::Amf0Command {
        command_name: name.to_owned(),
        transaction_id: id,
        command_object: object,
        additional_arguments: arguments,
    };
    Ok(MessagePayload::from_rtmp_message(message, RtmpTimestamp::new(0), 0)?.data)
}

/// About `bytes` bytes of strict arrays, each inside the one before: what overflows the stack of a decoder
/// that recurses without a limit.
pub fn nested_arrays(bytes: usize) -> Bytes {
    [0x0a, 0, 0, 0, 1].repeat(bytes / 5).into()
}

/// An enhanced-RTMP sequence start of the video codec `fourcc`, with a few bytes in place of parameters.
pub fn enhanced_video_header(fourcc: &[u8; 4]) -> Tag {
    let mut body = vec![0x90];
    body.extend_from_slice(fourcc);
    body.extend_from_slice(&[1; 23]);
    Tag { kind: 9, timestamp: 0, body: body.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(chunks: &[u8]) -> MessagePayload {
        ChunkDeserializer::new().get_next_message(chunks).unwrap().unwrap()
    }

    #[test]
    fn chunks_are_read_back_by_a_library() {
        let body: Bytes = (0..300).map(|at| at as u8).collect::<Vec<_>>().into();
        for timestamp in [0, 5000, 0xff_fffe, 0xff_ffff, u32::MAX - 3] {
            let message = Message { chunk_stream: 5, kind: 9, stream: 1, timestamp, body: body.clone() };
            let read = read_back(&message.chunks().concat());
            assert_eq!((read.type_id, read.message_stream_id, read.timestamp.value), (9, 1, timestamp));
            assert_eq!(read.data, body);
        }
    }

    #[test]
    fn commands_are_read_back_by_a_library() {
        let body = command("createStream", 2.0, Amf0Value::Null, vec![]).unwrap();
        let message = Message { chunk_stream: 3, kind: 20, stream: 0, timestamp: 0, body };
        let read = read_back(&message.chunks().concat()).to_rtmp_message().unwrap();
        assert!(matches!(read, RtmpMessage::Amf0Command { command_name, .. } if command_name == "createStream"));
    }
}
