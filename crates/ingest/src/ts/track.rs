//! One stream of the program: its packets, put together and read.

use std::collections::VecDeque;

use weir_media::{Frame, TrackKind};

use super::audio::Audio;
use super::h264::H264;
use super::packet::Packet;
use super::pes::{Assembler, Damaged, Pes};
use super::psi::Codec;
use crate::{IngestEvent, LostReason, UnsupportedMedia, telemetry};

/// The clock of presentation times: 33 bits.
const TIME_BITS: u32 = 33;
/// Between two pictures of one packet, when the distance is not known yet: 30 frames a second.
const PICTURE_TICKS: i64 = 3000;
/// The longest distance between two pictures that tells how far apart they are as a rule: a second.
const PICTURE_TICKS_MAX: i64 = 90_000;

/// The continuity counter of one PID (2.4.3.3).
#[derive(Debug, Default)]
pub struct Counter(Option<u8>);

/// What a counter says of a packet with a payload.
#[derive(Debug, PartialEq, Eq)]
pub enum Continuity {
    /// It follows the one before.
    Next,
    /// It is the one before, once more.
    Repeated,
    /// Something is missing in front of it.
    Broken,
}

impl Counter {
    /// Takes the packet's counter into account.
    pub fn check(&mut self, packet: &Packet<'_>) -> Continuity {
        let last = self.0.replace(packet.counter);
        match last {
            _ if packet.discontinuity => Continuity::Next,
            None => Continuity::Next,
            Some(last) if packet.counter == last => Continuity::Repeated,
            Some(last) if packet.counter == (last + 1) & 0x0f => Continuity::Next,
            Some(_) => Continuity::Broken,
        }
    }
}

/// Makes events of the PES packets of one kind of stream.
pub trait Reader {
    /// Takes one packet.
    fn read(&mut self, pes: Result<Pes, Damaged>, events: &mut VecDeque<IngestEvent>) -> Result<(), UnsupportedMedia>;
}

/// One stream.
#[derive(Debug)]
pub struct Track<R> {
    pid: u16,
    counter: Counter,
    assembler: Assembler,
    reader: R,
}

impl<R: Reader> Track<R> {
    /// The stream at `pid`, with PES packets of at most `bytes_max`.
    pub fn new(pid: u16, bytes_max: usize, reader: R) -> Self {
        Self { pid, counter: Counter::default(), assembler: Assembler::new(bytes_max), reader }
    }

    /// Where it is.
    pub fn pid(&self) -> u16 {
        self.pid
    }

    /// Something of it may be missing here.
    pub fn lost(&mut self) {
        self.assembler.lost();
    }

    /// Takes a packet of it.
    pub fn push(
        &mut self,
        packet: &Packet<'_>,
        payload: &[u8],
        events: &mut VecDeque<IngestEvent>,
        continuity_errors: &mut u64,
    ) -> Result<(), UnsupportedMedia> {
        match self.counter.check(packet) {
            Continuity::Repeated => return Ok(()),
            Continuity::Broken => {
                *continuity_errors += 1;
                self.assembler.lost();
            }
            Continuity::Next => {}
        }
        let mut outcome = Ok(());
        self.assembler.push(payload, packet.starts, |pes| {
            if outcome.is_ok() {
                outcome = self.reader.read(pes, events);
            }
        });
        outcome
    }

    /// It is over: what has begun is handed out.
    pub fn close(&mut self, events: &mut VecDeque<IngestEvent>) -> Result<(), UnsupportedMedia> {
        let mut outcome = Ok(());
        self.assembler.close(|pes| outcome = self.reader.read(pes, events));
        outcome
    }
}

/// An H.264 stream.
#[derive(Debug, Default)]
pub struct Pictures {
    reader: H264,
    /// The last decoding time, and how far it was from the one before.
    last: Option<(u64, i64)>,
}

impl Reader for Pictures {
    /// Only the first picture of a packet has a time of its own; others follow at the distance of those before.
    fn read(&mut self, pes: Result<Pes, Damaged>, events: &mut VecDeque<IngestEvent>) -> Result<(), UnsupportedMedia> {
        let Ok(pes) = pes else {
            telemetry::dropped("ts_loss");
            events.push_back(IngestEvent::Lost { frames: 1, reason: LostReason::Damaged });
            return Ok(());
        };
        let (Some(pts), Some(dts)) = (pes.pts, pes.dts) else {
            telemetry::dropped("no_time");
            return Ok(());
        };
        let composition = difference(pts, dts);
        let distance = self.last.map_or(PICTURE_TICKS, |(before, distance)| match difference(dts, before) {
            ticks @ 1..=PICTURE_TICKS_MAX => ticks,
            _ => distance,
        });
        self.last = Some((dts, distance));
        let mut dts = dts as i64;
        self.reader.read(&pes.data, |picture| {
            if let Some(params) = picture.params {
                events.push_back(IngestEvent::VideoConfig(params));
            }
            let (kind, keyframe, data) = (TrackKind::Video, picture.keyframe, picture.data);
            events.push_back(IngestEvent::Frame(Frame { kind, dts, pts: dts + composition, keyframe, data }));
            dts += distance;
        })
    }
}

/// An AAC stream.
#[derive(Debug)]
pub struct Sounds(Audio);

impl Sounds {
    /// A stream of this codec, one of AAC.
    pub fn of(codec: Codec) -> Self {
        Self(if codec == Codec::Latm { Audio::latm() } else { Audio::adts() })
    }
}

impl Reader for Sounds {
    fn read(&mut self, pes: Result<Pes, Damaged>, events: &mut VecDeque<IngestEvent>) -> Result<(), UnsupportedMedia> {
        let Ok(pes) = pes else {
            telemetry::dropped("ts_loss");
            self.0.lost();
            return Ok(());
        };
        self.0.read(&pes, |sound| {
            if let Some(params) = sound.params {
                events.push_back(IngestEvent::AudioConfig(params));
            }
            let time = sound.time as i64;
            let frame = Frame { kind: TrackKind::Audio, dts: time, pts: time, keyframe: true, data: sound.data };
            events.push_back(IngestEvent::Frame(frame));
        })
    }
}

/// How far `one` is behind `other` on a counter of 33 bits.
fn difference(one: u64, other: u64) -> i64 {
    let shift = 64 - TIME_BITS;
    (one.wrapping_sub(other) << shift) as i64 >> shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_differ_across_their_wrap() {
        assert_eq!(difference(5, (1 << 33) - 5), 10);
        assert_eq!(difference((1 << 33) - 5, 5), -10);
    }

    #[test]
    fn a_counter_tells_repetition_from_loss() {
        let packet = |counter, discontinuity| Packet {
            pid: 1,
            starts: false,
            counter,
            discontinuity,
            clock: None,
            payload: Some(&[]),
        };
        let mut counter = Counter::default();
        for (number, discontinuity, expected) in [
            (14, false, Continuity::Next),
            (15, false, Continuity::Next),
            (0, false, Continuity::Next),
            (0, false, Continuity::Repeated),
            (2, false, Continuity::Broken),
            (9, true, Continuity::Next),
        ] {
            assert_eq!(counter.check(&packet(number, discontinuity)), expected, "{number}");
        }
    }
}
