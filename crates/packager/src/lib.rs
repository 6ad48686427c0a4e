//! Frames to CMAF segments to HLS playlists; pure and synchronous.
//!
//! ```text
//! Frame ─► Segmenter (one per rendition: cuts parts, writes moof+mdat) ─► OpenEpoch (waits until every rendition
//! has finished the part) ─► Tick ─► Window (what the playlists list, and what they listed) ─► Snapshot
//! ```
//!
//! No clock, no I/O, no runtime: whoever drives a [`Packager`] tells it the wall clock once per epoch, and writes its
//! [`JournalBatch`] and stores its [`Position`] before it shows the [`Snapshot`] to anybody.

mod boxes;
mod config;
mod epoch;
mod error;
mod fragment;
mod grid;
mod iframes;
mod init;
mod journal;
mod multivariant;
mod packager;
mod playlist;
mod preview;
mod rates;
mod render;
mod restore;
mod segmenter;
mod slot;
mod snapshot;
mod tick;
mod window;

pub use config::{Config, ConfigError, InvalidSession, Latency, Position};
pub use epoch::{Epoch, RenditionSpec};
pub use error::{EpochError, FormatError, PushError};
pub use grid::SegmentGrid;
pub use journal::{JournalBatch, JournalRecord};
pub use packager::{Counters, Packager};
pub use restore::{RestoreError, Restored};
pub use snapshot::{Edge, MediaFile, PartGrid, Playlist, RenditionSnapshot, Snapshot};
