use std::io;
use std::process::ExitStatus;

use weir_media::{Frame, TrackFormat};

/// What a worker gives out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The format of a rendition, before its first frame, once.
    Format {
        /// Number of the rendition: video rungs from 0, audio behind the last.
        rendition: usize,
        /// What it is.
        format: TrackFormat,
    },
    /// An encoded frame, its times in the timescale of the rendition's format, from 0 on without holes.
    Frame {
        /// Number of the rendition.
        rendition: usize,
        /// The frame.
        frame: Frame,
    },
    /// How the worker does; every second.
    Stats(WorkerStats),
    /// How fast the machine is, where that was asked for.
    Speed {
        /// CPU time that x264 takes for a macroblock at `superfast`, in nanoseconds.
        ns_per_macroblock: u32,
    },
    /// Every frame that was sent has come out, after [`Worker::finish`](super::Worker::finish).
    Finished,
}

/// Totals since the worker's start, and rates over the last second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerStats {
    /// CPU time of the process, in milliseconds.
    pub cpu_ms: u64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// For each rendition, audio last.
    pub renditions: Vec<RenditionStats>,
    /// Pictures repeated to fill holes of the source.
    pub duplicated: u64,
    /// Pictures left out because the source sent too many.
    pub dropped: u64,
    /// Complaints of the decoders: grey or smeared picture.
    pub decode_errors: u64,
    /// AAC frames of silence that were made.
    pub silent_audio_frames: u64,
    /// AAC frames of the source that were left out.
    pub dropped_audio_frames: u64,
}

/// One rendition's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RenditionStats {
    /// Frames since the start.
    pub frames: u64,
    /// Frames in 1000 seconds, over the last second.
    pub fps_milli: u64,
    /// Media time given out in the time that passed, in per mille: 1000 is real time.
    pub speed_milli: u64,
}

/// Why a worker is gone.
#[derive(Debug, thiserror::Error)]
pub enum WorkerFailure {
    /// The process could not be started, or its end was not seen.
    #[error("the ladder worker does not run: {0}")]
    Process(io::Error),
    /// The process ended on its own, or somebody killed it.
    #[error("the ladder worker ended: {}", .status.map_or_else(|| "already gone".to_owned(), |status| status.to_string()))]
    Exited {
        /// How, if it was seen.
        status: Option<ExitStatus>,
    },
    /// It gave no picture although it was fed, and was killed.
    #[error("the ladder worker gave no picture for {ms} ms although it was fed")]
    Hung {
        /// For how long, in milliseconds.
        ms: u64,
    },
    /// It grew too large and was killed.
    #[error("the ladder worker uses {bytes} bytes of memory, {max} are allowed")]
    Memory {
        /// Resident bytes.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// GStreamer, or something in it, failed.
    #[error("the ladder's pipeline failed: {0}")]
    Pipeline(String),
    /// It said something that makes no sense.
    #[error("the ladder worker does not keep to the protocol: {0}")]
    Protocol(String),
}

impl WorkerFailure {
    pub(super) fn from_spawn(error: io::Error) -> Self {
        Self::Process(error)
    }
}
