use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ServerConfig;

use crate::token::TokenKeys;

/// What an [`Origin`](crate::Origin) is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// HTTPS, if wanted.
    pub tls: Option<Tls>,
    /// What a client may cost.
    pub limits: Limits,
    /// What tokens are verified with; without keys none is valid.
    pub tokens: Option<TokenKeys>,
}

/// A second listener, for HTTPS.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// From [`tls_config`](crate::tls_config) or [`self_signed`](crate::self_signed).
    pub config: Arc<ServerConfig>,
}

/// What clients may cost, each and together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time. Each takes a descriptor and, when idle, some ten kilobytes.
    pub connections_max: usize,
    /// Connections at a time from one IPv4 address or one IPv6 /64, which is what one subscriber gets. A
    /// browser opens up to six, and a whole office may sit behind one address.
    pub connections_per_address_max: usize,
    /// Requests at a time that wait for what is not published yet. Each takes some kilobytes and, over HTTP/2, no
    /// connection of its own.
    pub waiters_max: usize,
    /// Of these, from one address: as above. A viewer has two or three.
    pub waiters_per_address_max: usize,
    /// Requests at a time on one HTTP/2 connection. A player has a few; a cache in front has many.
    pub streams_per_connection_max: u32,
    /// How long the TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long a request head may take from its first byte, or from the accept for the first one.
    pub header_timeout: Duration,
    /// How long a connection may stay open between two requests. Longer than any segment, so that a player
    /// keeps its connection.
    pub idle_timeout: Duration,
    /// In every span of this length a reader must take at least [`write_bytes_min`](Self::write_bytes_min),
    /// or it is cut off: it pins the segment it reads.
    pub write_stall_timeout: Duration,
    /// See [`write_stall_timeout`](Self::write_stall_timeout).
    pub write_bytes_min: usize,
    /// Bytes of a request head; at least 8192, smaller values are lifted to that.
    pub header_bytes_max: usize,
    /// Bytes of path and query. Ours have some dozens; directives and tokens come on top.
    pub uri_bytes_max: usize,
    /// How long answers under way may go on after shutdown began.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 8192,
            connections_per_address_max: 512,
            waiters_max: 100_000,
            waiters_per_address_max: 1000,
            streams_per_connection_max: 256,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            write_stall_timeout: Duration::from_secs(20),
            // 26 kbit/s over 20 s: less than a fifth of what the audio alone needs.
            write_bytes_min: 64 * 1024,
            header_bytes_max: 16 * 1024,
            uri_bytes_max: 2048,
            shutdown_grace: Duration::from_secs(2),
        }
    }
}
