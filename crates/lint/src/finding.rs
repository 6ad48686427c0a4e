/// How much a broken rule matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The specification says SHOULD, or Apple does.
    Should,
    /// The specification says MUST, or players break.
    Must,
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its short name: P for playlists, L for low latency, M for multivariant playlists, C for media, H for HTTP.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Where it stands: a section of rfc8216bis-22, or with an A one of Apple's authoring specification.
    pub section: &'static str,
    /// The code under which Apple's validator reports it, where that is known.
    pub apple: Option<i32>,
    /// What it demands.
    pub sentence: &'static str,
}

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's [id](Rule::id).
    pub rule: &'static str,
    /// The playlist or file.
    pub place: String,
    /// Line in the playlist, counted from 1; 0 where there is none.
    pub line: usize,
    /// What was found, and what was wanted.
    pub what: String,
}

/// Collects findings of one place.
#[derive(Debug, Default)]
pub struct Sink {
    /// The playlist or file that is looked at.
    pub place: String,
    /// What was found so far.
    pub findings: Vec<Finding>,
}

impl Sink {
    /// An empty one.
    pub fn new(place: impl Into<String>) -> Self {
        Self { place: place.into(), findings: Vec::new() }
    }

    /// Notes that a rule is broken.
    pub fn add(&mut self, rule: &'static str, line: usize, what: impl Into<String>) {
        self.findings.push(Finding { rule, place: self.place.clone(), line, what: what.into() });
    }

    /// Notes that a rule is broken unless `kept`.
    pub fn check(&mut self, rule: &'static str, line: usize, kept: bool, what: impl FnOnce() -> String) {
        if !kept {
            self.add(rule, line, what());
        }
    }
}

/// The rule called `id`.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

const fn must(id: &'static str, section: &'static str, sentence: &'static str) -> Rule {
    Rule { id, severity: Severity::Must, section, apple: None, sentence }
}

const fn should(id: &'static str, section: &'static str, sentence: &'static str) -> Rule {
    Rule { severity: Severity::Should, ..must(id, section, sentence) }
}

const fn apple(rule: Rule, code: i32) -> Rule {
    Rule { apple: Some(code), ..rule }
}

/// All rules.
pub const RULES: &[Rule] = &[
    must("P1-text", "4.1", "a playlist is UTF-8 without BOM or control characters and begins with EXTM3U"),
    must("P1-once", "4.4.3", "a tag of the playlist stands once"),
    must("P1-attributes", "4.2", "an attribute list is written to the letter"),
    must("P1-values", "4.2", "a value has the type that its tag or attribute wants"),
    must("P1-required", "4.4.3.1", "a media playlist has EXT-X-TARGETDURATION, a segment EXTINF"),
    must("P1-order", "4.4", "a tag stands where its kind may stand"),
    should("P1-unknown", "4.1", "tags are known ones"),
    apple(must("P2", "4.4.3.1", "EXTINF rounds to no more than the target duration"), -12642),
    must("P2-constant", "6.2.1", "the target duration never changes"),
    must("P5", "6.2.2", "EXT-X-MEDIA-SEQUENCE never goes back"),
    must("P6", "4.4.3.3", "a live playlist has EXT-X-DISCONTINUITY-SEQUENCE"),
    must("P6-count", "6.2.2", "EXT-X-DISCONTINUITY-SEQUENCE counts the discontinuities that left"),
    must("P6-equal", "6.2.4", "discontinuities stand at the same places in all renditions"),
    must("P8", "4.4.4.5", "every segment of fragmented MP4 has an EXT-X-MAP"),
    must("P9", "A 8.4", "segments carry EXT-X-PROGRAM-DATE-TIME, also after a discontinuity"),
    must("P9-format", "4.4.4.6", "a date has milliseconds and a zone"),
    must("P9-steady", "6.2.1", "dates and durations agree between discontinuities, and dates do not overlap"),
    must("P9-equal", "6.2.4", "renditions date the same segment alike"),
    apple(should("P10", "4.4.2.1", "EXT-X-INDEPENDENT-SEGMENTS stands in the multivariant playlist alone"), 335046),
    must("P11-type", "6.2.2", "a live playlist has no EXT-X-PLAYLIST-TYPE"),
    must("P11-length", "6.2.2", "a playlist that lost segments is three target durations long"),
    should("P11-segments", "A 8.11", "a playlist that lost segments has six or more"),
    must("P12", "6.2.1", "a segment follows within one and a half target durations, or a gap or the end does"),
    must("P14", "6.2.2", "a segment that left the playlist stays to be had"),
    must("P15", "6.2.1", "a playlist changes only by growth, loss of its head, loss of old parts, and its end"),
    must("P16-low", "8", "EXT-X-VERSION is high enough for what the playlist uses"),
    should("P16-high", "8", "EXT-X-VERSION is no higher than needed"),
    must("L1-inf", "4.4.3.7", "parts need EXT-X-PART-INF"),
    must("L1-long", "4.4.4.9", "a part lasts at most PART-TARGET"),
    must("L1-short", "4.4.4.9", "a part lasts 85 % of PART-TARGET unless it is the last, independent or beside a gap"),
    must("L2", "6.2.1", "a part follows within PART-TARGET"),
    must("L3", "3.2", "the parts of a segment last as long as it"),
    must("L4", "4.4.4.9", "tags of a segment stand before its first part"),
    must("L5", "6.2.2", "parts leave the playlist three target durations from its end"),
    must("L6-block", "4.4.3.8", "a playlist with parts has CAN-BLOCK-RELOAD=YES"),
    must("L6-hold", "4.4.3.8", "PART-HOLD-BACK is there with parts and twice PART-TARGET at least"),
    apple(should("L6-hold3", "A 14.3", "PART-HOLD-BACK is three times PART-TARGET at least"), -50102),
    must("L6-back", "4.4.3.8", "HOLD-BACK is three target durations at least"),
    must("L6-skip", "4.4.3.8", "CAN-SKIP-UNTIL is six target durations at least"),
    must("L6-equal", "6.2.4", "EXT-X-SERVER-CONTROL is the same in all renditions"),
    must("L8", "B.1", "a live playlist with parts hints at the next one, once"),
    must("L8-end", "4.4.5.3", "a playlist with its end hints at nothing"),
    must("L8-next", "6.2.6", "what was hinted at comes next"),
    must("L9", "6.2.6", "a part that is neither there nor hinted at is 404"),
    must("L10", "6.2.5.2", "the answer to a blocking request has what was asked for"),
    must("L11-alone", "6.2.5.2", "_HLS_part without _HLS_msn is 400"),
    should("L11-ahead", "6.2.5.2", "_HLS_msn too far ahead is 400"),
    must("L11-old", "6.2.5.2", "an old _HLS_msn gets the current playlist"),
    must("L13-version", "8", "a delta update has version 9 or more"),
    must("L13", "6.2.5.1", "a delta update and the playlist before it make the full playlist"),
    apple(must("L14", "B.1", "every other rendition is reported"), -50125),
    apple(must("L14-self", "4.4.5.4", "no rendition reports itself"), -50099),
    must("L14-true", "4.4.5.4", "a report says how far the other rendition is"),
    must("L15", "B.1", "renditions are at most a part apart"),
    must("M-bandwidth", "4.4.6.2", "a variant has BANDWIDTH"),
    must("M-average", "A 9.4", "a variant has AVERAGE-BANDWIDTH, no more than BANDWIDTH"),
    must("M-codecs", "A 9.5", "a variant has CODECS"),
    must("M-resolution", "A 9.6", "a variant with video has RESOLUTION"),
    must("M-rate", "A 9.15", "a variant with video has FRAME-RATE with three decimals"),
    must("M-group", "4.4.6.2", "a group that a variant names is there"),
    apple(should("M-captions", "A 4.4", "a variant without captions says CLOSED-CAPTIONS=NONE"), 433_088),
    must("M-language", "A 8.10", "EXT-X-MEDIA has TYPE, GROUP-ID, NAME and LANGUAGE"),
    must("M-independent", "A 9.11", "the multivariant playlist has EXT-X-INDEPENDENT-SEGMENTS"),
    must("M-iframes", "A 6.1", "there are I-frame playlists"),
    must("M-uri", "4.4.6.2", "a URI follows EXT-X-STREAM-INF, and variants have different ones"),
    must("C-init", "3.1.2", "an initialisation section is ftyp (iso6 or later) and a moov without samples, with mvex"),
    must("C-moof", "3.1.2", "a fragment has one traf and movie-fragment-relative addresses"),
    must("C-tfdt", "3.1.2", "every traf has a tfdt, of version 1"),
    must("C-steady", "3.1.2", "decoding times go on without a hole between discontinuities"),
    must("C-boxes", "3.1.2", "boxes are whole, and the samples are in their mdat"),
    must("C-idr", "A 7.4", "a segment of video begins with an IDR picture"),
    must("C-independent", "4.4.4.9", "INDEPENDENT=YES stands where a part begins with a sync sample, and nowhere else"),
    must("C-parts", "3.2", "the parts of a segment are its bytes"),
    must("C-duration", "A 8.1", "EXTINF and DURATION are what the samples last"),
    must("C-bytes", "6.2.1", "the bytes under a URL never change"),
    must("C-iframe", "4.4.3.6", "an I-frame's range holds a moof and the whole first sample"),
    must("C-peak", "A 1.29", "the measured peak is below 125 % of BANDWIDTH"),
    must("C-average", "A 1.28", "the measured average is below 110 % of AVERAGE-BANDWIDTH"),
    must("C-codecs", "4.4.6.2", "CODECS and RESOLUTION are those of the initialisation sections"),
    must("H-status", "6.3", "what is listed is to be had"),
    must("H-type", "A 10.4", "playlists and media have their MIME types"),
    must("H-gzip", "A 10.1", "playlists are gzip-coded for those who accept it"),
    must("H-redirect", "A 8.24", "media are not redirected"),
    apple(must("H-http2", "B.1", "low latency needs HTTP/2"), -50120),
    should("H-priority", "B.1", "answers say their priority, playlists before media"),
    should("H-cache", "B.1", "blocking answers may be kept for six target durations, plain playlists for half of one"),
    should("H-share", "A 10", "pages of other origins may read the answer, and no cache's Age is invented"),
];
