use weir_hls_lint::playlist::{Playlist, read};
use weir_hls_lint::{Finding, Sink, across, multivariant, rules};

use crate::{Planted, broken};

/// A live playlist: eight segments, parts near the end, two parts of the ninth.
pub fn good() -> String {
    live(100, 8, 2)
}

/// Segments from `first` on, `count` of them, and `parts` parts of the next.
pub fn live(first: u64, count: u64, parts: u64) -> String {
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.537,HOLD-BACK=6,CAN-SKIP-UNTIL=12\n\
         #EXT-X-PART-INF:PART-TARGET=0.512\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-DISCONTINUITY-SEQUENCE:3\n\
         #EXT-X-MAP:URI=\"init1.mp4\"\n"
    );
    let end = first + count;
    for msn in first..=end {
        let open = msn == end;
        if open && parts == 0 {
            break;
        }
        text += &format!("#EXT-X-PROGRAM-DATE-TIME:{}\n", date(msn));
        let listed = if open { parts } else { 4 };
        if msn + 2 >= end {
            for part in 0..listed {
                let independent = if part == 0 { ",INDEPENDENT=YES" } else { "" };
                text += &format!("#EXT-X-PART:DURATION=0.500000,URI=\"{msn}.{part}.m4s\"{independent}\n");
            }
        }
        if !open {
            text += &format!("#EXTINF:2.000000,\n{msn}.m4s\n");
        }
    }
    text += &format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{end}.{parts}.m4s\"\n");
    let (last_msn, last_part) = if parts == 0 { (end - 1, 3) } else { (end, parts - 1) };
    text += &format!("#EXT-X-RENDITION-REPORT:URI=\"../a/index.m3u8\",LAST-MSN={last_msn},LAST-PART={last_part}\n");
    text
}

fn date(msn: u64) -> String {
    let seconds = (msn - 100) * 2;
    format!("2026-11-24T08:{:02}:{:02}.250Z", seconds / 60, seconds % 60)
}

pub fn parsed(text: &str) -> Playlist {
    let mut sink = Sink::new("parsed");
    let playlist = read(text, &mut sink);
    assert!(sink.findings.is_empty(), "{:#?}", sink.findings);
    playlist
}

fn judged(text: &str) -> Vec<Finding> {
    let mut sink = Sink::new("v/index.m3u8");
    let playlist = read(text, &mut sink);
    rules::judge(&playlist, &mut sink);
    sink.findings
}

const MULTI: &str = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n\
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"Main\",LANGUAGE=\"und\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"a/index.m3u8\"\n\
#EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=800000,CODECS=\"avc1.4d401e,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=30.000,AUDIO=\"aac\",CLOSED-CAPTIONS=NONE\n\
v/index.m3u8\n\
#EXT-X-STREAM-INF:BANDWIDTH=400000,AVERAGE-BANDWIDTH=300000,CODECS=\"avc1.4d400d,mp4a.40.2\",RESOLUTION=320x180,FRAME-RATE=30.000,AUDIO=\"aac\",CLOSED-CAPTIONS=NONE\n\
w/index.m3u8\n\
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=90000,AVERAGE-BANDWIDTH=80000,CODECS=\"avc1.4d401e\",RESOLUTION=640x360,URI=\"v/iframes.m3u8\"\n";

fn multi(text: &str) -> Vec<Finding> {
    let mut sink = Sink::new("index.m3u8");
    multivariant::judge(text, &mut sink);
    sink.findings
}

fn compared(v: &str, a: &str) -> Vec<Finding> {
    let mut sink = Sink::new("all");
    across::judge(&[("/v/index.m3u8".to_owned(), parsed(v)), ("/a/index.m3u8".to_owned(), parsed(a))], &mut sink);
    sink.findings
}

/// The other rendition of [`good`].
fn twin() -> String {
    good().replace("../a/", "../v/")
}

#[test]
fn what_is_good_is_left_alone() {
    assert_eq!(judged(&good()), []);
    assert_eq!(judged(&live(100, 8, 0)), []);
    assert_eq!(multi(MULTI), []);
    assert_eq!(compared(&good(), &twin()), []);
    let gap = good()
        .replace("VERSION:6", "VERSION:8")
        .replace("#EXTINF:2.000000,\n102.m4s", "#EXT-X-GAP\n#EXTINF:2.000000,\n102.m4s");
    assert_eq!(judged(&gap), []);
    let ended = good().split("#EXT-X-PRELOAD-HINT").next().expect("a head").to_owned() + "#EXT-X-ENDLIST\n";
    assert_eq!(broken(&judged(&ended)).len(), 0);
}

type Edit = (&'static str, &'static str, fn(String) -> String);

/// One line of text in the place of another, which must be there.
fn swap(text: String, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in the good one");
    text.replacen(from, to, 1)
}

const SINGLE: &[Edit] = &[
    ("a byte order mark", "P1-text", |t| format!("\u{feff}{t}")),
    ("no EXTM3U", "P1-text", |t| swap(t, "#EXTM3U\n", "#EXT-X-INDEPENDENT\n")),
    ("a control character", "P1-text", |t| swap(t, "100.m4s", "100\t.m4s")),
    ("blanks behind a line", "P1-text", |t| swap(t, "100.m4s\n", "100.m4s \n")),
    ("two target durations", "P1-once", |t| swap(t, "#EXT-X-MAP", "#EXT-X-TARGETDURATION:2\n#EXT-X-MAP")),
    ("two media sequences", "P1-once", |t| swap(t, "#EXT-X-DISC", "#EXT-X-MEDIA-SEQUENCE:100\n#EXT-X-DISC")),
    ("a blank in an attribute list", "P1-attributes", |t| swap(t, ",HOLD-BACK", ", HOLD-BACK")),
    ("an attribute twice", "P1-attributes", |t| swap(t, ",HOLD-BACK=6", ",HOLD-BACK=6,HOLD-BACK=6")),
    ("a quote that is not closed", "P1-attributes", |t| swap(t, "init1.mp4\"", "init1.mp4")),
    ("a URI without quotes", "P1-values", |t| swap(t, "\"init1.mp4\"", "init1.mp4")),
    ("a duration that is no number", "P1-values", |t| swap(t, "#EXTINF:2.000000,", "#EXTINF:two,")),
    ("a version with decimals", "P1-values", |t| swap(t, "VERSION:6\n", "VERSION:6.0\n")),
    ("no target duration", "P1-required", |t| swap(t, "#EXT-X-TARGETDURATION:2\n", "")),
    ("a segment without EXTINF", "P1-required", |t| swap(t, "#EXTINF:2.000000,\n100.m4s", "100.m4s")),
    ("a part without a duration", "P1-required", |t| swap(t, "PART:DURATION=0.500000,URI=\"108.1", "PART:URI=\"108.1")),
    ("a media sequence behind a segment", "P1-order", |t| {
        swap(swap(t, "#EXT-X-MEDIA-SEQUENCE:100\n", ""), "100.m4s\n", "100.m4s\n#EXT-X-MEDIA-SEQUENCE:100\n")
    }),
    ("something behind the end", "P1-order", |t| {
        let ended = t.split("#EXT-X-PRELOAD").next().unwrap_or_default().to_owned();
        ended + "#EXT-X-ENDLIST\n#EXT-X-VERSION:6\n"
    }),
    ("an unknown tag", "P1-unknown", |t| swap(t, "#EXT-X-MAP", "#EXT-X-ALLOW-CACHE:YES\n#EXT-X-MAP")),
    ("a segment longer than the target", "P2", |t| swap(t, "#EXTINF:2.000000,\n100", "#EXTINF:2.500000,\n100")),
    ("no discontinuity sequence", "P6", |t| swap(t, "#EXT-X-DISCONTINUITY-SEQUENCE:3\n", "")),
    ("no map", "P8", |t| swap(swap(t, "#EXT-X-MAP:URI=\"init1.mp4\"\n", ""), "VERSION:6", "VERSION:3")),
    ("no date", "P9", |t| {
        t.lines().filter(|line| !line.contains("DATE-TIME")).map(|line| format!("{line}\n")).collect()
    }),
    ("no date behind a discontinuity", "P9", |t| {
        swap(t, "#EXT-X-PROGRAM-DATE-TIME:2026-11-24T08:00:04.250Z", "#EXT-X-DISCONTINUITY")
    }),
    ("a date without milliseconds", "P9-format", |t| swap(t, "08:00:00.250Z", "08:00:00Z")),
    ("a date without a zone", "P9-format", |t| swap(t, "08:00:00.250Z", "08:00:00.250")),
    ("a date that runs away", "P9-steady", |t| swap(t, "08:00:04.250Z", "08:00:04.350Z")),
    ("dates that overlap at a joint", "P9-steady", |t| {
        swap(
            t,
            "#EXT-X-PROGRAM-DATE-TIME:2026-11-24T08:00:04.250Z",
            "#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-11-24T08:00:02.250Z",
        )
        .replace("08:00:06.250Z", "08:00:04.250Z")
        .replace("08:00:08.250Z", "08:00:06.250Z")
        .replace("08:00:10.250Z", "08:00:08.250Z")
        .replace("08:00:12.250Z", "08:00:10.250Z")
        .replace("08:00:14.250Z", "08:00:12.250Z")
        .replace("08:00:16.250Z", "08:00:14.250Z")
    }),
    ("independent segments said twice", "P10", |t| swap(t, "#EXT-X-MAP", "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP")),
    ("a type of a live playlist", "P11-type", |t| swap(t, "#EXT-X-MAP", "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MAP")),
    ("a version that knows no map", "P16-low", |t| swap(t, "VERSION:6", "VERSION:4")),
    ("a gap in an old version", "P16-low", |t| swap(t, "#EXTINF:2.000000,\n102", "#EXT-X-GAP\n#EXTINF:2.000000,\n102")),
    ("a version that nobody needs", "P16-high", |t| swap(t, "VERSION:6", "VERSION:10")),
    ("parts without their target", "L1-inf", |t| {
        swap(t, "#EXT-X-PART-INF:PART-TARGET=0.512\n", "").split("#EXT-X-PRELOAD").next().unwrap_or_default().to_owned()
    }),
    ("a part that is too long", "L1-long", |t| swap(t, "0.500000,URI=\"108.1", "0.533333,URI=\"108.1")),
    ("a part that is too short", "L1-short", |t| {
        swap(
            swap(t, "0.500000,URI=\"107.1", "0.400000,URI=\"107.1"),
            "#EXTINF:2.000000,\n107",
            "#EXTINF:1.900000,\n107",
        )
        .replace("08:00:16.250Z", "08:00:16.150Z")
    }),
    ("parts that are not their segment", "L3", |t| swap(t, "0.500000,URI=\"107.3", "0.450000,URI=\"107.3")),
    ("a map between parts", "L4", |t| {
        swap(
            t,
            "#EXT-X-PART:DURATION=0.500000,URI=\"108.1",
            "#EXT-X-MAP:URI=\"init1.mp4\"\n#EXT-X-PART:DURATION=0.500000,URI=\"108.1",
        )
    }),
    ("parts of long ago", "L5", |t| {
        swap(
            t,
            "#EXTINF:2.000000,\n101",
            "#EXT-X-PART:DURATION=2.000000,URI=\"101.0.m4s\",GAP=YES\n#EXTINF:2.000000,\n101",
        )
    }),
    ("parts without blocking reloads", "L6-block", |t| swap(t, "CAN-BLOCK-RELOAD=YES,", "")),
    ("no hold-back for parts", "L6-hold", |t| swap(t, "PART-HOLD-BACK=1.537,", "")),
    ("a hold-back of two and a half parts", "L6-hold3", |t| swap(t, "PART-HOLD-BACK=1.537", "PART-HOLD-BACK=1.280")),
    ("a short hold-back", "L6-back", |t| swap(t, ",HOLD-BACK=6", ",HOLD-BACK=5.9")),
    ("a short skip boundary", "L6-skip", |t| swap(t, "UNTIL=12", "UNTIL=11")),
    ("no hint", "L8", |t| swap(t, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"108.2.m4s\"\n", "")),
    ("two hints", "L8", |t| {
        swap(t, "#EXT-X-RENDITION", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"108.3.m4s\"\n#EXT-X-RENDITION")
    }),
    ("a hint after the end", "L8-end", |t| t + "#EXT-X-ENDLIST\n"),
    ("a delta of an old version", "L13-version", |t| {
        swap(t, "#EXT-X-MAP:URI=\"init1.mp4\"\n", "#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n")
    }),
];

const MULTIVARIANT: &[Edit] = &[
    ("a variant without a bandwidth", "M-bandwidth", |t| {
        swap(t, ":BANDWIDTH=900000,AVERAGE-BANDWIDTH=800000", ":AVERAGE-BANDWIDTH=800000")
    }),
    ("no average", "M-average", |t| swap(t, "AVERAGE-BANDWIDTH=800000,", "")),
    ("an average above the peak", "M-average", |t| swap(t, "AVERAGE-BANDWIDTH=800000,", "AVERAGE-BANDWIDTH=950000,")),
    ("no codecs", "M-codecs", |t| swap(t, "CODECS=\"avc1.4d401e,mp4a.40.2\",RES", "RES")),
    ("a broken resolution", "M-resolution", |t| swap(t, "RESOLUTION=640x360,FRAME", "RESOLUTION=640x[object,FRAME")),
    ("no frame rate", "M-rate", |t| swap(t, "FRAME-RATE=30.000,", "")),
    ("a frame rate of two decimals", "M-rate", |t| swap(t, "FRAME-RATE=30.000,", "FRAME-RATE=30.00,")),
    ("a group that is not there", "M-group", |t| swap(t, "GROUP-ID=\"aac\"", "GROUP-ID=\"other\"")),
    ("nothing about captions", "M-captions", |t| swap(t, ",CLOSED-CAPTIONS=NONE", "")),
    ("no language", "M-language", |t| swap(t, "LANGUAGE=\"und\",", "")),
    ("no independent segments", "M-independent", |t| swap(t, "#EXT-X-INDEPENDENT-SEGMENTS\n", "")),
    ("no I-frame playlists", "M-iframes", |t| t.split("#EXT-X-I-FRAME").next().unwrap_or_default().to_owned()),
    ("a variant without its URI", "M-uri", |t| swap(t, "v/index.m3u8\n#EXT-X-STREAM", "#EXT-X-STREAM")),
    ("the same variant twice", "M-uri", |t| swap(t, "w/index.m3u8", "v/index.m3u8")),
];

const ACROSS: &[Edit] = &[
    ("another server control", "L6-equal", |t| swap(t, "UNTIL=12", "UNTIL=13")),
    ("another discontinuity sequence", "P6-equal", |t| swap(t, "SEQUENCE:3", "SEQUENCE:4")),
    ("a discontinuity in one alone", "P6-equal", |t| {
        swap(
            t,
            "#EXT-X-PROGRAM-DATE-TIME:2026-11-24T08:00:04",
            "#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-11-24T08:00:04",
        )
    }),
    ("dates that differ", "P9-equal", |t| swap(t, "08:00:00.250Z", "08:00:00.350Z")),
    ("a rendition that is behind", "L15", |_| live(100, 6, 2).replace("../a/", "../v/")),
    ("no report", "L14", |t| swap(t, "#EXT-X-RENDITION-REPORT:URI=\"../v/index.m3u8\",LAST-MSN=108,LAST-PART=1\n", "")),
    ("a report about itself", "L14-self", |t| {
        t + "#EXT-X-RENDITION-REPORT:URI=\"../a/index.m3u8\",LAST-MSN=108,LAST-PART=1\n"
    }),
    ("a report of long ago", "L14-true", |t| swap(t, "LAST-MSN=108", "LAST-MSN=100")),
    ("a report without a part", "L14-true", |t| swap(t, ",LAST-PART=1", "")),
];

pub fn planted() -> Vec<Planted> {
    let of = |edits: &'static [Edit], good: String, judge: fn(&str) -> Vec<Finding>| {
        edits.iter().map(move |&(name, rule, edit)| Planted { name, rule, findings: judge(&edit(good.clone())) })
    };
    let single = of(SINGLE, good(), judged);
    let multivariant = of(MULTIVARIANT, MULTI.to_owned(), multi);
    let across = of(ACROSS, twin(), |edited| compared(&good(), edited));
    single.chain(multivariant).chain(across).collect()
}
