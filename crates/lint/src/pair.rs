//! What must hold between two states of one media playlist.

use std::time::Duration;

use crate::finding::Sink;
use crate::playlist::{Playlist, Segment};

/// How much later than it should a change may be seen: the machine that watches is busy too.
pub const TOLERANCE: Duration = Duration::from_millis(400);

/// Judges the change from `before` to `now`, both full playlists.
pub fn judge(before: &Playlist, now: &Playlist, sink: &mut Sink) {
    sink.check("P2-constant", 1, before.target_s == now.target_s, || {
        format!("the target duration went from {:?} to {:?}", before.target_s, now.target_s)
    });
    sink.check("P15", 1, before.part_target_us == now.part_target_us, || "PART-TARGET changed".to_owned());
    sink.check("P5", 1, now.msn >= before.msn, || {
        format!("the media sequence went from {} to {}", before.msn, now.msn)
    });
    if now.msn < before.msn {
        return;
    }
    let vanished = now.next_msn() < before.next_msn();
    sink.check("P15", 0, !vanished, || "segments vanished from the end".to_owned());
    let changed_after_end =
        before.ended && (!now.ended || now.next_msn() != before.next_msn() || now.msn != before.msn);
    sink.check("P15", 0, !changed_after_end, || "it changed after its end".to_owned());
    kept(before, now, sink);
    counted(before, now, sink);
    length(before, now, sink);
    hinted(before, now, sink);
}

/// What is in both must be the same, but for parts that left and segments that were finished.
fn kept(before: &Playlist, now: &Playlist, sink: &mut Sink) {
    for (msn, was) in before.numbered() {
        let Some(is) = now.segment(msn) else { continue };
        let finished = !was.uri.is_empty();
        let same = |a: &Segment, b: &Segment| {
            (&a.uri, a.duration_us, a.gap, a.discontinuity, a.date_ms, a.range)
                == (&b.uri, b.duration_us, b.gap, b.discontinuity, b.date_ms, b.range)
        };
        // The first segment that is left may have lost the map that stood before it, and a gap needs none.
        let maps = was.map == is.map || msn == now.msn || was.gap;
        sink.check("P15", is.line, !finished || (same(was, is) && maps), || {
            format!("segment {msn} changed: {was:?} is now {is:?}")
        });
        let begun = (was.discontinuity, was.date_ms) == (is.discontinuity, is.date_ms);
        sink.check("P15", is.line, finished || begun, || format!("the tags of unfinished segment {msn} changed"));
        let parts = |segment: &Segment| {
            segment
                .parts
                .iter()
                .map(|part| (part.uri.clone(), part.duration_us, part.independent, part.gap))
                .collect::<Vec<_>>()
        };
        let (was_parts, is_parts) = (parts(was), parts(is));
        let grown = is_parts.is_empty() && finished || is_parts.starts_with(&was_parts);
        sink.check("P15", is.line, grown, || {
            format!("the parts of segment {msn} changed: {was_parts:?}, now {is_parts:?}")
        });
    }
}

fn counted(before: &Playlist, now: &Playlist, sink: &mut Sink) {
    let (Some(was), Some(is)) = (before.dseq, now.dseq) else { return };
    let left = before.numbered().filter(|(msn, segment)| *msn < now.msn && segment.discontinuity).count() as u64;
    // Where segments left that were never seen, there may have been more.
    let unseen = now.msn > before.next_msn();
    let kept = if unseen { is >= was + left } else { is == was + left };
    sink.check("P6-count", 1, kept, || {
        format!("the discontinuity sequence went from {was} to {is}, {left} discontinuities left")
    });
}

fn length(before: &Playlist, now: &Playlist, sink: &mut Sink) {
    if now.msn == before.msn || now.ended {
        return;
    }
    let least = 3 * now.target_s.unwrap_or(1) * 1_000_000;
    let found: u64 = now.segments.iter().map(|segment| segment.duration_us).sum();
    sink.check("P11-length", 0, found >= least, || {
        format!("{found} us are left, three target durations are {least} us")
    });
    let count = now.segments.len();
    sink.check("P11-segments", 0, count >= 6, || format!("{count} segments are left"));
}

fn hinted(before: &Playlist, now: &Playlist, sink: &mut Sink) {
    let Some((_, hint)) = before.hints.first() else { return };
    let known = |uri: &str| before.numbered().any(|(_, segment)| segment.parts.iter().any(|part| part.uri == uri));
    let (from, parts) = (before.next_msn(), before.open.parts.len());
    let new = now
        .numbered()
        .filter(|(msn, _)| *msn >= from)
        .flat_map(|(msn, segment)| segment.parts.iter().skip(if msn == from { parts } else { 0 }));
    let Some(next) = new.map(|part| part.uri.as_str()).find(|uri| !known(uri)) else { return };
    sink.check("L8-next", 0, next == hint, || format!("{hint} was hinted at, {next} came"));
}

/// When a playlist grew: judges the times between.
#[derive(Debug, Default)]
pub struct Pace {
    segment: Option<(u64, Duration)>,
    part: Option<((u64, usize), Duration)>,
    /// What was late, until it is known whether it was the last before an interruption, and since when.
    late: Sink,
    late_since: Option<Duration>,
}

impl Pace {
    /// A state of the playlist, seen at `at` since any fixed moment. Call it for every change.
    pub fn see(&mut self, now: &Playlist, at: Duration, sink: &mut Sink) {
        let target = Duration::from_secs(now.target_s.unwrap_or(1));
        let next = now.next_msn();
        let edge = (next, now.open.parts.len());
        if self.part.is_some_and(|(last, _)| edge <= last) && !now.ended {
            return;
        }
        let excused = now.ended || interrupted(now);
        // What was left of an epoch may come at once, in several parts: only what comes in its own time goes on.
        let settles = Duration::from_micros(now.part_target_us.unwrap_or(0));
        if excused {
            (self.late.findings, self.late_since) = (Vec::new(), None);
        } else if self.late_since.is_some_and(|since| at.saturating_sub(since) >= settles) {
            self.finish(sink);
        }
        let late = &mut self.late;
        late.place.clone_from(&sink.place);
        if let Some((last, then)) = self.segment
            && next > last
        {
            let took = at.saturating_sub(then);
            late.check("P12", 0, excused || took <= target * 3 / 2 + TOLERANCE, || {
                format!("segment {} came {took:?} after the one before", next.saturating_sub(1))
            });
        }
        if self.segment.is_none_or(|(last, _)| next > last) {
            self.segment = Some((next, at));
        }
        if let (Some(part_us), Some((_, then))) = (now.part_target_us, self.part) {
            let took = at.saturating_sub(then);
            let most = Duration::from_micros(part_us) + TOLERANCE;
            late.check("L2", 0, excused || took <= most, || {
                format!("part {} of segment {next} came {took:?} after the one before", edge.1)
            });
        }
        if !late.findings.is_empty() {
            self.late_since.get_or_insert(at);
        }
        self.part = Some((edge, at));
    }

    /// Nothing more comes: what was late was not the last before an interruption.
    pub fn finish(&mut self, sink: &mut Sink) {
        self.late_since = None;
        sink.findings.append(&mut self.late.findings);
    }
}

/// Whether what came last is, or just follows, an interruption that the playlist declares: nobody can publish on time
/// what an encoder does not send, and gaps say so. They, what came last before them, and the discontinuity that ends
/// them are excused.
fn interrupted(now: &Playlist) -> bool {
    let recent: Vec<_> = now.numbered().collect();
    let tail = &recent[recent.len().saturating_sub(2)..];
    tail.iter().any(|(_, segment)| segment.discontinuity || segment.gap || segment.parts.iter().any(|part| part.gap))
}
