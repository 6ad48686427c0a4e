//! How a channel is doing, for those who watch over it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use weir_ingest::Protocol;
use weir_media::FrameRate;

/// How a channel is doing at this moment. All of it was seen or measured; nothing is taken from what an encoder declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The encoder that is connected.
    pub publisher: Option<Publisher>,
    /// Whether it is connected and has sent nothing for three seconds.
    pub silent: bool,
    /// Whether a picture came from it.
    pub pictures: bool,
    /// What it sends, once that was measured.
    pub input: Option<Measured>,
    /// Whether there are playlists to play.
    pub playable: bool,
    /// Whether what there is to play can be had by the public.
    pub public: bool,
    /// What is wrong, by code; the sentence is for people.
    pub findings: BTreeMap<&'static str, String>,
}

/// A connected encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// Where it connects from.
    pub peer: SocketAddr,
    /// How.
    pub protocol: Protocol,
    /// What it calls itself; may be empty.
    pub encoder: String,
}

/// What an encoder sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Of the pictures.
    pub frame_rate: FrameRate,
    /// Codec, sample rate and channels of the sound; `None` while none came.
    pub audio: Option<String>,
    /// The renditions that are made of it, best first.
    pub rungs: Vec<String>,
    /// The preset they are encoded at.
    pub preset: String,
    /// Whether the best one is the encoder's own picture, not encoded again.
    pub copied: bool,
}

impl Status {
    /// Whether pictures come in. A connection alone is none: who connects in vain again and again must not keep an event waiting.
    pub fn has_input(&self) -> bool {
        self.publisher.is_some() && self.pictures && !self.silent
    }
}

/// The encoder is connected and sends nothing.
pub const SILENT: &str = "silent";
/// The encoder is connected and sends no picture to begin with.
pub const NO_PICTURE: &str = "no_picture";
/// The encoder sends something else than was declared.
pub const INPUT_MISMATCH: &str = "input_mismatch";
/// The encoder's own picture was the best rendition, and cannot be any longer.
pub const COPY_ENDED: &str = "copy_ended";
/// The machine does not hold what it is meant to encode.
pub const OVERLOADED: &str = "overloaded";
/// Encoding fails again and again.
pub const LADDER_FAILING: &str = "ladder_failing";
