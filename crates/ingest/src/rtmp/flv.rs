//! The FLV tag bodies that audio and video messages carry (Adobe FLV 10.1, annex E; enhanced RTMP v2).

use bytes::{Buf, Bytes};

use crate::UnsupportedMedia;

/// What one audio or video message holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// An AVC or AAC sequence header.
    Config(Bytes),
    /// Coded bytes, and the composition time: what to add to the timestamp, in milliseconds.
    Coded { composition: i32, data: Bytes },
    /// Nothing to decode: an end of sequence, colour metadata, a command frame, an empty frame.
    Nothing,
    /// Shorter than its own header.
    Short,
}

const AVC: u8 = 7;
const AAC: u8 = 10;
/// The sound format that says that an enhanced header follows.
const ENHANCED_AUDIO: u8 = 9;
/// The frame type whose body is a command to the player.
const COMMAND_FRAME: u8 = 5;

/// Packet types of the enhanced headers, the same for both kinds of media up to 3.
const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const CODED_FRAMES_X: u8 = 3;
const VIDEO_MULTITRACK: u8 = 6;
const AUDIO_MULTITRACK: u8 = 5;
const MOD_EX: u8 = 7;

/// Reads the body of a video message.
pub(super) fn video(mut body: Bytes) -> Result<Tag, UnsupportedMedia> {
    let Some(first) = take_byte(&mut body) else { return Ok(Tag::Nothing) };
    if first & 0x80 != 0 {
        return enhanced_video(first, body);
    }
    if first >> 4 == COMMAND_FRAME {
        return Ok(Tag::Nothing);
    }
    match first & 0x0f {
        AVC => Ok(avc_packet(body)),
        other => Err(UnsupportedMedia::VideoCodec(video_codec_name(other))),
    }
}

/// Reads the body of an audio message.
pub(super) fn audio(mut body: Bytes) -> Result<Tag, UnsupportedMedia> {
    let Some(first) = take_byte(&mut body) else { return Ok(Tag::Nothing) };
    match first >> 4 {
        ENHANCED_AUDIO => enhanced_audio(first, body),
        AAC => Ok(match take_byte(&mut body) {
            None => Tag::Short,
            Some(0) => config(body),
            Some(1) => coded(0, body),
            Some(_) => Tag::Nothing,
        }),
        other => Err(UnsupportedMedia::AudioCodec(audio_codec_name(other))),
    }
}

/// `AVCVIDEOPACKET`: packet type, signed composition time, data.
fn avc_packet(mut body: Bytes) -> Tag {
    let Some(&[kind, a, b, c]) = body.first_chunk() else { return Tag::Short };
    body.advance(4);
    match kind {
        0 => config(body),
        1 => coded(signed24([a, b, c]), body),
        _ => Tag::Nothing,
    }
}

fn enhanced_video(first: u8, mut body: Bytes) -> Result<Tag, UnsupportedMedia> {
    let Some(packet) = skip_mod_ex(first & 0x0f, &mut body) else { return Ok(Tag::Short) };
    if packet == VIDEO_MULTITRACK {
        return Err(UnsupportedMedia::Multitrack("video"));
    }
    if first >> 4 & 7 == COMMAND_FRAME {
        return Ok(Tag::Nothing);
    }
    let Some(four_cc) = take_four_cc(&mut body) else { return Ok(Tag::Short) };
    if &four_cc != b"avc1" {
        return Err(UnsupportedMedia::VideoCodec(four_cc_name(four_cc)));
    }
    Ok(match packet {
        SEQUENCE_START => config(body),
        CODED_FRAMES => match body.first_chunk() {
            None => Tag::Short,
            Some(&time) => {
                body.advance(3);
                coded(signed24(time), body)
            }
        },
        CODED_FRAMES_X => coded(0, body),
        _ => Tag::Nothing,
    })
}

fn enhanced_audio(first: u8, mut body: Bytes) -> Result<Tag, UnsupportedMedia> {
    let Some(packet) = skip_mod_ex(first & 0x0f, &mut body) else { return Ok(Tag::Short) };
    if packet == AUDIO_MULTITRACK {
        return Err(UnsupportedMedia::Multitrack("audio"));
    }
    let Some(four_cc) = take_four_cc(&mut body) else { return Ok(Tag::Short) };
    if &four_cc != b"mp4a" {
        return Err(UnsupportedMedia::AudioCodec(four_cc_name(four_cc)));
    }
    Ok(match packet {
        SEQUENCE_START => config(body),
        CODED_FRAMES => coded(0, body),
        _ => Tag::Nothing,
    })
}

/// Skips modifiers (nanosecond offsets) in front of the real packet type, which is returned.
fn skip_mod_ex(mut packet: u8, body: &mut Bytes) -> Option<u8> {
    while packet == MOD_EX {
        let mut length = usize::from(take_byte(body)?) + 1;
        if length == 256 {
            let &wide = body.first_chunk()?;
            length = usize::from(u16::from_be_bytes(wide)) + 1;
            body.advance(2);
        }
        // The modifier, then a byte of which the low half is the next packet type.
        let next = *body.get(length)?;
        body.advance(length + 1);
        packet = next & 0x0f;
    }
    Some(packet)
}

fn config(body: Bytes) -> Tag {
    if body.is_empty() { Tag::Nothing } else { Tag::Config(body) }
}

fn coded(composition: i32, data: Bytes) -> Tag {
    if data.is_empty() { Tag::Nothing } else { Tag::Coded { composition, data } }
}

fn take_byte(body: &mut Bytes) -> Option<u8> {
    let byte = *body.first()?;
    body.advance(1);
    Some(byte)
}

fn take_four_cc(body: &mut Bytes) -> Option<[u8; 4]> {
    let four_cc = *body.first_chunk()?;
    body.advance(4);
    Some(four_cc)
}

fn signed24([a, b, c]: [u8; 3]) -> i32 {
    i32::from_be_bytes([a, b, c, 0]) >> 8
}

/// Codec ids of FLV video, with the ones that were never standard but are sent.
fn video_codec_name(id: u8) -> String {
    match id {
        2 => "Sorenson H.263".to_owned(),
        3 | 6 => "Screen video".to_owned(),
        4 | 5 => "VP6".to_owned(),
        8 => "H.263".to_owned(),
        9 => "MPEG-4 part 2".to_owned(),
        12 => "HEVC".to_owned(),
        13 => "AV1".to_owned(),
        other => format!("FLV codec {other}"),
    }
}

fn audio_codec_name(id: u8) -> String {
    match id {
        0 | 3 => "PCM".to_owned(),
        1 => "ADPCM".to_owned(),
        2 | 14 => "MP3".to_owned(),
        4..=6 => "Nellymoser".to_owned(),
        7 => "G.711 A-law".to_owned(),
        8 => "G.711 mu-law".to_owned(),
        11 => "Speex".to_owned(),
        13 => "Opus".to_owned(),
        other => format!("FLV sound format {other}"),
    }
}

fn four_cc_name(four_cc: [u8; 4]) -> String {
    match &four_cc {
        b"hvc1" | b"hev1" => "HEVC".to_owned(),
        b"vvc1" => "VVC".to_owned(),
        b"av01" => "AV1".to_owned(),
        b"vp08" => "VP8".to_owned(),
        b"vp09" => "VP9".to_owned(),
        b"Opus" => "Opus".to_owned(),
        b"ac-3" => "AC-3".to_owned(),
        b"ec-3" => "E-AC-3".to_owned(),
        b"fLaC" => "FLAC".to_owned(),
        b".mp3" => "MP3".to_owned(),
        other => format!("the codec {}", other.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video_of(body: &[u8]) -> Result<Tag, UnsupportedMedia> {
        video(Bytes::copy_from_slice(body))
    }

    fn audio_of(body: &[u8]) -> Result<Tag, UnsupportedMedia> {
        audio(Bytes::copy_from_slice(body))
    }

    fn coded_of(composition: i32, data: &'static [u8]) -> Result<Tag, UnsupportedMedia> {
        Ok(Tag::Coded { composition, data: Bytes::from_static(data) })
    }

    #[test]
    fn composition_time_is_signed() {
        assert_eq!(video_of(&[0x27, 1, 0, 0, 80, 9]), coded_of(80, &[9]));
        assert_eq!(video_of(&[0x27, 1, 0xff, 0xff, 0xd8, 9]), coded_of(-40, &[9]));
        assert_eq!(video_of(b"\xa1avc1\xff\xff\xd8\x09"), coded_of(-40, &[9]));
    }

    #[test]
    fn h264_is_taken_in_both_kinds_of_tags() {
        let config = Ok(Tag::Config(Bytes::from_static(&[1, 2])));
        assert_eq!(video_of(&[0x17, 0, 0, 0, 0, 1, 2]), config);
        assert_eq!(video_of(b"\x90avc1\x01\x02"), config);
        assert_eq!(video_of(b"\x93avc1\x01\x02"), coded_of(0, &[1, 2]));
    }

    #[test]
    fn aac_is_taken_in_both_kinds_of_tags() {
        let config = Ok(Tag::Config(Bytes::from_static(&[0x11, 0x90])));
        assert_eq!(audio_of(&[0xaf, 0, 0x11, 0x90]), config);
        assert_eq!(audio_of(b"\x90mp4a\x11\x90"), config);
        assert_eq!(audio_of(&[0xaf, 1, 7]), coded_of(0, &[7]));
        assert_eq!(audio_of(b"\x91mp4a\x07"), coded_of(0, &[7]));
    }

    #[test]
    fn ends_of_sequence_empty_frames_and_colour_metadata_are_nothing() {
        for body in
            [&b"\x17\x02\0\0\0"[..], b"\x27\x01\0\0\0", b"\x17\0\0\0\0", b"\x92avc1", b"\x94avc1\x02", b"\x57\0"]
        {
            assert_eq!(video_of(body), Ok(Tag::Nothing), "{body:02x?}");
        }
        for body in [&b""[..], b"\xaf\x01", b"\x92mp4a", b"\x94mp4a\x01\x02"] {
            assert_eq!(audio_of(body), Ok(Tag::Nothing), "{body:02x?}");
        }
    }

    #[test]
    fn what_ends_in_its_own_header_is_short() {
        for body in [&b"\x17"[..], b"\x17\x01\0\0", b"\x90av", b"\x91avc1\0\0", b"\x97", b"\x97\xff\0", b"\x97\x03\0\0"]
        {
            assert_eq!(video_of(body), Ok(Tag::Short), "{body:02x?}");
        }
        for body in [&b"\xaf"[..], b"\x90mp4"] {
            assert_eq!(audio_of(body), Ok(Tag::Short), "{body:02x?}");
        }
    }

    #[test]
    fn other_codecs_are_refused_by_name() {
        let video = |body| video_of(body).expect_err("refused").to_string();
        assert_eq!(video(b"\x90hvc1\x01"), "video is HEVC; send H.264");
        assert_eq!(video(b"\x90av01\x01"), "video is AV1; send H.264");
        assert_eq!(video(b"\x90vp09\x01"), "video is VP9; send H.264");
        assert_eq!(video(b"\x90\n\"~z"), "video is the codec \\n\\\"~z; send H.264");
        assert_eq!(video(&[0x1c, 0]), "video is HEVC; send H.264");
        assert_eq!(video(&[0x22, 0]), "video is Sorenson H.263; send H.264");
        assert_eq!(video(&[0x14, 0]), "video is VP6; send H.264");
        assert_eq!(video(b"\x96\x10avc1"), "video comes as multitrack; send a single track");
        let audio = |body| audio_of(body).expect_err("refused").to_string();
        assert_eq!(audio(&[0x2f, 0]), "audio is MP3; send AAC");
        assert_eq!(audio(&[0xb2, 0]), "audio is Speex; send AAC");
        assert_eq!(audio(&[0x70, 0]), "audio is G.711 A-law; send AAC");
        assert_eq!(audio(b"\x90Opus\x01"), "audio is Opus; send AAC");
        assert_eq!(audio(b"\x90ac-3\x01"), "audio is AC-3; send AAC");
        assert_eq!(audio(b"\x90fLaC\x01"), "audio is FLAC; send AAC");
        assert_eq!(audio(b"\x95\x10mp4a"), "audio comes as multitrack; send a single track");
    }

    #[test]
    fn nanosecond_offsets_are_skipped() {
        // Three bytes of offset, type 0, then coded frames without composition time.
        assert_eq!(video_of(b"\x97\x02\x01\x02\x03\x03avc1\x09"), coded_of(0, &[9]));
        // The same with the wide length.
        assert_eq!(video_of(b"\x97\xff\x00\x02\x01\x02\x03\x03avc1\x09"), coded_of(0, &[9]));
    }
}
