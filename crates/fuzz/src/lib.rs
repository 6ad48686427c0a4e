//! What is fuzzed: for every parser of bytes from outside a function that takes bytes and panics if something does not hold.
//!
//! Functions that need what is private stand beside it, in modules called `fuzz` behind features of that name; those that
//! only need what is public stand here. `fuzz/` makes libFuzzer's binaries of [`TARGETS`], the test here replays corpora and
//! inputs that once failed.

mod datagram;
mod journal;
mod media;
mod stream_id;
mod transport_stream;

pub use datagram::datagram;
pub use journal::journal;
pub use media::{aac, avc};
pub use stream_id::stream_id;
pub use transport_stream::demuxer;
pub use weir::fuzz::toml;
pub use weir_ingest::rtmp::fuzz::{amf0, chunks as rtmp_chunks, flv, session as rtmp_session};
pub use weir_ingest::srt::fuzz::session as srt_session;
pub use weir_ingest::ts::fuzz::{adts, annex_b, latm};
pub use weir_ladder::fuzz::worker;
pub use weir_origin::fuzz::{request as http_request, token as viewer_token};
pub use weir_outbound::fuzz::{external_playlist, url};

/// One function with its name, which is that of its binary and of its folders in `fuzz/`.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// What it is called.
    pub name: &'static str,
    /// Panics if the parser, given these bytes, does not do what it must.
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// All of them, by where their bytes come from: encoders over RTMP, what both protocols carry, SRT, players, operators, foreign
/// servers, the worker and the disk.
pub const TARGETS: [Target; 20] = [
    target("rtmp_chunks", rtmp_chunks),
    target("rtmp_session", rtmp_session),
    target("amf0", amf0),
    target("flv", flv),
    target("avc", avc),
    target("aac", aac),
    target("annex_b", annex_b),
    target("adts", adts),
    target("latm", latm),
    target("demuxer", demuxer),
    target("datagram", datagram),
    target("srt_session", srt_session),
    target("stream_id", stream_id),
    target("http_request", http_request),
    target("viewer_token", viewer_token),
    target("toml", toml),
    target("external_playlist", external_playlist),
    target("url", url),
    target("worker", worker),
    target("journal", journal),
];
