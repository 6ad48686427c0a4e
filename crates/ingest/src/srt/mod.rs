//! SRT (draft-sharabayko-srt-01): the listener's and receiver's side of live mode.
//!
//! From inside out: `packet` and `handshake` are the guard that every datagram passes, `stream_id` finds the key, `crypto`
//! the keys of encryption (the ciphers are srt-protocol's); `buffer`, `clock` and `rtt` make up the receiver, `session` is
//! the whole of it as a state machine; `listener` decides about handshakes. `caller` is the task of one caller, `server`
//! reads the port.
//!
//! srt-tokio's own listener is not used: single datagrams end it, and its receiver loses more than libsrt's. Its caller
//! is, in `pull`, where weir fetches a stream.

mod buffer;
mod caller;
mod clock;
mod crypto;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod handshake;
mod limits;
mod listener;
mod media;
mod packet;
mod pull;
mod refusals;
mod rtt;
mod seq;
mod server;
mod session;
#[cfg(test)]
mod session_tests;
mod stream_id;

pub use caller::{SrtAccess, SrtLookup};
pub use crypto::{Passphrase, PassphraseError};
pub use handshake::Handshake;
pub use limits::SrtLimits;
pub use packet::Datagram;
pub use pull::{SrtPull, pull};
pub use server::{SrtConfig, SrtServer};
pub use stream_id::{StreamIdError, key as stream_key};

/// SRT has nothing beside the key.
const NO_APP: &str = "";
