//! The listeners: accepts connections, counts them, and gives each a task of its own.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tracing::Instrument;

use super::Limits;
use super::connection::{self, Context};
use crate::{Protocol, PublishRequest, telemetry};

/// Wait after an `accept` that failed for lack of files or memory, which trying again at once cannot mend.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// How long connections may take to say goodbye at shutdown.
const DRAIN: Duration = Duration::from_secs(2);

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

/// A listener that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot listen on {address}: {}", .listener.name().to_uppercase(), in_words(.source))]
pub struct BindError {
    /// `rtmp` or `rtmps`.
    pub listener: Protocol,
    /// The address wanted.
    pub address: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is already in use by another program".to_owned(),
        _ => error.to_string(),
    }
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
        let limits = self.limits.clone();
        let context = Arc::new(Context { limits: self.limits, acceptor: config.map(TlsAcceptor::from), requests });
        let mut connections = Connections::new(limits);
        let serving = shutdown.clone();
        loop {
            tokio::select! {
                (stream, peer) = self.plain.accept() => {
                    connections.admit(stream, peer, Protocol::Rtmp, &context, &serving);
                }
                (stream, peer) = accept_if_any(tls.as_ref()) => {
                    connections.admit(stream, peer, Protocol::Rtmps, &context, &serving);
                }
                Some(ended) = connections.tasks.join_next_with_id() => connections.ended(ended),
                () = connection::stopped(&mut shutdown) => break,
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

async fn accept_if_any(listener: Option<&Listener>) -> (TcpStream, SocketAddr) {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// The open connections.
struct Connections {
    limits: Limits,
    tasks: JoinSet<()>,
    /// Address block of each task, to take it off the count when it ends.
    blocks: HashMap<Id, IpAddr>,
    per_block: HashMap<IpAddr, usize>,
}

impl Connections {
    fn new(limits: Limits) -> Self {
        Self { limits, tasks: JoinSet::new(), blocks: HashMap::new(), per_block: HashMap::new() }
    }

    /// Serves a connection, or drops it if there are too many.
    fn admit(
        &mut self,
        stream: TcpStream,
        peer: SocketAddr,
        protocol: Protocol,
        context: &Arc<Context>,
        shutdown: &watch::Receiver<bool>,
    ) {
        let block = address_block(peer.ip());
        let of_block = self.per_block.get(&block).copied().unwrap_or(0);
        if self.tasks.len() >= self.limits.connections_max {
            return refuse(peer, "connections_max", self.limits.connections_max);
        }
        if of_block >= self.limits.connections_per_address_max {
            return refuse(peer, "connections_per_address_max", self.limits.connections_per_address_max);
        }
        metrics::counter!(telemetry::CONNECTIONS_TOTAL, "protocol" => protocol.name()).increment(1);
        let span = tracing::info_span!("ingest", %peer, %protocol);
        let serving = connection::serve(stream, peer, protocol, context.clone(), shutdown.clone());
        let task = self.tasks.spawn(serving.instrument(span));
        self.blocks.insert(task.id(), block);
        self.per_block.insert(block, of_block + 1);
        self.show_count();
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                // The panic hook has logged what and where.
                tracing::error!(%error, "a connection ended by a fault of its own");
                error.id()
            }
        };
        if let Some(block) = self.blocks.remove(&id)
            && let Some(count) = self.per_block.get_mut(&block)
        {
            *count -= 1;
            if *count == 0 {
                self.per_block.remove(&block);
            }
        }
        self.show_count();
    }

    /// Waits for the connections to end, and ends those that do not.
    async fn drain(mut self) {
        let ends = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.ended(ended);
            }
        };
        if timeout(DRAIN, ends).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "connections were cut off at shutdown");
            self.tasks.shutdown().await;
        }
        self.show_count();
    }

    fn show_count(&self) {
        metrics::gauge!(telemetry::CONNECTIONS).set(self.tasks.len() as f64);
    }
}

/// Logs and counts a connection that is one too many. A flood of them must not fill the log.
fn refuse(peer: SocketAddr, reason: &'static str, max: usize) {
    telemetry::refused(reason);
    tracing::debug!(%peer, reason, max, "connection refused");
}

/// What one subscriber has: an IPv4 address, or 64 bits of an IPv6 one.
fn address_block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::from((u128::from(address) >> 64 << 64).to_be_bytes()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_neighbours_and_mapped_ipv4_count_as_one() {
        let block = |text: &str| address_block(text.parse().expect("an address"));
        assert_eq!(block("2001:db8:1:2::1"), block("2001:db8:1:2:ffff::9"));
        assert_ne!(block("2001:db8:1:2::1"), block("2001:db8:1:3::1"));
        assert_eq!(block("::ffff:192.0.2.1"), block("192.0.2.1"));
        assert_ne!(block("192.0.2.1"), block("192.0.2.2"));
    }

    #[tokio::test]
    async fn a_connection_that_panics_ends_alone_and_is_taken_off_the_count() {
        let mut connections = Connections::new(Limits::default());
        let block = address_block("192.0.2.1".parse().expect("an address"));
        let task = connections.tasks.spawn(async { panic!("a fault put here by a test") });
        connections.blocks.insert(task.id(), block);
        connections.per_block.insert(block, 1);
        let ended = connections.tasks.join_next_with_id().await.expect("a task");
        connections.ended(ended);
        assert!(connections.blocks.is_empty() && connections.per_block.is_empty());
    }
}
