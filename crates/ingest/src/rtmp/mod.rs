//! RTMP (Adobe's specification 1.0, enhanced RTMP v1 and v2 as far as H.264 and AAC go) and RTMPS.
//!
//! From inside out: `chunk` makes messages of bytes, `amf0` values of command messages, `flv` and `tracks`
//! frames of media messages, `session` is the whole dialogue as a state machine, `reply` writes our side of
//! it. `connection` moves bytes between a socket and a session, `server` accepts and counts connections.

mod amf0;
mod chunk;
mod command;
mod connection;
mod flv;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod limits;
mod metadata;
mod reply;
mod server;
mod session;
mod stop;
mod tls;
mod tracks;

pub use limits::Limits;
pub use server::{RtmpConfig, RtmpServer, RtmpTls};
pub use tls::{TlsError, tls_config};

/// The application that encoders connect to: `rtmp://host/live`.
const APP: &str = "live";
