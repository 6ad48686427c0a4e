//! Requests and their answers.

use std::time::Duration;

use bytes::Bytes;

use crate::finding::Sink;
use crate::playlist::Playlist;

/// One request and its answer.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// Path and query.
    pub path: String,
    /// The status.
    pub status: u16,
    /// Header names in small letters, and values.
    pub headers: Vec<(String, String)>,
    /// The body without its content coding.
    pub body: Bytes,
    /// Whether it came over HTTP/2.
    pub http2: bool,
    /// From the request to the end of the answer.
    pub took: Duration,
}

impl Exchange {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// How long a shared cache may keep it (RFC 9111, 4.2.1): `s-maxage` goes before `max-age`.
    fn max_age(&self) -> Option<u64> {
        let cache = self.header("cache-control")?;
        let age = |name| cache.split(',').find_map(|part| part.trim().strip_prefix(name)?.parse().ok());
        age("s-maxage=").or_else(|| age("max-age="))
    }
}

/// Judges the answer to a request for a playlist that is there. `blocking` says that it was asked for with `_HLS_msn`.
pub fn playlist(exchange: &Exchange, target_s: u64, blocking: bool, live: bool, sink: &mut Sink) {
    common(exchange, sink);
    if exchange.status != 200 {
        return;
    }
    let kind = exchange.header("content-type").unwrap_or_default();
    let typed = ["application/vnd.apple.mpegurl", "audio/mpegurl"].contains(&kind);
    sink.check("H-type", 0, typed, || format!("the type {kind:?}"));
    let coding = exchange.header("content-encoding");
    sink.check("H-gzip", 0, coding == Some("gzip"), || format!("the content coding {coding:?}"));
    if !live {
        return;
    }
    let age = exchange.max_age();
    let kept = match blocking {
        true => age.is_some_and(|age| age <= 6 * target_s),
        false => age.is_none_or(|age| age <= target_s.div_ceil(2)),
    };
    sink.check("H-cache", 0, kept, || format!("max-age {age:?} of a playlist, asked for with _HLS_msn: {blocking}"));
}

/// Judges the answer to a request for media that is listed. `gone` says that it left the playlist a moment ago.
pub fn media(exchange: &Exchange, init: bool, gone: bool, sink: &mut Sink) {
    common(exchange, sink);
    if gone {
        sink.check("P14", 0, exchange.status == 200, || format!("status {} of media that just left", exchange.status));
    }
    if exchange.status != 200 {
        return;
    }
    let kind = exchange.header("content-type").unwrap_or_default();
    let typed = match init {
        true => ["video/mp4", "audio/mp4"].contains(&kind),
        false => ["video/iso.segment", "audio/mp4", "video/mp4"].contains(&kind),
    };
    sink.check("H-type", 0, typed, || format!("the type {kind:?}"));
}

fn common(exchange: &Exchange, sink: &mut Sink) {
    let status = exchange.status;
    let redirected = (300..400).contains(&status) && status != 304;
    sink.check("H-redirect", 0, !redirected, || format!("status {status}"));
    sink.check("H-status", 0, matches!(status, 200 | 206 | 304) || (300..400).contains(&status), || {
        format!("status {status} of {}", exchange.path)
    });
    sink.check("H-http2", 0, exchange.http2, || "the answer came over HTTP/1.1".to_owned());
    if status == 200 {
        let shared = exchange.header("access-control-allow-origin").is_some() && exchange.header("age").is_none();
        sink.check("H-share", 0, shared, || "no Access-Control-Allow-Origin, or an Age from the origin".to_owned());
        sink.check("H-priority", 0, exchange.header("priority").is_some(), || "no priority".to_owned());
    }
}

/// Judges that a blocking answer has what was asked for: segment `msn`, or its part `part`, or anything later.
pub fn blocked(answer: &Playlist, msn: u64, part: Option<u64>, sink: &mut Sink) {
    let next = answer.next_msn();
    let has_part = |part: u64| next == msn && (answer.open.parts.len() as u64) > part;
    let kept = answer.ended || next > msn || part.is_some_and(has_part);
    sink.check("L10", 0, kept, || {
        format!(
            "asked for segment {msn}, part {part:?}; it ends before segment {next}, {} parts",
            answer.open.parts.len()
        )
    });
}

/// Judges the statuses of requests that nobody can wait for: `rule` is broken unless the status is `wanted`.
pub fn probe(rule: &'static str, exchange: &Exchange, wanted: u16, sink: &mut Sink) {
    sink.check(rule, 0, exchange.status == wanted, || {
        format!("{}: status {}, {wanted} is wanted", exchange.path, exchange.status)
    });
}
