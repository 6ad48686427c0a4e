//! Requests to addresses that somebody else chose: guarded, bounded, never to the inside of the network.
//!
//! [`Client`] is the guard. Every name is resolved once per connection, every address is judged (`address`), and the
//! very address that was judged is the one connected to; each redirect is a new URL and judged like the first. One
//! exchange is one connection (`connect`, `exchange`): nothing is pooled, so nothing outlives a judgement.
//!
//! Two things go through it: [`check`] says what a pasted HLS URL is and whether browsers play it, and
//! [`Client::post_json`] delivers a webhook, which [`sign`] signs.

mod address;
mod client;
#[cfg(test)]
mod client_tests;
mod connect;
mod error;
mod exchange;
mod hls;
mod limits;
#[cfg(test)]
mod refusal_tests;
mod resolve;
mod sign;
mod target;
#[cfg(test)]
mod test_server;

pub use address::{AddressClass, Policy};
pub use client::{Client, Delivered};
pub use error::{OutboundError, SetupError};
#[cfg(feature = "fuzz")]
pub use hls::fuzz;
pub use hls::{Container, HlsCode, HlsFinding, HlsReport, PlaylistKind, Resolution, Severity, Timing, Variant, check};
pub use sign::sign;
pub use target::parse_url;
