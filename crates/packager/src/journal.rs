//! What is added to the window, as records for files that outlive the process: one file for every segment, so that
//! those no longer needed can go whole. [`crate::restore`] reads them.
//!
//! A file is [`MAGIC`] and records: a *state* (what the window was when the segment began, its media left out), then a
//! record for each part in all renditions. The files of a window are so a chain in which the last state and what
//! follows it stand for everything but media.

use bytes::{BufMut, Bytes};

use crate::config::Config;
use crate::rates::Rates;
use crate::slot::{Content, Segment, Slot};
use crate::snapshot::MediaFile;
use crate::window::{Detail, Track, Window};

/// What a file is, and in the last byte in which version of the layout.
pub(crate) const MAGIC: [u8; 8] = *b"weirjnl\x01";
/// Before every record: its length twice, the second time with all bits turned, and the CRC-32 of it. So one that was
/// cut off can be told from one that is damaged.
pub(crate) const RECORD_HEAD_BYTES: usize = 20;

/// Kinds of records, in their first byte.
pub(crate) const STATE: u8 = 0;
pub(crate) const MEDIA: u8 = 1;
pub(crate) const GAP: u8 = 2;
/// The presentation is to open to the public; the states that follow say so too, until it has.
pub(crate) const OPENING: u8 = 3;

/// Kinds of tracks in a state.
pub(crate) const VIDEO: u8 = 0;
pub(crate) const AUDIO: u8 = 1;

/// What the journal's files are to get before the next snapshot is shown.
#[derive(Debug)]
pub struct JournalBatch {
    /// To be written in this order.
    pub records: Vec<JournalRecord>,
    /// The files of segments before this media sequence number are to be removed then.
    pub keep_from: u64,
}

/// Bytes for one file of a journal.
#[derive(Debug)]
pub struct JournalRecord {
    /// The media sequence number of the segment whose file it is.
    pub msn: u64,
    /// Whether the file begins with it; one of that number that is there already is to be emptied.
    pub begins: bool,
    /// What is to be appended. Media are in it as they are, not copied.
    pub chunks: Vec<Bytes>,
}

/// Records that wait to be taken.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    records: Vec<JournalRecord>,
    /// The first segment that has a file, and the last.
    first: u64,
    last: Option<u64>,
}

impl Recorder {
    /// Goes on with the files of an earlier run.
    pub(crate) fn resumed(first: u64, last: u64) -> Self {
        Self { records: Vec::new(), first, last: Some(last) }
    }

    fn add(&mut self, msn: u64, begins: bool, chunks: Vec<Bytes>) {
        if begins {
            self.last = Some(msn);
        }
        self.records.push(JournalRecord { msn, begins, chunks });
    }
}

impl Window {
    /// Records that `slot` begins.
    pub(crate) fn record_begin(&mut self, config: Config, slot: &Slot) {
        if self.journal.is_some() {
            let mut chunks = vec![Bytes::from_static(&MAGIC)];
            chunks.extend(state(config, self, slot));
            self.record(slot.msn, true, chunks);
        }
    }

    /// Records the last part of the open segment.
    pub(crate) fn record_part(&mut self) {
        if self.journal.is_some()
            && let Some(open) = &self.open
        {
            let (msn, chunks) = (open.msn, part(self, open));
            self.record(msn, false, chunks);
        }
    }

    /// Records that the presentation is to open. Before the first segment there is nothing to go on with after a restart,
    /// and nothing to record: the state with which that one begins says it.
    pub(crate) fn record_opening(&mut self) {
        if let Some(last) = self.journal.as_ref().and_then(|journal| journal.last) {
            self.record(last, false, Writer::of(OPENING).finish());
        }
    }

    fn record(&mut self, msn: u64, begins: bool, chunks: Vec<Bytes>) {
        if let Some(journal) = &mut self.journal {
            journal.add(msn, begins, chunks);
        }
    }

    /// What was recorded since the last call, and from where on files are needed, if there is anything new.
    pub(crate) fn take_journal(&mut self) -> Option<JournalBatch> {
        let keep_from = self.all_slots().next().map_or(self.next.next_msn, |slot| slot.msn);
        let journal = self.journal.as_mut()?;
        let moved = journal.last.is_some() && keep_from != journal.first;
        journal.first = keep_from;
        let records = std::mem::take(&mut journal.records);
        (moved || !records.is_empty()).then_some(JournalBatch { records, keep_from })
    }
}

/// The window as it is when `slot` begins, media left out.
fn state(config: Config, window: &Window, slot: &Slot) -> Vec<Bytes> {
    let mut to = Writer::of(STATE);
    to.fields.put_u32(config.target_duration_s());
    to.fields.put_u64(slot.msn);
    to.fields.put_u64(slot.discontinuity);
    to.fields.put_u8(u8::from(slot.tagged));
    to.fields.put_u64(window.parts_made);
    to.fields.put_u64(window.next.next_discontinuity);
    to.fields.put_u64(window.next.next_base_ms);
    to.fields.put_u64(window.media_us);
    to.fields.put_u64(window.longest_us);
    to.fields.put_u64(window.finished);
    to.fields.put_u8(u8::from(window.private));
    to.fields.put_u8(u8::from(window.opening));
    to.count(window.tracks.len());
    window.tracks.iter().for_each(|track| to.track(track));
    to.indices(&window.order);
    to.indices(&window.current);
    to.count(window.slots.len());
    to.count(window.removed.len());
    window.removed.iter().for_each(|removed| to.fields.put_u64(removed.until_us));
    to.finish()
}

/// The last part of `slot`, and with the first one what there is to know of the segments.
fn part(window: &Window, slot: &Slot) -> Vec<Bytes> {
    let (kind, is_first) = match &slot.content {
        Content::Media(_) => (MEDIA, slot.parts() == 1),
        Content::Gap(gap) => (GAP, gap.parts.len() == 1),
    };
    let mut to = Writer::of(kind);
    to.fields.put_u64(window.next.next_base_ms);
    to.fields.put_i64(window.wall_end_ms.unwrap_or(0));
    match &slot.content {
        Content::Media(segments) => {
            to.count(segments.len());
            for (track, segment) in segments {
                if is_first {
                    to.count(*track);
                    to.segment(segment);
                }
                if let Some(part) = segment.parts.last() {
                    to.text(&part.name);
                    to.fields.put_u64(part.duration_us);
                    to.fields.put_u8(u8::from(part.independent));
                    to.body(&part.file);
                }
            }
        }
        Content::Gap(gap) => {
            if is_first {
                to.text(&gap.name);
                to.fields.put_i64(gap.wall_ms);
            }
            if let Some((name, duration_us)) = gap.parts.last() {
                to.text(name);
                to.fields.put_u64(*duration_us);
            }
        }
    }
    to.finish()
}

/// Collects the fields of a record, and media between them without copying it.
struct Writer {
    chunks: Vec<Bytes>,
    fields: Vec<u8>,
}

impl Writer {
    fn of(kind: u8) -> Self {
        Self { chunks: Vec::new(), fields: vec![kind] }
    }

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
        self.rates(&track.rates);
        self.rates(&track.iframe_rates);
        self.fields.put_u32(track.inits);
    }

    fn rates(&mut self, rates: &Rates) {
        [rates.bytes, rates.micros, rates.peak_bps].into_iter().for_each(|field| self.fields.put_u64(field));
        self.count(rates.recent.len());
        rates.recent.iter().flat_map(|run| [run.0, run.1]).for_each(|field| self.fields.put_u64(field));
    }

    fn segment(&mut self, segment: &Segment) {
        self.text(&segment.init.name);
        self.body(&segment.init.file);
        self.text(&segment.name);
        self.fields.put_i64(segment.wall_ms);
        self.count(segment.iframe.start);
        self.count(segment.iframe.end);
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.chunks.push(self.fields.into());
        let mut checksum = flate2::Crc::new();
        self.chunks.iter().for_each(|chunk| checksum.update(chunk));
        let length: u64 = self.chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let mut head = Vec::with_capacity(RECORD_HEAD_BYTES);
        head.put_u64(length);
        head.put_u64(!length);
        head.put_u32(checksum.sum());
        let mut chunks = vec![Bytes::from(head)];
        chunks.append(&mut self.chunks);
        chunks
    }
}
