//! From a URL to the addresses that may be connected to.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;

use tokio::net::lookup_host;
use url::{Host, Url};

use crate::address::class;
use crate::limits::ADDRESSES_MAX;
use crate::{AddressClass, OutboundError, Policy};

/// The addresses of a name, some time later.
pub(crate) type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Resolves names: the system does, and in tests a function that changes its mind.
pub(crate) type Resolver = Arc<dyn Fn(String) -> Resolving + Send + Sync>;

/// The resolver of the operating system.
pub(crate) fn system() -> Resolver {
    Arc::new(|name| Box::pin(async move { Ok(lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) }))
}

/// The addresses of the URL's host that may be connected to, at least one. A name is resolved here and nowhere
/// else; an address in the URL is judged too, in whatever spelling it came (the URL parser has made one of them).
///
/// # Errors
/// `Unresolved`, or `RefusedAddress` when nothing is left.
pub(crate) async fn addresses(
    url: &Url,
    policy: &Policy,
    resolver: &Resolver,
) -> Result<Vec<SocketAddr>, OutboundError> {
    let (named, found) = match url.host() {
        Some(Host::Ipv4(address)) => (None, vec![IpAddr::V4(address)]),
        Some(Host::Ipv6(address)) => (None, vec![IpAddr::V6(address)]),
        Some(Host::Domain(name)) => (Some(name.to_owned()), resolved(name, resolver).await?),
        None => return Err(OutboundError::InvalidUrl { reason: "it names no host".to_owned() }),
    };
    let port = url.port_or_known_default().unwrap_or_default();
    let mut judged = Vec::new();
    let mut refused = None;
    for address in found {
        match refusal(address, policy) {
            None => judged.push(SocketAddr::new(address, port)),
            Some(class) => {
                tracing::debug!(host = url.host_str(), %address, %class, "an address is refused");
                refused.get_or_insert((address, class));
            }
        }
    }
    judged.truncate(ADDRESSES_MAX);
    match refused {
        Some((address, class)) if judged.is_empty() => Err(OutboundError::RefusedAddress { named, address, class }),
        _ => Ok(judged),
    }
}

async fn resolved(name: &str, resolver: &Resolver) -> Result<Vec<IpAddr>, OutboundError> {
    let unresolved = |reason: String| OutboundError::Unresolved { name: name.to_owned(), reason };
    let found = resolver(name.to_owned()).await.map_err(|error| unresolved(error.to_string()))?;
    if found.is_empty() {
        return Err(unresolved("it has no address".to_owned()));
    }
    Ok(found)
}

fn refusal(address: IpAddr, policy: &Policy) -> Option<AddressClass> {
    if policy.allows(address) {
        return None;
    }
    class(address).or_else(|| is_own(address.to_canonical()).then_some(AddressClass::ThisMachine))
}

/// Whether this machine has the address itself. What connects from an address to the same never meets the firewall
/// that guards it. The system chooses the address it would send from; nothing is sent.
fn is_own(address: IpAddr) -> bool {
    let any = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        // The discard port: any will do.
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    source.is_ok_and(|source| source.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_knows_its_own_addresses() {
        assert!(is_own(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(!is_own(IpAddr::from([192, 0, 2, 1])));
    }
}
