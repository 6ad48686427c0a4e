use std::collections::VecDeque;

use bytes::Bytes;
use weir_media::{Frame, TrackFormat, TrackKind};

use crate::config::Config;
use crate::error::{FormatError, PushError};
use crate::fragment::{Sample, segment};
use crate::grid::{SegmentGrid, is_usable};
use crate::packager::Counters;

/// Segments that a rendition may have finished before the slowest one finished the first of them. The encoders
/// of an epoch run side by side; more than this is a rendition that stands still.
pub(crate) const AHEAD_MAX: usize = 4;
/// The most media bytes of one segment: 10 s at 200 Mbit/s.
const SEGMENT_BYTES_MAX: usize = 256 << 20;
/// The largest distance between presentation and decoding in ticks: the difference of two must fit into the 32 bits
/// that a `trun` has for it.
const COMPOSITION_MAX: i64 = (1 << 30) - 1;

/// What the renditions of an epoch share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) grid: SegmentGrid,
    /// Media time of instant 0 in milliseconds.
    pub(crate) base_ms: u64,
    /// Media sequence number of segment 0.
    pub(crate) first_msn: u64,
}

/// A finished segment that waits for the other renditions.
#[derive(Debug)]
pub(crate) struct Closed {
    /// Its number in the epoch.
    index: u64,
    /// Its first frame, counted in the epoch.
    start: u64,
    samples: Vec<Sample>,
}

/// A segment as bytes. Times count from instant 0 of the epoch.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) body: Bytes,
    pub(crate) start_us: u64,
    pub(crate) end_us: u64,
    /// The end, rounded up.
    pub(crate) end_ms: u64,
}

/// Cuts the frames of one rendition into segments.
#[derive(Debug)]
pub(crate) struct Segmenter {
    pub(crate) name: String,
    pub(crate) kind: TrackKind,
    pub(crate) format: Option<TrackFormat>,
    /// Frames taken in this epoch.
    frames: u64,
    /// Composition offset of the first frame; taken off all, so that presentation begins with decoding.
    shift: i64,
    /// Index of the open segment, its first frame, its samples and their bytes.
    index: u64,
    start: u64,
    samples: Vec<Sample>,
    bytes: usize,
    pub(crate) closed: VecDeque<Closed>,
}

impl Segmenter {
    pub(crate) fn new(name: String, kind: TrackKind) -> Self {
        let (samples, closed) = (Vec::new(), VecDeque::new());
        Self { name, kind, format: None, frames: 0, shift: 0, index: 0, start: 0, samples, bytes: 0, closed }
    }

    pub(crate) fn set_format(&mut self, plan: &Plan, format: TrackFormat) -> Result<(), FormatError> {
        let rendition = || self.name.clone();
        if format.kind() != self.kind {
            return Err(FormatError::Kind { rendition: rendition(), wanted: self.kind, found: format.kind() });
        }
        if self.frames > 0 && self.format.as_ref() != Some(&format) {
            return Err(FormatError::Changed { rendition: rendition() });
        }
        let grid = plan.grid;
        if let TrackFormat::Video { frame_rate, .. } = format
            && !(is_usable(frame_rate) && grid.meets(frame_rate.timescale(), frame_rate.frame_ticks()))
        {
            let (wanted, frames) = (grid.frame_rate, grid.frames_per_segment);
            return Err(FormatError::Rate { rendition: rendition(), wanted, frames, found: frame_rate });
        }
        let (timescale, ticks) = (format.timescale(), format.frame_ticks());
        let longest = grid.frames_max(timescale, ticks);
        if !fits(plan.config, longest, timescale, ticks) {
            let found_ms = millis_up(longest * u64::from(ticks), timescale);
            let target_s = plan.config.target_duration_s();
            return Err(FormatError::TooLong { rendition: rendition(), found_ms, target_s });
        }
        self.format = Some(format);
        Ok(())
    }

    pub(crate) fn push(&mut self, plan: &Plan, frame: Frame, counters: &mut Counters) -> Result<(), PushError> {
        let (timescale, ticks) = self.clock().ok_or_else(|| PushError::NoFormat { rendition: self.name.clone() })?;
        let composition = self.check(&frame, ticks)?;
        let due = plan.grid.frame_at(self.index + 1, timescale, ticks);
        match self.kind {
            TrackKind::Video if self.frames >= due && frame.keyframe => self.close()?,
            TrackKind::Video if self.frames >= due => self.wait_for_keyframe(plan, due, counters)?,
            TrackKind::Video | TrackKind::Audio => {}
        }
        let found = self.bytes + frame.data.len();
        if found > SEGMENT_BYTES_MAX {
            return Err(PushError::TooLarge { rendition: self.name.clone(), found, max: SEGMENT_BYTES_MAX });
        }
        self.bytes = found;
        self.samples.push(Sample { data: frame.data, composition, sync: frame.keyframe });
        self.frames += 1;
        // Audio can be cut anywhere, so that its last frame closes the segment. Video waits one frame for the proof
        // that the next segment begins with a keyframe: until then this one can still be prolonged.
        if self.kind == TrackKind::Audio && self.frames >= due {
            self.close()?;
        }
        Ok(())
    }

    /// Closes what is open: the epoch ends.
    pub(crate) fn finish(&mut self) {
        if !self.samples.is_empty() {
            self.close_unbounded();
        }
    }

    /// Where closed segment `at` ends, as ticks and timescale.
    pub(crate) fn end_of(&self, at: usize) -> Option<(u64, u32)> {
        let ((timescale, ticks), closed) = (self.clock()?, self.closed.get(at)?);
        Some(((closed.start + closed.samples.len() as u64) * u64::from(ticks), timescale))
    }

    /// Drops the frames of closed segment `at` that begin at `end` or later, all but its first. Answers how many.
    pub(crate) fn shorten(&mut self, at: usize, end: (u64, u32)) -> u64 {
        let (Some((timescale, ticks)), Some(closed)) = (self.clock(), self.closed.get_mut(at)) else { return 0 };
        let per = u128::from(end.1) * u128::from(ticks);
        let frames = (u128::from(end.0) * u128::from(timescale)).div_ceil(per.max(1)) as u64;
        let before = closed.samples.len();
        closed.samples.truncate(frames.saturating_sub(closed.start).max(1) as usize);
        (before - closed.samples.len()) as u64
    }

    /// The oldest closed segment as bytes.
    pub(crate) fn pack(&mut self, plan: &Plan) -> Option<Packed> {
        let ((timescale, ticks), closed) = (self.clock()?, self.closed.pop_front()?);
        let start = closed.start * u64::from(ticks);
        let end = start + closed.samples.len() as u64 * u64::from(ticks);
        // Exact: video timescales are whole kilohertz, and so is the audio rate.
        let decode_time = (u128::from(plan.base_ms) * u128::from(timescale) / 1000) as u64 + start;
        // Increasing, and wrapping only after 2^32 segments.
        let sequence = (plan.first_msn + closed.index + 1) as u32;
        let body = segment(sequence, decode_time, self.kind, ticks, &closed.samples);
        // Both ends are rounded, never the length: so lengths always add up.
        let (start_us, end_us) = (micros(start, timescale), micros(end, timescale));
        Some(Packed { body, start_us, end_us, end_ms: millis_up(end, timescale) })
    }

    /// Timescale and ticks of a frame.
    fn clock(&self) -> Option<(u32, u32)> {
        self.format.as_ref().map(|format| (format.timescale(), format.frame_ticks()))
    }

    /// Checks that the frame is the next of a constant rate; answers its composition offset.
    fn check(&mut self, frame: &Frame, ticks: u32) -> Result<i32, PushError> {
        let rendition = || self.name.clone();
        if frame.kind != self.kind {
            return Err(PushError::Kind { rendition: rendition(), wanted: self.kind, found: frame.kind });
        }
        let wanted = (self.frames * u64::from(ticks)) as i64;
        if frame.dts != wanted {
            return Err(PushError::OffGrid { rendition: rendition(), wanted, found: frame.dts });
        }
        let offset = frame.pts.saturating_sub(frame.dts);
        if !(-COMPOSITION_MAX..=COMPOSITION_MAX).contains(&offset) {
            return Err(PushError::Composition { rendition: rendition(), found: offset, max: COMPOSITION_MAX });
        }
        if self.frames == 0 {
            if !frame.keyframe {
                return Err(PushError::KeyframeMissing { rendition: rendition(), due: 0, found: 0 });
            }
            self.shift = offset;
        }
        Ok((offset - self.shift) as i32)
    }

    /// A boundary without a keyframe: the segment goes on to the next one, while TARGETDURATION and the boundary
    /// after this one allow it.
    fn wait_for_keyframe(&self, plan: &Plan, due: u64, counters: &mut Counters) -> Result<(), PushError> {
        if self.frames == due {
            counters.boundary_mismatches += 1;
        }
        let (timescale, ticks) = self.clock().unwrap_or((1, 1));
        let longer = self.frames + 1;
        let next_due = plan.grid.frame_at(self.index + 2, timescale, ticks);
        if longer < next_due && fits(plan.config, longer - self.start, timescale, ticks) {
            return Ok(());
        }
        Err(PushError::KeyframeMissing { rendition: self.name.clone(), due, found: self.frames })
    }

    fn close(&mut self) -> Result<(), PushError> {
        if self.closed.len() >= AHEAD_MAX {
            return Err(PushError::Lagging { rendition: self.name.clone(), segments: self.closed.len() });
        }
        self.close_unbounded();
        Ok(())
    }

    fn close_unbounded(&mut self) {
        let next = Vec::with_capacity(self.samples.len());
        let samples = std::mem::replace(&mut self.samples, next);
        self.closed.push_back(Closed { index: self.index, start: self.start, samples });
        self.index += 1;
        self.start = self.frames;
        self.bytes = 0;
    }
}

/// Whether a segment of that many frames rounds to no more than TARGETDURATION (rfc8216bis 4.4.3.1).
fn fits(config: Config, frames: u64, timescale: u32, ticks: u32) -> bool {
    let doubled = 2 * u128::from(frames) * u128::from(ticks);
    doubled < u128::from(2 * config.target_duration_s() + 1) * u128::from(timescale)
}

fn micros(ticks: u64, timescale: u32) -> u64 {
    (u128::from(ticks) * 1_000_000 / u128::from(timescale.max(1))) as u64
}

fn millis_up(ticks: u64, timescale: u32) -> u64 {
    (u128::from(ticks) * 1000).div_ceil(u128::from(timescale.max(1))) as u64
}
