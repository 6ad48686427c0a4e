//! How the window grows: a part of every rendition at a time, or a part of nothing.

use std::sync::Arc;

use weir_media::TrackKind;

use crate::config::{Config, Position, Session};
use crate::segmenter::Packed;
use crate::slot::{Content, Gap, Init, Part, Segment, Slot};
use crate::window::{Removed, Window, media_file, segment_type};

/// The least number of segments in a playlist after one was removed (Apple's authoring rules, 8.11).
const SEGMENTS_MIN: usize = 6;
/// Parts are listed for so many target durations before the end of the playlist (rfc8216bis 6.2.2), and to be had
/// for as long again and one segment.
pub(crate) const PARTS_LISTED_TARGETS: u64 = 3;
const PARTS_KEPT_TARGETS: u64 = 2 * PARTS_LISTED_TARGETS + 1;

/// The next part of all renditions of an epoch.
#[derive(Debug)]
pub(crate) struct Tick {
    pub(crate) discontinuity: u64,
    /// Whether it follows a DISCONTINUITY.
    pub(crate) tagged: bool,
    /// Whether a private presentation may open to the public with it.
    pub(crate) may_open: bool,
    /// Wall clock and media time of instant 0 of the epoch.
    pub(crate) wall_ms: i64,
    pub(crate) base_ms: u64,
    pub(crate) parts: Vec<TickPart>,
}

/// One rendition's.
#[derive(Debug)]
pub(crate) struct TickPart {
    pub(crate) track: usize,
    pub(crate) init: Arc<Init>,
    pub(crate) kind: TrackKind,
    pub(crate) packed: Packed,
}

impl Window {
    /// Appends a part of every rendition, and closes the segment that it ends.
    pub(crate) fn append(&mut self, config: Config, session: &Session, tick: Tick) {
        let Tick { discontinuity, tagged, may_open, wall_ms, base_ms, parts } = tick;
        let ends_segment = parts.first().is_some_and(|part| part.packed.ends_segment);
        let mut slot = match self.open.take() {
            Some(open) => open,
            None => {
                let opens = self.opening && may_open;
                self.begin(config, discontinuity, tagged, opens, Content::Media(Vec::with_capacity(parts.len())))
            }
        };
        let name = self.next_part_name(session);
        self.parts_made += 1;
        for part in parts {
            let end_wall_ms = wall_ms + part.packed.end_us.div_ceil(1000) as i64;
            self.wall_end_ms = self.wall_end_ms.max(Some(end_wall_ms));
            self.next.next_base_ms = self.next.next_base_ms.max(base_ms + part.packed.end_ms);
            append_part(&mut slot, session, &name, wall_ms, part);
        }
        self.take_open(slot);
        self.record_part();
        if ends_segment {
            self.close_open(config);
        }
    }

    /// Appends parts without media until they reach `until_wall_ms`, each only once its time is over.
    pub(crate) fn fill(&mut self, config: Config, session: &Session, until_wall_ms: i64) -> bool {
        let part_ms = i64::from(config.gap_ms());
        // A gap longer than the playlist would push itself out of it.
        let earliest = until_wall_ms.saturating_sub(i64::from(config.window_s()) * 1000);
        let Some(end) = self.wall_end_ms else { return false };
        let mut wall_ms = end.max(earliest);
        let mut filled = false;
        while wall_ms + part_ms <= until_wall_ms {
            self.append_gap(config, session, wall_ms);
            wall_ms += part_ms;
            filled = true;
        }
        filled
    }

    fn append_gap(&mut self, config: Config, session: &Session, wall_ms: i64) {
        let part_us = u64::from(config.gap_ms()) * 1000;
        let mut slot = match self.open.take() {
            Some(open) => open,
            None => {
                let name = segment_name(session, self.next.next_msn);
                let gap = Gap { name, wall_ms, duration_us: 0, parts: Vec::new() };
                // In the timeline of what was there last.
                let discontinuity = self.next.next_discontinuity.saturating_sub(1);
                self.begin(config, discontinuity, false, self.opening, Content::Gap(gap))
            }
        };
        let name = self.next_part_name(session);
        self.parts_made += 1;
        let mut is_full = false;
        if let Content::Gap(gap) = &mut slot.content {
            gap.duration_us += part_us;
            gap.parts.push((name, part_us));
            is_full = gap.duration_us + part_us > u64::from(config.segment_ms()) * 1000;
        }
        self.wall_end_ms = Some(wall_ms + part_us.div_ceil(1000) as i64);
        self.next.next_base_ms += part_us.div_ceil(1000);
        self.take_open(slot);
        self.record_part();
        if is_full {
            self.close_open(config);
        }
    }

    /// The name of the part that is to come.
    pub(crate) fn next_part_name(&self, session: &Session) -> String {
        format!("{session}-p{}.m4s", self.parts_made)
    }

    /// A segment of which no part is there yet, under the next number. One that opens the presentation to the public
    /// is the first: there is nothing before it that it could be a discontinuity to.
    fn begin(&mut self, config: Config, discontinuity: u64, tagged: bool, opens: bool, content: Content) -> Slot {
        if opens {
            self.cut();
        }
        let slot = Slot { msn: self.next.next_msn, discontinuity, tagged: tagged && !opens, content };
        self.record_begin(config, &slot);
        slot
    }

    /// What is open has numbers that nobody else may get, whether or not it is ever finished.
    pub(crate) fn take_open(&mut self, slot: Slot) {
        self.next = Position {
            next_msn: slot.msn + 1,
            next_discontinuity: self.next.next_discontinuity.max(slot.discontinuity + 1),
            ..self.next
        };
        self.open = Some(slot);
    }

    /// Finishes the open segment, however short it is, and drops from the heads of the playlists what is no longer due.
    pub(crate) fn close_open(&mut self, config: Config) {
        let Some(mut slot) = self.open.take() else { return };
        slot.finish(&self.tracks, config.part_target_ms().is_some());
        for (track, segment) in slot.segments() {
            let (target_s, micros) = (config.target_duration_s(), segment.duration_us);
            let bytes = segment.file.as_ref().map_or(0, |file| file.len() as u64);
            let track = &mut self.tracks[*track];
            track.rates.add(bytes, micros, target_s);
            track.iframe_rates.add(segment.iframe.len() as u64, micros, target_s);
        }
        self.finished += u64::from(matches!(slot.content, Content::Media(_)));
        self.media_us += slot.shortest_us();
        self.slots.push_back(slot);
        let listed_us: u64 = self.slots.iter().map(Slot::longest_us).sum();
        self.longest_us = self.longest_us.max(listed_us + u64::from(config.target_duration_s()) * 1_000_000);
        self.trim(config);
        self.forget_parts(PARTS_KEPT_TARGETS * u64::from(config.target_duration_s()) * 1_000_000);
    }

    /// Drops from the head while what remains is long enough (rfc8216bis 6.2.2: never shorter than three target
    /// durations), and forgets removed files that no player can still be asking for.
    fn trim(&mut self, config: Config) {
        let least_us = u64::from(config.window_s().max(3 * config.target_duration_s())) * 1_000_000;
        let mut length_us: u64 = self.slots.iter().map(Slot::shortest_us).sum();
        while let Some(head_us) = self.slots.front().map(Slot::shortest_us)
            && self.slots.len() > SEGMENTS_MIN
            && length_us - head_us >= least_us
        {
            length_us -= head_us;
            if let Some(slot) = self.slots.pop_front() {
                // "The duration of the segment plus the duration of the longest playlist" (6.2.2).
                let until_us = self.media_us + slot.longest_us() + self.longest_us;
                self.removed.push_back(Removed { slot, until_us });
            }
        }
        while self.removed.front().is_some_and(|removed| removed.until_us <= self.media_us) {
            self.removed.pop_front();
        }
    }

    fn forget_parts(&mut self, kept_us: u64) {
        let mut behind_us = 0;
        let removed = self.removed.iter_mut().map(|removed| &mut removed.slot);
        for slot in removed.chain(&mut self.slots).rev() {
            if behind_us > kept_us {
                slot.segments_mut().iter_mut().for_each(|(_, segment)| segment.parts = Vec::new());
            }
            behind_us += slot.longest_us();
        }
    }
}

/// Appends a part to the segment of its track, which begins with it if there is none. The segment's date is that of
/// its own first sample, also for audio, which is cut up to half an AAC frame beside the video: so media time and
/// wall clock agree in all renditions (rfc8216bis 6.2.4).
fn append_part(slot: &mut Slot, session: &Session, name: &str, wall_ms: i64, part: TickPart) {
    let TickPart { track, init, kind, packed } = part;
    let duration_us = packed.end_us - packed.start_us;
    let file = media_file(name, vec![packed.chunk.body], segment_type(kind));
    let part = Part { name: name.to_owned(), file, duration_us, independent: packed.independent };
    let msn = slot.msn;
    let Content::Media(segments) = &mut slot.content else { return };
    if let Some((_, segment)) = segments.iter_mut().find(|(owner, _)| *owner == track) {
        segment.duration_us += duration_us;
        segment.parts.push(part);
        return;
    }
    let segment = Segment {
        name: segment_name(session, msn),
        file: None,
        init,
        wall_ms: wall_ms + (packed.start_us / 1000) as i64,
        duration_us,
        parts: vec![part],
        iframe: packed.chunk.first_sample,
    };
    segments.push((track, segment));
}

fn segment_name(session: &Session, msn: u64) -> String {
    format!("{session}-{msn}.m4s")
}
