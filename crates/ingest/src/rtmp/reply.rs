//! Our side of the dialogue, written by rml_rtmp.

use std::collections::HashMap;

use rml_rtmp::chunk_io::ChunkSerializer;
use rml_rtmp::messages::{PeerBandwidthLimitType, RtmpMessage, UserControlEventType};
use rml_rtmp::rml_amf0::Amf0Value;
use rml_rtmp::time::RtmpTimestamp;

use crate::{CloseReason, Refusal, UnsupportedMedia};

/// Chunk size of our answers; all of them fit into one chunk.
const CHUNK_BYTES: u32 = 4096;
/// How much we say we may send unacknowledged, and let the peer send: what other servers say, too.
const WINDOW_BYTES: u32 = 2_500_000;
/// The one message stream that a connection gets.
const STREAM_ID: u32 = 1;
/// The message stream of `connect` and other commands that concern no stream.
const CONNECTION: u32 = 0;
/// Characters of a sentence that encoders are sent: ffmpeg shows 255.
const SENTENCE_CHARS_MAX: usize = 250;

/// An `onStatus` that turns a publisher away. The codes are chosen so that ffmpeg, librtmp (OBS) and
/// GStreamer all report them and stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Farewell {
    code: &'static str,
    sentence: String,
}

impl Farewell {
    pub fn refused(refusal: &Refusal) -> Self {
        let code = match refusal {
            Refusal::KeyInUse => "NetStream.Publish.BadName",
            Refusal::WrongKey | Refusal::Closed(_) | Refusal::Unavailable(_) => "NetStream.Publish.Denied",
        };
        Self::denied(code, refusal.sentence())
    }

    pub fn unsupported(media: &UnsupportedMedia) -> Self {
        Self::denied("NetStream.Publish.Denied", media)
    }

    pub fn closed(reason: CloseReason) -> Self {
        let code = match reason {
            CloseReason::Silent => "NetStream.Publish.Idle",
            CloseReason::Stopped => "NetStream.Failed",
            CloseReason::Shutdown => "NetConnection.Connect.AppShutdown",
        };
        Self::denied(code, reason.sentence())
    }

    pub fn play() -> Self {
        Self::denied("NetStream.Play.Failed", "this server takes streams in over RTMP, players use HLS")
    }

    pub fn denied(code: &'static str, sentence: impl ToString) -> Self {
        Self { code, sentence: sentence.to_string().chars().take(SENTENCE_CHARS_MAX).collect() }
    }
}

/// Writes messages into chunks.
pub(super) struct Replies {
    serializer: ChunkSerializer,
}

impl Replies {
    pub fn new() -> Self {
        Self { serializer: ChunkSerializer::new() }
    }

    /// Window, bandwidth, chunk size and the answer to `connect`.
    pub fn connected(&mut self, transaction: f64) -> Vec<u8> {
        let mut out = self.control(RtmpMessage::WindowAcknowledgement { size: WINDOW_BYTES });
        let limit_type = PeerBandwidthLimitType::Dynamic;
        out.extend(self.control(RtmpMessage::SetPeerBandwidth { size: WINDOW_BYTES, limit_type }));
        match self.serializer.set_max_chunk_size(CHUNK_BYTES, RtmpTimestamp::new(0)) {
            Ok(packet) => out.extend(packet.bytes),
            Err(error) => tracing::error!(%error, "Set Chunk Size could not be written"),
        }
        let server = object([("fmsVer", text("FMS/3,0,1,123")), ("capabilities", Amf0Value::Number(31.0))]);
        let status = object([
            ("level", text("status")),
            ("code", text("NetConnection.Connect.Success")),
            ("description", text("Connection succeeded.")),
            ("objectEncoding", Amf0Value::Number(0.0)),
        ]);
        out.extend(self.command(CONNECTION, "_result", transaction, server, vec![status]));
        out
    }

    /// The answer to a `connect` to an application that is not here.
    pub fn connect_rejected(&mut self, transaction: f64, sentence: &str) -> Vec<u8> {
        let status = status("error", "NetConnection.Connect.Rejected", sentence);
        self.command(CONNECTION, "_error", transaction, Amf0Value::Null, vec![status])
    }

    /// The answer to `createStream`.
    pub fn stream_created(&mut self, transaction: f64) -> Vec<u8> {
        let id = Amf0Value::Number(f64::from(STREAM_ID));
        self.command(CONNECTION, "_result", transaction, Amf0Value::Null, vec![id])
    }

    /// The empty answer to a command that only wants one.
    pub fn courtesy(&mut self, transaction: f64) -> Vec<u8> {
        self.command(CONNECTION, "_result", transaction, Amf0Value::Null, vec![Amf0Value::Undefined])
    }

    /// Tells an encoder to begin, in both ways that encoders wait for.
    pub fn publish_started(&mut self) -> Vec<u8> {
        let started = || status("status", "NetStream.Publish.Start", "Publishing.");
        let mut out = self.command(STREAM_ID, "onFCPublish", 0.0, Amf0Value::Null, vec![started()]);
        out.extend(self.command(STREAM_ID, "onStatus", 0.0, Amf0Value::Null, vec![started()]));
        out
    }

    /// Turns a publisher away.
    pub fn farewell(&mut self, farewell: &Farewell) -> Vec<u8> {
        let status = status("error", farewell.code, &farewell.sentence);
        self.command(STREAM_ID, "onStatus", 0.0, Amf0Value::Null, vec![status])
    }

    /// The answer to a ping.
    pub fn pong(&mut self, timestamp: u32) -> Vec<u8> {
        self.control(RtmpMessage::UserControl {
            event_type: UserControlEventType::PingResponse,
            stream_id: None,
            buffer_length: None,
            timestamp: Some(RtmpTimestamp::new(timestamp)),
        })
    }

    /// How many bytes were received since the beginning, wrapping at 32 bits.
    pub fn acknowledgement(&mut self, bytes: u32) -> Vec<u8> {
        self.control(RtmpMessage::Acknowledgement { sequence_number: bytes })
    }

    fn command(
        &mut self,
        stream: u32,
        name: &str,
        transaction_id: f64,
        command_object: Amf0Value,
        additional_arguments: Vec<Amf0Value>,
    ) -> Vec<u8> {
        let command_name = name.to_owned();
        let command = RtmpMessage::Amf0Command { command_name, transaction_id, command_object, additional_arguments };
        self.write(command, stream)
    }

    fn control(&mut self, message: RtmpMessage) -> Vec<u8> {
        self.write(message, CONNECTION)
    }

    /// The message in chunks. Fails for texts over 64 kB only, which are never made here.
    fn write(&mut self, message: RtmpMessage, stream: u32) -> Vec<u8> {
        let payload = match message.into_message_payload(RtmpTimestamp::new(0), stream) {
            Ok(payload) => payload,
            Err(error) => {
                tracing::error!(%error, "an answer could not be encoded");
                return Vec::new();
            }
        };
        match self.serializer.serialize(&payload, false, false) {
            Ok(packet) => packet.bytes,
            Err(error) => {
                tracing::error!(%error, "an answer could not be put into chunks");
                Vec::new()
            }
        }
    }
}

fn text(text: &str) -> Amf0Value {
    Amf0Value::Utf8String(text.to_owned())
}

fn object<const N: usize>(properties: [(&str, Amf0Value); N]) -> Amf0Value {
    Amf0Value::Object(properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<HashMap<_, _>>())
}

fn status(level: &str, code: &str, description: &str) -> Amf0Value {
    object([("level", text(level)), ("code", text(code)), ("description", text(description))])
}
