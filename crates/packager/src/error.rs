use weir_media::{FrameRate, TrackKind};

/// Why an epoch was not begun.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EpochError {
    /// The presentation carries ENDLIST.
    #[error("the presentation has ended")]
    Ended,
    /// Not one or more video renditions followed by one audio rendition.
    #[error("an epoch needs video renditions and then one audio rendition, at most {max} in all; given {video} video, {audio} audio, in another order or number", max = crate::window::RENDITIONS_MAX)]
    Renditions {
        /// Video renditions given.
        video: usize,
        /// Audio renditions given.
        audio: usize,
    },
    /// A name that cannot stand in a URL as it is, or that is there twice.
    #[error("the rendition name {0:?} is not 1 to 32 characters of a-z, A-Z, 0-9, _ and -, or is there twice")]
    Name(String),
    /// A rendition that was of the other kind in an earlier epoch, or an audio rendition that changed its name.
    #[error("the rendition {name:?} does not continue earlier epochs, which have {wanted:?} there")]
    Changed {
        /// Its name.
        name: String,
        /// The kind, or the name of the audio rendition, of earlier epochs.
        wanted: String,
    },
    /// A frame rate or a segment length that no timescale holds.
    #[error("segments of {frames} frames at {num}/{den} a second are not possible")]
    Grid {
        /// Frames per segment.
        frames: u32,
        /// Numerator of the rate.
        num: u32,
        /// Denominator of the rate.
        den: u32,
    },
}

/// Why a format was not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FormatError {
    /// No epoch has begun, or the last has ended.
    #[error("no epoch is open")]
    NoEpoch,
    /// The index is not one of the epoch's renditions.
    #[error("rendition {index} of {count}")]
    UnknownRendition {
        /// The index given.
        index: usize,
        /// How many renditions the epoch has.
        count: usize,
    },
    /// Video for audio, or the other way round.
    #[error("the rendition {rendition} is {wanted:?}, its format is {found:?}")]
    Kind {
        /// The rendition's name.
        rendition: String,
        /// What it was declared as.
        wanted: TrackKind,
        /// What the format says.
        found: TrackKind,
    },
    /// Another format after the first frame: that takes a new epoch.
    #[error("the rendition {rendition} changes its format within an epoch")]
    Changed {
        /// The rendition's name.
        rendition: String,
    },
    /// A frame rate whose frames do not meet the segment boundaries, or that no timescale holds.
    #[error(
        "the rendition {rendition} runs at {found} fps, which does not meet segments of {frames} frames at {wanted} fps"
    )]
    Rate {
        /// The rendition's name.
        rendition: String,
        /// The rate of the segment grid.
        wanted: FrameRate,
        /// Frames per segment of that grid.
        frames: u32,
        /// The rendition's rate.
        found: FrameRate,
    },
    /// Segments that would round to more than TARGETDURATION (rfc8216bis 4.4.3.1).
    #[error("segments of the rendition {rendition} last up to {found_ms} ms, TARGETDURATION is {target_s} s")]
    TooLong {
        /// The rendition's name.
        rendition: String,
        /// The longest planned segment in milliseconds.
        found_ms: u64,
        /// TARGETDURATION in seconds.
        target_s: u32,
    },
}

/// Why a frame was not taken. All of them are faults of the encoder; the epoch should be ended.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PushError {
    /// No epoch has begun, or the last has ended.
    #[error("no epoch is open")]
    NoEpoch,
    /// The index is not one of the epoch's renditions.
    #[error("rendition {index} of {count}")]
    UnknownRendition {
        /// The index given.
        index: usize,
        /// How many renditions the epoch has.
        count: usize,
    },
    /// A frame before the format.
    #[error("a frame of the rendition {rendition} came before its format")]
    NoFormat {
        /// The rendition's name.
        rendition: String,
    },
    /// Video for audio, or the other way round.
    #[error("the rendition {rendition} is {wanted:?}, the frame is {found:?}")]
    Kind {
        /// The rendition's name.
        rendition: String,
        /// What it was declared as.
        wanted: TrackKind,
        /// What the frame is.
        found: TrackKind,
    },
    /// A frame that is not where the constant rate puts it.
    #[error("a frame of the rendition {rendition} has the decoding time {found}, {wanted} was due")]
    OffGrid {
        /// The rendition's name.
        rendition: String,
        /// The decoding time that was due, in ticks of the epoch.
        wanted: i64,
        /// The frame's.
        found: i64,
    },
    /// A presentation time too far from the decoding time.
    #[error(
        "a frame of the rendition {rendition} is shown {found} ticks from its decoding time, at most {max} are possible"
    )]
    Composition {
        /// The rendition's name.
        rendition: String,
        /// The distance in ticks.
        found: i64,
        /// The largest possible.
        max: i64,
    },
    /// No keyframe where a segment begins.
    #[error("frame {due} of the rendition {rendition} begins a segment and is no keyframe")]
    KeyframeMissing {
        /// The rendition's name.
        rendition: String,
        /// The frame that should have been a keyframe, counted in the epoch from 0.
        due: u64,
    },
    /// One rendition stays behind the others.
    #[error("the rendition {rendition} is {parts} parts behind")]
    Lagging {
        /// The name of the one that stays behind.
        rendition: String,
        /// Parts that others have finished and it has not.
        parts: usize,
    },
    /// A part larger than any real one.
    #[error("a part of the rendition {rendition} would have {found} bytes, at most {max} are possible")]
    TooLarge {
        /// The rendition's name.
        rendition: String,
        /// Bytes of media in it.
        found: usize,
        /// The limit.
        max: usize,
    },
}
