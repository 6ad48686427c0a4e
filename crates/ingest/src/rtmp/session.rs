//! The dialogue with one encoder, from the first byte to the last. Pure: no socket, no clock.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};

use super::chunk::{ChunkError, ChunkReader, Message, be32};
use super::command::{self, Command, CommandError, KeyText, Target};
use super::reply::{Farewell, Replies};
use super::tracks::{DropReason, Outcome, Tracks};
use super::{amf0, metadata};
use crate::{Encoder, IngestEvent, Refusal, StreamKey, UnsupportedMedia};

/// Bytes of C0, C1 and C2 (RTMP 1.0, 5.2).
const HANDSHAKE_BYTES: usize = 1 + 1536 + 1536;
/// Commands and metadata longer than this are not decoded, even of an authorised publisher.
const AMF_BYTES_MAX: usize = super::chunk::UNAUTHORISED_MESSAGE_BYTES_MAX;
/// A peer that wants acknowledgements more often than this would have us do little else.
const ACK_WINDOW_BYTES_MIN: u32 = 16 << 10;
const PING_REQUEST: u16 = 6;
const PING_BYTES: usize = 6;

/// What the session wants done.
#[derive(Debug)]
pub(super) enum Output {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Somebody must decide; then call [`Session::accept`] or [`Session::refuse`] before going on.
    Publish { key: StreamKey, encoder: Encoder },
    /// Media or metadata of the accepted publisher.
    Media(IngestEvent),
    /// A media message was thrown away.
    Dropped(DropReason),
    /// The encoder said that it is done.
    Finished,
}

/// Why a session cannot go on. No text in it comes from a place where a key may stand.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum SessionError {
    #[error("the handshake failed, this is not RTMP: {0}")]
    Handshake(String),
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    #[error("{0}")]
    Command(#[from] CommandError),
    #[error("the first command is {0:?}, it must be connect")]
    NotConnected(String),
    #[error("the application is unknown; the URL ends in /live")]
    UnknownApp,
    #[error("the stream key is missing")]
    NoKey,
    #[error("the stream key stands both in the URL and in the publish name")]
    TwoKeys,
    #[error("the stream key has {0} bytes, it is not one of ours")]
    KeyTooLong(usize),
    #[error("a player asked to play")]
    Play,
    #[error(transparent)]
    Unsupported(#[from] UnsupportedMedia),
}

impl SessionError {
    /// The value of the `reason` label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Handshake(_) => "handshake",
            Self::Chunk(_) | Self::Command(_) | Self::NotConnected(_) => "protocol",
            Self::UnknownApp => "unknown_app",
            Self::NoKey | Self::TwoKeys | Self::KeyTooLong(_) => "wrong_key",
            Self::Play => "play",
            Self::Unsupported(_) => "unsupported_media",
        }
    }
}

/// Where the dialogue stands.
enum Stage {
    Handshake {
        handshake: Box<Handshake>,
        bytes_left: usize,
    },
    /// Waiting for `connect`.
    Greeted,
    /// Waiting for `publish`.
    Connected {
        app_key: KeyText,
        encoder: Encoder,
    },
    /// Waiting for our own decision.
    Asked,
    Publishing(Tracks),
    /// Finished, or turned away.
    Over,
}

/// How many bytes came, and when to say so (RTMP 1.0, 5.4.3).
#[derive(Default)]
struct Acknowledgements {
    /// Wraps at 32 bits, as the field does.
    received: u32,
    acknowledged: u32,
    window: Option<u32>,
}

/// One encoder's session.
pub(super) struct Session {
    stage: Stage,
    reader: ChunkReader,
    replies: Replies,
    acks: Acknowledgements,
    outputs: VecDeque<Output>,
    message_bytes_max: usize,
}

impl Session {
    /// A session that has seen nothing. An authorised publisher may send messages of `message_bytes_max`.
    pub fn new(message_bytes_max: usize) -> Self {
        Self {
            stage: Stage::Handshake {
                handshake: Box::new(Handshake::new(PeerType::Server)),
                bytes_left: HANDSHAKE_BYTES,
            },
            reader: ChunkReader::new(),
            replies: Replies::new(),
            acks: Acknowledgements::default(),
            outputs: VecDeque::new(),
            message_bytes_max,
        }
    }

    /// The next thing to do. `None` when all of `input` that can be understood has been used up. After an
    /// error, [`farewell`](Self::farewell) says what to send before closing.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Output>, SessionError> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Ok(Some(output));
            }
            match &mut self.stage {
                // What a peer sends while it waits for our answer is kept until that is known.
                Stage::Asked => return Ok(None),
                Stage::Over => {
                    input.clear();
                    return Ok(None);
                }
                Stage::Handshake { .. } if input.is_empty() => return Ok(None),
                Stage::Handshake { .. } => self.shake_hands(input)?,
                Stage::Greeted | Stage::Connected { .. } | Stage::Publishing(_) => {
                    let before = input.len();
                    let message = self.reader.next(input)?;
                    self.acknowledge(before - input.len());
                    match message {
                        Some(message) => self.take(message)?,
                        None if self.outputs.is_empty() => return Ok(None),
                        None => {}
                    }
                }
            }
        }
    }

    /// Whether the RTMP handshake is still going on.
    pub fn is_shaking_hands(&self) -> bool {
        matches!(self.stage, Stage::Handshake { .. })
    }

    /// Lets the publisher begin; the bytes are to be sent.
    pub fn accept(&mut self) -> Vec<u8> {
        self.stage = Stage::Publishing(Tracks::default());
        self.reader.set_message_bytes_max(self.message_bytes_max);
        self.replies.publish_started()
    }

    /// Turns the publisher away; the bytes are to be sent before closing.
    pub fn refuse(&mut self, refusal: &Refusal) -> Vec<u8> {
        self.close(&Farewell::refused(refusal))
    }

    /// Ends the dialogue from our side; the bytes are to be sent before closing.
    pub fn close(&mut self, farewell: &Farewell) -> Vec<u8> {
        self.stage = Stage::Over;
        self.replies.farewell(farewell)
    }

    /// What to send to a peer whose session failed; nothing if it would not understand it. The answer to a
    /// `connect` that was turned away is among the outputs already.
    pub fn farewell(&mut self, error: &SessionError) -> Vec<u8> {
        let farewell = match error {
            SessionError::Unsupported(media) => Farewell::unsupported(media),
            SessionError::NoKey | SessionError::TwoKeys | SessionError::KeyTooLong(_) => {
                Farewell::denied("NetStream.Publish.Denied", error)
            }
            SessionError::Play => Farewell::play(),
            SessionError::Chunk(_) if matches!(self.stage, Stage::Publishing(_)) => {
                Farewell::denied("NetStream.Failed", error)
            }
            _ => {
                self.stage = Stage::Over;
                return self.rejection();
            }
        };
        self.close(&farewell)
    }

    /// The bytes that were to be sent when the session failed.
    fn rejection(&mut self) -> Vec<u8> {
        let bytes = self.outputs.drain(..).filter_map(|output| match output {
            Output::Send(bytes) => Some(bytes),
            _ => None,
        });
        bytes.flatten().collect()
    }

    fn shake_hands(&mut self, input: &mut BytesMut) -> Result<(), SessionError> {
        let Stage::Handshake { handshake, bytes_left } = &mut self.stage else { return Ok(()) };
        let bytes = input.split_to(input.len().min(*bytes_left));
        *bytes_left -= bytes.len();
        let result = handshake.process_bytes(&bytes).map_err(|error| SessionError::Handshake(error.to_string()))?;
        let response = match result {
            HandshakeProcessResult::InProgress { response_bytes } => response_bytes,
            HandshakeProcessResult::Completed { response_bytes, .. } => {
                self.stage = Stage::Greeted;
                response_bytes
            }
        };
        self.acks.received = self.acks.received.wrapping_add(bytes.len() as u32);
        self.send(response);
        Ok(())
    }

    fn acknowledge(&mut self, bytes: usize) {
        self.acks.received = self.acks.received.wrapping_add(bytes as u32);
        let Some(window) = self.acks.window else { return };
        // At half the window: some senders stop when the whole of it is used.
        if self.acks.received.wrapping_sub(self.acks.acknowledged) >= (window / 2).max(ACK_WINDOW_BYTES_MIN) {
            self.acks.acknowledged = self.acks.received;
            let acknowledgement = self.replies.acknowledgement(self.acks.received);
            self.send(acknowledgement);
        }
    }

    /// Handles one message (RTMP 1.0, 5.4 and 7.1).
    fn take(&mut self, message: Message) -> Result<(), SessionError> {
        match message.kind {
            4 => self.user_control(&message.payload),
            5 => self.acks.window = be32(&message.payload).or(self.acks.window),
            8 | 9 => self.media(message)?,
            15 => self.data(message.payload.get(1..).unwrap_or_default()),
            18 => self.data(&message.payload),
            17 => self.command(message.payload.slice(message.payload.len().min(1)..))?,
            20 => self.command(message.payload)?,
            22 => self.outputs.push_back(Output::Dropped(DropReason::Aggregate)),
            // Acknowledgements and bandwidth of a peer to which we send next to nothing; shared objects.
            _ => {}
        }
        Ok(())
    }

    fn user_control(&mut self, payload: &[u8]) {
        if let Some(&[a, b, c, d, e, f]) = payload.first_chunk::<PING_BYTES>()
            && u16::from_be_bytes([a, b]) == PING_REQUEST
        {
            let pong = self.replies.pong(u32::from_be_bytes([c, d, e, f]));
            self.send(pong);
        }
    }

    fn media(&mut self, message: Message) -> Result<(), SessionError> {
        let Stage::Publishing(tracks) = &mut self.stage else {
            self.outputs.push_back(Output::Dropped(DropReason::NotPublishing));
            return Ok(());
        };
        let outcome = match message.kind {
            9 => tracks.video(message.timestamp, message.payload)?,
            _ => tracks.audio(message.timestamp, message.payload)?,
        };
        match outcome {
            Outcome::Event(event) => self.outputs.push_back(Output::Media(event)),
            Outcome::Dropped(reason) => self.outputs.push_back(Output::Dropped(reason)),
            Outcome::Nothing => {}
        }
        Ok(())
    }

    fn data(&mut self, payload: &[u8]) {
        if !matches!(self.stage, Stage::Publishing(_)) || payload.len() > AMF_BYTES_MAX {
            return;
        }
        match amf0::read(payload) {
            Ok(values) => {
                let event = metadata::read(&values).map(IngestEvent::Metadata);
                self.outputs.extend(event.map(Output::Media));
            }
            Err(error) => tracing::debug!(%error, "a data message was ignored"),
        }
    }

    /// Handles a command. One that cannot be read ends the session before `connect` only.
    fn command(&mut self, payload: Bytes) -> Result<(), SessionError> {
        let command = match payload.len() {
            ..=AMF_BYTES_MAX => command::read(&payload),
            bytes => Err(CommandError::TooLong(bytes)),
        };
        match (command, &self.stage) {
            (Err(error), Stage::Greeted) => return Err(error.into()),
            (Err(error), _) => tracing::debug!(%error, "a command was ignored"),
            (Ok(Command::Connect { transaction, target, encoder }), Stage::Greeted) => {
                return self.connect(transaction, target, encoder);
            }
            (Ok(other), Stage::Greeted) => return Err(SessionError::NotConnected(other.name())),
            (Ok(command), _) => return self.command_of_connected(command),
        }
        Ok(())
    }

    fn connect(&mut self, transaction: f64, target: Option<Target>, encoder: Encoder) -> Result<(), SessionError> {
        let Some(target) = target else {
            let sentence = SessionError::UnknownApp.to_string();
            let rejected = self.replies.connect_rejected(transaction, &sentence);
            self.send(rejected);
            return Err(SessionError::UnknownApp);
        };
        self.stage = Stage::Connected { app_key: target.key, encoder };
        let connected = self.replies.connected(transaction);
        self.send(connected);
        Ok(())
    }

    fn command_of_connected(&mut self, command: Command) -> Result<(), SessionError> {
        match command {
            Command::CreateStream { transaction } => {
                let created = self.replies.stream_created(transaction);
                self.send(created);
            }
            Command::Courtesy { transaction } if transaction > 0.0 => {
                let courtesy = self.replies.courtesy(transaction);
                self.send(courtesy);
            }
            Command::Publish { name } => return self.publish(name),
            Command::Unpublish if matches!(self.stage, Stage::Publishing(_)) => {
                // Unanswered: the peer is about to close, and unread bytes in its socket would make that a
                // reset that costs us the last frames.
                self.stage = Stage::Over;
                self.outputs.push_back(Output::Finished);
            }
            Command::Play => return Err(SessionError::Play),
            other => tracing::debug!(command = other.name(), "a command was ignored"),
        }
        Ok(())
    }

    fn publish(&mut self, name: KeyText) -> Result<(), SessionError> {
        let Stage::Connected { app_key, encoder } = &mut self.stage else {
            tracing::debug!("a second publish was ignored");
            return Ok(());
        };
        let app_key = std::mem::replace(app_key, KeyText::Empty);
        let encoder = std::mem::take(encoder);
        let key = match (app_key, name) {
            (KeyText::Empty, KeyText::Empty) => return Err(SessionError::NoKey),
            (KeyText::TooLong(bytes), _) | (_, KeyText::TooLong(bytes)) => {
                return Err(SessionError::KeyTooLong(bytes));
            }
            (KeyText::Key(_), KeyText::Key(_)) => return Err(SessionError::TwoKeys),
            (KeyText::Key(key), KeyText::Empty) | (KeyText::Empty, KeyText::Key(key)) => key,
        };
        self.stage = Stage::Asked;
        self.outputs.push_back(Output::Publish { key, encoder });
        Ok(())
    }

    fn send(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.outputs.push_back(Output::Send(bytes));
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
