//! The listener: one UDP port, one reader, any number of callers.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::Id;
use tracing::Instrument;

use super::caller::{Arrival, Caller, Context, SrtLookup};
use super::clock::Micros;
use super::handshake::{self, Answer, Handshake, Reject};
use super::limits::SrtLimits;
use super::listener::{Cookies, wire_ip};
use super::packet::{Datagram, Packet, Writer};
use super::refusals::Refusals;
use crate::connections::Connections;
use crate::shutdown::stopped;
use crate::{BindError, Protocol, PublishRequest, telemetry};

/// What the system holds for us between two reads. A keyframe comes in a burst: 64 kB have been seen to lose packets.
const SOCKET_BYTES: usize = 8 << 20;
const SOCKET_BYTES_NEEDED: usize = 4 << 20;
/// Memory for datagrams, taken at once.
const SLAB_BYTES: usize = 128 << 10;
/// Room that one datagram must have; longer ones are cut, and refused for it.
const READ_BYTES: usize = 2048;
/// Datagrams read before others get a turn.
const READS_MAX: usize = 128;
/// Socket ids have 30 bits, as libsrt has it.
const SOCKET_ID_MASK: u32 = 0x3fff_ffff;

/// Where and how to listen.
#[derive(Clone)]
pub struct SrtConfig {
    /// The UDP address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// What callers may cost.
    pub limits: SrtLimits,
    /// What holds for a key.
    pub lookup: SrtLookup,
}

/// The listener, open but not yet served.
pub struct SrtServer {
    socket: UdpSocket,
    address: SocketAddr,
    limits: SrtLimits,
    lookup: SrtLookup,
}

impl SrtServer {
    /// Opens the port.
    pub async fn bind(config: SrtConfig) -> Result<Self, BindError> {
        let failed = |source| BindError { listener: Protocol::Srt, address: config.listen, source };
        let socket = UdpSocket::bind(config.listen).await.map_err(failed)?;
        enlarge(&socket);
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address, limits: config.limits, lookup: config.lookup })
    }

    /// Where callers are taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` holds true or its sender is gone; then tells all callers, and returns within about 2 s.
    pub async fn run(self, requests: mpsc::Sender<PublishRequest>, mut shutdown: watch::Receiver<bool>) {
        let Self { socket, limits, lookup, .. } = self;
        let context = Arc::new(Context {
            socket,
            limits,
            lookup,
            requests,
            refusals: Refusals::default(),
            origin: Instant::now(),
        });
        let mut reader = Reader::new(context.clone(), shutdown.clone());
        loop {
            tokio::select! {
                ready = context.socket.readable() => match ready {
                    Ok(()) => reader.read().await,
                    Err(error) => tracing::error!(%error, "the SRT port cannot be read"),
                },
                id = reader.connections.ended() => reader.forget(id),
                () = stopped(&mut shutdown) => break,
            }
        }
        reader.connections.drain().await;
    }
}

/// Asks for a large receive buffer, past the system's limit where that is allowed.
fn enlarge(socket: &UdpSocket) {
    use rustix::net::sockopt;
    if sockopt::set_socket_recv_buffer_size_force(socket, SOCKET_BYTES).is_err() {
        // Without the privilege the system gives what net.core.rmem_max allows.
        let _ = sockopt::set_socket_recv_buffer_size(socket, SOCKET_BYTES);
    }
    // The system counts its own overhead in, and answers twice what it was asked for.
    match sockopt::socket_recv_buffer_size(socket) {
        Ok(bytes) if bytes / 2 < SOCKET_BYTES_NEEDED => tracing::warn!(
            bytes = bytes / 2,
            wanted = SOCKET_BYTES,
            "the SRT port has a small receive buffer and may lose packets in bursts; \
             set sysctl net.core.rmem_max=8388608"
        ),
        _ => {}
    }
}

/// A caller that has a task.
struct Entry {
    peer: SocketAddr,
    /// The caller's own socket.
    theirs: u32,
    queue: mpsc::Sender<Arrival>,
}

/// Reads the port and leads datagrams to their callers.
struct Reader {
    context: Arc<Context>,
    shutdown: watch::Receiver<bool>,
    cookies: Cookies,
    connections: Connections,
    pending: Arc<Semaphore>,
    /// By our socket.
    callers: HashMap<u32, Entry>,
    /// Our socket by the caller's address and socket: the same port can come back at once with another socket.
    known: HashMap<(SocketAddr, u32), u32>,
    tasks: HashMap<Id, u32>,
    slab: BytesMut,
    bytes_total: metrics::Counter,
}

impl Reader {
    fn new(context: Arc<Context>, shutdown: watch::Receiver<bool>) -> Self {
        let limits = &context.limits;
        Self {
            connections: Connections::new("srt", limits.callers_max, limits.callers_per_address_max),
            pending: Arc::new(Semaphore::new(limits.pending_max)),
            context,
            shutdown,
            cookies: Cookies::default(),
            callers: HashMap::new(),
            known: HashMap::new(),
            tasks: HashMap::new(),
            slab: BytesMut::new(),
            bytes_total: metrics::counter!(telemetry::BYTES_TOTAL, "protocol" => Protocol::Srt.name()),
        }
    }

    /// Reads what is there, but not for ever.
    async fn read(&mut self) {
        for _ in 0..READS_MAX {
            if self.slab.capacity() - self.slab.len() < READ_BYTES {
                self.slab = BytesMut::with_capacity(SLAB_BYTES);
            }
            match self.context.socket.try_recv_buf_from(&mut self.slab) {
                Ok((bytes, peer)) => {
                    self.bytes_total.increment(bytes as u64);
                    let datagram = self.slab.split().freeze();
                    self.received(datagram, peer, self.context.now());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // A datagram of ours that found nobody comes back as an error; nothing is wrong with the port.
                Err(error) => tracing::debug!(%error, "the SRT port"),
            }
        }
        tokio::task::yield_now().await;
    }

    fn received(&mut self, bytes: Bytes, peer: SocketAddr, now: Micros) {
        let datagram = match Datagram::read(bytes) {
            Ok(datagram) => datagram,
            Err(malformed) => return telemetry::datagram_dropped(malformed.label()),
        };
        if datagram.to == 0 {
            return match datagram.packet {
                Packet::Handshake(ref body) => match Handshake::read(body.clone()) {
                    Some(handshake) => self.greeted(handshake, datagram, peer, now),
                    None => telemetry::datagram_dropped("handshake"),
                },
                _ => telemetry::datagram_dropped("unknown_socket"),
            };
        }
        match self.callers.get(&datagram.to) {
            Some(entry) if entry.peer == peer => {
                if entry.queue.try_send((datagram, now)).is_err() {
                    telemetry::datagram_dropped("queue_full");
                }
            }
            _ => telemetry::datagram_dropped("unknown_socket"),
        }
    }

    fn greeted(&mut self, handshake: Handshake, datagram: Datagram, peer: SocketAddr, now: Micros) {
        let writer = Writer { to: handshake.socket, timestamp: 0 };
        let answer = Answer { to: &handshake, peer_ip: wire_ip(peer.ip()) };
        match handshake.kind {
            handshake::INDUCTION => {
                let fields = answer.induction(self.cookies.make(peer, now));
                self.context.send(&writer.handshake(&fields), peer);
            }
            handshake::CONCLUSION => {
                if let Some(entry) = self.known.get(&(peer, handshake.socket)).and_then(|id| self.callers.get(id)) {
                    // Our answer was lost, or is not made yet.
                    let _ = entry.queue.try_send((datagram, now));
                } else if !self.cookies.are_fresh(handshake.cookie, peer, now) {
                    telemetry::datagram_dropped("cookie");
                } else if !self.admit(&handshake, datagram.timestamp, peer, now) {
                    self.context.send(&writer.handshake(&answer.refusal(Reject::Backlog)), peer);
                }
            }
            _ => telemetry::datagram_dropped("handshake"),
        }
    }

    /// Gives a caller its task; false when there is no room.
    fn admit(&mut self, handshake: &Handshake, timestamp: u32, peer: SocketAddr, now: Micros) -> bool {
        let Ok(pending) = self.pending.clone().try_acquire_owned() else {
            telemetry::refused("pending_max");
            return false;
        };
        let socket = self.free_socket();
        let theirs = handshake.socket;
        let (queue, incoming) = mpsc::channel(self.context.limits.queue_datagrams);
        let caller = Caller {
            context: self.context.clone(),
            peer,
            socket,
            handshake: handshake.clone(),
            timestamp,
            arrived: now,
            incoming,
            shutdown: self.shutdown.clone(),
            pending: Some(pending),
        };
        let span = tracing::info_span!("ingest", %peer, protocol = %Protocol::Srt);
        let Some(task) = self.connections.admit(peer, Protocol::Srt, caller.serve().instrument(span)) else {
            return false;
        };
        self.tasks.insert(task, socket);
        self.known.insert((peer, theirs), socket);
        self.callers.insert(socket, Entry { peer, theirs, queue });
        true
    }

    /// A number that nobody has and nobody can guess.
    fn free_socket(&self) -> u32 {
        loop {
            let id = rand::random::<u32>() & SOCKET_ID_MASK;
            if id != 0 && !self.callers.contains_key(&id) {
                return id;
            }
        }
    }

    fn forget(&mut self, task: Id) {
        let Some(entry) = self.tasks.remove(&task).and_then(|socket| self.callers.remove(&socket)) else { return };
        self.known.remove(&(entry.peer, entry.theirs));
    }
}
