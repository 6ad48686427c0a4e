use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::meters::Refusal;

/// Counts what is open of a kind, in all and by client, against two limits.
#[derive(Debug)]
pub(crate) struct Admission {
    open: Mutex<Open>,
    max: usize,
    per_client_max: usize,
    /// What to refuse with at either limit.
    refusals: (Refusal, Refusal),
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_client: HashMap<IpAddr, usize>,
    /// Whether the log knows that no more are taken.
    full: bool,
}

/// A place; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    client: IpAddr,
}

impl Admission {
    pub(crate) fn new(max: usize, per_client_max: usize, refusals: (Refusal, Refusal)) -> Self {
        Self { open: Mutex::default(), max, per_client_max, refusals }
    }

    /// A place for `peer`, or why there is none.
    pub(crate) fn admit(self: &Arc<Self>, peer: SocketAddr) -> Result<Admitted, Refusal> {
        let client = client_of(peer.ip());
        let mut open = self.lock();
        if open.total >= self.max {
            // Said once per time that the limit is reached: at the limit every further client would repeat it.
            if !std::mem::replace(&mut open.full, true) {
                tracing::warn!(max = self.max, limit = self.refusals.0.label(), "an HTTP limit is reached");
            }
            return Err(self.refusals.0);
        }
        let of_client = open.by_client.entry(client).or_default();
        if *of_client >= self.per_client_max {
            return Err(self.refusals.1);
        }
        *of_client += 1;
        open.total += 1;
        Ok(Admitted { admission: Arc::clone(self), client })
    }

    /// How many places are taken.
    pub(crate) fn taken(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.admission.lock();
        open.total -= 1;
        open.full = false;
        if let Some(of_client) = open.by_client.get_mut(&self.client) {
            *of_client -= 1;
            if *of_client == 0 {
                open.by_client.remove(&self.client);
            }
        }
    }
}

/// What counts as one client: an IPv4 address, or the /64 of an IPv6 one, within which a host may take as many
/// addresses as it likes.
pub fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission() -> Arc<Admission> {
        Arc::new(Admission::new(3, 2, (Refusal::Connections, Refusal::ConnectionsPerAddress)))
    }

    fn from(admission: &Arc<Admission>, peer: &str) -> Result<Admitted, Refusal> {
        admission.admit(peer.parse().expect("an address"))
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let admission = admission();
        let _first = from(&admission, "192.0.2.1:1").expect("a place");
        let second = from(&admission, "[::ffff:192.0.2.1]:2").expect("a place");
        assert_eq!(from(&admission, "192.0.2.1:3").expect_err("refused"), Refusal::ConnectionsPerAddress);
        let _other = from(&admission, "192.0.2.2:1").expect("a place");
        assert_eq!(from(&admission, "192.0.2.3:1").expect_err("refused"), Refusal::Connections);
        drop(second);
        let _again = from(&admission, "192.0.2.1:4").expect("the place given back");
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_client() {
        let admission = admission();
        let _a = from(&admission, "[2001:db8::1]:1").expect("a place");
        let _b = from(&admission, "[2001:db8::ffff:2]:1").expect("a place");
        assert_eq!(from(&admission, "[2001:db8::3]:1").expect_err("refused"), Refusal::ConnectionsPerAddress);
        let _c = from(&admission, "[2001:db8:0:1::1]:1").expect("a place");
    }

    #[test]
    fn nothing_is_remembered_of_clients_that_left() {
        let admission = admission();
        drop(from(&admission, "192.0.2.1:1"));
        let open = admission.lock();
        assert_eq!((open.total, open.by_client.len()), (0, 0));
    }
}
