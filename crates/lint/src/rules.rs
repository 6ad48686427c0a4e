//! What one media playlist must be by itself.

use crate::finding::Sink;
use crate::playlist::{Control, Playlist, Segment};

/// How far a date may lie from where the one before and its EXTINF put it: both are rounded.
const DATE_MS: i64 = 3;

/// EXT-X-GAP may come to be needed in any live playlist, and the version had better not change then.
const GAPS_NEED: u64 = 8;

/// Judges a live playlist that was [read](crate::playlist::read).
pub fn judge(playlist: &Playlist, sink: &mut Sink) {
    versions(playlist, sink);
    // That it is missing was said already.
    let Some(target_s) = playlist.target_s else { return };
    let target_us = target_s * 1_000_000;
    head(playlist, target_us, sink);
    let mut map_seen = playlist.skipped.is_some();
    for segment in &playlist.segments {
        let rounded_s = (segment.duration_us + 500_000) / 1_000_000;
        sink.check("P2", segment.line, rounded_s <= target_us / 1_000_000, || {
            format!("EXTINF of {} us, the target duration is {target_us} us", segment.duration_us)
        });
        map_seen |= segment.map.is_some();
        // A gap at the head may stand before the first map that is left.
        sink.check("P8", segment.line, map_seen || segment.gap, || "no EXT-X-MAP before it".to_owned());
    }
    dates(playlist, sink);
    parts(playlist, target_us, sink);
    tail(playlist, sink);
}

fn versions(playlist: &Playlist, sink: &mut Sink) {
    let version = playlist.version.unwrap_or(1);
    let maps = playlist.segments.iter().any(|segment| segment.map.is_some());
    let gaps = playlist.segments.iter().any(|segment| segment.gap);
    let needed = match (gaps, maps, playlist.iframes_only) {
        (true, _, _) => GAPS_NEED,
        (_, true, false) => 6,
        (_, true, true) => 5,
        (_, false, true) => 4,
        // Durations with decimals.
        (_, false, false) => 3,
    };
    if playlist.skipped.is_some() {
        sink.check("L13-version", 1, version >= 9, || format!("EXT-X-SKIP in a playlist of version {version}"));
    } else {
        sink.check("P16-low", 1, version >= needed, || format!("version {version}, {needed} is needed"));
        sink.check("P16-high", 1, version <= needed.max(GAPS_NEED), || {
            format!("version {version}, {needed} is enough")
        });
    }
}

fn head(playlist: &Playlist, target_us: u64, sink: &mut Sink) {
    sink.check("P6", 1, playlist.dseq.is_some(), || "no EXT-X-DISCONTINUITY-SEQUENCE".to_owned());
    sink.check("P10", 1, !playlist.independent_segments, || "EXT-X-INDEPENDENT-SEGMENTS is here too".to_owned());
    sink.check("P11-type", 1, playlist.kind.is_none() || playlist.ended, || "a live playlist has a type".to_owned());
    let has_parts = playlist.numbered().any(|(_, segment)| !segment.parts.is_empty());
    sink.check("L1-inf", 1, !has_parts || playlist.part_target_us.is_some(), || {
        "parts without EXT-X-PART-INF".to_owned()
    });
    let control = playlist.control.unwrap_or_default();
    sink.check("L6-block", control.line, !has_parts || control.block, || "no CAN-BLOCK-RELOAD=YES".to_owned());
    hold_back(control, playlist.part_target_us, target_us, sink);
}

fn hold_back(control: Control, part_target_us: Option<u64>, target_us: u64, sink: &mut Sink) {
    let line = control.line;
    if let Some(part_us) = part_target_us {
        let held = control.part_hold_back_us;
        sink.check("L6-hold", line, held.is_some_and(|held| held >= 2 * part_us), || {
            format!("PART-HOLD-BACK {held:?} us, PART-TARGET {part_us} us")
        });
        sink.check("L6-hold3", line, held.is_none_or(|held| held >= 3 * part_us), || {
            format!("PART-HOLD-BACK {held:?} us, PART-TARGET {part_us} us")
        });
    }
    if let Some(held) = control.hold_back_us {
        sink.check("L6-back", line, held >= 3 * target_us, || format!("HOLD-BACK {held} us"));
    }
    if let Some(skip) = control.can_skip_us {
        sink.check("L6-skip", line, skip >= 6 * target_us, || format!("CAN-SKIP-UNTIL {skip} us"));
    }
}

fn dates(playlist: &Playlist, sink: &mut Sink) {
    // Where the segment before began, and where it ended, in milliseconds.
    let mut before: Option<(bool, i64)> = None;
    let mut dated = playlist.skipped.is_some();
    for (_, segment) in playlist.numbered() {
        let needed = !dated || segment.discontinuity;
        let line = first_line(segment);
        sink.check("P9", line, segment.date_ms.is_some() || !needed, || "no EXT-X-PROGRAM-DATE-TIME".to_owned());
        dated |= segment.date_ms.is_some();
        let Some(date_ms) = segment.date_ms else {
            before = before.map(|(_, end)| (segment.is_gap(), end + (segment.duration_us / 1000) as i64));
            continue;
        };
        if let Some((gap_before, end_ms)) = before {
            let off = date_ms - end_ms;
            // The renditions that end an epoch or a gap first leave less than a frame or two.
            let joint = segment.discontinuity || segment.is_gap() != gap_before;
            let kept = if joint { off >= -DATE_MS - 1000 } else { off.abs() <= DATE_MS };
            sink.check("P9-steady", line, kept, || {
                format!("the date is {off} ms beside the end of the segment before")
            });
        }
        before = Some((segment.is_gap(), date_ms + (segment.duration_us / 1000) as i64));
    }
}

/// The line at which a finding about a segment is shown.
fn first_line(segment: &Segment) -> usize {
    segment.parts.first().map_or(segment.line, |part| part.line)
}

fn parts(playlist: &Playlist, target_us: u64, sink: &mut Sink) {
    let Some(part_target_us) = playlist.part_target_us else { return };
    let length_us = playlist.length_us();
    let mut start_us = 0;
    for (_, segment) in playlist.numbered() {
        let finished = !segment.uri.is_empty();
        let count = segment.parts.len();
        for (at, part) in segment.parts.iter().enumerate() {
            let (line, lasts) = (part.line, part.duration_us);
            sink.check("L1-long", line, lasts <= part_target_us, || {
                format!("{lasts} us, PART-TARGET {part_target_us} us")
            });
            let before_gap = segment.parts.get(at + 1).is_some_and(|next| next.gap);
            let excused = part.independent || part.gap || before_gap || at + 1 == count;
            sink.check("L1-short", line, excused || lasts * 100 >= part_target_us * 85, || {
                format!("{lasts} us, PART-TARGET {part_target_us} us")
            });
        }
        let sum: u64 = segment.parts.iter().map(|part| part.duration_us).sum();
        // Each is rounded to a microsecond or to a millisecond.
        let rounding = 1000 * count as u64;
        sink.check(
            "L3",
            segment.line,
            !finished || count == 0 || sum.abs_diff(segment.duration_us) <= rounding,
            || format!("parts of {sum} us, EXTINF of {} us", segment.duration_us),
        );
        let end_us = start_us + if finished { segment.duration_us } else { sum };
        let behind_us = length_us.saturating_sub(end_us);
        sink.check("L5", first_line(segment), count == 0 || behind_us <= 3 * target_us, || {
            format!("parts that ended {behind_us} us before the end of the playlist")
        });
        start_us = end_us;
    }
}

fn tail(playlist: &Playlist, sink: &mut Sink) {
    let hints = playlist.hints.len();
    if playlist.ended {
        sink.check("L8-end", playlist.hints.first().map_or(0, |(line, _)| *line), hints == 0, || {
            "a hint after the end".to_owned()
        });
    } else if playlist.part_target_us.is_some() {
        sink.check("L8", 0, hints == 1, || format!("{hints} hints at parts, one is wanted"));
    }
}
