//! What fuzzing asks of an SRT session: a function that takes datagrams as a caller could send them, and panics if something
//! does not hold that must hold whatever they are.

use std::time::Duration;

use bytes::Bytes;

use super::buffer::CAPACITY;
use super::clock::Micros;
use super::crypto::{Keys, Passphrase};
use super::packet::{DATAGRAM_BYTES_MAX, Datagram, Packet};
use super::seq::Seq;
use super::session::{Output, Session, TICK, Terms};

/// What the callers of the corpus encrypt with.
const PASSPHRASE: &str = "correct horse battery";
/// Steps of one run; each can cost some ticks over a full buffer.
const STEPS_MAX: usize = 48;
/// What one byte of waiting stands for.
const WAIT: Micros = 500;

/// One caller. Four bytes are the number of its first packet, one the latency, one whether it encrypts; if it does, keys
/// come next. Then datagrams: how long each was waited for, a length of two bytes, bytes. All lengths have two bytes.
pub fn session(data: &[u8]) {
    let Some((&[a, b, c, d, latency, how], rest)) = data.split_first_chunk() else { return };
    let (first, encrypts, mut rest) = (Seq::new(u32::from_be_bytes([a, b, c, d])), how & 1 == 1, rest);
    let mut keys = None;
    if encrypts {
        let (message, behind) = counted(rest);
        (keys, rest) = (Some(message), behind);
    }
    let passphrase = if encrypts { Passphrase::parse(PASSPHRASE).ok() } else { None };
    let Ok(keys) = Keys::open(passphrase, keys.as_ref()) else { return };
    let latency = Duration::from_millis(20 + 4 * u64::from(latency));
    let terms = Terms { peer_socket: 7, first, timestamp: 0, arrived: 0, latency, keys };
    let mut run = Run { session: Session::new(terms), now: 0, media: 0, ended: false };
    for _ in 0..STEPS_MAX {
        let Some((&wait, behind)) = rest.split_first() else { break };
        let (datagram, behind) = counted(behind);
        rest = behind;
        run.wait(Micros::from(wait) * WAIT);
        if let Ok(datagram) = Datagram::read(datagram) {
            run.media += u64::from(matches!(datagram.packet, Packet::Data(_)));
            run.session.handle(datagram, run.now);
        }
        run.check();
    }
    run.wait(latency.as_micros() as Micros + 20_000);
    run.check();
}

fn counted(bytes: &[u8]) -> (Bytes, &[u8]) {
    let Some((&length, behind)) = bytes.split_first_chunk() else { return (Bytes::new(), &[]) };
    let (content, rest) = behind.split_at(usize::from(u16::from_be_bytes(length)).min(behind.len()));
    (Bytes::copy_from_slice(content), rest)
}

struct Run {
    session: Session,
    now: Micros,
    /// Packets of media that went in, less those that came out.
    media: u64,
    ended: bool,
}

impl Run {
    fn wait(&mut self, wait: Micros) {
        let (until, tick) = (self.now + wait, TICK.as_micros() as Micros);
        while self.now < until {
            self.now = until.min(self.now + tick);
            self.session.tick(self.now);
        }
    }

    fn check(&mut self) {
        while let Some(output) = self.session.next() {
            match output {
                Output::Send(bytes) => {
                    assert!(bytes.len() <= DATAGRAM_BYTES_MAX);
                    assert!(Datagram::read(bytes).is_ok_and(|datagram| datagram.to == 7));
                }
                Output::Media(payload) => {
                    assert!(!payload.is_empty() && self.media > 0);
                    self.media -= 1;
                }
                Output::Lost(count) => assert!(count > 0),
                Output::Finished | Output::Silent => assert!(!std::mem::replace(&mut self.ended, true)),
            }
        }
        let stats = self.session.stats();
        assert!(stats.buffered as usize <= CAPACITY && stats.missing <= stats.buffered);
    }
}
