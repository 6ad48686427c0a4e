//! A window as bytes, its parts left out, for they are older than a restart takes: magic, fields in big endian, media, and a checksum over all of it. [`crate::restore`] reads it.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use bytes::{BufMut, Bytes};

use crate::config::Config;
use crate::render::{FNV_START, fnv1a};
use crate::slot::{Content, Gap, Init, Segment, Slot};
use crate::snapshot::MediaFile;
use crate::window::{Detail, Track, Window};

/// What the bytes are, and in the last byte in which version of the layout.
pub(crate) const MAGIC: [u8; 8] = *b"weirwin\x02";
/// A saved window: bytes to be written to a file and read back from it.
pub struct SavedWindow {
    pub(crate) chunks: Vec<Bytes>,
}

impl SavedWindow {
    /// Wraps what was read back.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self { chunks: vec![bytes] }
    }

    /// Writes it out, media without a copy.
    pub fn write_to(&self, mut to: impl Write) -> io::Result<()> {
        self.chunks.iter().try_for_each(|chunk| to.write_all(chunk))
    }
}

impl fmt::Debug for SavedWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: usize = self.chunks.iter().map(Bytes::len).sum();
        f.debug_struct("SavedWindow").field("bytes", &bytes).finish()
    }
}

/// Kinds of tracks in the layout.
pub(crate) const VIDEO: u8 = 0;
pub(crate) const AUDIO: u8 = 1;

pub(crate) fn save(config: Config, window: &Window) -> SavedWindow {
    let mut to = Writer::default();
    to.fields.extend_from_slice(&MAGIC);
    to.fields.put_u32(config.target_duration_s());
    let next = window.next;
    [next.next_msn, next.next_discontinuity, next.next_base_ms].into_iter().for_each(|field| to.fields.put_u64(field));
    to.fields.put_u8(u8::from(window.wall_end_ms.is_some()));
    to.fields.put_i64(window.wall_end_ms.unwrap_or(0));
    to.fields.put_u64(window.media_us);
    to.fields.put_u64(window.longest_us);
    to.fields.put_u8(u8::from(window.ended));
    to.count(window.tracks.len());
    window.tracks.iter().for_each(|track| to.track(track));
    to.indices(&window.order);
    to.indices(&window.current);
    let inits = inits(window);
    to.count(inits.len());
    for (track, init) in &inits {
        to.count(*track);
        to.text(&init.name);
        to.body(&init.file);
    }
    to.count(window.removed.len());
    for removed in &window.removed {
        to.fields.put_u64(removed.until_us);
        to.slot(&removed.slot, &inits);
    }
    to.count(window.slots.len());
    window.slots.iter().for_each(|slot| to.slot(slot, &inits));
    to.finish()
}

/// Every initialisation section in use, once, with its track.
fn inits(window: &Window) -> Vec<(usize, Arc<Init>)> {
    let mut inits: Vec<(usize, Arc<Init>)> = Vec::new();
    for slot in window.all_slots() {
        for (track, segment) in slot.segments() {
            // From the back: neighbours mostly share theirs.
            if !inits.iter().rev().any(|(_, init)| Arc::ptr_eq(init, &segment.init)) {
                inits.push((*track, Arc::clone(&segment.init)));
            }
        }
    }
    inits
}

/// Collects fields, and media between them without copying it.
#[derive(Default)]
struct Writer {
    chunks: Vec<Bytes>,
    fields: Vec<u8>,
}

impl Writer {
    /// A number that is small by the limits of the window.
    fn count(&mut self, count: usize) {
        self.fields.put_u32(count as u32);
    }

    fn indices(&mut self, indices: &[usize]) {
        self.count(indices.len());
        indices.iter().for_each(|&index| self.count(index));
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.fields.extend_from_slice(text.as_bytes());
    }

    fn body(&mut self, file: &MediaFile) {
        self.count(file.len());
        self.chunks.push(std::mem::take(&mut self.fields).into());
        self.chunks.extend(file.pieces.iter().cloned());
    }

    fn track(&mut self, track: &Track) {
        self.text(&track.name);
        self.text(&track.traits.codec);
        match track.traits.detail {
            Detail::Video { width, height, frame_rate } => {
                self.fields.put_u8(VIDEO);
                let fields = [width, height, frame_rate.num, frame_rate.den];
                fields.into_iter().for_each(|field| self.fields.put_u32(field));
            }
            Detail::Audio { channels } => {
                self.fields.put_u8(AUDIO);
                self.fields.put_u8(channels);
            }
        }
        for rates in [&track.rates, &track.iframe_rates] {
            [rates.bytes, rates.micros, rates.peak_bps].into_iter().for_each(|field| self.fields.put_u64(field));
        }
        self.fields.put_u32(track.inits);
    }

    fn slot(&mut self, slot: &Slot, inits: &[(usize, Arc<Init>)]) {
        self.fields.put_u64(slot.msn);
        self.fields.put_u64(slot.discontinuity);
        self.fields.put_u8(u8::from(slot.tagged));
        match &slot.content {
            Content::Media(segments) => {
                self.count(segments.len());
                for (track, segment) in segments {
                    self.count(*track);
                    self.segment(segment, inits);
                }
            }
            // A gap is the one slot without segments.
            Content::Gap(gap) => {
                self.count(0);
                self.gap(gap);
            }
        }
    }

    fn segment(&mut self, segment: &Segment, inits: &[(usize, Arc<Init>)]) {
        self.count(inits.iter().rposition(|(_, init)| Arc::ptr_eq(init, &segment.init)).unwrap_or(0));
        self.text(&segment.name);
        self.fields.put_i64(segment.wall_ms);
        self.fields.put_u64(segment.duration_us);
        self.count(segment.iframe.start);
        self.count(segment.iframe.end);
        match &segment.file {
            Some(file) => self.body(file),
            None => self.count(0),
        }
    }

    fn gap(&mut self, gap: &Gap) {
        self.text(&gap.name);
        self.fields.put_i64(gap.wall_ms);
        self.fields.put_u64(gap.duration_us);
    }

    fn finish(mut self) -> SavedWindow {
        self.chunks.push(self.fields.into());
        let checksum = self.chunks.iter().fold(FNV_START, |state, chunk| fnv1a(state, chunk));
        self.chunks.push(Bytes::copy_from_slice(&checksum.to_be_bytes()));
        SavedWindow { chunks: self.chunks }
    }
}
