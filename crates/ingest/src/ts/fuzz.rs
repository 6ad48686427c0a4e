//! What fuzzing asks of the elementary streams of a transport stream: functions that take bytes as a peer could send them,
//! and panic if something does not hold that must hold whatever the bytes are.

use bytes::Bytes;
use weir_media::{AudioParams, contains_idr, nal_units};

use super::audio::Audio;
use super::h264::H264;
use super::pes::Pes;

/// Times have 33 bits.
const TIME_END: u64 = 1 << 33;

/// H.264 as a byte stream. Payloads of PES packets: a length of two bytes, bytes, and so on.
pub fn annex_b(data: &[u8]) {
    let (mut reader, mut rest, mut is_configured) = (H264::default(), data, false);
    while let Some((&length, behind)) = rest.split_first_chunk() {
        let (payload, next) = behind.split_at(usize::from(u16::from_be_bytes(length)).min(behind.len()));
        rest = next;
        let outcome = reader.read(payload, |picture| {
            is_configured |= picture.params.is_some();
            assert!(is_configured, "a picture before the first parameters");
            assert!(picture.params.is_none() || picture.keyframe);
            let units: Vec<_> = nal_units(&picture.data, 4).collect();
            assert_eq!(units.iter().map(|unit| 4 + unit.len()).sum::<usize>(), picture.data.len());
            for unit in units {
                assert!(unit.last().is_some_and(|last| *last != 0));
                assert!(!unit.windows(3).any(|three| three == [0, 0, 1]), "a start code inside");
            }
            assert_eq!(picture.keyframe, contains_idr(&picture.data, 4));
            if let Some(params) = picture.params {
                assert!((16..=8192).contains(&params.sps.width) && (16..=8192).contains(&params.sps.height));
                assert_eq!((params.sps.bit_depth, params.sps.chroma_format_idc), (8, 1));
            }
        });
        if outcome.is_err() {
            return;
        }
    }
}

/// AAC with ADTS headers.
pub fn adts(data: &[u8]) {
    sounds(data, Audio::adts);
}

/// AAC in LATM.
pub fn latm(data: &[u8]) {
    sounds(data, Audio::latm);
}

/// The first byte says into what pieces the rest is cut, which must make no difference to what is heard.
fn sounds(data: &[u8], reader: fn() -> Audio) {
    let Some((&cut, bytes)) = data.split_first() else { return };
    let whole = heard(bytes, bytes.len().max(1), reader());
    assert!(whole.iter().map(|(data, _)| data.len()).sum::<usize>() <= bytes.len());
    assert_eq!(heard(bytes, usize::from(cut) + 1, reader()), whole);
}

fn heard(bytes: &[u8], piece: usize, mut reader: Audio) -> Vec<(Bytes, Option<AudioParams>)> {
    let mut found = Vec::new();
    for (number, piece) in bytes.chunks(piece).enumerate() {
        // So that the counter wraps once.
        let pts = Some((TIME_END - 4000 + number as u64 * 1920) % TIME_END);
        let pes = Pes { pts, dts: pts, data: piece.to_vec() };
        let outcome = reader.read(&pes, |sound| {
            assert!(sound.time < TIME_END);
            found.push((sound.data, sound.params));
        });
        if outcome.is_err() {
            break;
        }
    }
    found
}
