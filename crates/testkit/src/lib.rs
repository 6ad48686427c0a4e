//! Helpers for tests and benchmarks that run the daemon as people do: real encoders before it, real players
//! behind it. What judges the daemon's output shares no code with what makes it.

mod api;
mod browser;
mod certificate;
mod config;
mod daemon;
mod encoder;
mod hls;
mod http;
mod log;
mod players;
mod port;
mod probe;
mod process;
mod relay;
mod wait;
mod webhook;

pub mod cmaf;
pub mod flv;
pub mod m3u8;
pub mod proc;
pub mod rtmp;
pub mod srt;

#[cfg(test)]
mod m3u8_tests;

pub use api::Api;
pub use browser::{Browser, Picture, VideoState, WatchPage};
pub use certificate::write_certificate;
pub use config::{CHANNEL, Config, Rung};
pub use daemon::{Daemon, Home, Stopped, binary};
pub use encoder::{Audio, Source, push_clip};
pub use hls::{Download, Hls, Piece, check_change};
pub use http::{Answer, Http};
pub use log::Log;
pub use players::{ENGINES, PlayerPages, PlayerState, low_latency_requests, player_state, restart_counts};
pub use probe::{Probe, decode};
pub use process::{Process, run_tool, signal_pid};
pub use relay::{Link, Relay};
pub use rustix::process::Signal;
pub use wait::until;
pub use webhook::{Hook, Told};
