//! The multivariant playlist (rfc8216bis 4.4.6).

use std::fmt::Write;

use crate::rates::advertised;
use crate::window::{Detail, Track, Window};

/// Nothing in it needs more.
const VERSION: u32 = 6;
const AUDIO_GROUP: &str = "audio";

/// The multivariant playlist: the renditions of the running epoch, or of the last one.
pub(crate) fn multivariant_playlist(window: &Window) -> String {
    let mut out = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let listed = || window.current.iter().filter_map(|&index| window.tracks.get(index));
    let mut audio_peak = 0;
    let mut audio_average = 0;
    let mut audio_codec = None;
    for track in listed() {
        if let Detail::Audio { channels } = track.traits.detail {
            audio_peak = track.rates.peak_bps();
            audio_average = track.rates.average_bps();
            audio_codec = Some(track.traits.codec.as_str());
            write_audio(&mut out, track, channels);
        }
    }
    for track in listed() {
        let Detail::Video { width, height, frame_rate } = track.traits.detail else { continue };
        let bandwidth = advertised(track.rates.peak_bps().saturating_add(audio_peak));
        let average = advertised(track.rates.average_bps().saturating_add(audio_average));
        let codecs: Vec<_> = [track.traits.codec.as_str()].into_iter().chain(audio_codec).collect();
        // Writing into a string does not fail.
        let _ = writeln!(
            out,
            "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},AVERAGE-BANDWIDTH={average},CODECS=\"{}\",\
             RESOLUTION={width}x{height},FRAME-RATE={frame_rate},AUDIO=\"{AUDIO_GROUP}\",CLOSED-CAPTIONS=NONE\n\
             {}/index.m3u8",
            codecs.join(","),
            track.name
        );
    }
    for track in listed() {
        if let Detail::Video { width, height, .. } = track.traits.detail {
            let bandwidth = advertised(track.iframe_rates.peak_bps());
            let average = advertised(track.iframe_rates.average_bps());
            let _ = writeln!(
                out,
                "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={bandwidth},AVERAGE-BANDWIDTH={average},CODECS=\"{}\",\
                 RESOLUTION={width}x{height},URI=\"{}/iframes.m3u8\"",
                track.traits.codec, track.name
            );
        }
    }
    out
}

fn write_audio(out: &mut String, track: &Track, channels: u8) {
    let _ = write!(
        out,
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{AUDIO_GROUP}\",NAME=\"Main\",LANGUAGE=\"und\",DEFAULT=YES,AUTOSELECT=YES,"
    );
    // 0 is "the stream says it", which is not a number of channels.
    if channels > 0 {
        let _ = write!(out, "CHANNELS=\"{channels}\",");
    }
    let _ = writeln!(out, "URI=\"{}/index.m3u8\"", track.name);
}
