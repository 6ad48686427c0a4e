use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::admission::Admission;
use crate::config::Config;
use crate::connection::Connections;
use crate::directory::Directory;
use crate::meters::Refusal;
use crate::site::{Site, Status};

/// Pause after the operating system refused a connection, most often because no descriptor is free: trying
/// again at once would only burn the CPU that could free one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An HTTP server that has its address and waits to be [run](Origin::run).
pub struct Origin {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsListener>,
    connections: Arc<Connections>,
}

/// The listener for HTTPS.
struct TlsListener {
    listener: TcpListener,
    address: SocketAddr,
    acceptor: TlsAcceptor,
}

/// Why the origin cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Some other process listens there.
    #[error("HTTP cannot listen on {0}: the address is already in use by another program")]
    InUse(SocketAddr),
    /// The system reserves the port for privileged processes.
    #[error("HTTP cannot listen on {0}: this needs privileges that the process does not have")]
    NotPermitted(SocketAddr),
    /// The machine has no such address.
    #[error("HTTP cannot listen on {0}: this machine has no such address")]
    NoSuchAddress(SocketAddr),
    /// Anything else.
    #[error("HTTP cannot listen on {address}: {error}")]
    Other {
        /// The address wanted.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
}

impl BindError {
    fn new(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(address),
            io::ErrorKind::PermissionDenied => Self::NotPermitted(address),
            io::ErrorKind::AddrNotAvailable => Self::NoSuchAddress(address),
            _ => Self::Other { address, error },
        }
    }
}

impl BindError {
    /// The address that was wanted.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::InUse(address) | Self::NotPermitted(address) | Self::NoSuchAddress(address) => *address,
            Self::Other { address, .. } => *address,
        }
    }
}

impl Origin {
    /// Takes the address. Nothing is accepted before [`run`](Self::run).
    pub async fn bind(config: Config, directory: Directory, status: Status) -> Result<Self, BindError> {
        let (listener, address) = bound(config.listen).await?;
        let tls = match config.tls {
            Some(tls) => {
                let (listener, address) = bound(tls.listen).await?;
                Some(TlsListener { listener, address, acceptor: tls.config.into() })
            }
            None => None,
        };
        let connections = Arc::new(Connections::new(Site::new(directory, status, config.tokens), config.limits));
        Ok(Self { listener, address, tls, connections })
    }

    /// The address in use, with the port that was given for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The address in use for HTTPS, if that is served.
    pub fn tls_local_addr(&self) -> Option<SocketAddr> {
        self.tls.as_ref().map(|tls| tls.address)
    }

    /// Serves until `shutdown` is ready; then takes no more connections, lets answers under way end for at most
    /// the grace of the limits, and returns.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        tracing::debug!(address = %self.address, "accepting");
        let Self { listener, tls, connections, .. } = self;
        let (close, closing) = watch::channel(false);
        let limits = &connections.limits;
        let refusals = (Refusal::Connections, Refusal::ConnectionsPerAddress);
        let admission = Arc::new(Admission::new(limits.connections_max, limits.connections_per_address_max, refusals));
        let mut tasks = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let (accepted, acceptor) = tokio::select! {
                () = &mut shutdown => break,
                accepted = accept(&listener) => (accepted, None),
                (accepted, acceptor) = accept_tls(tls.as_ref()) => (accepted, Some(acceptor)),
                Some(ended) = tasks.join_next() => {
                    report_panic(ended);
                    connections.meters.connected(admission.taken());
                    continue;
                }
            };
            let Some((stream, peer)) = accepted else { continue };
            match admission.admit(peer) {
                Ok(admitted) => {
                    connections.meters.connected(admission.taken());
                    let (serving, closing) = (Arc::clone(&connections), closing.clone());
                    tasks.spawn(async move {
                        match acceptor {
                            None => serving.serve_plain(stream, peer, closing).await,
                            Some(acceptor) => serve_tls(serving, acceptor, stream, peer, closing).await,
                        }
                        drop(admitted);
                    });
                }
                Err(refusal) => refusal.report(peer),
            }
        }
        drop((listener, tls));
        let _ = close.send(true);
        drain(tasks, connections.limits.shutdown_grace).await;
    }
}

async fn bound(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    let failed = |error| BindError::new(address, error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    Ok((listener, local))
}

/// The next connection for HTTPS; never, where that is not served.
async fn accept_tls(tls: Option<&TlsListener>) -> (Option<(TcpStream, SocketAddr)>, TlsAcceptor) {
    match tls {
        Some(tls) => (accept(&tls.listener).await, tls.acceptor.clone()),
        None => std::future::pending().await,
    }
}

/// Serves a connection once TLS is agreed upon.
async fn serve_tls(
    connections: Arc<Connections>,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    closing: watch::Receiver<bool>,
) {
    match timeout(connections.limits.handshake_timeout, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => connections.serve(stream, peer, closing).await,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "no TLS with an HTTP client");
            Refusal::Tls.count(1);
        }
        Err(_) => Refusal::Tls.report(peer),
    }
}

/// The next connection, or `None` when there was none to be had.
async fn accept(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            // A playlist is one small write; waiting to fill a packet would only delay it.
            let _ = stream.set_nodelay(true);
            Some((stream, peer))
        }
        // The client left while it waited in the queue.
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => None,
        Err(error) => {
            Refusal::Accept.count(1);
            tracing::warn!(%error, "HTTP cannot accept a connection");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn drain(mut tasks: JoinSet<()>, grace: Duration) {
    let all_ended = async {
        while let Some(ended) = tasks.join_next().await {
            report_panic(ended);
        }
    };
    if timeout(grace, all_ended).await.is_err() {
        Refusal::Shutdown.count(tasks.len() as u64);
        tracing::info!(connections = tasks.len(), "HTTP connections are cut off by the shutdown");
        tasks.shutdown().await;
    }
}

/// A panic ends its own connection; that it came to be is a fault of ours, so it is said loudly.
fn report_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "an HTTP connection panicked");
    }
}
