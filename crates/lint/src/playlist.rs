//! Media playlists, read strictly.

use crate::attributes::{Attributes, decimal, micros};
use crate::finding::Sink;

/// A media playlist (rfc8216bis 4.4.3).
#[derive(Debug, Clone, Default)]
pub struct Playlist {
    /// EXT-X-VERSION.
    pub version: Option<u64>,
    /// EXT-X-TARGETDURATION in seconds.
    pub target_s: Option<u64>,
    /// EXT-X-MEDIA-SEQUENCE.
    pub msn: u64,
    /// EXT-X-DISCONTINUITY-SEQUENCE.
    pub dseq: Option<u64>,
    /// PART-TARGET in microseconds.
    pub part_target_us: Option<u64>,
    /// EXT-X-SERVER-CONTROL.
    pub control: Option<Control>,
    /// Whether there is EXT-X-INDEPENDENT-SEGMENTS.
    pub independent_segments: bool,
    /// Whether there is EXT-X-I-FRAMES-ONLY.
    pub iframes_only: bool,
    /// EXT-X-PLAYLIST-TYPE.
    pub kind: Option<String>,
    /// SKIPPED-SEGMENTS of a delta update.
    pub skipped: Option<u64>,
    /// The finished segments.
    pub segments: Vec<Segment>,
    /// What is listed of the segment that is not finished; without a URI.
    pub open: Segment,
    /// URIs of EXT-X-PRELOAD-HINT, with their lines.
    pub hints: Vec<(usize, String)>,
    /// EXT-X-RENDITION-REPORT.
    pub reports: Vec<Report>,
    /// Whether there is EXT-X-ENDLIST.
    pub ended: bool,
}

/// EXT-X-SERVER-CONTROL; durations in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Control {
    /// The line.
    pub line: usize,
    /// CAN-BLOCK-RELOAD.
    pub block: bool,
    /// PART-HOLD-BACK.
    pub part_hold_back_us: Option<u64>,
    /// HOLD-BACK.
    pub hold_back_us: Option<u64>,
    /// CAN-SKIP-UNTIL.
    pub can_skip_us: Option<u64>,
}

/// One segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segment {
    /// The line of its URI.
    pub line: usize,
    /// As written.
    pub uri: String,
    /// EXTINF in microseconds.
    pub duration_us: u64,
    /// EXT-X-GAP.
    pub gap: bool,
    /// EXT-X-DISCONTINUITY.
    pub discontinuity: bool,
    /// URI of the EXT-X-MAP in force.
    pub map: Option<String>,
    /// EXT-X-PROGRAM-DATE-TIME in milliseconds since 1970.
    pub date_ms: Option<i64>,
    /// EXT-X-BYTERANGE: length and offset.
    pub range: Option<(u64, u64)>,
    /// EXT-X-PART.
    pub parts: Vec<Part>,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its line.
    pub line: usize,
    /// As written.
    pub uri: String,
    /// DURATION in microseconds.
    pub duration_us: u64,
    /// INDEPENDENT=YES.
    pub independent: bool,
    /// GAP=YES.
    pub gap: bool,
}

/// EXT-X-RENDITION-REPORT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its line.
    pub line: usize,
    /// As written.
    pub uri: String,
    /// LAST-MSN.
    pub last_msn: Option<u64>,
    /// LAST-PART.
    pub last_part: Option<u64>,
}

impl Segment {
    /// Whether nothing is to be had of it: it is a gap, or so far a gap alone is known of it.
    pub fn is_gap(&self) -> bool {
        self.gap || (self.uri.is_empty() && self.parts.iter().any(|part| part.gap))
    }
}

impl Playlist {
    /// The number of the segment that is not finished.
    pub fn next_msn(&self) -> u64 {
        self.msn + self.skipped.unwrap_or(0) + self.segments.len() as u64
    }

    /// All segments with their numbers, the unfinished one last if it has parts.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, &Segment)> {
        let open = (!self.open.parts.is_empty()).then_some(&self.open);
        (self.msn + self.skipped.unwrap_or(0)..).zip(self.segments.iter().chain(open))
    }

    /// The segment called `msn`.
    pub fn segment(&self, msn: u64) -> Option<&Segment> {
        self.numbered().find(|(number, _)| *number == msn).map(|(_, segment)| segment)
    }

    /// How long it is, in microseconds.
    pub fn length_us(&self) -> u64 {
        let parts = self.open.parts.iter().map(|part| part.duration_us);
        self.segments.iter().map(|segment| segment.duration_us).chain(parts).sum()
    }
}

/// Reads a media playlist; what is wrong with its letters goes to `sink`.
pub fn read(text: &str, sink: &mut Sink) -> Playlist {
    let mut reader = Reader::default();
    for (line, content) in lines(text, sink) {
        if reader.playlist.ended {
            sink.add("P1-order", line, format!("{content:?} after EXT-X-ENDLIST"));
        }
        reader.line(line, content, sink);
    }
    reader.finish(sink)
}

/// The lines with content, behind EXTM3U, with their numbers.
pub(crate) fn lines<'a>(text: &'a str, sink: &mut Sink) -> Vec<(usize, &'a str)> {
    sink.check("P1-text", 1, !text.starts_with('\u{feff}'), || "it begins with a byte order mark".to_owned());
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.split('\n').enumerate().map(|(at, line)| (at + 1, line.strip_suffix('\r').unwrap_or(line)));
    let first = lines.next().map_or("", |(_, line)| line);
    sink.check("P1-text", 1, first == "#EXTM3U", || format!("it begins with {first:?}, not #EXTM3U"));
    let mut kept = Vec::new();
    for (number, line) in lines {
        sink.check("P1-text", number, !line.chars().any(char::is_control), || "a control character".to_owned());
        sink.check("P1-text", number, line.trim() == line, || "blanks at an end of the line".to_owned());
        // Comments do not begin with #EXT (4.1).
        if !line.is_empty() && (!line.starts_with('#') || line.starts_with("#EXT")) {
            kept.push((number, line));
        }
    }
    kept
}

#[derive(Default)]
struct Reader {
    playlist: Playlist,
    seen: Vec<String>,
    map: Option<String>,
    next: Segment,
    extinf: Option<u64>,
    msn_seen: bool,
}

/// Tags that stand once in a playlist.
const ONCE: [&str; 9] = [
    "#EXT-X-VERSION",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-PART-INF",
    "#EXT-X-SERVER-CONTROL",
    "#EXT-X-PLAYLIST-TYPE",
    "#EXT-X-I-FRAMES-ONLY",
    "#EXT-X-SKIP",
];

impl Reader {
    fn line(&mut self, line: usize, content: &str, sink: &mut Sink) {
        if !content.starts_with('#') {
            return self.uri(line, content, sink);
        }
        let (name, value) = content.split_once(':').unwrap_or((content, ""));
        if ONCE.contains(&name) {
            let twice = self.seen.iter().any(|seen| seen == name);
            sink.check("P1-once", line, !twice, || format!("a second {name}"));
            self.seen.push(name.to_owned());
        }
        match name {
            "#EXTINF" => self.extinf(line, value, sink),
            "#EXT-X-VERSION" => self.playlist.version = number(name, value, line, sink),
            "#EXT-X-TARGETDURATION" => self.playlist.target_s = number(name, value, line, sink),
            "#EXT-X-MEDIA-SEQUENCE" => {
                self.before_segments(name, line, sink);
                self.playlist.msn = number(name, value, line, sink).unwrap_or(0);
                self.msn_seen = true;
            }
            "#EXT-X-DISCONTINUITY-SEQUENCE" => {
                self.before_segments(name, line, sink);
                self.playlist.dseq = number(name, value, line, sink);
            }
            "#EXT-X-INDEPENDENT-SEGMENTS" => self.playlist.independent_segments = true,
            "#EXT-X-I-FRAMES-ONLY" => self.playlist.iframes_only = true,
            "#EXT-X-PLAYLIST-TYPE" => self.playlist.kind = Some(value.to_owned()),
            "#EXT-X-ENDLIST" => self.playlist.ended = true,
            "#EXT-X-GAP" => self.next.gap = true,
            "#EXT-X-DISCONTINUITY" => {
                self.before_parts(name, line, sink);
                sink.check("P1-once", line, !self.next.discontinuity, || "two discontinuities in a row".to_owned());
                self.next.discontinuity = true;
            }
            "#EXT-X-PROGRAM-DATE-TIME" => self.date(line, value, sink),
            "#EXT-X-BYTERANGE" => {
                self.next.range =
                    value.split_once('@').and_then(|(length, offset)| Some((decimal(length)?, decimal(offset)?)));
                sink.check("P1-values", line, self.next.range.is_some(), || format!("the byte range {value:?}"));
            }
            "#EXT-X-MAP"
            | "#EXT-X-PART-INF"
            | "#EXT-X-PART"
            | "#EXT-X-SERVER-CONTROL"
            | "#EXT-X-PRELOAD-HINT"
            | "#EXT-X-RENDITION-REPORT"
            | "#EXT-X-SKIP" => {
                let attributes = Attributes::read(value, line, sink);
                self.listed(name, &attributes, line, sink);
            }
            "#EXT-X-DATERANGE" | "#EXT-X-START" | "#EXT-X-DEFINE" | "#EXT-X-KEY" | "#EXT-X-BITRATE" => {}
            _ => sink.add("P1-unknown", line, format!("the tag {name}")),
        }
    }

    fn listed(&mut self, name: &str, attributes: &Attributes, line: usize, sink: &mut Sink) {
        let uri = |sink: &mut Sink| {
            let uri = attributes.quoted("URI", sink);
            sink.check("P1-required", line, uri.as_ref().is_some_and(|uri| !uri.is_empty()), || {
                format!("{name} without URI")
            });
            uri.unwrap_or_default()
        };
        match name {
            "#EXT-X-MAP" => {
                let uri = uri(sink);
                self.before_parts(name, line, sink);
                self.map = Some(uri);
            }
            "#EXT-X-PART-INF" => {
                self.playlist.part_target_us = attributes.micros("PART-TARGET", sink);
                let there = self.playlist.part_target_us.is_some();
                sink.check("P1-required", line, there, || "EXT-X-PART-INF without PART-TARGET".to_owned());
            }
            "#EXT-X-PART" => {
                let uri = uri(sink);
                let duration_us = attributes.micros("DURATION", sink);
                sink.check("P1-required", line, duration_us.is_some(), || "EXT-X-PART without DURATION".to_owned());
                let (independent, gap) = (attributes.yes("INDEPENDENT", sink), attributes.yes("GAP", sink));
                let duration_us = duration_us.unwrap_or(0);
                self.next.parts.push(Part { line, uri, duration_us, independent, gap });
            }
            "#EXT-X-SERVER-CONTROL" => {
                self.playlist.control = Some(Control {
                    line,
                    block: attributes.yes("CAN-BLOCK-RELOAD", sink),
                    part_hold_back_us: attributes.micros("PART-HOLD-BACK", sink),
                    hold_back_us: attributes.micros("HOLD-BACK", sink),
                    can_skip_us: attributes.micros("CAN-SKIP-UNTIL", sink),
                });
            }
            "#EXT-X-PRELOAD-HINT" => {
                let uri = uri(sink);
                let kind = attributes.plain("TYPE", sink).unwrap_or_default();
                sink.check("P1-values", line, kind == "PART" || kind == "MAP", || format!("a hint of TYPE={kind}"));
                if kind == "PART" {
                    self.playlist.hints.push((line, uri));
                }
            }
            "#EXT-X-RENDITION-REPORT" => {
                let uri = uri(sink);
                let (last_msn, last_part) =
                    (attributes.integer("LAST-MSN", sink), attributes.integer("LAST-PART", sink));
                self.playlist.reports.push(Report { line, uri, last_msn, last_part });
            }
            _ => self.playlist.skipped = attributes.integer("SKIPPED-SEGMENTS", sink),
        }
    }

    fn extinf(&mut self, line: usize, value: &str, sink: &mut Sink) {
        let duration = value.split_once(',').and_then(|(seconds, _)| micros(seconds));
        sink.check("P1-values", line, duration.is_some(), || format!("EXTINF:{value}"));
        sink.check("P1-once", line, self.extinf.is_none(), || "two EXTINF for one segment".to_owned());
        self.extinf = Some(duration.unwrap_or(0));
    }

    fn date(&mut self, line: usize, value: &str, sink: &mut Sink) {
        self.before_parts("#EXT-X-PROGRAM-DATE-TIME", line, sink);
        let date = value.parse::<jiff::Timestamp>().ok();
        let millis = value.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
        sink.check("P9-format", line, date.is_some() && millis >= 3, || format!("the date {value:?}"));
        self.next.date_ms = date.map(jiff::Timestamp::as_millisecond);
    }

    fn uri(&mut self, line: usize, uri: &str, sink: &mut Sink) {
        let mut segment = std::mem::take(&mut self.next);
        let duration = self.extinf.take();
        sink.check("P1-required", line, duration.is_some(), || format!("{uri} has no EXTINF"));
        (segment.line, segment.duration_us, segment.map) = (line, duration.unwrap_or(0), self.map.clone());
        segment.uri = uri.to_owned();
        self.playlist.segments.push(segment);
    }

    fn before_segments(&self, name: &str, line: usize, sink: &mut Sink) {
        let early = self.playlist.segments.is_empty() && self.next == Segment::default();
        sink.check("P1-order", line, early, || format!("{name} behind the first segment"));
    }

    fn before_parts(&self, name: &str, line: usize, sink: &mut Sink) {
        sink.check("L4", line, self.next.parts.is_empty(), || format!("{name} behind a part of its segment"));
    }

    fn finish(mut self, sink: &mut Sink) -> Playlist {
        sink.check("P1-required", 1, self.playlist.target_s.is_some_and(|target| target > 0), || {
            "no EXT-X-TARGETDURATION of 1 or more".to_owned()
        });
        sink.check("P1-order", 0, self.extinf.is_none(), || "EXTINF without a segment".to_owned());
        let dangling = self.next.parts.is_empty() && self.next != Segment::default();
        sink.check("P1-order", 0, !dangling, || "tags of a segment that is not there".to_owned());
        self.next.map = self.map;
        self.playlist.open = self.next;
        self.playlist
    }
}

fn number(name: &str, value: &str, line: usize, sink: &mut Sink) -> Option<u64> {
    let number = decimal(value);
    sink.check("P1-values", line, number.is_some(), || format!("{name} is {value:?}, no decimal integer"));
    number
}
