//! What must hold between renditions at one moment.

use crate::finding::Sink;
use crate::playlist::Playlist;

/// How far dates of one segment may lie apart in two renditions: an AAC frame of 48 kHz, and rounding.
const DATE_MS: i64 = 25;

/// Judges renditions, given with the path of their playlists, fetched at about the same time.
pub fn judge(renditions: &[(String, Playlist)], sink: &mut Sink) {
    let Some((first_path, first)) = renditions.first() else { return };
    for (path, other) in &renditions[1..] {
        let control =
            |playlist: &Playlist| playlist.control.map(|control| crate::playlist::Control { line: 0, ..control });
        sink.check("L6-equal", 0, control(first) == control(other), || {
            format!("{path} has another EXT-X-SERVER-CONTROL than {first_path}")
        });
        sink.check("P2-constant", 0, first.target_s == other.target_s, || {
            format!("{path} has another target duration")
        });
        let behind = first.next_msn().abs_diff(other.next_msn());
        sink.check("L15", 0, behind <= 1, || {
            format!("{path} ends at {}, {first_path} at {}", other.next_msn(), first.next_msn())
        });
        alike(first, other, path, sink);
    }
    for (path, playlist) in renditions {
        reports(path, playlist, renditions, sink);
    }
}

fn alike(first: &Playlist, other: &Playlist, path: &str, sink: &mut Sink) {
    if first.msn == other.msn {
        sink.check("P6-equal", 0, first.dseq == other.dseq, || format!("{path} has another discontinuity sequence"));
    }
    for (msn, segment) in first.numbered() {
        let Some(twin) = other.segment(msn) else { continue };
        let joints = (segment.discontinuity, segment.gap) == (twin.discontinuity, twin.gap);
        let whole = !segment.uri.is_empty() && !twin.uri.is_empty();
        sink.check("P6-equal", 0, !whole || joints, || format!("segment {msn} of {path} is joined otherwise"));
        if let (Some(a), Some(b)) = (segment.date_ms, twin.date_ms) {
            sink.check("P9-equal", 0, (a - b).abs() <= DATE_MS, || {
                format!("segment {msn} of {path} is dated {} ms off", b - a)
            });
        }
    }
}

fn reports(path: &str, playlist: &Playlist, renditions: &[(String, Playlist)], sink: &mut Sink) {
    if playlist.ended || !playlist.control.is_some_and(|control| control.block) {
        return;
    }
    for (other_path, other) in renditions {
        let report = playlist.reports.iter().find(|report| resolve(path, &report.uri) == *other_path);
        if other_path == path {
            sink.check("L14-self", 0, report.is_none(), || format!("{path} reports itself"));
            continue;
        }
        let Some(report) = report else {
            sink.add("L14", 0, format!("{path} does not report {other_path}"));
            continue;
        };
        // The other was fetched a moment earlier or later.
        let last = if other.open.parts.is_empty() { other.next_msn().saturating_sub(1) } else { other.next_msn() };
        let near = report.last_msn.is_some_and(|msn| msn.abs_diff(last) <= 1);
        sink.check("L14-true", report.line, near, || {
            format!("{path} says {:?} of {other_path}, which is at {last}", report.last_msn)
        });
        let part_missing =
            playlist.part_target_us.is_some() && report.last_part.is_none() && !other.open.parts.is_empty();
        sink.check("L14-true", report.line, !part_missing, || format!("{path} says no LAST-PART of {other_path}"));
    }
}

/// `uri` as seen from the playlist at `base`, both without a host.
pub fn resolve(base: &str, uri: &str) -> String {
    if uri.starts_with('/') {
        return uri.to_owned();
    }
    let mut parts: Vec<&str> = base.split('/').collect();
    parts.pop();
    for part in uri.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}
