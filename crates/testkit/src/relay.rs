//! A bad network: a UDP relay that loses, delays, reorders and repeats datagrams, the same way for the same seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// The longest datagram.
const DATAGRAM_BYTES: usize = 2048;
/// What each socket may hold: a test must lose what it means to lose and nothing else.
const SOCKET_BYTES: usize = 8 << 20;

/// What happens to a datagram, each way alike.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// Seed of all chances.
    pub seed: u64,
    /// How long a datagram takes at least.
    pub delay: Duration,
    /// By how much more it may take; datagrams may overtake each other then.
    pub jitter: Duration,
    /// The part that is lost, 0 to 1.
    pub loss: f64,
    /// The part that comes twice.
    pub duplicates: f64,
}

/// A running relay: what one caller sends to it goes to the target, and back.
pub struct Relay {
    address: SocketAddr,
    cut: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Opens a relay to `target`.
    pub async fn open(link: Link, target: SocketAddr) -> Result<Self> {
        let (near, far) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        for socket in [&near, &far] {
            // Without the privilege it stays as it is.
            let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, SOCKET_BYTES);
        }
        far.connect(target).await?;
        let address = near.local_addr()?;
        let (cut, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let task = tokio::spawn(run(Ends { near, far, caller: None }, link, cut.clone(), lost.clone()));
        Ok(Self { address, cut, lost, task })
    }

    /// Where callers connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing passes, as if a cable were cut; or everything again.
    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }

    /// Datagrams that were lost on purpose.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Ends {
    near: UdpSocket,
    far: UdpSocket,
    caller: Option<SocketAddr>,
}

/// A datagram on its way: when it arrives, a number for the order, whether it goes to the target, and its bytes.
type Flying = Reverse<(Instant, u64, bool, Vec<u8>)>;

async fn run(mut ends: Ends, link: Link, cut: Arc<AtomicBool>, lost: Arc<AtomicU64>) {
    // Two, so that what one side does changes nothing for the other.
    let mut chances = [StdRng::seed_from_u64(link.seed), StdRng::seed_from_u64(link.seed ^ 0x5eed)];
    let mut flying: BinaryHeap<Flying> = BinaryHeap::new();
    let mut number = 0;
    let (mut there, mut back) = ([0; DATAGRAM_BYTES], [0; DATAGRAM_BYTES]);
    loop {
        let next = flying.peek().map(|Reverse((at, ..))| *at);
        let (forward, bytes) = tokio::select! {
            biased;
            () = until(next) => {
                while flying.peek().is_some_and(|Reverse((at, ..))| *at <= Instant::now()) {
                    if let Some(Reverse((_, _, forward, bytes))) = flying.pop() {
                        ends.deliver(forward, &bytes).await;
                    }
                }
                continue;
            }
            Ok((count, from)) = ends.near.recv_from(&mut there) => {
                ends.caller = Some(from);
                (true, &there[..count])
            }
            received = ends.far.recv(&mut back) => match received {
                Ok(count) => (false, &back[..count]),
                // Nobody listens at the target any more.
                Err(_) => continue,
            },
        };
        let chance = &mut chances[usize::from(forward)];
        // Always as many, whatever comes of them: the same datagram meets the same fate.
        let (loss, twice) = (chance.random::<f64>(), chance.random::<f64>());
        let jitter = [chance.random::<f64>(), chance.random::<f64>()];
        if loss < link.loss || cut.load(Ordering::Relaxed) {
            lost.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let copies = if twice < link.duplicates { 2 } else { 1 };
        for part in &jitter[..copies] {
            number += 1;
            let at = Instant::now() + link.delay + link.jitter.mul_f64(*part);
            flying.push(Reverse((at, number, forward, bytes.to_vec())));
        }
    }
}

/// Waits for a moment; for ever when there is none.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

impl Ends {
    async fn deliver(&self, forward: bool, bytes: &[u8]) {
        // What cannot be delivered is lost, as on any network.
        let _ = match (forward, self.caller) {
            (true, _) => self.far.send(bytes).await,
            (false, Some(caller)) => self.near.send_to(bytes, caller).await,
            (false, None) => return,
        };
    }
}
