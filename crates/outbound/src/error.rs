use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hyper::StatusCode;
use tokio_rustls::rustls;

use crate::AddressClass;

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up for outbound requests: {0}")]
pub struct SetupError(#[from] pub(crate) rustls::Error);

/// Why a request did not succeed. The texts are sentences for the person who gave the URL.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// Not a URL, or one that no request can go to.
    #[error("the URL cannot be used: {reason}")]
    InvalidUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// Neither http nor https.
    #[error("the URL begins with {found}:, only http: and https: are possible")]
    Scheme {
        /// Its scheme.
        found: String,
    },
    /// A user name or a password in the URL.
    #[error("the URL holds a user name or a password, which would end up in logs")]
    UserInfo,
    /// A redirect from https to http.
    #[error("the server redirects from https to http, which gives up the protection of the first")]
    Downgrade,
    /// The address is not public and not allowed by the configuration.
    #[error("{}, and the configuration does not allow requests there", .named.as_ref().map_or_else(
        || format!("{address} is {class}"),
        |name| format!("{name} resolves to {address}, {class}"),
    ))]
    RefusedAddress {
        /// The name that resolved to it; none if the URL has the address itself.
        named: Option<String>,
        /// The address; the first if there are several.
        address: IpAddr,
        /// What kind of address it is.
        class: AddressClass,
    },
    /// The name has no address.
    #[error("the name {name} cannot be resolved: {reason}")]
    Unresolved {
        /// The name.
        name: String,
        /// What the resolver says.
        reason: String,
    },
    /// No TCP connection.
    #[error("no connection to {address}: {}", .source.kind())]
    Connect {
        /// The address tried last.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No TLS session, most often for want of a certificate that is trusted.
    #[error("no TLS session with {host}: {source}")]
    Tls {
        /// The host of the URL.
        host: String,
        /// What is wrong.
        source: io::Error,
    },
    /// Something took too long.
    #[error("{what} took longer than {limit:?}")]
    Timeout {
        /// What did.
        what: String,
        /// How long it may take.
        limit: Duration,
    },
    /// The head or the body of the answer is larger than wanted.
    #[error("the answer's {part} is larger than {bytes_max} bytes")]
    TooLarge {
        /// `head` or `body`.
        part: &'static str,
        /// The limit.
        bytes_max: usize,
    },
    /// The answer is compressed although that was not asked for.
    #[error("the answer is compressed although the request ruled that out")]
    Encoded,
    /// A loop, or too long a chain.
    #[error("the server redirects more than {max} times")]
    TooManyRedirects {
        /// The limit.
        max: usize,
    },
    /// A status that is no success; for a webhook a redirect is none either.
    #[error("the server answers with {status}")]
    Status {
        /// The status.
        status: StatusCode,
    },
    /// What the server says is not HTTP, or the connection broke.
    #[error("the server does not speak HTTP as it should: {0}")]
    Protocol(#[source] hyper::Error),
    /// A header of the request that cannot be sent.
    #[error("the request header {name} cannot be sent")]
    Header {
        /// Its name.
        name: String,
    },
}

impl OutboundError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidUrl { .. } => "invalid_url",
            Self::Scheme { .. } => "scheme",
            Self::UserInfo => "userinfo",
            Self::Downgrade => "downgrade",
            Self::RefusedAddress { .. } => "refused_address",
            Self::Unresolved { .. } => "unresolved",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Timeout { .. } => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::Encoded => "encoded",
            Self::TooManyRedirects { .. } => "too_many_redirects",
            Self::Status { .. } => "status",
            Self::Protocol(_) => "protocol",
            Self::Header { .. } => "header",
        }
    }

    /// An error of hyper, in which a head that is too large is not yet told apart.
    pub(crate) fn of_hyper(error: hyper::Error) -> Self {
        if error.is_parse_too_large() {
            return Self::TooLarge { part: "head", bytes_max: crate::limits::HEAD_BYTES_MAX };
        }
        Self::Protocol(error)
    }
}
