//! RTMP, RTMPS and SRT sessions: bytes in, frames out.
//!
//! A [`RtmpServer`] or [`SrtServer`] speaks with encoders as far as the wish to publish and then asks, by a
//! [`PublishRequest`], whether the stream key is welcome. Whoever accepts gets a [`Publication`]: the
//! parameters and frames of that encoder until it ends. Who may publish, and when a silent publisher must
//! give way, is decided outside this crate.
//!
//! The protocols ([`rtmp`], [`srt`], and the transport stream inside, [`ts`]) are pure state machines; sockets, timers and
//! limits on connections stand apart.

mod bind;
mod connections;
mod event;
mod feed;
mod params;
mod publication;
pub mod rtmp;
mod shutdown;
pub mod srt;
mod telemetry;
pub mod ts;

pub use bind::BindError;
pub use connections::address_block;
pub use event::{CloseReason, EndReason, IngestEvent, LinkStats, LostReason, Metadata, UnsupportedMedia};
pub use publication::{Encoder, Protocol, Publication, PublishRequest, Refusal, StreamKey};
pub use rtmp::{Limits, RtmpConfig, RtmpServer, RtmpTls, TlsError, tls_config};
pub use srt::{Passphrase, PassphraseError, SrtAccess, SrtConfig, SrtLimits, SrtLookup, SrtPull, SrtServer, pull};
pub use telemetry::describe_metrics;
