//! One accepted caller: packets and the time go in; answers, media and losses come out. No socket, no clock.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::buffer::{Buffer, CAPACITY, Insert, Release};
use super::clock::{Clock, Micros};
use super::crypto::Keys;
use super::packet::{Data, Datagram, Packet, Writer};
use super::rtt::Rtt;
use super::seq::Seq;
use crate::LinkStats;

/// How often [`Session::tick`] should be called: the period of acknowledgements (draft-sharabayko-srt-01, 4.8.1).
pub const TICK: Duration = Duration::from_millis(10);
/// Packets after which an acknowledgement goes out before its time.
const LIGHT_ACK_PACKETS: u32 = 64;
/// Ranges that a loss report holds at most: it has to fit a datagram.
const NAK_RANGES_MAX: usize = 180;
/// A missing packet is not asked for more often than this.
const NAK_PERIOD_MIN: Micros = 10_000;
/// Nor, while there is time for several attempts, than this (4.8.2).
const NAK_PERIOD_CALM_MIN: Micros = 20_000;
/// Round trips before a packet is due from which on it is asked for as often as may be.
const URGENT_ROUND_TRIPS: Micros = 3;
/// The part of the latency that may pass before a packet is asked for which may have been overtaken.
const PATIENCE_PART: Micros = 12;
/// Silence of ours after which we give a sign of life.
const KEEPALIVE: Micros = 1_000_000;
/// Silence of the peer after which it is gone. It gives a sign of life every second.
const PEER_SILENCE_MAX: Micros = 5_000_000;
/// A timestamp this far from where it should be is not jitter: the sender's clock was set.
const CLOCK_STEP: Micros = 5_000_000;
/// The state of keys in an answer to those that cannot be used: a bad secret (table 6 of 6.1.4).
const KEY_STATE_BAD_SECRET: [u8; 4] = [0, 0, 0, 4];

/// What a session wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// This is to be sent to the caller.
    Send(Bytes),
    /// Media, in order.
    Media(Bytes),
    /// So many packets of media are missing here.
    Lost(u32),
    /// The caller is done.
    Finished,
    /// The caller has been silent for too long.
    Silent,
}

/// What was agreed in the handshake.
#[derive(Debug)]
pub struct Terms {
    /// The caller's socket.
    pub peer_socket: u32,
    /// The number of its first packet.
    pub first: Seq,
    /// The timestamp of its conclusion.
    pub timestamp: u32,
    /// When that arrived.
    pub arrived: Micros,
    /// For how long packets are held.
    pub latency: Duration,
    /// Its keys.
    pub keys: Keys,
}

/// The state of one caller.
#[derive(Debug)]
pub struct Session {
    peer_socket: u32,
    began: Micros,
    latency: Micros,
    keys: Keys,
    clock: Clock,
    buffer: Buffer,
    rtt: Rtt,
    overtaking: Overtaking,
    /// What was acknowledged last, and whether the caller knows.
    acknowledged: Seq,
    since_ack: u32,
    heard: Micros,
    spoke: Micros,
    ended: bool,
    stats: LinkStats,
    rate: Rate,
    outputs: VecDeque<Output>,
}

/// What came in during a second.
#[derive(Debug, Default)]
struct Rate {
    since: Micros,
    packets: u64,
    bytes: u64,
    packets_per_s: u32,
    bytes_per_s: u32,
}

impl Session {
    /// The session of a caller that was just accepted.
    pub fn new(terms: Terms) -> Self {
        let latency = terms.latency.as_micros() as Micros;
        Self {
            peer_socket: terms.peer_socket,
            began: terms.arrived,
            latency,
            keys: terms.keys,
            clock: Clock::new(terms.timestamp, terms.arrived),
            buffer: Buffer::new(terms.first),
            rtt: Rtt::default(),
            overtaking: Overtaking::default(),
            acknowledged: terms.first,
            since_ack: 0,
            heard: terms.arrived,
            spoke: terms.arrived,
            ended: false,
            stats: LinkStats { latency: terms.latency, ..LinkStats::default() },
            rate: Rate { since: terms.arrived, ..Rate::default() },
            outputs: VecDeque::new(),
        }
    }

    /// Takes a datagram that arrived at `now`.
    pub fn handle(&mut self, datagram: Datagram, now: Micros) {
        self.heard = now;
        match datagram.packet {
            Packet::Data(data) => self.media(data, datagram.timestamp, now),
            Packet::AckAck(number) => self.rtt.answered(number, now),
            Packet::DropRequest(first, last) => self.buffer.give_up(first, last),
            Packet::KeyRequest(message) => self.renew_keys(&message, now),
            Packet::Shutdown => {
                // What is here is all there will be.
                self.release(Micros::MAX);
                self.end(Output::Finished);
            }
            Packet::KeepAlive | Packet::Handshake(_) | Packet::Ignored => {}
        }
        self.release(now);
    }

    /// Lets time pass: to be called every [`TICK`].
    pub fn tick(&mut self, now: Micros) {
        if self.ended {
            return;
        }
        self.release(now);
        self.ask(now);
        self.acknowledge(now);
        if now - self.spoke >= KEEPALIVE {
            let keepalive = self.writer(now).keepalive();
            self.send(keepalive, now);
        }
        if now - self.heard >= PEER_SILENCE_MAX {
            self.release(Micros::MAX);
            self.end(Output::Silent);
        }
        if self.rate.tick(now) {
            self.overtaking.forget();
        }
    }

    /// The next thing to do.
    pub fn next(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What the caller is told at the end.
    pub fn farewell(&self, now: Micros) -> Bytes {
        self.writer(now).shutdown()
    }

    /// How the link does.
    pub fn stats(&self) -> LinkStats {
        LinkStats {
            rtt: Duration::from_micros(self.rtt.mean() as u64),
            bytes_per_s: self.rate.bytes_per_s.into(),
            buffered: self.buffer.len() as u32,
            missing: self.buffer.missing() as u32,
            ..self.stats.clone()
        }
    }

    fn media(&mut self, data: Data, timestamp: u32, now: Micros) {
        self.stats.packets += 1;
        self.stats.bytes += data.payload.len() as u64;
        self.rate.packets += 1;
        self.rate.bytes += data.payload.len() as u64;
        let mut sent = self.clock.unwrap(timestamp);
        let retransmitted = data.retransmitted;
        if retransmitted {
            self.stats.retransmitted += 1;
        } else {
            if (now - self.clock.arrival(sent)).abs() > CLOCK_STEP {
                self.clock = Clock::new(timestamp, now);
                sent = self.clock.unwrap(timestamp);
            }
            self.clock.observe(sent, now);
        }
        if self.buffer.confirms_restart(data.seq) {
            self.restart(data.seq);
        }
        match self.buffer.insert(data, sent, now) {
            Insert::Ahead(first, last) => {
                self.stats.lost += last.since(first).unsigned_abs() + 1;
                if self.patience() == 0 {
                    self.ask(now);
                }
            }
            Insert::Recovered(after) if !retransmitted => self.overtaking.seen(after),
            Insert::Duplicate => self.stats.duplicates += 1,
            Insert::Late => self.stats.late += 1,
            Insert::Stray => self.stats.strays += 1,
            Insert::Next | Insert::Recovered(_) => {}
        }
        self.since_ack += 1;
        if self.since_ack >= LIGHT_ACK_PACKETS {
            self.since_ack = 0;
            let acknowledged = self.buffer.acknowledged();
            let light = self.writer(now).ack(0, &[acknowledged.raw()]);
            self.send(light, now);
        }
    }

    /// The stream goes on far from where it was, after a silence longer than the buffer.
    fn restart(&mut self, first: Seq) {
        self.release(Micros::MAX);
        self.buffer.restart(first);
        self.acknowledged = first;
        self.lost(1);
    }

    /// Hands out what is due at `now`.
    fn release(&mut self, now: Micros) {
        let due = |clock: &Clock, sent: Micros| clock.arrival(sent) + self.latency <= now;
        while let Some(release) = self.buffer.release(|sent| due(&self.clock, sent)) {
            match release {
                Release::Hole(count) => {
                    self.stats.dropped += count as u64;
                    self.outputs.push_back(Output::Lost(count as u32));
                }
                Release::Data(data) => match self.keys.decrypt(data) {
                    Some(payload) => {
                        self.stats.delivered += 1;
                        self.outputs.push_back(Output::Media(payload));
                    }
                    None => {
                        self.stats.undecryptable += 1;
                        self.outputs.push_back(Output::Lost(1));
                    }
                },
            }
        }
    }

    fn lost(&mut self, count: u32) {
        self.stats.dropped += u64::from(count);
        self.outputs.push_back(Output::Lost(count));
    }

    /// Asks for what is missing: as soon as it can no longer be on its way, then once in a round trip while there is time
    /// for several, more often when there is not, and no more when it could not come in time.
    fn ask(&mut self, now: Micros) {
        if self.buffer.missing() == 0 {
            return;
        }
        let (rtt, latency, patience) = (self.rtt.mean(), self.latency, self.patience());
        let calm = (rtt + 4 * self.rtt.deviation()).max(NAK_PERIOD_CALM_MIN);
        let urgent = (rtt / 4).max(NAK_PERIOD_MIN);
        let clock = &self.clock;
        let ranges = self.buffer.ask(now, NAK_RANGES_MAX, |hole| {
            let left = clock.arrival(hole.behind) + latency - now;
            let due = match hole.asked {
                None => now - hole.since >= patience,
                Some(asked) => now - asked >= if left > URGENT_ROUND_TRIPS * rtt { calm } else { urgent },
            };
            due && left > rtt / 2
        });
        if !ranges.is_empty() {
            self.stats.reports += 1;
            let report = self.writer(now).nak(&ranges);
            self.send(report, now);
        }
    }

    /// How long a hole is left alone: as long as packets overtake each other here. But waiting costs time for those that are
    /// really lost, so that it may not cost them one of two attempts.
    fn patience(&self) -> Micros {
        let spare = self.latency - self.rtt.mean() * 9 / 4;
        self.overtaking.0.min(self.latency / PATIENCE_PART).min(spare / 4).max(0)
    }

    /// A full acknowledgement (3.2.4), if there is anything new, or the caller seems not to have got the last.
    fn acknowledge(&mut self, now: Micros) {
        let until = self.buffer.acknowledged();
        if until == self.acknowledged && !self.rtt.is_overdue(now) {
            return;
        }
        self.acknowledged = until;
        self.since_ack = 0;
        let number = self.rtt.asked(now);
        let room = CAPACITY - self.buffer.len();
        let (rtt, deviation) = (self.rtt.mean() as u32, self.rtt.deviation() as u32);
        let (packets, bytes) = (self.rate.packets_per_s, self.rate.bytes_per_s);
        // The capacity of the link is not estimated: senders of live media do not use it.
        let ack = self.writer(now).ack(number, &[until.raw(), rtt, deviation, room as u32, packets, packets, bytes]);
        self.send(ack, now);
    }

    fn renew_keys(&mut self, message: &Bytes, now: Micros) {
        let answer = match self.keys.renew(message) {
            Ok(()) => self.writer(now).key_response(message),
            Err(_) => self.writer(now).key_response(&KEY_STATE_BAD_SECRET),
        };
        self.send(answer, now);
    }

    fn end(&mut self, output: Output) {
        if !self.ended {
            self.ended = true;
            self.outputs.push_back(output);
        }
    }

    fn writer(&self, now: Micros) -> Writer {
        Writer { to: self.peer_socket, timestamp: (now - self.began) as u32 }
    }

    fn send(&mut self, datagram: Bytes, now: Micros) {
        self.spoke = now;
        self.outputs.push_back(Output::Send(datagram));
    }
}

/// By how much packets overtake each other on this link: what is missing may still be on its way for so long.
#[derive(Debug, Default)]
struct Overtaking(Micros);

impl Overtaking {
    /// A packet came by itself so long after it was missed.
    fn seen(&mut self, after: Micros) {
        self.0 = self.0.max(after);
    }

    /// A second has passed.
    fn forget(&mut self) {
        self.0 = if self.0 < 1000 { 0 } else { self.0 * 7 / 8 };
    }
}

impl Rate {
    /// True once a second.
    fn tick(&mut self, now: Micros) -> bool {
        let elapsed = now - self.since;
        let over = elapsed >= 1_000_000;
        if over {
            let per_second = |count: u64| (count * 1_000_000 / elapsed.unsigned_abs()) as u32;
            (self.packets_per_s, self.bytes_per_s) = (per_second(self.packets), per_second(self.bytes));
            (self.since, self.packets, self.bytes) = (now, 0, 0);
        }
        over
    }
}
