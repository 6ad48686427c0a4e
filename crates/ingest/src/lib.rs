//! RTMP and RTMPS sessions: bytes in, frames out.
//!
//! A [`RtmpServer`] speaks with encoders as far as the `publish` command and then asks, by a
//! [`PublishRequest`], whether the stream key is welcome. Whoever accepts gets a [`Publication`]: the
//! parameters and frames of that encoder until it ends. Who may publish, and when a silent publisher must
//! give way, is decided outside this crate.
//!
//! The protocol ([`rtmp`]) is a pure state machine; sockets, timers and limits on connections stand apart.

mod event;
mod feed;
mod publication;
pub mod rtmp;
mod telemetry;

pub use event::{CloseReason, EndReason, IngestEvent, LostReason, Metadata, UnsupportedMedia};
pub use publication::{Encoder, Protocol, Publication, PublishRequest, Refusal, StreamKey};
pub use rtmp::{BindError, Limits, RtmpConfig, RtmpServer, RtmpTls, TlsError, tls_config};
pub use telemetry::describe_metrics;
