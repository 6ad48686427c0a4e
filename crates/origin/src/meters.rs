use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use hyper::StatusCode;
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// Heads under which answers are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Playlist,
    Media,
    Page,
    Other,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Playlist, Self::Media, Self::Page, Self::Other];

    fn label(self) -> &'static str {
        match self {
            Self::Playlist => "playlist",
            Self::Media => "media",
            Self::Page => "page",
            Self::Other => "other",
        }
    }
}

/// Why a connection or a request was refused or cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// More connections than all clients together may have.
    Connections,
    /// More connections than one address may have.
    ConnectionsPerAddress,
    /// The operating system gave no connection, most often for want of descriptors.
    Accept,
    /// The request head took too long.
    HeaderTimeout,
    /// The reader takes its answer too slowly.
    WriteStall,
    /// The request head is too long.
    HeaderBytes,
    /// Path and query are too long.
    UriBytes,
    /// The request has a body.
    Body,
    /// The method is none of GET, HEAD and OPTIONS.
    Method,
    /// Not HTTP/1.
    Malformed,
    /// More held requests than all clients together may have.
    Waiters,
    /// More held requests than one address may have.
    WaitersPerAddress,
    /// TLS was not agreed upon, or not in time.
    Tls,
    /// Still under way when the grace of a shutdown was over.
    Shutdown,
}

impl Refusal {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::Accept => "accept",
            Self::HeaderTimeout => "header_timeout",
            Self::WriteStall => "write_stall",
            Self::HeaderBytes => "header_bytes",
            Self::UriBytes => "uri_bytes",
            Self::Body => "body",
            Self::Method => "method",
            Self::Malformed => "malformed",
            Self::Waiters => "waiters",
            Self::WaitersPerAddress => "waiters_per_address",
            Self::Tls => "tls",
            Self::Shutdown => "shutdown",
        }
    }

    /// Counts and logs a refusal, at debug level: anybody can cause as many of these as he likes.
    pub(crate) fn report(self, peer: SocketAddr) {
        self.count(1);
        tracing::debug!(%peer, reason = self.label(), "refused an HTTP client");
    }

    /// Counts refusals that the caller logs.
    pub(crate) fn count(self, times: u64) {
        counter!("weir_http_refused_total", "reason" => self.label()).increment(times);
    }
}

/// Says once what the metrics of this crate mean.
pub fn describe_metrics() {
    describe_counter!("weir_http_requests_total", "HTTP answers by kind of resource and status");
    describe_counter!("weir_http_bytes_total", Unit::Bytes, "Body bytes handed to HTTP connections, by kind");
    describe_gauge!("weir_http_connections", "Open HTTP connections");
    describe_gauge!("weir_http_held_requests", "Requests that wait for what is not published yet");
    describe_histogram!(
        "weir_http_first_byte_seconds",
        Unit::Seconds,
        "From the publication of what a held request waited for to the first byte of its answer, by kind"
    );
    describe_counter!("weir_http_refused_total", "HTTP connections and requests refused or cut off, by reason");
}

/// The statuses that are answered; whatever else comes is counted as "other".
const STATUSES: [(u16, &str); 14] = [
    (200, "200"),
    (204, "204"),
    (206, "206"),
    (304, "304"),
    (400, "400"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (413, "413"),
    (414, "414"),
    (416, "416"),
    (500, "500"),
    (503, "503"),
    (0, "other"),
];

/// Counters whose handles are kept, for those that every request touches: finding one by its labels costs an
/// allocation and a hash. Filled on first use, so that the recorder may be installed after the origin is bound
/// and only series with something in them exist.
#[derive(Default)]
pub(crate) struct Meters {
    requests: [[OnceLock<Counter>; STATUSES.len()]; Kind::ALL.len()],
    bytes: [OnceLock<Counter>; Kind::ALL.len()],
    first_byte: [OnceLock<Histogram>; Kind::ALL.len()],
    held: OnceLock<Gauge>,
    connections: OnceLock<Gauge>,
}

impl Meters {
    /// Counts an answer.
    pub(crate) fn answered(&self, kind: Kind, status: StatusCode) {
        let at = STATUSES.iter().position(|(code, _)| *code == status.as_u16()).unwrap_or(STATUSES.len() - 1);
        self.requests[kind as usize][at]
            .get_or_init(|| counter!("weir_http_requests_total", "kind" => kind.label(), "status" => STATUSES[at].1))
            .increment(1);
    }

    /// Counts bytes of a body.
    pub(crate) fn sent(&self, kind: Kind, bytes: usize) {
        self.bytes[kind as usize]
            .get_or_init(|| counter!("weir_http_bytes_total", "kind" => kind.label()))
            .increment(bytes as u64);
    }

    /// Says how many connections are open.
    pub(crate) fn connected(&self, connections: usize) {
        self.connections.get_or_init(|| gauge!("weir_http_connections")).set(connections as f64);
    }

    /// Says how many requests are held.
    pub(crate) fn holds(&self, requests: usize) {
        self.held.get_or_init(|| gauge!("weir_http_held_requests")).set(requests as f64);
    }

    /// Records how long a published change took to the first byte of an answer that waited for it.
    pub(crate) fn first_byte(&self, kind: Kind, took: Duration) {
        self.first_byte[kind as usize]
            .get_or_init(|| histogram!("weir_http_first_byte_seconds", "kind" => kind.label()))
            .record(took);
    }
}
