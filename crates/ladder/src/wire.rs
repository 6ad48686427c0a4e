//! What parent and worker say to each other: a length of 32 bits (of all that follows), a byte that names the message,
//! a body. Control bodies are JSON, frames binary, all integers big endian. Pure.

use bytes::{Buf, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use weir_media::{Frame, TrackKind};

use crate::plan::{Plan, Preset};

/// The largest message: twice the largest frame that ingest lets in, which is far above what x264 makes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Length field and name.
const HEADER_BYTES: usize = 5;
/// Rendition, flags, DTS, PTS.
const FRAME_HEADER_BYTES: usize = 18;
/// Header of a whole frame message.
pub(crate) const FRAME_PREFIX_BYTES: usize = HEADER_BYTES + FRAME_HEADER_BYTES;

/// Messages to the worker.
pub(crate) mod to_worker {
    pub const START: u8 = 1;
    pub const AUDIO: u8 = 2;
    pub const FRAME: u8 = 3;
    pub const FINISH: u8 = 4;
    /// In the place of `START`: how fast is this machine?
    pub const MEASURE: u8 = 5;
}

/// Messages from the worker.
pub(crate) mod from_worker {
    pub const READY: u8 = 65;
    pub const FORMAT: u8 = 66;
    pub const FRAME: u8 = 67;
    pub const COUNTS: u8 = 68;
    pub const FINISHED: u8 = 69;
    pub const FAILED: u8 = 70;
    /// The answer to `MEASURE`.
    pub const SPEED: u8 = 71;
}

/// Why a peer's bytes make no message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("a message of {0} bytes, at most {MESSAGE_BYTES_MAX} are taken and at least 1")]
    Length(usize),
    #[error("a frame message of {0} bytes, its header alone has {FRAME_HEADER_BYTES}")]
    ShortFrame(usize),
    #[error("message {0} is not known here")]
    Unknown(u8),
    #[error("message {name} does not read: {why}")]
    Body { name: u8, why: String },
}

/// One message as it came.
#[derive(Debug)]
pub(crate) struct Message {
    pub name: u8,
    pub body: Bytes,
}

impl Message {
    /// The body of a control message.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, WireError> {
        serde_json::from_slice(&self.body).map_err(|e| self.malformed(e))
    }

    pub fn malformed(&self, why: impl ToString) -> WireError {
        WireError::Body { name: self.name, why: why.to_string() }
    }

    /// The body of a frame message: the rendition and the frame, whose bytes are not copied.
    pub fn frame(mut self, kind_of: impl FnOnce(u8) -> TrackKind) -> Result<(u8, Frame), WireError> {
        if self.body.len() < FRAME_HEADER_BYTES {
            return Err(WireError::ShortFrame(self.body.len()));
        }
        let rendition = self.body.get_u8();
        let keyframe = self.body.get_u8() != 0;
        let (dts, pts) = (self.body.get_i64(), self.body.get_i64());
        Ok((rendition, Frame { kind: kind_of(rendition), dts, pts, keyframe, data: self.body }))
    }
}

/// Takes the next whole message off `buffer`; `None` when more bytes are needed, for which room is made.
pub(crate) fn take(buffer: &mut BytesMut) -> Result<Option<Message>, WireError> {
    let Some(length) = buffer.first_chunk::<4>().map(|field| u32::from_be_bytes(*field) as usize) else {
        buffer.reserve(HEADER_BYTES);
        return Ok(None);
    };
    if length == 0 || length > MESSAGE_BYTES_MAX {
        return Err(WireError::Length(length));
    }
    if buffer.len() < 4 + length {
        let missing = 4 + length - buffer.len();
        buffer.reserve(missing);
        return Ok(None);
    }
    buffer.advance(4);
    let mut body = buffer.split_to(length).freeze();
    Ok(Some(Message { name: body.get_u8(), body }))
}

/// A whole control message.
pub(crate) fn control(name: u8, body: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    let body = serde_json::to_vec(body)?;
    let mut message = Vec::with_capacity(HEADER_BYTES + body.len());
    message.extend_from_slice(&(1 + body.len() as u32).to_be_bytes());
    message.push(name);
    message.extend_from_slice(&body);
    Ok(message.into())
}

/// A message that is only its name.
pub(crate) fn bare(name: u8) -> Bytes {
    Bytes::copy_from_slice(&[0, 0, 0, 1, name])
}

/// What goes before the `data_bytes` bytes of a frame.
pub(crate) fn frame_prefix(
    name: u8,
    rendition: u8,
    keyframe: bool,
    dts: i64,
    pts: i64,
    data_bytes: usize,
) -> [u8; FRAME_PREFIX_BYTES] {
    let mut prefix = [0; FRAME_PREFIX_BYTES];
    let length = (1 + FRAME_HEADER_BYTES + data_bytes) as u32;
    prefix[..4].copy_from_slice(&length.to_be_bytes());
    prefix[4..7].copy_from_slice(&[name, rendition, u8::from(keyframe)]);
    prefix[7..15].copy_from_slice(&dts.to_be_bytes());
    prefix[15..].copy_from_slice(&pts.to_be_bytes());
    prefix
}

/// How many frames may wait for the picture they leave with, on either way: 170 ms of sound, should no picture come.
pub(crate) const FRAMES_WAITING_MAX: u32 = 8;

/// The number a source track has in the messages to the worker.
pub(crate) fn source_track(kind: TrackKind) -> u8 {
    match kind {
        TrackKind::Video => 0,
        TrackKind::Audio => 1,
    }
}

/// The body of `START`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WireJob {
    pub plan: Plan,
    pub preset: Preset,
    /// `AVCDecoderConfigurationRecord` of the source.
    pub avcc: Vec<u8>,
    /// `AudioSpecificConfig` of the source, if it announced sound.
    pub asc: Option<Vec<u8>>,
}

/// The body of `AUDIO`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WireAudio {
    pub asc: Vec<u8>,
}

/// The body of `FORMAT`: an `AVCDecoderConfigurationRecord` for a video rendition, nothing for the audio one, whose
/// format is always the same.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WireFormat {
    pub rendition: usize,
    pub avcc: Option<Vec<u8>>,
}

/// The body of `COUNTS`: totals since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireCounts {
    pub duplicated: u64,
    pub dropped: u64,
    pub decode_errors: u64,
    pub silent_audio_frames: u64,
    pub dropped_audio_frames: u64,
}

/// The body of `SPEED`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WireSpeed {
    /// CPU time of x264 for a macroblock at `superfast`.
    pub ns_per_macroblock: u32,
}

/// The body of `FAILED`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WireFailure {
    pub what: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn audio(_: u8) -> TrackKind {
        TrackKind::Audio
    }

    #[test]
    fn a_frame_arrives_as_it_was_sent_however_the_bytes_are_cut() {
        let mut bytes = frame_prefix(from_worker::FRAME, 3, true, -7, 1 << 40, 2).to_vec();
        bytes.extend_from_slice(b"ab");
        bytes.extend_from_slice(&bare(from_worker::FINISHED));
        let (mut buffer, mut got) = (BytesMut::new(), Vec::new());
        for byte in bytes {
            buffer.extend_from_slice(&[byte]);
            got.extend(take(&mut buffer).expect("valid"));
        }
        assert_eq!(got.pop().expect("two messages").name, from_worker::FINISHED);
        let (rendition, frame) = got.pop().expect("two messages").frame(audio).expect("a frame");
        let data = Bytes::from_static(b"ab");
        assert_eq!(
            (rendition, frame),
            (3, Frame { kind: TrackKind::Audio, dts: -7, pts: 1 << 40, keyframe: true, data })
        );
    }

    #[test]
    fn lengths_are_bounded() {
        assert!(matches!(take(&mut BytesMut::from(&[0, 0, 0, 0, 1][..])), Err(WireError::Length(0))));
        assert!(matches!(take(&mut BytesMut::from(&[255, 0, 0, 0][..])), Err(WireError::Length(_))));
        let short = Message { name: 3, body: Bytes::from_static(&[0; 17]) };
        assert!(matches!(short.frame(audio), Err(WireError::ShortFrame(17))));
    }

    proptest! {
        #[test]
        fn no_bytes_upset_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(message)) = take(&mut buffer) {
                let _ = message.json::<WireJob>();
                let _ = message.frame(audio);
            }
        }
    }
}
