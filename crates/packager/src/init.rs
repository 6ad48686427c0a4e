//! Initialisation sections: `ftyp` and a `moov` without samples (rfc8216bis 3.1.2, ISO/IEC 23000-19 7.3).

use bytes::BufMut;
use weir_media::{AudioParams, TrackFormat, VideoParams};

use crate::boxes::{boxed, full_box};
use crate::fragment::TRACK_ID;

/// 3 × 3 transformation that leaves the picture as it is (ISO/IEC 14496-12, 8.2.2.2).
const UNITY_MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];
/// `track_enabled` and `track_in_movie` (8.3.2).
const TRACK_IN_MOVIE: u32 = 3;
/// The media is in the same file (8.7.2).
const SELF_CONTAINED: u32 = 1;
/// "und", three letters of five bits (8.4.2).
const LANGUAGE_UNDETERMINED: u16 = 0x55c4;
/// 1.0 in 8.8 and 16.16 bits.
const ONE_8_8: u16 = 0x100;
const ONE_16_16: u32 = 0x1_0000;
/// 72 dots per inch in 16.16 bits, what every sample entry says.
const RESOLUTION_72_DPI: u32 = 0x48_0000;

/// The initialisation section of a track.
pub(crate) fn init_section(format: &TrackFormat) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    boxed(&mut out, b"ftyp", |out| {
        out.extend_from_slice(b"iso6");
        out.put_u32(0);
        // cmf2 beside cmfc: signed composition offsets, no edit list, every fragment's defaults in the fragment.
        for brand in [b"iso6", b"cmfc", b"cmf2"] {
            out.extend_from_slice(brand);
        }
    });
    boxed(&mut out, b"moov", |out| {
        movie_header(out, format.timescale());
        track(out, format);
        boxed(out, b"mvex", |out| {
            full_box(out, b"trex", 0, 0, |out| [TRACK_ID, 1, 0, 0, 0].into_iter().for_each(|field| out.put_u32(field)));
        });
    });
    out
}

fn movie_header(out: &mut Vec<u8>, timescale: u32) {
    full_box(out, b"mvhd", 0, 0, |out| {
        // Creation and modification stay 0, so that equal formats give equal bytes; a duration of 0 is what a
        // fragmented movie has.
        [0, 0, timescale, 0, ONE_16_16].into_iter().for_each(|field| out.put_u32(field));
        out.put_u16(ONE_8_8);
        out.put_bytes(0, 10);
        UNITY_MATRIX.into_iter().for_each(|field| out.put_u32(field));
        out.put_bytes(0, 24);
        out.put_u32(TRACK_ID + 1);
    });
}

fn track(out: &mut Vec<u8>, format: &TrackFormat) {
    let ((width, height), volume) = match format {
        TrackFormat::Video { params, .. } => (display_size(params), 0),
        TrackFormat::Audio { .. } => ((0, 0), ONE_8_8),
    };
    boxed(out, b"trak", |out| {
        full_box(out, b"tkhd", 0, TRACK_IN_MOVIE, |out| {
            [0, 0, TRACK_ID, 0, 0, 0, 0].into_iter().for_each(|field| out.put_u32(field));
            out.put_u32(0);
            out.put_u16(volume);
            out.put_u16(0);
            UNITY_MATRIX.into_iter().for_each(|field| out.put_u32(field));
            out.put_u32(width << 16);
            out.put_u32(height << 16);
        });
        boxed(out, b"mdia", |out| media(out, format));
    });
}

/// The size at which a picture is to be shown: the width follows the sample aspect ratio.
pub(crate) fn display_size(params: &VideoParams) -> (u32, u32) {
    let (numerator, denominator) = params.sps.sample_aspect;
    let (wide, per) = (u64::from(params.sps.width) * u64::from(numerator), u64::from(denominator.max(1)));
    // tkhd has 16 bits for whole pixels.
    (((wide + per / 2) / per).clamp(1, 0xffff) as u32, params.sps.height.min(0xffff))
}

fn media(out: &mut Vec<u8>, format: &TrackFormat) {
    full_box(out, b"mdhd", 0, 0, |out| {
        [0, 0, format.timescale(), 0].into_iter().for_each(|field| out.put_u32(field));
        out.put_u16(LANGUAGE_UNDETERMINED);
        out.put_u16(0);
    });
    let (handler, name): (&[u8; 4], &[u8]) = match format {
        TrackFormat::Video { .. } => (b"vide", b"Video\0"),
        TrackFormat::Audio { .. } => (b"soun", b"Audio\0"),
    };
    full_box(out, b"hdlr", 0, 0, |out| {
        out.put_u32(0);
        out.extend_from_slice(handler);
        out.put_bytes(0, 12);
        out.extend_from_slice(name);
    });
    boxed(out, b"minf", |out| {
        match format {
            TrackFormat::Video { .. } => full_box(out, b"vmhd", 0, 1, |out| out.put_u64(0)),
            TrackFormat::Audio { .. } => full_box(out, b"smhd", 0, 0, |out| out.put_u32(0)),
        }
        boxed(out, b"dinf", |out| {
            full_box(out, b"dref", 0, 0, |out| {
                out.put_u32(1);
                full_box(out, b"url ", 0, SELF_CONTAINED, |_| ());
            });
        });
        boxed(out, b"stbl", |out| sample_table(out, format));
    });
}

fn sample_table(out: &mut Vec<u8>, format: &TrackFormat) {
    full_box(out, b"stsd", 0, 0, |out| {
        out.put_u32(1);
        match format {
            TrackFormat::Video { params, .. } => avc1(out, params),
            TrackFormat::Audio { params } => mp4a(out, params),
        }
    });
    full_box(out, b"stts", 0, 0, |out| out.put_u32(0));
    full_box(out, b"stsc", 0, 0, |out| out.put_u32(0));
    full_box(out, b"stsz", 0, 0, |out| out.put_u64(0));
    full_box(out, b"stco", 0, 0, |out| out.put_u32(0));
}

/// ISO/IEC 14496-15, 5.4.2: parameter sets in the sample entry, not in the stream.
fn avc1(out: &mut Vec<u8>, params: &VideoParams) {
    boxed(out, b"avc1", |out| {
        out.put_bytes(0, 6);
        out.put_u16(1);
        out.put_bytes(0, 16);
        out.put_u16(params.sps.width.min(0xffff) as u16);
        out.put_u16(params.sps.height.min(0xffff) as u16);
        out.put_u32(RESOLUTION_72_DPI);
        out.put_u32(RESOLUTION_72_DPI);
        out.put_u32(0);
        out.put_u16(1);
        out.put_bytes(0, 32);
        out.put_u16(24);
        out.put_i16(-1);
        boxed(out, b"avcC", |out| out.extend_from_slice(&params.avcc));
        let (horizontal, vertical) = params.sps.sample_aspect;
        if horizontal != vertical {
            boxed(out, b"pasp", |out| {
                out.put_u32(horizontal);
                out.put_u32(vertical);
            });
        }
    });
}

/// ISO/IEC 14496-14, 5.6.
fn mp4a(out: &mut Vec<u8>, params: &AudioParams) {
    boxed(out, b"mp4a", |out| {
        out.put_bytes(0, 6);
        out.put_u16(1);
        out.put_u64(0);
        out.put_u16(u16::from(params.channels));
        out.put_u16(16);
        out.put_u32(0);
        // 16.16 bits: a rate above 65535 Hz does not fit and is left to the AudioSpecificConfig.
        out.put_u16(u16::try_from(params.sample_rate).unwrap_or(0));
        out.put_u16(0);
        full_box(out, b"esds", 0, 0, |out| out.extend_from_slice(&elementary_stream(&params.asc)));
    });
}

/// The `ES_Descriptor` of AAC (ISO/IEC 14496-1, 7.2.6.5).
fn elementary_stream(asc: &[u8]) -> Vec<u8> {
    const ES: u8 = 3;
    const DECODER_CONFIG: u8 = 4;
    const DECODER_SPECIFIC: u8 = 5;
    const SYNC_LAYER: u8 = 6;
    /// Object type indication of MPEG-4 audio, then stream type 5 (audio) with the reserved bit.
    const MPEG4_AUDIO: [u8; 2] = [0x40, 0x15];
    /// The sync layer settings predefined for MP4 files.
    const SYNC_LAYER_MP4: u8 = 2;
    let mut decoder = MPEG4_AUDIO.to_vec();
    decoder.put_bytes(0, 11);
    descriptor(&mut decoder, DECODER_SPECIFIC, asc);
    let mut stream = vec![0, 0, 0];
    descriptor(&mut stream, DECODER_CONFIG, &decoder);
    descriptor(&mut stream, SYNC_LAYER, &[SYNC_LAYER_MP4]);
    let mut out = Vec::with_capacity(stream.len() + 5);
    descriptor(&mut out, ES, &stream);
    out
}

/// A tag, the length in as many groups of seven bits as it takes (ISO/IEC 14496-1, 8.3.3), and the body.
fn descriptor(out: &mut Vec<u8>, tag: u8, body: &[u8]) {
    out.push(tag);
    for group in (1..4).rev().filter(|group| body.len() >> (7 * group) > 0) {
        out.push(0x80 | (body.len() >> (7 * group) & 0x7f) as u8);
    }
    out.push((body.len() & 0x7f) as u8);
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_descriptor_spells_its_length_in_groups() {
        let mut out = Vec::new();
        descriptor(&mut out, 5, &[9; 200]);
        assert_eq!(out[..4], [5, 0x81, 0x48, 9]);
        out.clear();
        descriptor(&mut out, 5, &[9; 2]);
        assert_eq!(out, [5, 2, 9, 9]);
    }
}
