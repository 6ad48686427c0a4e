//! What a player may rely on, checked from one snapshot to the next with readers that are not the packager's own.

use std::collections::HashMap;

use mp4_atom::{Atom, DecodeMaybe, Header, Moof, ReadAtom, ReadFrom};
use quick_m3u8::config::ParsingOptionsBuilder;
use quick_m3u8::tag::{KnownTag, hls};
use quick_m3u8::{HlsLine, Reader};
use weir_packager::{Config, Snapshot};

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub discontinuity: bool,
    pub gap: bool,
    pub map: String,
    pub wall_ms: i64,
    pub duration_us: u64,
    pub uri: String,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parsed {
    pub version: u64,
    pub target: u64,
    pub msn: u64,
    pub dseq: Option<u64>,
    pub ended: bool,
    pub entries: Vec<Entry>,
}

pub fn parse(text: &[u8]) -> Parsed {
    let text = std::str::from_utf8(text).expect("UTF-8");
    let mut reader = Reader::from_str(text, ParsingOptionsBuilder::new().with_parsing_for_all_tags().build());
    let mut parsed = Parsed::default();
    let (mut discontinuity, mut gap, mut map, mut wall_ms, mut duration_us) = (false, false, String::new(), None, None);
    while let Some(line) = reader.read_line().expect("a playlist") {
        match line {
            HlsLine::KnownTag(KnownTag::Hls(tag)) => match tag {
                hls::Tag::M3u(_) => {}
                hls::Tag::Version(tag) => parsed.version = tag.version(),
                hls::Tag::Targetduration(tag) => parsed.target = tag.target_duration(),
                hls::Tag::MediaSequence(tag) => parsed.msn = tag.media_sequence(),
                hls::Tag::DiscontinuitySequence(tag) => parsed.dseq = Some(tag.discontinuity_sequence()),
                hls::Tag::Discontinuity(_) => discontinuity = true,
                hls::Tag::Map(tag) => map = tag.uri().to_owned(),
                hls::Tag::ProgramDateTime(tag) => wall_ms = Some(unix_ms(&tag.program_date_time().to_string())),
                hls::Tag::Inf(tag) => duration_us = Some((tag.duration() * 1e6).round() as u64),
                hls::Tag::Endlist(_) => parsed.ended = true,
                hls::Tag::Gap(_) => gap = true,
                hls::Tag::ServerControl(_) | hls::Tag::PartInf(_) | hls::Tag::Part(_) => {}
                hls::Tag::PreloadHint(_) | hls::Tag::RenditionReport(_) => {}
                other => panic!("unexpected {other:?}"),
            },
            HlsLine::Uri(uri) => {
                assert!(!parsed.ended, "a segment after ENDLIST");
                let (wall_ms, duration_us) = (wall_ms.take().expect("a date"), duration_us.take().expect("EXTINF"));
                let (discontinuity, gap) = (std::mem::take(&mut discontinuity), std::mem::take(&mut gap));
                // A gap needs none, whatever stands before it.
                let (map, uri) = (if gap { String::new() } else { map.clone() }, uri.to_string());
                parsed.entries.push(Entry { discontinuity, gap, map, wall_ms, duration_us, uri });
            }
            HlsLine::Blank => {}
            other => panic!("unexpected {other:?}"),
        }
    }
    parsed
}

fn unix_ms(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().expect("a date").as_millisecond()
}

/// Decoding time and length of a segment in ticks, as the boxes say it, and the number of its last `moof`.
pub fn timing(body: &[u8]) -> (u64, u64, u32) {
    let mut rest = body;
    let header = Header::decode_maybe(&mut rest).expect("a box").expect("whole");
    assert_eq!(header.kind, mp4_atom::Styp::KIND);
    rest = &rest[header.size.expect("a size")..];
    let (start, mut length, mut number) = fragment_timing(&mut rest);
    while !rest.is_empty() {
        let next = fragment_timing(&mut rest);
        assert!(next.0 == start + length && next.2 > number, "fragments that do not meet");
        (length, number) = (length + next.1, next.2);
    }
    (start, length, number)
}

/// The same of a `moof` and its `mdat`.
fn fragment_timing(rest: &mut &[u8]) -> (u64, u64, u32) {
    let header = Header::read_from(rest).expect("a box");
    let moof = Moof::read_atom(&header, rest).expect("a moof");
    let mdat = Header::read_from(rest).expect("a box");
    assert_eq!(mdat.kind, mp4_atom::Mdat::KIND);
    *rest = &rest[mdat.size.expect("a size")..];
    let [traf] = &moof.traf[..] else { panic!("one traf") };
    let [trun] = &traf.trun[..] else { panic!("one trun") };
    let each = u64::from(traf.tfhd.default_sample_duration.expect("a default duration"));
    let start = traf.tfdt.as_ref().expect("tfdt").base_media_decode_time;
    (start, each * trun.samples.len() as u64, moof.mfhd.sequence_number)
}

/// A file that left a playlist, and until which media time it must be to be had.
struct Left {
    rendition: String,
    file: String,
    until_us: u64,
}

pub struct Observer {
    config: Config,
    /// Timescale of each rendition by name, the same in all its epochs.
    timescales: HashMap<String, u64>,
    last: HashMap<String, Parsed>,
    bytes: HashMap<(String, String), bytes::Bytes>,
    left: Vec<Left>,
    media_us: u64,
    longest_us: u64,
    pub snapshots: usize,
}

impl Observer {
    pub fn new(config: Config, timescales: &[(String, u64)]) -> Self {
        let timescales = timescales.iter().cloned().collect();
        let (last, bytes, left) = Default::default();
        Self { config, timescales, last, bytes, left, media_us: 0, longest_us: 0, snapshots: 0 }
    }

    /// Forgets the playlists but not the files: the packager was made anew with an empty window.
    pub fn forget_playlists(&mut self) {
        for parsed in self.last.values_mut() {
            parsed.msn += parsed.entries.len() as u64;
            let tags = parsed.entries.iter().filter(|entry| entry.discontinuity).count() as u64;
            parsed.dseq = parsed.dseq.map(|dseq| dseq + tags);
            parsed.entries.clear();
        }
        self.left.clear();
    }

    /// What was there is for nobody any more, and the next playlists begin with the next segment.
    pub fn cut(&mut self) {
        self.forget_playlists();
        // A discontinuity before the first segment may have gone too.
        self.last.values_mut().for_each(|parsed| parsed.dseq = None);
        self.longest_us = 0;
    }

    pub fn see(&mut self, snapshot: &Snapshot) {
        self.snapshots += 1;
        self.files_never_change(snapshot);
        let now: Vec<_> = snapshot.renditions.iter().map(|r| (r.name.clone(), parse(&r.playlist.plain))).collect();
        for (name, parsed) in &now {
            self.playlist_keeps_the_rules(name, parsed);
            self.media_are_there(snapshot, name, parsed);
            if let Some(before) = self.last.get(name) {
                only_appended_or_dropped(before, parsed);
            }
        }
        renditions_agree(&now);
        self.timelines_go_on(snapshot, &now);
        self.retention(snapshot, &now);
        self.last = now.into_iter().collect();
    }

    fn files_never_change(&mut self, snapshot: &Snapshot) {
        for rendition in &snapshot.renditions {
            for (file, media) in &rendition.media {
                let key = (rendition.name.clone(), file.clone());
                let known = self.bytes.entry(key).or_insert_with(|| media.pieces.concat().into());
                assert_eq!(*known, media.pieces.concat(), "{}/{file} changed", rendition.name);
            }
        }
    }

    fn playlist_keeps_the_rules(&mut self, name: &str, parsed: &Parsed) {
        let target = u64::from(self.config.target_duration_s());
        assert_eq!((parsed.version, parsed.target), (8, target), "{name}");
        assert!(parsed.dseq.is_some());
        let mut before: Option<&Entry> = None;
        for entry in &parsed.entries {
            assert!(entry.duration_us > 0 && (entry.duration_us + 500_000) / 1_000_000 <= target, "{name} {entry:?}");
            if let Some(before) = before {
                let gap_ms = entry.wall_ms - before.wall_ms - (before.duration_us / 1000) as i64;
                // Segments of an epoch meet to the millisecond that a date has. At a joint, the rendition that is not
                // the longest may leave a gap but none overlaps.
                assert!(gap_ms >= -1, "{name}: dates go back {gap_ms} ms");
                // Where nothing came, it begins with the longest.
                let may_be_apart = entry.discontinuity || before.map != entry.map || entry.gap;
                assert!(may_be_apart || gap_ms <= 2, "{name}: a gap of {gap_ms} ms");
            }
            before = Some(entry);
        }
        let length: u64 = parsed.entries.iter().map(|entry| entry.duration_us).sum();
        if parsed.msn > self.last.get(name).map_or(parsed.msn, |last| last.msn) {
            let least = u64::from(self.config.window_s()).max(3 * target) * 1_000_000;
            assert!(length >= least && parsed.entries.len() >= 6, "{name}: {length} us after a removal");
        }
    }

    fn media_are_there(&self, snapshot: &Snapshot, name: &str, parsed: &Parsed) {
        for uri in parsed.entries.iter().filter(|entry| !entry.gap).flat_map(|entry| [&entry.uri, &entry.map]) {
            let (owner, file) = owner(name, uri);
            let found = snapshot.rendition(owner).and_then(|rendition| rendition.media.get(file));
            assert!(found.is_some_and(|media| !media.is_empty()), "{name}: {uri} is not there");
        }
    }

    /// tfdt goes on exactly within an epoch and never back between epochs, sums of EXTINF keep to it, and segments of
    /// all video renditions begin at the same time, audio within half a frame.
    fn timelines_go_on(&self, snapshot: &Snapshot, now: &[(String, Parsed)]) {
        let mut starts: HashMap<u64, (u64, u64)> = HashMap::new();
        for (name, parsed) in now {
            let (mut end, mut extinf_us, mut ticks_sum, mut number) = (None, 0, 0, 0);
            for (at, entry) in parsed.entries.iter().enumerate() {
                let (owner, file) = owner(name, &entry.uri);
                if owner != name || entry.gap {
                    (end, extinf_us, ticks_sum) = (None, 0, 0);
                    continue;
                }
                let scale = self.timescales[name];
                let body = snapshot.rendition(owner).expect("checked").media[file].pieces.concat();
                let (start, length, sequence) = timing(&body);
                assert!(sequence > number, "{name}: mfhd went from {number} to {sequence}");
                number = sequence;
                match end {
                    Some(end) if !entry.discontinuity => assert_eq!(start, end, "{name}: a hole before {file}"),
                    Some(end) => {
                        assert!(start >= end, "{name}: {file} goes back");
                        // All renditions of the epoch before ended within a frame, none of which is longer than 0.2 s.
                        assert!((start - end) * 5 <= scale + scale / 200, "{name}: a hole before {file}");
                    }
                    None => {}
                }
                end = Some(start + length);
                (extinf_us, ticks_sum) = (extinf_us + entry.duration_us, ticks_sum + length);
                let truth_us = ticks_sum * 1_000_000 / scale;
                assert!(truth_us.abs_diff(extinf_us) <= 1 + at as u64, "{name}: EXTINF drifts");
                let (first, first_scale) = *starts.entry(parsed.msn + at as u64).or_insert((start, scale));
                let (a, b) = (u128::from(first) * u128::from(scale), u128::from(start) * u128::from(first_scale));
                let half_frame = if name == "audio" { 512 * u128::from(first_scale) } else { 0 };
                assert!(a.abs_diff(b) <= half_frame, "{name}: {file} begins elsewhere");
            }
        }
    }

    fn retention(&mut self, snapshot: &Snapshot, now: &[(String, Parsed)]) {
        let (first_name, first) = &now[0];
        let end = first.msn + first.entries.len() as u64;
        let seen = self.last.get(first_name).map_or(first.msn, |last| last.msn + last.entries.len() as u64);
        // The shortest of the slot: that is how much media time went by for sure.
        for msn in seen..end {
            let each = now.iter().map(|(_, parsed)| parsed.entries[(msn - parsed.msn) as usize].duration_us);
            self.media_us += each.min().unwrap_or(0);
        }
        for (name, before) in &self.last {
            let Some((_, parsed)) = now.iter().find(|(other, _)| other == name) else { continue };
            let gone = parsed.msn.saturating_sub(before.msn) as usize;
            for entry in before.entries.iter().take(gone).filter(|entry| !entry.gap) {
                let (rendition, file) = owner(name, &entry.uri);
                let until_us = self.media_us + entry.duration_us + self.longest_us;
                self.left.push(Left { rendition: rendition.to_owned(), file: file.to_owned(), until_us });
            }
        }
        let length = |parsed: &Parsed| parsed.entries.iter().map(|entry| entry.duration_us).sum();
        self.longest_us = now.iter().map(|(_, parsed)| length(parsed)).max().unwrap_or(0).max(self.longest_us);
        self.left.retain(|left| left.until_us > self.media_us);
        for left in &self.left {
            let there = snapshot.rendition(&left.rendition).is_some_and(|r| r.media.contains_key(&left.file));
            assert!(there, "{}/{} went too early", left.rendition, left.file);
        }
    }
}

/// The rendition and the file that a URI in the playlist of `name` leads to.
pub fn owner<'a>(name: &'a str, uri: &'a str) -> (&'a str, &'a str) {
    match uri.strip_prefix("../") {
        Some(path) => path.split_once('/').expect("a rendition and a file"),
        None => (name, uri),
    }
}

fn only_appended_or_dropped(before: &Parsed, now: &Parsed) {
    assert!(!before.ended || before == now, "a change after ENDLIST");
    let gone = now.msn.checked_sub(before.msn).expect("MEDIA-SEQUENCE goes back") as usize;
    assert!(gone <= before.entries.len(), "MEDIA-SEQUENCE jumps");
    let (dropped, kept) = before.entries.split_at(gone);
    assert_eq!(kept, &now.entries[..kept.len()]);
    let tags = dropped.iter().filter(|entry| entry.discontinuity).count() as u64;
    assert!(before.dseq.is_none() || now.dseq == before.dseq.map(|dseq| dseq + tags));
}

fn renditions_agree(now: &[(String, Parsed)]) {
    let shape = |parsed: &Parsed| {
        let joints: Vec<_> = parsed.entries.iter().map(|entry| entry.discontinuity).collect();
        (parsed.msn, parsed.dseq, parsed.ended, joints)
    };
    for (name, parsed) in now {
        assert_eq!(shape(parsed), shape(&now[0].1), "{name} and {} differ", now[0].0);
    }
}
