//! The open connections of a listener: counted, and each in a task of its own, so that a fault ends one alone.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout;

use crate::{Protocol, telemetry};

/// How long connections may take to say goodbye at shutdown.
const DRAIN: Duration = Duration::from_secs(2);

/// The open connections.
pub(crate) struct Connections {
    max: usize,
    per_address_max: usize,
    protocols: &'static str,
    tasks: JoinSet<()>,
    /// Address block of each task, to take it off the count when it ends.
    blocks: HashMap<Id, IpAddr>,
    per_block: HashMap<IpAddr, usize>,
}

impl Connections {
    /// None yet; at most `max`, and `per_address_max` of one address. `protocols` is the label they are counted under.
    pub fn new(protocols: &'static str, max: usize, per_address_max: usize) -> Self {
        let (tasks, blocks, per_block) = (JoinSet::new(), HashMap::new(), HashMap::new());
        Self { max, per_address_max, protocols, tasks, blocks, per_block }
    }

    /// Serves a connection, or drops it if there are too many.
    pub fn admit(
        &mut self,
        peer: SocketAddr,
        protocol: Protocol,
        serving: impl Future<Output = ()> + Send + 'static,
    ) -> Option<Id> {
        let block = address_block(peer.ip());
        let of_block = self.per_block.get(&block).copied().unwrap_or(0);
        if self.tasks.len() >= self.max {
            refuse(peer, "connections_max", self.max);
            return None;
        }
        if of_block >= self.per_address_max {
            refuse(peer, "connections_per_address_max", self.per_address_max);
            return None;
        }
        metrics::counter!(telemetry::CONNECTIONS_TOTAL, "protocol" => protocol.name()).increment(1);
        let id = self.tasks.spawn(serving).id();
        self.blocks.insert(id, block);
        self.per_block.insert(block, of_block + 1);
        self.show_count();
        Some(id)
    }

    /// Waits for a connection to end; for ever when there is none. Cancel safe.
    pub async fn ended(&mut self) -> Id {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.forget(ended),
            None => std::future::pending().await,
        }
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) -> Id {
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
        id
    }

    /// Waits for the connections to end, and ends those that do not.
    pub async fn drain(mut self) {
        let ends = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.forget(ended);
            }
        };
        if timeout(DRAIN, ends).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "connections were cut off at shutdown");
            self.tasks.shutdown().await;
        }
        self.show_count();
    }

    fn show_count(&self) {
        metrics::gauge!(telemetry::CONNECTIONS, "protocol" => self.protocols).set(self.tasks.len() as f64);
    }
}

/// Logs and counts a connection that is one too many. A flood of them must not fill the log.
fn refuse(peer: SocketAddr, reason: &'static str, max: usize) {
    telemetry::refused(reason);
    tracing::debug!(%peer, reason, max, "connection refused");
}

/// What one subscriber has: an IPv4 address, or 64 bits of an IPv6 one.
pub fn address_block(address: IpAddr) -> IpAddr {
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
        let mut connections = Connections::new("rtmp", 2, 1);
        let peer = "192.0.2.1:5000".parse().expect("an address");
        let fault = async { panic!("a fault put here by a test") };
        let id = connections.admit(peer, Protocol::Rtmp, fault).expect("room");
        assert_eq!(
            connections.admit(peer, Protocol::Rtmp, std::future::pending()),
            None,
            "one of this address is open"
        );
        assert_eq!(connections.ended().await, id);
        assert!(connections.blocks.is_empty() && connections.per_block.is_empty());
    }
}
