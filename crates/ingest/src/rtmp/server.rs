//! The listeners: accepts connections, counts them, and gives each a task of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tracing::Instrument;

use super::Limits;
use super::connection::{self, Context};
use crate::connections::Connections;
use crate::shutdown::stopped;
use crate::{BindError, Protocol, PublishRequest};

/// Wait after an `accept` that failed for lack of files or memory, which trying again at once cannot mend.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Where and how to listen.
#[derive(Debug, Clone)]
pub struct RtmpConfig {
    /// Address of plain RTMP; port 0 takes any free one.
    pub listen: SocketAddr,
    /// RTMPS beside it.
    pub tls: Option<RtmpTls>,
    /// What peers may cost.
    pub limits: Limits,
}

/// The RTMPS listener.
#[derive(Debug, Clone)]
pub struct RtmpTls {
    /// Its address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Certificate and key; see [`tls_config`](super::tls_config).
    pub config: Arc<ServerConfig>,
}

/// The listeners, open but not yet served.
#[derive(Debug)]
pub struct RtmpServer {
    plain: Listener,
    tls: Option<(Listener, Arc<ServerConfig>)>,
    limits: Limits,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    protocol: Protocol,
}

impl RtmpServer {
    /// Opens the listeners.
    pub async fn bind(config: RtmpConfig) -> Result<Self, BindError> {
        let plain = Listener::bind(Protocol::Rtmp, config.listen).await?;
        let tls = match config.tls {
            Some(tls) => Some((Listener::bind(Protocol::Rtmps, tls.listen).await?, tls.config)),
            None => None,
        };
        Ok(Self { plain, tls, limits: config.limits })
    }

    /// Where plain RTMP is taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.plain.address
    }

    /// Where RTMPS is taken, if it is.
    pub fn tls_local_addr(&self) -> Option<SocketAddr> {
        self.tls.as_ref().map(|(listener, _)| listener.address)
    }

    /// Serves until `shutdown` holds true or its sender is gone; then tells all publishers, and returns
    /// within about 2 s. Requests that find no room in `requests` are refused.
    pub async fn run(self, requests: mpsc::Sender<PublishRequest>, mut shutdown: watch::Receiver<bool>) {
        let (tls, config) = self.tls.unzip();
        let limits = &self.limits;
        let mut connections = Connections::new("rtmp", limits.connections_max, limits.connections_per_address_max);
        let context = Arc::new(Context { limits: self.limits, acceptor: config.map(TlsAcceptor::from), requests });
        let serving = shutdown.clone();
        loop {
            tokio::select! {
                (stream, peer) = self.plain.accept() => {
                    admit(&mut connections, stream, peer, Protocol::Rtmp, &context, &serving);
                }
                (stream, peer) = accept_if_any(tls.as_ref()) => {
                    admit(&mut connections, stream, peer, Protocol::Rtmps, &context, &serving);
                }
                _ = connections.ended() => {}
                () = stopped(&mut shutdown) => break,
            }
        }
        drop((self.plain, tls));
        connections.drain().await;
    }
}

impl Listener {
    async fn bind(protocol: Protocol, address: SocketAddr) -> Result<Self, BindError> {
        let failed = |source| BindError { listener: protocol, address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        tracing::debug!(%address, %protocol, "accepting");
        Ok(Self { socket, address, protocol })
    }

    /// The next connection. Errors are logged and waited out. Cancel safe.
    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.socket.accept().await {
                Ok(accepted) => return accepted,
                // The peer gave up while it waited in the backlog.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::error!(%error, protocol = %self.protocol, "a connection could not be accepted");
                    sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }
}

/// Serves a connection, if there is room for it.
fn admit(
    connections: &mut Connections,
    stream: TcpStream,
    peer: SocketAddr,
    protocol: Protocol,
    context: &Arc<Context>,
    shutdown: &watch::Receiver<bool>,
) {
    let span = tracing::info_span!("ingest", %peer, %protocol);
    let serving = connection::serve(stream, peer, protocol, context.clone(), shutdown.clone());
    connections.admit(peer, protocol, serving.instrument(span));
}

async fn accept_if_any(listener: Option<&Listener>) -> (TcpStream, SocketAddr) {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}
