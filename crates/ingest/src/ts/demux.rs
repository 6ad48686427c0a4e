//! The demultiplexer: bytes in, parameters and frames out.

use std::collections::VecDeque;

use super::packet::{Packet, Unusable};
use super::psi::{self, Codec, Sections, Stream};
use super::sync::Sync;
use super::track::{Continuity, Counter, Pictures, Sounds, Track};
use crate::{IngestEvent, UnsupportedMedia, telemetry};

const PID_PROGRAMS: u16 = 0;
const PID_NONE: u16 = 0x1fff;
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
    video: Option<Track<Pictures>>,
    audio: Option<Track<Sounds>>,
    events: VecDeque<IngestEvent>,
    continuity_errors: u64,
}

#[derive(Debug, Default)]
struct Table {
    counter: Counter,
    sections: Sections,
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
    pub fn pop(&mut self) -> Option<IngestEvent> {
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
        let Self { video, audio, events, continuity_errors, .. } = self;
        match (video, audio) {
            (Some(video), _) if video.pid() == packet.pid => video.push(&packet, payload, events, continuity_errors),
            (_, Some(audio)) if audio.pid() == packet.pid => audio.push(&packet, payload, events, continuity_errors),
            _ => Ok(()),
        }
    }

    fn unusable(&mut self, pid: u16, unusable: Unusable) {
        telemetry::dropped(match unusable {
            Unusable::Damaged => "ts_damaged",
            Unusable::Scrambled => "ts_scrambled",
            Unusable::Malformed => "ts_malformed",
        });
        if let Some(video) = self.video.as_mut().filter(|video| video.pid() == pid) {
            video.lost();
        }
        if let Some(audio) = self.audio.as_mut().filter(|audio| audio.pid() == pid) {
            audio.lost();
        }
    }

    /// Which streams were hit nobody knows: all that is open is damaged.
    fn lost(&mut self) {
        self.programs.sections.lost();
        self.map.sections.lost();
        if let Some(video) = &mut self.video {
            video.lost();
        }
        if let Some(audio) = &mut self.audio {
            audio.lost();
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
            self.video = video.map(|stream| Track::new(stream.pid, bytes_max, Pictures::default()));
        }
        if !audio.is_some_and(goes_on) {
            self.audio = audio.map(|stream| Track::new(stream.pid, bytes_max, Sounds::of(stream.codec)));
        }
        self.known = streams;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), UnsupportedMedia> {
        let Self { video, audio, events, .. } = self;
        video.as_mut().map_or(Ok(()), |video| video.close(events))?;
        audio.as_mut().map_or(Ok(()), |audio| audio.close(events))
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
