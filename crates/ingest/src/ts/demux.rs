//! The demultiplexer: bytes in, parameters and frames out.

use std::collections::VecDeque;

use weir_media::{Frame, TrackKind};

use super::audio::Audio;
use super::h264::H264;
use super::packet::{Packet, Unusable};
use super::pes::{Assembler, Damaged, Pes};
use super::psi::{self, Codec, Sections, Stream};
use super::sync::Sync;
use crate::{IngestEvent, LostReason, UnsupportedMedia, telemetry};

const PID_PROGRAMS: u16 = 0;
const PID_NONE: u16 = 0x1fff;
/// The clock of presentation times: 33 bits.
const TIME_BITS: u32 = 33;
/// Between two pictures of one packet, when the distance is not known yet: 30 frames a second.
const PICTURE_TICKS: i64 = 3000;

/// Takes a transport stream apart: the first H.264 and the first AAC stream of its first program.
#[derive(Debug)]
pub struct Demux {
    sync: Sync,
    streams: Streams,
}

/// Everything behind the search for packets.
#[derive(Debug)]
struct Streams {
    unit_bytes_max: usize,
    programs: Table,
    /// The program that is followed: its number and the PID of its table.
    program: Option<(u16, u16)>,
    map: Table,
    /// What the table of the program says.
    known: Vec<Stream>,
    video: Option<Video>,
    audio: Option<Sound>,
    events: VecDeque<IngestEvent>,
    continuity_errors: u64,
}

#[derive(Debug, Default)]
struct Table {
    counter: Counter,
    sections: Sections,
}

#[derive(Debug)]
struct Video {
    pid: u16,
    counter: Counter,
    assembler: Assembler,
    reader: H264,
    /// The last decoding time, and how far it was from the one before.
    last: Option<(u64, i64)>,
}

#[derive(Debug)]
struct Sound {
    pid: u16,
    counter: Counter,
    assembler: Assembler,
    reader: Audio,
}

/// The continuity counter of one PID (2.4.3.3).
#[derive(Debug, Default)]
struct Counter(Option<u8>);

/// What a counter says of a packet with a payload.
#[derive(Debug, PartialEq, Eq)]
enum Continuity {
    Next,
    /// The packet before, once more.
    Repeated,
    /// Something is missing in front of it.
    Broken,
}

impl Counter {
    fn check(&mut self, packet: &Packet<'_>) -> Continuity {
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

impl Demux {
    /// A demultiplexer for access units of at most `unit_bytes_max`.
    pub fn new(unit_bytes_max: usize) -> Self {
        Self {
            sync: Sync::default(),
            streams: Streams {
                unit_bytes_max,
                programs: Table::default(),
                program: None,
                map: Table::default(),
                known: Vec::new(),
                video: None,
                audio: None,
                events: VecDeque::new(),
                continuity_errors: 0,
            },
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The program holds what weir does not take.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), UnsupportedMedia> {
        self.sync.push(bytes, |packet| self.streams.packet(packet))
    }

    /// Some bytes in front of the next are missing.
    pub fn lost(&mut self) {
        self.sync.lost();
        self.streams.lost();
    }

    /// The stream is over: what is still open is handed out.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(&mut self) -> Result<(), UnsupportedMedia> {
        self.sync.finish(|packet| self.streams.packet(packet))?;
        self.streams.finish()
    }

    /// The next event. Times of frames are 33 bits of 90 kHz, as they stand in the stream.
    pub fn next(&mut self) -> Option<IngestEvent> {
        self.streams.events.pop_front()
    }

    /// Places at which packets of a stream were missing or out of order.
    pub fn continuity_errors(&self) -> u64 {
        self.streams.continuity_errors
    }

    /// Bytes that were no packets.
    pub fn skipped_bytes(&self) -> u64 {
        self.sync.skipped()
    }
}

impl Streams {
    fn packet(&mut self, bytes: &[u8]) -> Result<(), UnsupportedMedia> {
        let packet = match Packet::read(bytes) {
            Ok(packet) => packet,
            Err((pid, unusable)) => {
                self.unusable(pid, unusable);
                return Ok(());
            }
        };
        let Some(payload) = packet.payload.filter(|_| packet.pid != PID_NONE) else { return Ok(()) };
        if packet.pid == PID_PROGRAMS {
            return self.programs(&packet, payload);
        }
        if self.program.is_some_and(|(_, pid)| packet.pid == pid) {
            return self.map(&packet, payload);
        }
        match (&mut self.video, &mut self.audio) {
            (Some(video), _) if video.pid == packet.pid => self.picture(&packet, payload),
            (_, Some(audio)) if audio.pid == packet.pid => self.sound(&packet, payload),
            _ => Ok(()),
        }
    }

    fn unusable(&mut self, pid: u16, unusable: Unusable) {
        telemetry::dropped(match unusable {
            Unusable::Damaged => "ts_damaged",
            Unusable::Scrambled => "ts_scrambled",
            Unusable::Malformed => "ts_malformed",
        });
        if let Some(video) = self.video.as_mut().filter(|video| video.pid == pid) {
            video.assembler.lost();
        }
        if let Some(audio) = self.audio.as_mut().filter(|audio| audio.pid == pid) {
            audio.assembler.lost();
        }
    }

    /// Which streams were hit nobody knows: all that is open is damaged.
    fn lost(&mut self) {
        self.programs.sections.lost();
        self.map.sections.lost();
        if let Some(video) = &mut self.video {
            video.assembler.lost();
        }
        if let Some(audio) = &mut self.audio {
            audio.assembler.lost();
        }
    }

    fn programs(&mut self, packet: &Packet<'_>, payload: &[u8]) -> Result<(), UnsupportedMedia> {
        let mut found = None;
        if self.programs.admits(packet, &mut self.continuity_errors) {
            self.programs.sections.push(payload, packet.starts, |section| {
                found = psi::programs(section).or(found.take());
            });
        }
        let Some(programs) = found else { return Ok(()) };
        // The program that is followed is kept as long as it is there.
        let Some(&first) = programs.first() else { return Ok(()) };
        if self.program.is_none_or(|followed| !programs.contains(&followed)) {
            if programs.len() > 1 {
                let others: Vec<u16> = programs[1..].iter().map(|(number, _)| *number).collect();
                tracing::warn!(program = first.0, ?others, "several programs: the first is taken");
            }
            self.program = Some(first);
            self.map = Table::default();
            self.known.clear();
        }
        Ok(())
    }

    fn map(&mut self, packet: &Packet<'_>, payload: &[u8]) -> Result<(), UnsupportedMedia> {
        let Some((program, _)) = self.program else { return Ok(()) };
        let mut found = None;
        if self.map.admits(packet, &mut self.continuity_errors) {
            self.map.sections.push(payload, packet.starts, |section| {
                found = psi::streams(section, program).or(found.take());
            });
        }
        match found {
            Some(streams) if streams != self.known => self.choose(streams),
            _ => Ok(()),
        }
    }

    /// Follows the first H.264 and the first AAC stream.
    fn choose(&mut self, streams: Vec<Stream>) -> Result<(), UnsupportedMedia> {
        let video = streams.iter().find(|stream| stream.codec == Codec::H264);
        let audio = streams.iter().find(|stream| matches!(stream.codec, Codec::Adts | Codec::Latm));
        for stream in &streams {
            match stream.codec {
                Codec::OtherVideo(name) if video.is_none() => {
                    return Err(UnsupportedMedia::VideoCodec(name.to_owned()));
                }
                Codec::OtherAudio(name) if audio.is_none() => {
                    return Err(UnsupportedMedia::AudioCodec(name.to_owned()));
                }
                Codec::Data => tracing::debug!(pid = stream.pid, "a stream of data is not used"),
                codec if Some(stream) != video && Some(stream) != audio => {
                    tracing::warn!(pid = stream.pid, ?codec, "more than one stream of a kind: this one is not used");
                }
                _ => {}
            }
        }
        let bytes_max = self.unit_bytes_max;
        // What goes on as it was keeps what it has begun.
        let goes_on = |stream: &Stream| self.known.contains(stream);
        if !video.is_some_and(goes_on) {
            self.video = video.map(|stream| Video::new(stream.pid, bytes_max));
        }
        if !audio.is_some_and(goes_on) {
            self.audio = audio.map(|stream| Sound::new(stream, bytes_max));
        }
        self.known = streams;
        Ok(())
    }

    fn picture(&mut self, packet: &Packet<'_>, payload: &[u8]) -> Result<(), UnsupportedMedia> {
        let Some(video) = &mut self.video else { return Ok(()) };
        match video.counter.check(packet) {
            Continuity::Repeated => return Ok(()),
            Continuity::Broken => {
                self.continuity_errors += 1;
                video.assembler.lost();
            }
            Continuity::Next => {}
        }
        let Video { assembler, reader, last, .. } = video;
        let mut outcome = Ok(());
        assembler.push(payload, packet.starts, |pes| {
            outcome = std::mem::replace(&mut outcome, Ok(())).and(pictures(pes, reader, last, &mut self.events));
        });
        outcome
    }

    fn sound(&mut self, packet: &Packet<'_>, payload: &[u8]) -> Result<(), UnsupportedMedia> {
        let Some(audio) = &mut self.audio else { return Ok(()) };
        match audio.counter.check(packet) {
            Continuity::Repeated => return Ok(()),
            Continuity::Broken => {
                self.continuity_errors += 1;
                audio.assembler.lost();
            }
            Continuity::Next => {}
        }
        let Sound { assembler, reader, .. } = audio;
        let mut outcome = Ok(());
        assembler.push(payload, packet.starts, |pes| {
            outcome = std::mem::replace(&mut outcome, Ok(())).and(sounds(pes, reader, &mut self.events));
        });
        outcome
    }

    fn finish(&mut self) -> Result<(), UnsupportedMedia> {
        let mut outcome = Ok(());
        if let Some(Video { assembler, reader, last, .. }) = &mut self.video {
            assembler.close(|pes| outcome = pictures(pes, reader, last, &mut self.events));
        }
        if let Some(Sound { assembler, reader, .. }) = &mut self.audio {
            assembler.close(|pes| {
                outcome = std::mem::replace(&mut outcome, Ok(())).and(sounds(pes, reader, &mut self.events))
            });
        }
        outcome
    }
}

impl Table {
    /// Whether the packet goes on with what is here.
    fn admits(&mut self, packet: &Packet<'_>, errors: &mut u64) -> bool {
        match self.counter.check(packet) {
            Continuity::Next => true,
            Continuity::Repeated => false,
            Continuity::Broken => {
                *errors += 1;
                self.sections.lost();
                true
            }
        }
    }
}

impl Video {
    fn new(pid: u16, bytes_max: usize) -> Self {
        Self {
            pid,
            counter: Counter::default(),
            assembler: Assembler::new(bytes_max),
            reader: H264::default(),
            last: None,
        }
    }
}

impl Sound {
    fn new(stream: &Stream, bytes_max: usize) -> Self {
        let reader = if stream.codec == Codec::Latm { Audio::latm() } else { Audio::adts() };
        Self { pid: stream.pid, counter: Counter::default(), assembler: Assembler::new(bytes_max), reader }
    }
}

/// The pictures of a packet. Only the first has a time of its own; others of the same packet follow at the distance of
/// those before.
fn pictures(
    pes: Result<Pes, Damaged>,
    reader: &mut H264,
    last: &mut Option<(u64, i64)>,
    events: &mut VecDeque<IngestEvent>,
) -> Result<(), UnsupportedMedia> {
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
    let distance = last.map_or(PICTURE_TICKS, |(before, distance)| match difference(dts, before) {
        ticks @ 1..=90_000 => ticks,
        _ => distance,
    });
    let mut dts = dts as i64;
    *last = Some((dts as u64, distance));
    reader.read(&pes.data, |picture| {
        if let Some(params) = picture.params {
            events.push_back(IngestEvent::VideoConfig(params));
        }
        let (kind, keyframe, data) = (TrackKind::Video, picture.keyframe, picture.data);
        events.push_back(IngestEvent::Frame(Frame { kind, dts, pts: dts + composition, keyframe, data }));
        dts += distance;
    })
}

fn sounds(
    pes: Result<Pes, Damaged>,
    reader: &mut Audio,
    events: &mut VecDeque<IngestEvent>,
) -> Result<(), UnsupportedMedia> {
    let Ok(pes) = pes else {
        telemetry::dropped("ts_loss");
        reader.lost();
        return Ok(());
    };
    reader.read(&pes, |sound| {
        if let Some(params) = sound.params {
            events.push_back(IngestEvent::AudioConfig(params));
        }
        let time = sound.time as i64;
        let frame = Frame { kind: TrackKind::Audio, dts: time, pts: time, keyframe: true, data: sound.data };
        events.push_back(IngestEvent::Frame(frame));
    })
}

/// How far `one` is behind `other` on a counter of 33 bits.
fn difference(one: u64, other: u64) -> i64 {
    let shift = 64 - TIME_BITS;
    (one.wrapping_sub(other) << shift) as i64 >> shift
}
