use crate::{AAC_FRAME_SAMPLES, AudioParams, FrameRate, TrackKind, VideoParams};

/// What one encoded track is, on the far side of the ladder: every frame of it lasts equally long, so the
/// timescale and the length of a frame follow from the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackFormat {
    /// H.264 at a constant frame rate.
    Video {
        /// Decoder parameters.
        params: VideoParams,
        /// The rate at which frames come, exactly.
        frame_rate: FrameRate,
    },
    /// AAC.
    Audio {
        /// Decoder parameters.
        params: AudioParams,
    },
}

impl TrackFormat {
    /// Ticks per second of the track's timestamps; always a multiple of 1000 for video, the sampling rate for audio.
    pub fn timescale(&self) -> u32 {
        match self {
            Self::Video { frame_rate, .. } => frame_rate.timescale(),
            Self::Audio { params } => params.sample_rate,
        }
    }

    /// How long every frame lasts, in ticks of [`timescale`](Self::timescale).
    pub fn frame_ticks(&self) -> u32 {
        match self {
            Self::Video { frame_rate, .. } => frame_rate.frame_ticks(),
            Self::Audio { .. } => AAC_FRAME_SAMPLES,
        }
    }

    /// Video or audio.
    pub fn kind(&self) -> TrackKind {
        match self {
            Self::Video { .. } => TrackKind::Video,
            Self::Audio { .. } => TrackKind::Audio,
        }
    }

    /// The RFC 6381 name of the codec as its own parameters say it.
    pub fn codec_string(&self) -> String {
        match self {
            Self::Video { params, .. } => params.codec_string(),
            Self::Audio { params } => params.codec_string(),
        }
    }
}
