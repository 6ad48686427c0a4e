use std::time::Duration;

/// How long one address may take to answer a connection attempt: three retransmissions of a lost SYN fit in. A name
/// with a dead address and a live one still gets to the second within [`EXCHANGE_TIMEOUT`].
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a request may take in all: names, connections, redirects, head and body. A person waits for a check, and a
/// webhook that takes longer is delivered again anyway.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a check of an HLS URL may take in all. A person waits for it.
const CHECK_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes of a response head. Servers send one or two kilobytes, and few accept more than eight themselves.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Lines of a response head.
pub(crate) const HEADERS_MAX: usize = 100;

/// Redirects that are followed. Content delivery networks take one or two; more is a loop.
pub(crate) const REDIRECTS_MAX: usize = 5;

/// Bytes of a URL. Signed ones have about two kilobytes.
pub(crate) const URL_BYTES_MAX: usize = 8 * 1024;

/// Addresses of a name that are tried, one after the other.
pub(crate) const ADDRESSES_MAX: usize = 8;

/// Bytes of the answer to a webhook that are read before the connection is closed, so that a server that says more
/// than it has to is not cut off in the middle of its sentence.
pub(crate) const WEBHOOK_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The limits in time, which tests make shorter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// See [`CONNECT_TIMEOUT`].
    pub connect: Duration,
    /// See [`EXCHANGE_TIMEOUT`].
    pub exchange: Duration,
    /// See [`CHECK_TIMEOUT`].
    pub check: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { connect: CONNECT_TIMEOUT, exchange: EXCHANGE_TIMEOUT, check: CHECK_TIMEOUT }
    }
}
