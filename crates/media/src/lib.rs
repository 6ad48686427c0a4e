//! The vocabulary of weir: what every stage hands to the next.
//!
//! A [`Frame`] is one access unit of one track; the track's parameters ([`VideoParams`], [`AudioParams`])
//! travel apart from it and only when they change. No I/O, no clock, no runtime in this crate.

mod aac;
mod avc;
mod bits;
mod format;
mod frame;
mod rate;
mod sps;
mod time;

pub use aac::{AAC_FRAME_SAMPLES, AacError, AudioParams, SILENT_STEREO_FRAME, asc_bits};
pub use avc::{AvcError, VideoParams, contains_idr, nal_units};
pub use bits::BitReader;
pub use format::TrackFormat;
pub use frame::{Frame, TrackKind};
pub use rate::FrameRate;
pub use sps::{SpsError, SpsInfo};
pub use time::{MEDIA_HZ, SourceClock, Unwrapper};
