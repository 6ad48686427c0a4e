//! What fuzzing asks of RTMP: functions that take bytes as a peer could send them, and panic if something does not hold
//! that must hold whatever the bytes are.

use bytes::{Bytes, BytesMut};
use weir_media::TrackKind;

use super::amf0::{self, Value};
use super::chunk::{ChunkError, ChunkReader, Message, UNAUTHORISED_MESSAGE_BYTES_MAX};
use super::command::{self, Command, KeyText};
use super::session::{Output, Session, SessionError};
use super::tracks::{Outcome, Tracks};
use super::{flv, metadata};
use crate::{IngestEvent, Refusal};

/// What a reader may leave of its input: a header cut short.
const HEADER_BYTES_MAX: usize = 18;
/// A composition time has 24 bits.
const COMPOSITION_MS_MAX: u64 = 1 << 23;
/// Bytes of AMF0 that are looked at: names in them stay within 16 bits, even when each byte becomes a replacement character.
const AMF_BYTES_MAX: usize = 16 << 10;
/// Messages of an authorised publisher.
const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// Chunks to messages. The first byte says into what pieces the rest is cut, which must make no difference.
pub fn chunks(data: &[u8]) {
    let Some((&cut, bytes)) = data.split_first() else { return };
    let whole = messages(bytes, bytes.len().max(1));
    assert_eq!(messages(bytes, usize::from(cut) + 1), whole);
}

fn messages(bytes: &[u8], piece: usize) -> (Vec<Message>, Option<ChunkError>) {
    let (mut reader, mut input, mut found) = (ChunkReader::new(), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            match reader.next(&mut input) {
                Ok(Some(message)) => {
                    assert!(message.payload.len() <= UNAUTHORISED_MESSAGE_BYTES_MAX);
                    found.push(message);
                }
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
        assert!(input.len() <= HEADER_BYTES_MAX, "{} bytes are kept back", input.len());
    }
    (found, None)
}

/// Values of a message: what was read comes back when it is written and read again. The same bytes as a command and as
/// metadata.
pub fn amf0(data: &[u8]) {
    let data = &data[..data.len().min(AMF_BYTES_MAX)];
    if let Ok(Command::Connect { target: Some(command::Target { key }), .. } | Command::Publish { name: key }) =
        command::read(data)
    {
        assert_key(&key);
    }
    let Ok(values) = amf0::read(data) else { return };
    let mut written = Vec::new();
    values.iter().for_each(|value| write(value, &mut written));
    // Texts, as "not a number" is not even itself.
    let again = amf0::read(&written).map(|again| format!("{again:?}"));
    assert_eq!(again, Ok(format!("{values:?}")));
    if let Some(declared) = metadata::read(&values) {
        assert!(declared.encoder.is_none_or(|text| !text.is_empty() && !text.contains(char::is_control)));
    }
}

fn assert_key(key: &KeyText) {
    if let KeyText::Key(key) = key {
        assert!((1..=256).contains(&key.as_bytes().len()));
    }
}

/// Writes a value. As deep as values nest, which the reader bounds.
fn write(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Number(number) => {
            to.push(0);
            to.extend(number.to_be_bytes());
        }
        Value::Boolean(is) => to.extend([1, u8::from(*is)]),
        Value::String(text) => {
            to.push(0x0c);
            to.extend((text.len() as u32).to_be_bytes());
            to.extend(text.as_bytes());
        }
        Value::Object(properties) => {
            to.push(3);
            for (name, value) in properties {
                to.extend((name.len() as u16).to_be_bytes());
                to.extend(name.as_bytes());
                write(value, to);
            }
            to.extend([0, 0, 9]);
        }
        Value::Array(items) => {
            to.push(0x0a);
            to.extend((items.len() as u32).to_be_bytes());
            items.iter().for_each(|item| write(item, to));
        }
        Value::Other => to.push(5),
    }
}

/// Tags: a byte that says of which track, a length of two bytes, a body, and so on.
pub fn flv(data: &[u8]) {
    let (mut tracks, mut rest) = (Tracks::default(), data);
    while let Some((&[kind, high, low], behind)) = rest.split_first_chunk() {
        let (body, next) = behind.split_at(usize::from(u16::from_be_bytes([high, low])).min(behind.len()));
        rest = next;
        let (bytes, is_video) = (Bytes::copy_from_slice(body), kind & 1 == 1);
        if is_video {
            assert_same_in_both_dialects(body);
        }
        match if is_video { tracks.video(0, bytes) } else { tracks.audio(0, bytes) } {
            Ok(Outcome::Event(IngestEvent::Frame(frame))) => {
                assert_eq!(frame.kind == TrackKind::Video, is_video);
                assert!(!frame.data.is_empty() && body.ends_with(&frame.data));
                assert!((frame.pts - frame.dts).unsigned_abs() <= COMPOSITION_MS_MAX);
            }
            Ok(Outcome::Event(IngestEvent::VideoConfig(params))) => {
                assert!(is_video && matches!(params.nal_length_size, 1 | 2 | 4) && body.ends_with(&params.avcc));
            }
            Ok(Outcome::Event(IngestEvent::AudioConfig(params))) => {
                assert!(!is_video && params.sample_rate > 0 && body.ends_with(&params.asc));
            }
            _ => {}
        }
    }
}

/// A coded frame of H.264 is the same in the old tag and in the enhanced one.
fn assert_same_in_both_dialects(body: &[u8]) {
    if let Some((&[first, kind @ (0 | 1)], behind)) = body.split_first_chunk()
        && first & 0x8f == 7
        && first >> 4 != 5
        && behind.len() >= 3
    {
        let skipped = if kind == 0 { 3 } else { 0 };
        let enhanced = [&[0x80 | first & 0x70 | kind], &b"avc1"[..], &behind[skipped..]].concat();
        assert_eq!(flv::video(enhanced.into()), flv::video(Bytes::copy_from_slice(body)));
    }
}

/// What an encoder sends behind its handshake, or from the first byte on. The first byte says which, and whether it is let
/// in; the second into what pieces the rest is cut, which must make no difference to what comes out.
pub fn session(data: &[u8]) {
    let Some((&[how, cut], bytes)) = data.split_first_chunk() else { return };
    // A handshake of the plain kind, all zeros.
    let mut all = if how & 1 == 0 { [&[3][..], &[0; 2 * 1536]].concat() } else { Vec::new() };
    all.extend_from_slice(bytes);
    let is_welcome = how & 2 == 0;
    let whole = talk(&all, all.len().max(1), is_welcome);
    assert_eq!(talk(&all, (usize::from(cut) + 1) * 3, is_welcome), whole);
}

/// What came of a session but for what was sent: acknowledgements depend on how the bytes were cut.
fn talk(bytes: &[u8], piece: usize, is_welcome: bool) -> Vec<String> {
    let (mut session, mut input) = (Session::new(MESSAGE_BYTES_MAX), BytesMut::new());
    let (mut ear, mut came, mut is_publishing, mut is_asked) = (Ear::default(), Vec::new(), false, false);
    for piece in bytes.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            let output = match session.next(&mut input) {
                Ok(Some(output)) => output,
                Ok(None) => break,
                Err(error) => {
                    ear.hear(&session.farewell(&error));
                    came.push(told(&error));
                    return came;
                }
            };
            match output {
                Output::Send(bytes) => ear.hear(&bytes),
                Output::Publish { key, .. } => {
                    assert!(!is_asked && (1..=256).contains(&key.as_bytes().len()));
                    is_asked = true;
                    came.push(format!("publish {:?}", key.as_bytes()));
                    is_publishing = is_welcome;
                    let answer = if is_welcome { session.accept() } else { session.refuse(&Refusal::WrongKey) };
                    ear.hear(&answer);
                }
                Output::Media(event) => {
                    assert!(is_publishing, "media of a peer that may not publish");
                    came.push(format!("{event:?}"));
                }
                Output::Dropped(reason) => came.push(format!("{reason:?}")),
                Output::Finished => {
                    assert!(std::mem::take(&mut is_publishing));
                    came.push("finished".to_owned());
                }
            }
        }
        assert!(session.is_shaking_hands() || input.len() <= HEADER_BYTES_MAX, "{} bytes are kept", input.len());
    }
    came
}

/// An error in words. The handshake's are of another library, and say how many bytes it had.
fn told(error: &SessionError) -> String {
    if let SessionError::Handshake(_) = error { "handshake".to_owned() } else { format!("{error:?}") }
}

/// The encoder's ear: it must understand everything that is said to it.
struct Ear {
    reader: ChunkReader,
    input: BytesMut,
    handshake_bytes_left: usize,
}

impl Default for Ear {
    fn default() -> Self {
        Self { reader: ChunkReader::new(), input: BytesMut::new(), handshake_bytes_left: 1 + 2 * 1536 }
    }
}

impl Ear {
    fn hear(&mut self, bytes: &[u8]) {
        let (handshake, bytes) = bytes.split_at(self.handshake_bytes_left.min(bytes.len()));
        self.handshake_bytes_left -= handshake.len();
        self.input.extend_from_slice(bytes);
        loop {
            let heard = self.reader.next(&mut self.input);
            assert!(heard.is_ok(), "{heard:?}");
            match heard {
                Ok(Some(message)) if message.kind == 20 => assert!(amf0::read(&message.payload).is_ok()),
                Ok(Some(_)) => {}
                _ => return assert!(self.input.is_empty(), "{} bytes are half a message", self.input.len()),
            }
        }
    }
}
