use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpSocket;

/// Pairs of addresses that are looked at before it is given up: that a port is free for one family and taken for the
/// other is rare.
const PAIRS_MAX: usize = 32;

/// A TCP port of both loopback addresses that is kept for a program which can only be told a number. Its sockets are bound
/// and do not listen: the system gives such a port to nobody who wants any, while a program that wants this one and sets
/// `SO_REUSEADDR`, as servers do, may listen on it.
pub struct HeldPort {
    port: u16,
    _sockets: (TcpSocket, Option<TcpSocket>),
}

impl HeldPort {
    /// Takes a free port. An error when none is free for both addresses, or the system gives no socket.
    pub fn take() -> io::Result<Self> {
        for _ in 0..PAIRS_MAX {
            let v4 = bound(TcpSocket::new_v4()?, (Ipv4Addr::LOCALHOST, 0).into())?;
            let port = v4.local_addr()?.port();
            let v6 = TcpSocket::new_v6().and_then(|socket| bound(socket, (Ipv6Addr::LOCALHOST, port).into()));
            match v6 {
                Ok(v6) => return Ok(Self { port, _sockets: (v4, Some(v6)) }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                // A machine without IPv6.
                Err(_) => return Ok(Self { port, _sockets: (v4, None) }),
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.port
    }
}

fn bound(socket: TcpSocket, address: SocketAddr) -> io::Result<TcpSocket> {
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_port_that_is_held_is_there_for_whoever_wants_it_by_its_number_alone() {
        let held = HeldPort::take().expect("a free port");
        // The standard library sets SO_REUSEADDR.
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, held.number())).expect("may listen");
        drop(v4);
        // Many times as many as there would have to be for one of them to get it by chance, were it not held.
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").expect("a range");
        let ends: Vec<usize> = range.split_whitespace().map(|end| end.parse().expect("a number")).collect();
        for _ in 0..4 * (ends[1] - ends[0]) {
            let other = bound(TcpSocket::new_v4().expect("a socket"), (Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
            assert_ne!(other.local_addr().expect("an address").port(), held.number());
        }
    }
}
