use std::collections::VecDeque;

use weir_media::{Frame, TrackFormat, TrackKind};

use crate::config::Config;
use crate::error::{FormatError, PushError};
use crate::fragment::{Chunk, Sample, part};
use crate::grid::{SegmentGrid, is_usable};

/// Segments that a rendition may have finished before the slowest one finished the first of them. The encoders
/// of an epoch run side by side; more than this is a rendition that stands still.
pub(crate) const AHEAD_MAX: u32 = 4;
/// The most media bytes of one part: 10 s, which a segment can last without parts, at 200 Mbit/s.
const PART_BYTES_MAX: usize = 256 << 20;
/// The largest distance between presentation and decoding in ticks: the difference of two must fit into the 32 bits
/// that a `trun` has for it.
const COMPOSITION_MAX: i64 = (1 << 30) - 1;

/// What the renditions of an epoch share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) grid: SegmentGrid,
    /// Frames of the grid's rate in a part; those of a whole segment where there are no parts.
    pub(crate) frames_per_part: u32,
    /// Media time of instant 0 in milliseconds.
    pub(crate) base_ms: u64,
}

impl Plan {
    pub(crate) fn new(config: Config, grid: SegmentGrid, base_ms: u64) -> Self {
        Self { config, grid, frames_per_part: config.frames_per_part(grid), base_ms }
    }

    pub(crate) fn parts_per_segment(&self) -> u32 {
        self.grid.frames_per_segment.div_ceil(self.frames_per_part)
    }

    /// The frame of the grid's rate at which a part begins.
    fn start_of(&self, place: Place) -> u64 {
        let within = (place.part * self.frames_per_part).min(self.grid.frames_per_segment);
        place.segment * u64::from(self.grid.frames_per_segment) + u64::from(within)
    }

    fn after(&self, place: Place) -> Place {
        if place.part + 1 < self.parts_per_segment() {
            Place { part: place.part + 1, ..place }
        } else {
            Place { segment: place.segment + 1, part: 0 }
        }
    }
}

/// A part of the epoch: the number of its segment, and its own in that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) part: u32,
}

/// A finished part that waits for the other renditions.
#[derive(Debug)]
pub(crate) struct Closed {
    place: Place,
    /// Its first frame, counted in the epoch.
    start: u64,
    samples: Vec<Sample>,
}

/// A part as bytes. Times count from instant 0 of the epoch.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) chunk: Chunk,
    /// The segment of the epoch it belongs to, counted from 0.
    pub(crate) segment: u64,
    /// Whether it is the last of a segment.
    pub(crate) ends_segment: bool,
    /// Whether decoding can begin with it.
    pub(crate) independent: bool,
    pub(crate) start_us: u64,
    pub(crate) end_us: u64,
    /// The end, rounded up.
    pub(crate) end_ms: u64,
}

/// Cuts the frames of one rendition into parts of segments.
#[derive(Debug)]
pub(crate) struct Segmenter {
    pub(crate) name: String,
    pub(crate) kind: TrackKind,
    pub(crate) format: Option<TrackFormat>,
    /// Frames taken in this epoch.
    frames: u64,
    /// Composition offset of the first frame; taken off all, so that presentation begins with decoding.
    shift: i64,
    /// The open part: where it stands, its first frame, its samples and their bytes.
    place: Place,
    start: u64,
    samples: Vec<Sample>,
    bytes: usize,
    pub(crate) closed: VecDeque<Closed>,
}

impl Segmenter {
    pub(crate) fn new(name: String, kind: TrackKind) -> Self {
        let (place, samples, closed) = (Place::default(), Vec::new(), VecDeque::new());
        Self { name, kind, format: None, frames: 0, shift: 0, place, start: 0, samples, bytes: 0, closed }
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

    pub(crate) fn push(&mut self, plan: &Plan, frame: Frame) -> Result<(), PushError> {
        let (timescale, ticks) = self.clock().ok_or_else(|| PushError::NoFormat { rendition: self.name.clone() })?;
        let composition = self.check(&frame, ticks)?;
        let begins_segment = self.place.part == 0 && self.samples.is_empty();
        if begins_segment && !frame.keyframe {
            return Err(PushError::KeyframeMissing { rendition: self.name.clone(), due: self.frames });
        }
        let found = self.bytes + frame.data.len();
        if found > PART_BYTES_MAX {
            return Err(PushError::TooLarge { rendition: self.name.clone(), found, max: PART_BYTES_MAX });
        }
        self.bytes = found;
        self.samples.push(Sample { data: frame.data, composition, sync: frame.keyframe });
        self.frames += 1;
        // Every frame lasts the same, so that a part is finished with its last frame and need not wait for the next.
        if self.frames >= plan.grid.nearest(plan.start_of(plan.after(self.place)), timescale, ticks) {
            let ahead_max = (AHEAD_MAX * plan.parts_per_segment()) as usize;
            if self.closed.len() >= ahead_max {
                return Err(PushError::Lagging { rendition: self.name.clone(), parts: self.closed.len() });
            }
            self.close(plan);
        }
        Ok(())
    }

    /// Closes what is open: the epoch ends.
    pub(crate) fn finish(&mut self, plan: &Plan) {
        if !self.samples.is_empty() {
            self.close(plan);
        }
    }

    /// Where closed part `at` ends, as ticks and timescale.
    pub(crate) fn end_of(&self, at: usize) -> Option<(u64, u32)> {
        let ((timescale, ticks), closed) = (self.clock()?, self.closed.get(at)?);
        Some(((closed.start + closed.samples.len() as u64) * u64::from(ticks), timescale))
    }

    /// Drops the frames of closed part `at` that begin at `end` or later, all but its first. Answers how many.
    pub(crate) fn shorten(&mut self, at: usize, end: (u64, u32)) -> u64 {
        let (Some((timescale, ticks)), Some(closed)) = (self.clock(), self.closed.get_mut(at)) else { return 0 };
        let per = u128::from(end.1) * u128::from(ticks);
        let frames = (u128::from(end.0) * u128::from(timescale)).div_ceil(per.max(1)) as u64;
        let before = closed.samples.len();
        closed.samples.truncate(frames.saturating_sub(closed.start).max(1) as usize);
        (before - closed.samples.len()) as u64
    }

    /// The oldest closed part as bytes, under a number that grows with every part.
    pub(crate) fn pack(&mut self, plan: &Plan, sequence: u32) -> Option<Packed> {
        let ((timescale, ticks), closed) = (self.clock()?, self.closed.pop_front()?);
        let start = closed.start * u64::from(ticks);
        let end = start + closed.samples.len() as u64 * u64::from(ticks);
        // Exact: video timescales are whole kilohertz, and so is the audio rate.
        let decode_time = (u128::from(plan.base_ms) * u128::from(timescale) / 1000) as u64 + start;
        let begins_segment = closed.place.part == 0;
        let chunk = part(begins_segment, sequence, decode_time, self.kind, ticks, &closed.samples);
        // Both ends are rounded, never the length: so lengths always add up.
        Some(Packed {
            chunk,
            segment: closed.place.segment,
            ends_segment: plan.after(closed.place).part == 0,
            independent: closed.samples.first().is_some_and(|sample| sample.sync),
            start_us: micros(start, timescale),
            end_us: micros(end, timescale),
            end_ms: millis_up(end, timescale),
        })
    }

    /// The first segment of the epoch that has no frame yet.
    pub(crate) fn untouched(&self) -> u64 {
        self.place.segment + u64::from(self.place.part > 0 || !self.samples.is_empty())
    }

    /// When the last frame that was [packed](Self::pack) begins, in ticks of `hz`.
    pub(crate) fn last_packed(&self, hz: i64) -> Option<i64> {
        let (timescale, ticks) = self.clock()?;
        let next = self.closed.front().map_or(self.start, |closed| closed.start);
        let last = next.checked_sub(1)? * u64::from(ticks);
        Some((i128::from(last) * i128::from(hz) / i128::from(timescale)) as i64)
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
            self.shift = offset;
        }
        Ok((offset - self.shift) as i32)
    }

    fn close(&mut self, plan: &Plan) {
        let next = Vec::with_capacity(self.samples.len());
        let samples = std::mem::replace(&mut self.samples, next);
        self.closed.push_back(Closed { place: self.place, start: self.start, samples });
        self.place = plan.after(self.place);
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
