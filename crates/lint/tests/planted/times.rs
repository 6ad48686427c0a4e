//! Faults between two states of a playlist, and in requests and answers.

use std::time::Duration;

use weir_hls_lint::exchange::{self, Exchange};
use weir_hls_lint::pair::{self, Pace};
use weir_hls_lint::watch::delta_fits;
use weir_hls_lint::{Finding, Sink};

use crate::Planted;
use crate::playlists::{good, live, parsed};

fn changed(before: &str, now: &str) -> Vec<Finding> {
    let mut sink = Sink::new("v/index.m3u8");
    pair::judge(&parsed(before), &parsed(now), &mut sink);
    sink.findings
}

fn paced(states: &[(&str, u64)]) -> Vec<Finding> {
    let (mut sink, mut pace) = (Sink::new("v/index.m3u8"), Pace::default());
    for (text, at_ms) in states {
        pace.see(&parsed(text), Duration::from_millis(*at_ms), &mut sink);
    }
    pace.finish(&mut sink);
    sink.findings
}

fn rules(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.rule).collect()
}

fn skipped(edit: fn(String) -> String) -> Vec<Finding> {
    let full = good();
    let (head, rest) = full.split_once("#EXT-X-MAP").expect("a map");
    let kept = rest.split_once("101.m4s\n").expect("two segments").1;
    let delta = edit(format!("{head}#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n{kept}").replace("VERSION:6", "VERSION:9"));
    let mut sink = Sink::new("v/index.m3u8");
    delta_fits(&parsed(&delta), &parsed(&full), &mut sink);
    sink.findings
}

/// A good answer for a playlist.
fn answer() -> Exchange {
    let headers = [
        ("content-type", "application/vnd.apple.mpegurl"),
        ("content-encoding", "gzip"),
        ("cache-control", "max-age=1"),
        ("access-control-allow-origin", "*"),
        ("priority", "u=1"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Exchange { path: "/v/index.m3u8".to_owned(), status: 200, headers, http2: true, ..Exchange::default() }
}

fn without(name: &str) -> Exchange {
    let mut exchange = answer();
    exchange.headers.retain(|(other, _)| other != name);
    exchange
}

fn with(name: &str, value: &str) -> Exchange {
    let mut exchange = without(name);
    exchange.headers.push((name.to_owned(), value.to_owned()));
    exchange
}

fn answered(exchange: &Exchange) -> Vec<Finding> {
    let mut sink = Sink::new("v/index.m3u8");
    exchange::playlist(exchange, 2, false, true, &mut sink);
    sink.findings
}

fn media(exchange: &Exchange, gone: bool) -> Vec<Finding> {
    let mut sink = Sink::new("v/100.m4s");
    exchange::media(exchange, false, gone, &mut sink);
    sink.findings
}

fn blocked(text: &str, msn: u64, part: Option<u64>) -> Vec<Finding> {
    let mut sink = Sink::new("v/index.m3u8");
    exchange::blocked(&parsed(text), msn, part, &mut sink);
    sink.findings
}

fn probed(rule: &'static str, status: u16, wanted: u16) -> Vec<Finding> {
    let mut sink = Sink::new("v/index.m3u8");
    exchange::probe(rule, &Exchange { status, ..answer() }, wanted, &mut sink);
    sink.findings
}

#[test]
fn good_changes_and_answers_are_left_alone() {
    assert_eq!(changed(&good(), &live(100, 8, 3)), []);
    assert_eq!(changed(&good(), &live(100, 9, 0)), []);
    assert_eq!(changed(&good(), &live(102, 8, 1)), []);
    assert_eq!(paced(&[(&good(), 0), (&live(100, 8, 3), 500), (&live(100, 9, 0), 1000), (&live(100, 9, 1), 1500)]), []);
    // Late, but the next that comes is a gap.
    let gap = live(100, 9, 1).replace(
        "PART:DURATION=0.500000,URI=\"109.0.m4s\",INDEPENDENT=YES",
        "PART:DURATION=0.500000,URI=\"109.0.m4s\",GAP=YES",
    );
    assert_eq!(paced(&[(&good(), 0), (&live(100, 9, 0), 1500), (&gap, 2000)]), []);
    // Likewise, with what was left coming in two parts at once.
    let late = live(100, 8, 3);
    assert_eq!(paced(&[(&good(), 0), (&late, 1500), (&live(100, 9, 0), 1510), (&gap, 2000)]), []);
    // Late, and then it goes on.
    let goes_on = [(&*good(), 0), (&late, 1500), (&live(100, 9, 0), 1510), (&live(100, 9, 1), 2100), (&gap, 2600)];
    assert_eq!(rules(&paced(&goes_on)), ["L2"]);
    assert_eq!(skipped(|delta| delta), []);
    assert_eq!(answered(&answer()), []);
    assert_eq!(media(&with("content-type", "video/iso.segment"), true), []);
    assert_eq!(blocked(&good(), 108, Some(1)), []);
    assert_eq!(blocked(&good(), 107, None), []);
}

pub fn planted() -> Vec<Planted> {
    let plant = |name, rule, findings| Planted { name, rule, findings };
    let swap = |from: &str, to: &str| live(100, 9, 0).replacen(from, to, 1);
    vec![
        plant("another target duration", "P2-constant", changed(&good(), &swap("DURATION:2\n", "DURATION:3\n"))),
        plant("a media sequence that goes back", "P5", changed(&live(102, 8, 0), &good())),
        plant("a discontinuity that left uncounted", "P6-count", {
            let joint = "#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-11-24T08:00:00";
            changed(&good().replacen("#EXT-X-PROGRAM-DATE-TIME:2026-11-24T08:00:00", joint, 1), &live(102, 8, 0))
        }),
        plant(
            "a discontinuity counted before it left",
            "P6-count",
            changed(&good(), &swap("SEQUENCE:3", "SEQUENCE:4")),
        ),
        plant("a playlist cut too short", "P11-length", changed(&good(), &live(107, 2, 0))),
        plant("a playlist of few segments", "P11-segments", changed(&good(), &live(104, 5, 0))),
        plant("a segment under another name", "P15", changed(&good(), &swap("\n103.m4s", "\n103b.m4s"))),
        plant(
            "a segment that lasts otherwise",
            "P15",
            changed(&good(), &swap("#EXTINF:2.000000,\n103", "#EXTINF:1.990000,\n103")),
        ),
        plant("segments that vanish from the end", "P15", changed(&good(), &live(100, 7, 0))),
        plant("a part that is taken back", "P15", changed(&good(), &live(100, 8, 1))),
        plant(
            "a part that is not the one hinted at",
            "L8-next",
            changed(&good(), &live(100, 8, 3).replace("108.2.m4s", "108.2b.m4s")),
        ),
        plant(
            "a segment that is late",
            "P12",
            paced(&[(&live(100, 8, 0), 0), (&live(100, 9, 0), 3500)]).into_iter().filter(|f| f.rule == "P12").collect(),
        ),
        plant("a part that is late", "L2", paced(&[(&good(), 0), (&live(100, 8, 3), 1200)])),
        plant("a delta that skips too little", "L13", skipped(|delta| delta.replace("SEGMENTS=2", "SEGMENTS=1"))),
        plant(
            "a delta with another discontinuity sequence",
            "L13",
            skipped(|delta| delta.replace("SEQUENCE:3", "SEQUENCE:4")),
        ),
        plant("an answer before its time", "L10", blocked(&good(), 108, Some(2))),
        plant("an answer before its segment", "L10", blocked(&good(), 108, None)),
        plant("a part alone that is answered", "L11-alone", probed("L11-alone", 200, 400)),
        plant("a request far ahead that is answered", "L11-ahead", probed("L11-ahead", 200, 400)),
        plant("an old sequence number that is refused", "L11-old", probed("L11-old", 400, 200)),
        plant("a missing part that is held", "L9", probed("L9", 503, 404)),
        plant("media that went at once", "P14", media(&Exchange { status: 404, ..answer() }, true)),
        plant("a listed segment that is not there", "H-status", media(&Exchange { status: 404, ..answer() }, false)),
        plant("media that are redirected", "H-redirect", media(&Exchange { status: 302, ..answer() }, false)),
        plant("a playlist of text", "H-type", answered(&with("content-type", "text/plain"))),
        plant("media without their type", "H-type", media(&with("content-type", "application/octet-stream"), false)),
        plant("a playlist that is not compressed", "H-gzip", answered(&without("content-encoding"))),
        plant("HTTP/1.1", "H-http2", answered(&Exchange { http2: false, ..answer() })),
        plant("no priority", "H-priority", answered(&without("priority"))),
        plant("a live playlist that is kept for a minute", "H-cache", answered(&with("cache-control", "max-age=60"))),
        plant("an answer that no other page may read", "H-share", answered(&without("access-control-allow-origin"))),
    ]
}
