//! Media playlists (rfc8216bis 4.4.3, 4.4.4) and their delta updates (6.2.5.1).

use std::fmt::Write;

use jiff::Timestamp;

use crate::config::{Config, Session};
use crate::slot::{Content, Gap, Segment, Slot};
use crate::tick::PARTS_LISTED_TARGETS;
use crate::window::Window;

/// The lowest version that allows EXT-X-GAP, which any of these playlists may come to need (rfc8216bis 8).
pub(crate) const VERSION: u32 = 8;
/// The lowest version that allows EXT-X-SKIP.
const VERSION_SKIP: u32 = 9;
/// HOLD-BACK and CAN-SKIP-UNTIL in target durations: the least that 4.4.3.8 allows.
const HOLD_BACK_TARGETS: u32 = 3;
const CAN_SKIP_TARGETS: u32 = 6;
/// PART-HOLD-BACK in part targets, as Apple's authoring rules want it, and a millisecond so that no rounding of
/// decimal fractions makes it less.
const HOLD_BACK_PARTS: u32 = 3;
const HOLD_BACK_MARGIN_MS: u32 = 1;

/// The playlist of one rendition, and the same as a delta update where there is something to skip.
pub(crate) struct Texts {
    pub(crate) full: String,
    pub(crate) delta: Option<String>,
}

/// The playlist of one rendition. It carries no PLAYLIST-TYPE because its head is dropped (6.2.2), and no
/// INDEPENDENT-SEGMENTS because the multivariant playlist has it.
pub(crate) fn media_playlist(window: &Window, config: Config, session: &Session, track: usize) -> Texts {
    let skipped = if window.ended { 0 } else { skippable(window, config) };
    let mut writer = Writer::new(window, config, track);
    let first_with_parts = first_with_parts(window, config);
    let mut kept_at = 0;
    for (at, slot) in window.slots.iter().enumerate() {
        if at == skipped {
            kept_at = writer.out.len();
        }
        writer.slot(slot, at >= first_with_parts);
    }
    if let Some(open) = &window.open {
        writer.open_slot(open);
    }
    writer.tail(session);
    let body = writer.out;
    let full = head(window, config, VERSION, config.part_target_ms()) + &body;
    let delta = (skipped > 0).then(|| {
        let head = head(window, config, VERSION_SKIP, config.part_target_ms());
        format!("{head}#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n{}", &body[kept_at..])
    });
    Texts { full, delta }
}

/// The tags that stand before all segments.
pub(crate) fn head(window: &Window, config: Config, version: u32, part_target_ms: Option<u32>) -> String {
    let first = window.slots.front().or(window.open.as_ref());
    let msn = first.map_or(window.next.next_msn, |slot| slot.msn);
    // A DISCONTINUITY that is still listed counts from here on, not before (4.4.3.3).
    let dseq = first.map_or(0, |slot| slot.discontinuity - u64::from(slot.tagged));
    let target = config.target_duration_s();
    let mut out = format!("#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{target}\n");
    // The same in every playlist (4.4.3.8).
    out.push_str("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,");
    // Writing into a string does not fail.
    if let Some(target_ms) = config.part_target_ms() {
        let _ = write!(out, "PART-HOLD-BACK={},", seconds(HOLD_BACK_PARTS * target_ms + HOLD_BACK_MARGIN_MS));
    }
    let (hold_back, can_skip) = (HOLD_BACK_TARGETS * target, CAN_SKIP_TARGETS * target);
    let _ = writeln!(out, "HOLD-BACK={hold_back},CAN-SKIP-UNTIL={can_skip}");
    if let Some(target_ms) = part_target_ms {
        let _ = writeln!(out, "#EXT-X-PART-INF:PART-TARGET={}", seconds(target_ms));
    }
    let _ = write!(out, "#EXT-X-MEDIA-SEQUENCE:{msn}\n#EXT-X-DISCONTINUITY-SEQUENCE:{dseq}\n");
    out
}

/// How many segments lie wholly before the skip boundary.
fn skippable(window: &Window, config: Config) -> usize {
    let boundary_us = u64::from(CAN_SKIP_TARGETS * config.target_duration_s()) * 1_000_000;
    slots_behind(window, boundary_us)
}

/// The first slot of which no part is so far from the end that it must not be listed any more. Short segments count
/// as whole ones, and what is hinted at as a segment too: there are readers that count segments.
fn first_with_parts(window: &Window, config: Config) -> usize {
    let boundary_us = PARTS_LISTED_TARGETS * u64::from(config.target_duration_s()) * 1_000_000;
    let mut start_us = window.open.as_ref().map_or(0, Slot::longest_us);
    let most = PARTS_LISTED_TARGETS as usize - 1;
    let near = window.slots.iter().rev().take(most).take_while(|slot| {
        start_us += slot.longest_us();
        start_us <= boundary_us
    });
    window.slots.len() - near.count()
}

/// How many slots end more than `boundary_us` before the end of the playlist.
fn slots_behind(window: &Window, boundary_us: u64) -> usize {
    let mut behind_us = window.open.as_ref().map_or(0, Slot::shortest_us);
    let near = window.slots.iter().rev().take_while(|slot| {
        let is_near = behind_us <= boundary_us;
        behind_us += slot.shortest_us();
        is_near
    });
    window.slots.len() - near.count()
}

/// Writes what stands below the head.
pub(crate) struct Writer<'a> {
    window: &'a Window,
    track: usize,
    has_parts: bool,
    /// The map in force: its owner and name.
    map: Option<(usize, &'a str)>,
    pub(crate) out: String,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(window: &'a Window, config: Config, track: usize) -> Self {
        let out = String::with_capacity(512 + 160 * window.slots.len());
        Self { window, track, has_parts: config.part_target_ms().is_some(), map: None, out }
    }

    fn slot(&mut self, slot: &'a Slot, with_parts: bool) {
        match &slot.content {
            Content::Media(_) => {
                let Some((path, segment)) = self.begin(slot) else { return };
                if with_parts {
                    self.parts(&path, segment);
                }
                self.extinf(segment.duration_us);
                let _ = writeln!(self.out, "{path}{}", segment.name);
            }
            Content::Gap(gap) => {
                self.begin_gap(slot, gap);
                if with_parts {
                    self.gap_parts(gap);
                }
                self.gap_segment(gap);
            }
        }
    }

    fn open_slot(&mut self, slot: &'a Slot) {
        match &slot.content {
            Content::Media(_) => {
                let Some((path, segment)) = self.begin(slot) else { return };
                self.parts(&path, segment);
            }
            Content::Gap(gap) => {
                self.begin_gap(slot, gap);
                self.gap_parts(gap);
            }
        }
    }

    /// The tags that stand before a segment and its first part (4.4.4.9). Answers the path to its files.
    pub(crate) fn begin(&mut self, slot: &'a Slot) -> Option<(String, &'a Segment)> {
        let (owner, segment) = self.window.stand_in(slot, self.track)?;
        let path = self.path(owner);
        if slot.tagged {
            self.out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        // Players differ in what of a map survives a discontinuity, so it is said again.
        let this_map = Some((owner, segment.init.name.as_str()));
        if slot.tagged || self.map != this_map {
            let _ = writeln!(self.out, "#EXT-X-MAP:URI=\"{path}{}\"", segment.init.name);
            self.map = this_map;
        }
        let _ = writeln!(self.out, "#EXT-X-PROGRAM-DATE-TIME:{}", date_time(segment.wall_ms));
        Some((path, segment))
    }

    pub(crate) fn begin_gap(&mut self, slot: &Slot, gap: &Gap) {
        if slot.tagged {
            self.out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        let _ = writeln!(self.out, "#EXT-X-PROGRAM-DATE-TIME:{}", date_time(gap.wall_ms));
    }

    pub(crate) fn gap_segment(&mut self, gap: &Gap) {
        self.out.push_str("#EXT-X-GAP\n");
        self.extinf(gap.duration_us);
        let _ = writeln!(self.out, "{}", gap.name);
    }

    pub(crate) fn extinf(&mut self, duration_us: u64) {
        let (whole, micros) = (duration_us / 1_000_000, duration_us % 1_000_000);
        let _ = writeln!(self.out, "#EXTINF:{whole}.{micros:06},");
    }

    fn parts(&mut self, path: &str, segment: &Segment) {
        for part in &segment.parts {
            self.part(part.duration_us, path, &part.name);
            self.out.push_str(if part.independent { ",INDEPENDENT=YES\n" } else { "\n" });
        }
    }

    fn gap_parts(&mut self, gap: &Gap) {
        if !self.has_parts {
            return;
        }
        for (name, duration_us) in &gap.parts {
            self.part(*duration_us, "", name);
            self.out.push_str(",GAP=YES\n");
        }
    }

    fn part(&mut self, duration_us: u64, path: &str, name: &str) {
        let (whole, micros) = (duration_us / 1_000_000, duration_us % 1_000_000);
        let _ = write!(self.out, "#EXT-X-PART:DURATION={whole}.{micros:06},URI=\"{path}{name}\"");
    }

    /// What stands behind all segments: the hint, where the other renditions are, or the end.
    fn tail(&mut self, session: &Session) {
        if self.window.ended {
            self.out.push_str("#EXT-X-ENDLIST\n");
            return;
        }
        if self.has_parts
            && let Some(owner) = self.window.next_owner(self.track)
        {
            let (path, name) = (self.path(owner), self.window.next_part_name(session));
            let _ = writeln!(self.out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{path}{name}\"");
        }
        let (last_msn, parts) = match &self.window.open {
            Some(open) => (Some(open.msn), open.parts()),
            None => (self.window.slots.back().map(|slot| slot.msn), self.window.slots.back().map_or(0, Slot::parts)),
        };
        let Some(last_msn) = last_msn else { return };
        let last_part = parts.checked_sub(1).filter(|_| self.has_parts);
        for &other in self.window.current.iter().filter(|&&other| other != self.track) {
            let Some(other) = self.window.tracks.get(other) else { continue };
            let _ =
                write!(self.out, "#EXT-X-RENDITION-REPORT:URI=\"../{}/index.m3u8\",LAST-MSN={last_msn}", other.name);
            if let Some(last_part) = last_part {
                let _ = write!(self.out, ",LAST-PART={last_part}");
            }
            self.out.push('\n');
        }
    }

    /// From the folder of this rendition to that of another.
    fn path(&self, owner: usize) -> String {
        match self.window.tracks.get(owner) {
            Some(owning) if owner != self.track => format!("../{}/", owning.name),
            _ => String::new(),
        }
    }
}

/// Milliseconds as seconds with three decimals.
fn seconds(ms: u32) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// ISO 8601 with milliseconds and a zone.
fn date_time(wall_ms: i64) -> String {
    let instant = Timestamp::from_millisecond(wall_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{instant:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_three_decimals_and_a_zone() {
        assert_eq!(date_time(1_700_000_000_000), "2023-11-14T22:13:20.000Z");
        assert_eq!(date_time(1_700_000_000_042), "2023-11-14T22:13:20.042Z");
    }

    #[test]
    fn seconds_have_three_decimals() {
        assert_eq!([512, 1537, 60].map(seconds), ["0.512", "1.537", "0.060"]);
    }
}
