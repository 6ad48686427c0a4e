//! What follows from what was fetched. Nothing here waits.

use hyper::HeaderMap;
use hyper::header::ACCESS_CONTROL_ALLOW_ORIGIN;
use url::Url;

use super::codecs::are_played;
use super::media::Media;
use super::multivariant::Multivariant;
use super::playlist::NoPlaylist;
use super::report::{Container, HlsCode, HlsReport, PlaylistKind};

/// The site that requests claim to be made for. No real one: an answer that names it lets any site read.
pub(crate) const ORIGIN: &str = "https://weir.invalid";

/// What was fetched, for the sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    Playlist,
    VariantPlaylist,
    Init,
    Segment,
}

impl Piece {
    fn name(self) -> &'static str {
        match self {
            Self::Playlist => "the playlist",
            Self::VariantPlaylist => "the playlist of the first variant",
            Self::Init => "the initialisation section",
            Self::Segment => "the newest segment",
        }
    }
}

/// What the way it came says about browsers.
pub(crate) fn transport(report: &mut HlsReport, piece: Piece, url: &Url, headers: &HeaderMap) {
    let allowed = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.as_bytes());
    if !allowed.is_some_and(|allowed| allowed == b"*" || allowed == ORIGIN.as_bytes()) {
        let what = if allowed.is_some() { "names one other site in" } else { "comes without" };
        report.find(
            HlsCode::NoCors,
            format!(
                "{} {what} Access-Control-Allow-Origin, so most browsers play it only on pages of sites that its server \
                 knows; Safari and apps do not mind",
                piece.name()
            ),
        );
    }
    if url.scheme() == "http" {
        let sentence = format!("{} comes over http, so browsers do not load it on https pages", piece.name());
        report.find(HlsCode::MixedContent, sentence);
    }
}

/// What is no playlist, at the URL that was given.
pub(crate) fn no_playlist(report: &mut HlsReport, why: NoPlaylist) {
    let code = match why {
        NoPlaylist::Empty => HlsCode::Empty,
        NoPlaylist::Html | NoPlaylist::Dash | NoPlaylist::Other => HlsCode::NotAPlaylist,
        NoPlaylist::LongLine { .. } | NoPlaylist::ManyVariants => HlsCode::LimitExceeded,
    };
    report.find(code, why.to_string());
}

/// What a multivariant playlist declares.
pub(crate) fn multivariant(report: &mut HlsReport, playlist: &Multivariant) {
    report.kind = Some(PlaylistKind::Multivariant);
    report.variants = playlist.variants.iter().map(|(variant, _)| variant.clone()).collect();
    let count = report.variants.len();
    let unplayed: Vec<_> = report
        .variants
        .iter()
        .filter_map(|variant| variant.codecs.as_deref())
        .filter(|list| !are_played(list))
        .collect();
    match (unplayed.len(), unplayed.first()) {
        _ if count == 0 => report.find(HlsCode::NoVariants, "the playlist declares variants but names none"),
        (unplayed, Some(codecs)) if unplayed == count => {
            let sentence = format!("all variants are in codecs that most browsers do not play ({codecs})");
            report.find(HlsCode::CodecsNotPlayed, sentence);
        }
        (unplayed, Some(codecs)) => {
            let sentence =
                format!("{unplayed} of {count} variants are in codecs that most browsers do not play ({codecs})");
            report.find(HlsCode::SomeCodecsNotPlayed, sentence);
        }
        (_, None) => {}
    }
}

/// What a media playlist says.
pub(crate) fn media(report: &mut HlsReport, playlist: &Media) {
    report.timing = Some(playlist.timing());
    report.target_duration_s = playlist.target_duration_s;
    report.encrypted = playlist.encrypted;
    report.low_latency = playlist.low_latency;
    report.container =
        playlist.newest.as_ref().map(|segment| if segment.map.is_some() { Container::Fmp4 } else { Container::MpegTs });
    if playlist.segments == 0 {
        report.find(HlsCode::NoSegments, "the media playlist has no segments: nothing is on air, or not yet");
    } else if playlist.newest.is_none() {
        report.find(HlsCode::OnlyGaps, "all segments of the media playlist are gaps: nothing is on air");
    }
    if playlist.target_duration_s.is_none() {
        report.find(HlsCode::NoTargetDuration, "the media playlist has no EXT-X-TARGETDURATION, which it must have");
    }
    if playlist.needs_licence() {
        report.find(HlsCode::Drm, "the segments are encrypted for a DRM system, which needs a player with its licence");
    }
}

/// What the first bytes of the newest segment show.
pub(crate) fn segment(report: &mut HlsReport, begin: &[u8]) {
    // ID3 with the timestamp that packed audio must begin with (rfc8216bis 3.1.5), or the sync word of a frame.
    let packed_audio = begin.starts_with(b"ID3") || matches!(begin, [0xff, 0xe0..=0xff, ..]);
    if report.container == Some(Container::MpegTs) && !report.encrypted && packed_audio {
        report.container = Some(Container::PackedAudio);
    }
    if begin.trim_ascii_start().starts_with(b"<") && !report.encrypted {
        report.find(HlsCode::SegmentNotMedia, "the newest segment is a page of text, not media");
    }
}
