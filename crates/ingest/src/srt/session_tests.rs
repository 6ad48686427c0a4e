//! The receiver against a model of a sender on a bad link, in simulated time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::clock::Micros;
use super::crypto::Keys;
use super::packet::Datagram;
use super::seq::Seq;
use super::session::{Output, Session, TICK, Terms};

const FIRST: u32 = 0x7fff_ff00;
/// 6 Mbps in packets of 1316 bytes.
const PERIOD: Micros = 1755;
const ONE_WAY: Micros = 25_000;

/// A link, and for how long nothing passes it.
#[derive(Debug, Clone, Copy)]
struct Link {
    seed: u64,
    loss: f64,
    jitter: Micros,
    duplicates: f64,
    blackout: (Micros, Micros),
}

const CLEAN: Link = Link { seed: 1, loss: 0.0, jitter: 0, duplicates: 0.0, blackout: (0, 0) };

/// What came out of a run.
#[derive(Debug, Default)]
struct Came {
    /// Numbers of the packets delivered, from 0.
    numbers: Vec<u32>,
    lost: u32,
    sent_again: u64,
    end: Option<Output>,
}

struct Model {
    link: Link,
    chance: StdRng,
    session: Session,
    /// Datagrams under way: when they arrive, an order, whether they go to the session, and their bytes.
    flying: BinaryHeap<Reverse<(Micros, u64, bool, Bytes)>>,
    order: u64,
    latency: Micros,
    came: Came,
}

fn datagram(first: u32, second: u32, timestamp: Micros, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    for word in [first, second, timestamp as u32, 42] {
        out.put_u32(word);
    }
    out.put_slice(body);
    out.freeze()
}

impl Model {
    fn new(link: Link, latency_ms: u64) -> Self {
        let latency = Duration::from_millis(latency_ms);
        let keys = Keys::open(None, None).expect("in the clear");
        let terms = Terms { peer_socket: 7, first: Seq::new(FIRST), timestamp: 0, arrived: ONE_WAY, latency, keys };
        Self {
            link,
            chance: StdRng::seed_from_u64(link.seed),
            session: Session::new(terms),
            flying: BinaryHeap::new(),
            order: 0,
            latency: latency.as_micros() as Micros,
            came: Came::default(),
        }
    }

    fn fly(&mut self, now: Micros, to_session: bool, bytes: Bytes) {
        let copies = if self.chance.random::<f64>() < self.link.duplicates { 2 } else { 1 };
        for _ in 0..copies {
            let (lost, late) = (self.chance.random::<f64>(), self.chance.random::<f64>());
            let dark = (self.link.blackout.0..self.link.blackout.1).contains(&now);
            if lost >= self.link.loss && !dark {
                let at = now + ONE_WAY + (self.link.jitter as f64 * late) as Micros;
                self.order += 1;
                self.flying.push(Reverse((at, self.order, to_session, bytes.clone())));
            }
        }
    }

    fn media(&mut self, now: Micros, number: u32, again: bool) {
        let second = 0xc000_0001 | u32::from(again) << 26;
        let seq = FIRST.wrapping_add(number) & 0x7fff_ffff;
        let bytes = datagram(seq, second, Micros::from(number) * PERIOD, &number.to_be_bytes());
        self.fly(now, true, bytes);
    }

    /// The sender's side: reports are followed as long as it makes sense, acknowledgements answered.
    fn hear(&mut self, now: Micros, mut bytes: Bytes) {
        let (kind, number) = (bytes.get_u32() >> 16, bytes.get_u32());
        bytes.advance(8);
        match kind {
            0x8002 if bytes.len() > 4 => self.fly(now, true, datagram(0x8006_0000, number, now, &[])),
            0x8003 => {
                while bytes.has_remaining() {
                    let first = bytes.get_u32();
                    let last = if first >> 31 == 1 { bytes.get_u32() } else { first };
                    let count = Seq::new(last).since(Seq::new(first)).clamp(0, 30_000);
                    for offset in 0..=count {
                        let number = Seq::new(first).plus(offset as usize).since(Seq::new(FIRST)) as u32;
                        if Micros::from(number) * PERIOD + self.latency > now {
                            self.came.sent_again += 1;
                            self.media(now, number, true);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// Runs until everything that the sender sends in `seconds` has come or is given up.
    fn run(mut self, seconds: i64) -> Came {
        let (mut next, mut tick, until) = (0_u32, ONE_WAY, seconds * 1_000_000);
        loop {
            let send = Micros::from(next) * PERIOD;
            let sending = send < until;
            let arrival = self.flying.peek().map_or(Micros::MAX, |Reverse((at, ..))| *at);
            let now = arrival.min(tick).min(if sending { send } else { Micros::MAX });
            if now > until + 10_000_000 || self.came.end.is_some() {
                return self.came;
            }
            if sending && now == send {
                self.media(now, next, false);
                next += 1;
            } else if now == arrival {
                let Some(Reverse((_, _, to_session, bytes))) = self.flying.pop() else { continue };
                match to_session {
                    true => self.session.handle(Datagram::read(bytes).expect("well formed"), now),
                    false => self.hear(now, bytes),
                }
            } else {
                self.session.tick(now);
                tick += TICK.as_micros() as Micros;
            }
            self.drain(now);
        }
    }

    fn drain(&mut self, now: Micros) {
        while let Some(output) = self.session.next() {
            match output {
                Output::Send(bytes) => self.fly(now, false, bytes),
                Output::Media(mut payload) => self.came.numbers.push(payload.get_u32()),
                Output::Lost(count) => self.came.lost += count,
                end => self.came.end = Some(end),
            }
        }
    }
}

fn rising(numbers: &[u32]) -> bool {
    numbers.windows(2).all(|pair| pair[0] < pair[1])
}

#[test]
fn a_clean_link_delivers_everything_and_asks_for_nothing() {
    let came = Model::new(CLEAN, 120).run(5);
    assert_eq!(came.numbers.len(), 5_000_000_usize.div_ceil(PERIOD as usize));
    assert_eq!((came.lost, came.sent_again), (0, 0));
}

#[test]
fn ten_percent_of_loss_is_made_good_in_eight_round_trips() {
    for seed in 0..5 {
        let came = Model::new(Link { seed, loss: 0.1, ..CLEAN }, 400).run(20);
        assert_eq!(came.lost, 0, "seed {seed}");
        assert!(rising(&came.numbers));
        // One in ten is asked for, and one in ten of those again; not much more.
        assert!(came.sent_again < came.numbers.len() as u64 * 15 / 100, "{} sent again", came.sent_again);
    }
}

#[test]
fn what_is_lost_is_said_in_its_place() {
    let came = Model::new(Link { loss: 0.1, ..CLEAN }, 60).run(10);
    assert!(came.lost > 0);
    assert!(rising(&came.numbers));
    assert!((came.numbers.len() as u32 + came.lost).abs_diff(10_000_000 / PERIOD as u32) <= 40);
}

#[test]
fn after_a_blackout_the_stream_goes_on() {
    for seconds in [2, 4] {
        let link = Link { blackout: (3_000_000, (3 + seconds) * 1_000_000), ..CLEAN };
        let came = Model::new(link, 200).run(15);
        assert_eq!(came.numbers.last(), Some(&(15_000_000 / PERIOD as u32)), "{seconds} s");
        assert!(came.lost >= (seconds as u32 * 1_000_000 / PERIOD as u32).saturating_sub(200));
    }
}

#[test]
fn a_sender_that_is_gone_is_noticed() {
    let link = Link { blackout: (2_000_000, Micros::MAX), ..CLEAN };
    let came = Model::new(link, 120).run(10);
    assert_eq!(came.end, Some(Output::Silent));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn on_any_link_packets_come_in_order_and_none_is_unaccounted_for(
        seed in any::<u64>(),
        loss in 0.0..0.4,
        jitter in 0..40_000_i64,
        duplicates in 0.0..0.2,
        latency_ms in 20..500_u64,
    ) {
        let link = Link { seed, loss, jitter, duplicates, blackout: (0, 0) };
        let came = Model::new(link, latency_ms).run(4);
        prop_assert!(rising(&came.numbers));
        if let Some(last) = came.numbers.last() {
            prop_assert_eq!(came.numbers.len() as u32 + came.lost, last + 1);
        }
    }
}
