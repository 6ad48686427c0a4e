//! One caller: from a conclusion with a good cookie to its end, in a task of its own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::NO_APP;
use super::clock::Micros;
use super::crypto::{Keys, Passphrase};
use super::handshake::{Acceptance, Answer as Reply, Handshake};
use super::limits::SrtLimits;
use super::listener::{Denied, denied_keys, wanted, wire_ip};
use super::media::Media;
use super::packet::{DATAGRAM_BYTES_MAX, Datagram, Packet, Writer};
use super::refusals::Refusals;
use super::session::{Output, Session, TICK, Terms};
use crate::feed::Feed;
use crate::publication::Asking;
use crate::shutdown::stopped;
use crate::ts::Demux;
use crate::{
    CloseReason, Encoder, EndReason, IngestEvent, LinkStats, Protocol, PublishRequest, Refusal, StreamKey, telemetry,
};

/// Datagrams taken from the queue at once.
const BATCH: usize = 64;
/// How often the state of the link is told.
const STATS_PERIOD: Duration = Duration::from_secs(1);
/// The largest packet we ask for: what fits Ethernet.
const MTU: u32 = DATAGRAM_BYTES_MAX as u32 + 28;
/// Packets that may be under way; as libsrt has it.
const WINDOW: u32 = 8192;
/// The longest that packets are held, whatever a caller asks for: its memory is ours.
const LATENCY_MAX: Duration = Duration::from_secs(8);

/// What holds for the callers of one key.
#[derive(Debug, Clone)]
pub struct SrtAccess {
    /// What packets are encrypted with; `None` for a stream in the clear.
    pub passphrase: Option<Passphrase>,
    /// For how long packets are held at least; the caller may ask for more.
    pub latency: Duration,
}

/// Finds what holds for a key that a caller from an address has, or why it is turned away. It is asked before anybody may
/// publish; how long it takes must tell nothing of the key.
pub type SrtLookup = Arc<dyn Fn(&StreamKey, IpAddr) -> Result<SrtAccess, Refusal> + Send + Sync>;

/// What all callers share.
pub(super) struct Context {
    pub socket: UdpSocket,
    pub limits: SrtLimits,
    pub lookup: SrtLookup,
    pub requests: mpsc::Sender<PublishRequest>,
    pub refusals: Refusals,
    /// Where the clock of [`Micros`] begins.
    pub origin: Instant,
}

impl Context {
    pub fn now(&self) -> Micros {
        self.origin.elapsed().as_micros() as Micros
    }

    /// Sends what it can. What the system does not take now the protocol makes good, as if the network had lost it.
    pub fn send(&self, datagram: &[u8], to: SocketAddr) {
        if let Err(error) = self.socket.try_send_to(datagram, to) {
            tracing::debug!(%error, %to, "a datagram could not be sent");
        }
    }
}

/// A datagram and when it came.
pub(super) type Arrival = (Datagram, Micros);

/// A caller that has shown its address.
pub(super) struct Caller {
    pub context: Arc<Context>,
    pub peer: SocketAddr,
    /// Our socket.
    pub socket: u32,
    pub handshake: Handshake,
    /// The timestamp of the handshake, and when it came.
    pub timestamp: u32,
    pub arrived: Micros,
    pub incoming: mpsc::Receiver<Arrival>,
    pub shutdown: watch::Receiver<bool>,
    /// Held until the caller is answered.
    pub pending: Option<OwnedSemaphorePermit>,
}

/// An accepted caller's end of the broadcast, and the protocol.
struct Accepted {
    feed: Feed,
    session: Session,
    /// The answer to its conclusion, which it may ask for again.
    reply: bytes::Bytes,
}

impl Caller {
    /// Serves the caller to its end.
    pub async fn serve(mut self) {
        let accepted = self.accept().await;
        self.pending = None;
        match accepted {
            Ok(accepted) => self.run(accepted).await,
            Err(denied) => {
                telemetry::refused(denied.label);
                let (now, code) = (self.context.now(), denied.reject.code());
                if let Some(untold) = self.context.refusals.note(self.peer.ip(), denied.label, now) {
                    let before = (untold > 0).then_some(untold);
                    tracing::warn!(code, reason = denied.sentence, before, "caller refused");
                }
                let refusal = self.reply().refusal(denied.reject);
                self.context.send(&self.greeting(&refusal), self.peer);
            }
        }
    }

    fn reply(&self) -> Reply<'_> {
        Reply { to: &self.handshake, peer_ip: wire_ip(self.peer.ip()) }
    }

    fn greeting(&self, fields: &[u8]) -> bytes::Bytes {
        Writer { to: self.handshake.socket, timestamp: (self.context.now() - self.arrived) as u32 }.handshake(fields)
    }

    /// Checks everything that can be checked before the owner of the key decides.
    async fn accept(&mut self) -> Result<Accepted, Denied> {
        let (key, hello) = wanted(&self.handshake)?;
        let access = (self.context.lookup)(&key, self.peer.ip()).map_err(|refusal| Denied::from(&refusal))?;
        let encrypts = access.passphrase.is_some();
        let keys = Keys::open(access.passphrase, self.handshake.extensions.keys.as_ref())
            .map_err(|reject| denied_keys(reject, encrypts))?;
        let latency = access.latency.max(Duration::from_millis(hello.send_ms.into())).min(LATENCY_MAX);
        let latency_ms = u16::try_from(latency.as_millis()).unwrap_or(u16::MAX);
        let encoder = Encoder { flash_ver: format!("SRT {}", hello.version_text()), four_ccs: Vec::new() };
        let asking = Asking { peer: self.peer, protocol: Protocol::Srt, app: NO_APP, key, encoder };
        let answer = asking.ask(&self.context.requests, self.context.limits.answer_timeout).await;
        let feed = answer.map_err(|refusal| Denied::from(&refusal))?;
        tracing::info!(library = hello.version_text(), latency_ms, encrypts, "publish accepted");
        let fields = self.reply().acceptance(&Acceptance {
            socket: self.socket,
            latency_ms,
            send_ms: hello.receive_ms,
            mtu: self.handshake.mtu.min(MTU),
            window: WINDOW,
            keys: self.handshake.extensions.keys.as_deref(),
        });
        let reply = self.greeting(&fields);
        self.context.send(&reply, self.peer);
        let session = Session::new(Terms {
            peer_socket: self.handshake.socket,
            first: self.handshake.first,
            timestamp: self.timestamp,
            arrived: self.arrived,
            latency,
            keys,
        });
        Ok(Accepted { feed: *feed, session, reply })
    }

    async fn run(mut self, accepted: Accepted) {
        let Accepted { mut feed, mut session, reply } = accepted;
        let mut demux = Demux::new(self.context.limits.unit_bytes_max);
        let end = self.publish(&mut feed, &mut session, &mut demux, &reply).await;
        let stats = link_stats(&session, &demux);
        tracing::info!(reason = %end, bytes = stats.bytes, delivered = stats.delivered, lost = stats.dropped, "publisher gone");
        if end != EndReason::Finished {
            self.context.send(&session.farewell(self.context.now()), self.peer);
        }
        feed.offer(IngestEvent::Link(Box::new(stats)));
        feed.end(end);
    }

    /// Hands on media until something ends it.
    async fn publish(&mut self, feed: &mut Feed, session: &mut Session, demux: &mut Demux, reply: &[u8]) -> EndReason {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stats = interval(STATS_PERIOD);
        let mut batch = Vec::with_capacity(BATCH);
        let media = Media::new();
        loop {
            while let Some(output) = session.next() {
                match output {
                    Output::Send(datagram) => self.context.send(&datagram, self.peer),
                    Output::Media(payload) => {
                        if let Err(unsupported) = demux.push(&payload) {
                            return EndReason::Unsupported(unsupported);
                        }
                        media.offer(demux, feed);
                    }
                    Output::Lost(packets) => {
                        telemetry::lost(packets);
                        demux.lost();
                    }
                    Output::Finished => {
                        let outcome = demux.finish();
                        media.offer(demux, feed);
                        return outcome.map_or_else(EndReason::Unsupported, |()| EndReason::Finished);
                    }
                    Output::Silent => return EndReason::Disconnected,
                }
            }
            tokio::select! {
                received = self.incoming.recv_many(&mut batch, BATCH) => {
                    if received == 0 {
                        return EndReason::Internal;
                    }
                    for (datagram, arrived) in batch.drain(..) {
                        match datagram.packet {
                            Packet::Handshake(_) => self.context.send(reply, self.peer),
                            _ => session.handle(datagram, arrived),
                        }
                    }
                }
                _ = tick.tick() => session.tick(self.context.now()),
                _ = stats.tick() => feed.offer(IngestEvent::Link(Box::new(link_stats(session, demux)))),
                reason = &mut feed.closed => return EndReason::Closed(reason.unwrap_or(CloseReason::Stopped)),
                () = stopped(&mut self.shutdown) => return EndReason::Closed(CloseReason::Shutdown),
            }
        }
    }
}

fn link_stats(session: &Session, demux: &Demux) -> LinkStats {
    let (continuity_errors, skipped_bytes) = (demux.continuity_errors(), demux.skipped_bytes());
    LinkStats { continuity_errors, skipped_bytes, ..session.stats() }
}
