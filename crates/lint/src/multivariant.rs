//! Multivariant playlists (rfc8216bis 4.4.6).

use crate::attributes::{Attributes, decimal};
use crate::finding::Sink;
use crate::playlist::lines;

/// What a multivariant playlist lists.
#[derive(Debug, Clone, Default)]
pub struct Multivariant {
    /// EXT-X-STREAM-INF.
    pub variants: Vec<Variant>,
    /// URIs of EXT-X-MEDIA, with their groups.
    pub media: Vec<Rendition>,
    /// URIs of EXT-X-I-FRAME-STREAM-INF.
    pub iframes: Vec<String>,
}

/// One EXT-X-STREAM-INF.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variant {
    /// Its line.
    pub line: usize,
    /// As written.
    pub uri: String,
    /// BANDWIDTH, bits per second.
    pub bandwidth: u64,
    /// AVERAGE-BANDWIDTH, bits per second.
    pub average: u64,
    /// CODECS.
    pub codecs: String,
    /// RESOLUTION.
    pub resolution: Option<(u64, u64)>,
    /// AUDIO.
    pub audio: Option<String>,
}

/// One EXT-X-MEDIA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    /// GROUP-ID.
    pub group: String,
    /// As written; empty where there is none.
    pub uri: String,
}

/// Reads and judges a multivariant playlist.
pub fn judge(text: &str, sink: &mut Sink) -> Multivariant {
    let mut found = Multivariant::default();
    let (mut independent, mut versions) = (false, 0);
    let mut pending: Option<Variant> = None;
    for (line, content) in lines(text, sink) {
        if !content.starts_with('#') {
            match pending.take() {
                Some(variant) => found.variants.push(Variant { uri: content.to_owned(), ..variant }),
                None => sink.add("M-uri", line, format!("{content} follows no EXT-X-STREAM-INF")),
            }
            continue;
        }
        sink.check("M-uri", line, pending.is_none(), || "EXT-X-STREAM-INF without its URI".to_owned());
        let (name, value) = content.split_once(':').unwrap_or((content, ""));
        let attributes = |sink: &mut Sink| Attributes::read(value, line, sink);
        match name {
            "#EXT-X-VERSION" => {
                versions += 1;
                sink.check("P1-once", line, versions == 1, || "a second EXT-X-VERSION".to_owned());
                sink.check("P1-values", line, decimal(value).is_some(), || format!("version {value:?}"));
            }
            "#EXT-X-INDEPENDENT-SEGMENTS" => independent = true,
            "#EXT-X-STREAM-INF" => pending = Some(variant(&attributes(sink), line, sink)),
            "#EXT-X-MEDIA" => found.media.push(rendition(&attributes(sink), line, sink)),
            "#EXT-X-I-FRAME-STREAM-INF" => {
                let list = attributes(sink);
                let bandwidth = list.integer("BANDWIDTH", sink);
                sink.check("M-bandwidth", line, bandwidth.is_some(), || "no BANDWIDTH".to_owned());
                found.iframes.extend(list.quoted("URI", sink));
            }
            "#EXT-X-START" | "#EXT-X-DEFINE" | "#EXT-X-SESSION-DATA" | "#EXT-X-CONTENT-STEERING" => {}
            _ => sink.add("P1-unknown", line, format!("the tag {name}")),
        }
    }
    sink.check("M-independent", 1, independent, || "no EXT-X-INDEPENDENT-SEGMENTS".to_owned());
    sink.check("M-iframes", 1, !found.iframes.is_empty(), || "no EXT-X-I-FRAME-STREAM-INF".to_owned());
    sink.check("M-uri", 1, !found.variants.is_empty() && pending.is_none(), || {
        "no variant, or one without URI".to_owned()
    });
    together(&found, sink);
    found
}

fn variant(list: &Attributes, line: usize, sink: &mut Sink) -> Variant {
    let bandwidth = list.integer("BANDWIDTH", sink);
    sink.check("M-bandwidth", line, bandwidth.is_some_and(|rate| rate > 0), || "no BANDWIDTH".to_owned());
    let average = list.integer("AVERAGE-BANDWIDTH", sink);
    sink.check("M-average", line, average.is_some_and(|rate| rate > 0 && Some(rate) <= bandwidth), || {
        format!("AVERAGE-BANDWIDTH {average:?}, BANDWIDTH {bandwidth:?}")
    });
    let codecs = list.quoted("CODECS", sink).unwrap_or_default();
    let formats = codecs.split(',').all(|codec| {
        codec.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    });
    sink.check("M-codecs", line, formats, || format!("CODECS {codecs:?}"));
    let video = ["avc1", "avc3", "hvc1", "hev1", "av01"].iter().any(|codec| codecs.contains(codec));
    let text = list.plain("RESOLUTION", sink);
    let resolution =
        text.as_ref().and_then(|text| text.split_once('x')).and_then(|(w, h)| Some((decimal(w)?, decimal(h)?)));
    sink.check("M-resolution", line, resolution.is_some() || (!video && text.is_none()), || {
        format!("RESOLUTION {text:?}")
    });
    let rate = list.plain("FRAME-RATE", sink);
    let proper = |rate: &str| {
        rate.split_once('.')
            .is_some_and(|(whole, part)| decimal(whole).is_some() && decimal(part).is_some() && part.len() == 3)
    };
    sink.check("M-rate", line, rate.as_deref().map_or(!video, proper), || format!("FRAME-RATE {rate:?}"));
    sink.check("M-captions", line, list.has("CLOSED-CAPTIONS"), || "no CLOSED-CAPTIONS".to_owned());
    let audio = list.quoted("AUDIO", sink);
    let (bandwidth, average) = (bandwidth.unwrap_or(0), average.unwrap_or(0));
    Variant { line, uri: String::new(), bandwidth, average, codecs, resolution, audio }
}

fn rendition(list: &Attributes, line: usize, sink: &mut Sink) -> Rendition {
    let kind = list.plain("TYPE", sink);
    sink.check("M-language", line, kind.is_some(), || "no TYPE".to_owned());
    for name in ["GROUP-ID", "NAME", "LANGUAGE"] {
        let value = list.quoted(name, sink);
        sink.check("M-language", line, value.is_some_and(|value| !value.is_empty()), || format!("no {name}"));
    }
    Rendition {
        group: list.quoted("GROUP-ID", sink).unwrap_or_default(),
        uri: list.quoted("URI", sink).unwrap_or_default(),
    }
}

fn together(found: &Multivariant, sink: &mut Sink) {
    for (at, variant) in found.variants.iter().enumerate() {
        if let Some(group) = &variant.audio {
            let there = found.media.iter().any(|media| media.group == *group);
            sink.check("M-group", variant.line, there, || format!("no EXT-X-MEDIA of the group {group:?}"));
        }
        let twin = found.variants[..at].iter().any(|other| other.uri == variant.uri && other.audio == variant.audio);
        sink.check("M-uri", variant.line, !twin, || format!("{} stands twice", variant.uri));
    }
}
