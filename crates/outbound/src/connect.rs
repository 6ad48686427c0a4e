//! TCP and TLS to addresses that were judged.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

use crate::{OutboundError, SetupError};

/// TLS 1.2 and 1.3 for clients that trust `roots` and speak HTTP/1.1.
pub(crate) fn tls_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, SetupError> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The authorities that browsers trust.
pub(crate) fn public_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

/// Connects to the first of the addresses that answers; each has `limit`.
///
/// # Errors
/// What the last one said.
pub(crate) async fn tcp(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, OutboundError> {
    let mut last = OutboundError::InvalidUrl { reason: "its host has no address".to_owned() };
    for &address in addresses {
        last = match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(source)) => OutboundError::Connect { address, source },
            Err(_) => OutboundError::Timeout { what: format!("the connection to {address}"), limit },
        };
    }
    Err(last)
}

/// Opens a TLS session with the host of the URL.
pub(crate) async fn tls(
    stream: TcpStream,
    url: &Url,
    config: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, OutboundError> {
    let host = url.host_str().unwrap_or_default();
    let failed = |source| OutboundError::Tls { host: host.to_owned(), source };
    let name = match url.host() {
        Some(Host::Ipv4(address)) => ServerName::from(std::net::IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => ServerName::from(std::net::IpAddr::V6(address)),
        _ => ServerName::try_from(host.to_owned()).map_err(|error| failed(io::Error::other(error)))?,
    };
    TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(failed)
}
