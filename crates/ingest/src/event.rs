use std::fmt;
use std::time::Duration;

use weir_media::{AacError, AudioParams, AvcError, Frame, VideoParams};

/// What a publisher sends, in the order it was sent.
#[derive(Debug, PartialEq)]
pub enum IngestEvent {
    /// What the encoder declares about itself. Not measured, may be absent or wrong.
    Metadata(Metadata),
    /// The H.264 parameters of the frames that follow: before the first frame, and when they change.
    VideoConfig(VideoParams),
    /// The AAC parameters of the frames that follow: before the first frame, and when they change.
    AudioConfig(AudioParams),
    /// One access unit. `dts` is the raw timestamp of the protocol, on its [`clock`](crate::Protocol::clock); `pts` is `dts`
    /// plus the signed composition time.
    Frame(Frame),
    /// How the link does, every second; SRT only.
    Link(Box<LinkStats>),
    /// Frames were dropped in front of this place.
    Lost {
        /// How many, of both tracks.
        frames: u32,
        /// Why.
        reason: LostReason,
    },
    /// The publisher is gone; nothing follows.
    Ended(EndReason),
}

/// Why frames were dropped between the socket and the receiver of a [`Publication`](crate::Publication).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostReason {
    /// They were not received in time and the queue was full. The next video frame is a keyframe.
    QueueFull,
    /// They were pictures of which the network lost a part. What follows may refer to them.
    Damaged,
}

/// How an SRT link does. Counts are since the connection began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// For how long packets are held, as agreed.
    pub latency: Duration,
    /// The round trip, smoothed.
    pub rtt: Duration,
    /// Packets of media received, retransmissions included.
    pub packets: u64,
    /// Their payload.
    pub bytes: u64,
    /// Payload in the last second.
    pub bytes_per_s: u64,
    /// Packets handed on in their order.
    pub delivered: u64,
    /// Packets found missing; most come again.
    pub lost: u64,
    /// Loss reports sent.
    pub reports: u64,
    /// Packets received that were sent again.
    pub retransmitted: u64,
    /// Packets given up: they did not come in time.
    pub dropped: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came after they had been given up, or delivered.
    pub late: u64,
    /// Packets whose numbers belong to no known place.
    pub strays: u64,
    /// Packets whose key was not known.
    pub undecryptable: u64,
    /// Packets that wait for their time, holes included.
    pub buffered: u32,
    /// Of these, holes.
    pub missing: u32,
    /// Places in the transport stream at which packets were missing or out of order.
    pub continuity_errors: u64,
    /// Bytes between transport stream packets.
    pub skipped_bytes: u64,
}

/// What `onMetaData` declares. Texts are printable and short, numbers that make no sense are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The encoder's name and version, for example `obs-output module (libobs version 29.1.3)`.
    pub encoder: Option<String>,
    /// Width in pixels.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
    /// Frames per 1000 seconds.
    pub frame_rate_millihertz: Option<u32>,
    /// Kilobits per second of video.
    pub video_kbps: Option<u32>,
    /// Kilobits per second of audio.
    pub audio_kbps: Option<u32>,
    /// Audio samples per second.
    pub audio_sample_rate: Option<u32>,
}

/// Media that weir does not take, by name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnsupportedMedia {
    /// A video codec other than H.264.
    #[error("video is {0}; send H.264")]
    VideoCodec(String),
    /// An audio codec other than AAC.
    #[error("audio is {0}; send AAC")]
    AudioCodec(String),
    /// AAC of an object type that is not of the LC and HE family (ISO/IEC 14496-3, table 1.17).
    #[error("audio is AAC of object type {0}; send AAC-LC")]
    AacObjectType(u8),
    /// H.264 that is not 8-bit 4:2:0.
    #[error(
        "video is {bit_depth}-bit H.264 with chroma format {chroma_format_idc}; send 8-bit 4:2:0 (chroma format 1)"
    )]
    PixelFormat {
        /// Bits per luma sample.
        bit_depth: u8,
        /// ISO/IEC 14496-10, table 6-1.
        chroma_format_idc: u32,
    },
    /// Several tracks in one message (enhanced RTMP, multitrack).
    #[error("{0} comes as multitrack; send a single track")]
    Multitrack(&'static str),
    /// A decoder configuration that cannot be read.
    #[error(transparent)]
    VideoConfig(AvcError),
    /// A decoder configuration that cannot be read.
    #[error(transparent)]
    AudioConfig(AacError),
}

/// Why a publication ended.
#[derive(Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The encoder said that it is done.
    Finished,
    /// The connection broke or closed without a word.
    Disconnected,
    /// Not a byte came for the idle limit.
    Idle,
    /// The encoder broke the protocol; the sentence says how.
    Protocol(String),
    /// The encoder sends what weir does not take.
    Unsupported(UnsupportedMedia),
    /// The owner of the publication closed it.
    Closed(CloseReason),
    /// A fault of weir's own ended the connection.
    Internal,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("the encoder finished"),
            Self::Disconnected => f.write_str("the connection broke"),
            Self::Idle => f.write_str("nothing came for too long"),
            Self::Protocol(what) => f.write_str(what),
            Self::Unsupported(what) => what.fmt(f),
            Self::Closed(reason) => f.write_str(reason.sentence()),
            Self::Internal => f.write_str("an internal fault ended the connection"),
        }
    }
}

/// Why the owner of a publication closes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// It was silent and another publisher takes its place, or the wait for it is over.
    Silent,
    /// The broadcast was stopped.
    Stopped,
    /// The server shuts down.
    Shutdown,
}

impl CloseReason {
    /// The sentence that the encoder and the log get.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Silent => "no media came in, the stream was given up",
            Self::Stopped => "the broadcast was stopped",
            Self::Shutdown => "the server is shutting down",
        }
    }
}
