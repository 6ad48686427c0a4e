//! One running broadcast: publisher to ladder to packager, with reconnects and supervision.
//!
//! Each channel is a task of its own (`channel`). It owns the publisher's session (`source`), the workers
//! and the packager (`show`) and asks two pure parts what to do: `life` (who may publish, when is it over) and
//! `timeline` (where does this frame belong). Everything that breaks a timeline ends an **epoch**: one run of a
//! worker, one stretch of playlist between discontinuities.

mod backoff;
mod capacity;
mod channel;
mod channels;
mod files;
mod gate;
mod journal;
mod ledger;
mod life;
mod link;
mod opening;
mod pace;
mod position;
mod settings;
mod show;
mod source;
mod stages;
mod status;
mod timeline;
mod wall;
mod wrong_keys;

pub use capacity::Capacity;
pub use channels::{Channels, ChannelsHandle, OpenError, Opened, Order, Wish, describe_metrics, remove_past_events};
pub use gate::{Door, Entrance, Gate, KeyDigest, Way};
pub use settings::{ChannelSpec, Lasting, OnShutdown, PresetChoice, Settings};
pub use status::{Measured, Publisher, Status};
