use bytes::Bytes;

/// Which of the two elementary streams of a broadcast something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrackKind {
    /// H.264, one access unit a frame, NAL units behind length fields (ISO/IEC 14496-15, 5.3).
    Video,
    /// AAC-LC, one `raw_data_block` a frame, no ADTS header.
    Audio,
}

/// One access unit. `dts` and `pts` are ticks of the track's timescale, which the stage that hands the
/// frame over documents; they are signed because a composition offset may be negative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The stream the frame belongs to.
    pub kind: TrackKind,
    /// Decoding time.
    pub dts: i64,
    /// Presentation time; equals `dts` for audio and for video without B-frames.
    pub pts: i64,
    /// Whether decoding can start here: an IDR picture for video, always true for audio.
    pub keyframe: bool,
    /// The coded bytes.
    pub data: Bytes,
}
