//! H.264 as a byte stream (ISO/IEC 14496-10, annex B) to access units with length fields, and its parameter sets to a
//! decoder configuration.

use bytes::{BufMut, Bytes, BytesMut};
use weir_media::VideoParams;

use crate::UnsupportedMedia;
use crate::params::video_params;

/// NAL unit types (table 7-1).
mod nal {
    pub const SLICE: u8 = 1;
    pub const IDR: u8 = 5;
    pub const SPS: u8 = 7;
    pub const PPS: u8 = 8;
    pub const DELIMITER: u8 = 9;
    pub const END_OF_STREAM: u8 = 11;
    pub const FILLER: u8 = 12;
}

/// Parameter sets of one kind at most; as many as a configuration can hold.
const SETS_MAX: usize = 31;

/// One picture with everything that belongs to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its parameters, where they are new.
    pub params: Option<VideoParams>,
    /// NAL units behind length fields of four bytes.
    pub data: Bytes,
    /// Whether decoding can start with it.
    pub keyframe: bool,
}

/// Reads one H.264 stream.
#[derive(Debug, Default)]
pub struct H264 {
    sps: Vec<Bytes>,
    pps: Vec<Bytes>,
    avcc: Bytes,
}

/// What is gathered of one access unit.
#[derive(Default)]
struct Unit {
    data: BytesMut,
    coded: bool,
    idr: bool,
}

impl H264 {
    /// Hands out the pictures of the payload of one PES packet. Those before the first parameters are passed over.
    pub fn read(&mut self, bytes: &[u8], mut take: impl FnMut(Picture)) -> Result<(), UnsupportedMedia> {
        let mut unit = Unit { data: BytesMut::with_capacity(bytes.len() + 16), ..Unit::default() };
        for nal in nal_units(bytes) {
            let Some(&header) = nal.first() else { continue };
            match header & 0x1f {
                nal::DELIMITER if unit.coded => self.close(std::mem::take(&mut unit), &mut take)?,
                nal::DELIMITER | nal::FILLER | nal::END_OF_STREAM => {}
                nal::SPS => keep(&mut self.sps, nal, 1),
                nal::PPS => keep(&mut self.pps, nal, 0),
                kind => {
                    unit.coded |= (nal::SLICE..=nal::IDR).contains(&kind);
                    unit.idr |= kind == nal::IDR;
                    unit.data.put_u32(nal.len() as u32);
                    unit.data.put_slice(nal);
                }
            }
        }
        self.close(unit, &mut take)
    }

    fn close(&mut self, unit: Unit, take: &mut impl FnMut(Picture)) -> Result<(), UnsupportedMedia> {
        if !unit.coded {
            return Ok(());
        }
        let params = if unit.idr { self.params()? } else { None };
        if !self.avcc.is_empty() {
            take(Picture { params, data: unit.data.freeze(), keyframe: unit.idr });
        }
        Ok(())
    }

    /// The configuration, where it has changed. It changes at keyframes only (7.4.1.2.1).
    fn params(&mut self) -> Result<Option<VideoParams>, UnsupportedMedia> {
        let Some(avcc) = self.configuration().filter(|avcc| *avcc != self.avcc) else { return Ok(None) };
        let params = video_params(avcc.clone())?;
        self.avcc = avcc;
        Ok(Some(params))
    }

    /// An `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, 5.3.3.1).
    fn configuration(&self) -> Option<Bytes> {
        const WITH_CHROMA: [u8; 4] = [100, 110, 122, 144];
        let profile: [u8; 3] = self.sps.first()?.get(1..4)?.try_into().ok()?;
        let mut out = BytesMut::new();
        out.put_u8(1);
        out.put_slice(&profile);
        out.put_u8(0xff);
        out.put_u8(0xe0 | self.sps.len() as u8);
        put_sets(&mut out, &self.sps);
        out.put_u8(self.pps.len() as u8);
        put_sets(&mut out, &self.pps);
        if WITH_CHROMA.contains(&profile[0]) {
            // 4:2:0, 8 bits: everything else is refused.
            out.put_slice(&[0xfd, 0xf8, 0xf8, 0]);
        }
        (!self.pps.is_empty()).then(|| out.freeze())
    }
}

fn put_sets(out: &mut BytesMut, sets: &[Bytes]) {
    for set in sets {
        out.put_u16(set.len() as u16);
        out.put_slice(set);
    }
}

/// Puts a parameter set in the place of the one with its number. The number stands behind the header and, in sequence
/// sets, the profile: `skip` such groups of three bytes.
fn keep(sets: &mut Vec<Bytes>, nal: &[u8], skip: usize) {
    let number = |nal: &[u8]| nal.get(1 + 3 * skip..).and_then(exp_golomb);
    let Some(own) = number(nal).filter(|_| nal.len() <= usize::from(u16::MAX)) else { return };
    match sets.iter().position(|set| number(set) == Some(own)) {
        Some(at) if sets[at][..] == *nal => {}
        Some(at) => sets[at] = Bytes::copy_from_slice(nal),
        None if sets.len() < SETS_MAX => sets.push(Bytes::copy_from_slice(nal)),
        None => {}
    }
}

/// The number coded at the beginning (9.1), as far as it is below 256.
fn exp_golomb(bytes: &[u8]) -> Option<u32> {
    let mut word = [0; 4];
    let count = bytes.len().min(3);
    word[..count].copy_from_slice(&bytes[..count]);
    let bits = u32::from_be_bytes(word);
    let zeros = bits.leading_zeros();
    (zeros <= 8).then(|| (bits >> (31 - 2 * zeros)) - 1)
}

/// The NAL units of a byte stream, without start codes and the zeros behind.
fn nal_units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = start(bytes).map(|at| &bytes[at + 3..]);
    std::iter::from_fn(move || {
        let here = rest?;
        let (nal, next) = match start(here) {
            Some(at) => (&here[..at], Some(&here[at + 3..])),
            None => (here, None),
        };
        rest = next;
        let end = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Some(&nal[..end])
    })
}

/// Where the next start code begins.
fn start(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    // A byte above 1 cannot be part of a start code, nor can the two before the next but one.
    while let Some(&byte) = bytes.get(at) {
        match byte {
            0 => at += 1,
            1 if bytes[at - 2..at] == [0, 0] => return Some(at - 2),
            _ => at += 3,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What x264 wrote for 640x360.
    const AVCC: &[u8] = include_bytes!("../../../media/tests/data/avcc-640x360-29.97.bin");

    fn sets() -> (Vec<u8>, Vec<u8>) {
        let sps = usize::from(AVCC[7]);
        let pps = usize::from(AVCC[10 + sps]);
        (AVCC[8..8 + sps].to_vec(), AVCC[11 + sps..11 + sps + pps].to_vec())
    }

    fn stream(nals: &[&[u8]]) -> Vec<u8> {
        nals.iter().flat_map(|nal| [&[0, 0, 0, 1][..], nal].concat()).collect()
    }

    fn pictures(reader: &mut H264, bytes: &[u8]) -> Vec<Picture> {
        let mut found = Vec::new();
        reader.read(bytes, |picture| found.push(picture)).expect("H.264 that is taken");
        found
    }

    #[test]
    fn a_keyframe_brings_the_configuration_that_x264_wrote() {
        let (sps, pps) = sets();
        let mut reader = H264::default();
        let early = pictures(&mut reader, &stream(&[&[9, 0xf0], &[0x41, 1]]));
        assert_eq!(early, [], "nothing before parameters");
        let found = pictures(&mut reader, &stream(&[&[9, 0xf0], &sps, &pps, &[6, 5], &[0x65, 1, 2]]));
        let params = found[0].params.as_ref().expect("parameters");
        assert_eq!(params.avcc, AVCC);
        assert!(found[0].keyframe);
        assert_eq!(found[0].data, [0, 0, 0, 2, 6, 5, 0, 0, 0, 3, 0x65, 1, 2][..]);
        let again = pictures(&mut reader, &stream(&[&sps, &pps, &[0x65, 7]]));
        assert_eq!(again[0].params, None);
        let next = pictures(&mut reader, &stream(&[&[0x41, 9, 0, 0]]));
        assert_eq!((next[0].keyframe, &next[0].data[..]), (false, &[0, 0, 0, 2, 0x41, 9][..]));
    }

    #[test]
    fn two_pictures_in_one_packet_are_two() {
        let (sps, pps) = sets();
        let found = pictures(
            &mut H264::default(),
            &stream(&[&[9, 0xf0], &sps, &pps, &[0x65, 1], &[0x65, 2], &[9, 0xf0], &[0x41, 3]]),
        );
        assert_eq!(found.iter().map(|picture| picture.data.len()).collect::<Vec<_>>(), [12, 6]);
    }

    #[test]
    fn numbers_are_read() {
        for (bytes, number) in [(&[0x80_u8][..], Some(0)), (&[0x40, 0], Some(1)), (&[0x28], Some(4)), (&[], None)] {
            assert_eq!(exp_golomb(bytes), number);
        }
        assert_eq!(exp_golomb(&[0, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(0..12_u8, 0..400)) {
            let _ = H264::default().read(&bytes, |_| {});
        }

        #[test]
        fn units_come_out_as_they_went_in(
            nals in prop::collection::vec(prop::collection::vec(2..255_u8, 1..30), 1..8),
            long in any::<bool>(),
        ) {
            let code: &[u8] = if long { &[0, 0, 0, 1] } else { &[0, 0, 1] };
            let bytes: Vec<u8> = nals.iter().flat_map(|nal| [code, nal].concat()).collect();
            let found: Vec<&[u8]> = nal_units(&bytes).collect();
            prop_assert_eq!(found, nals.iter().map(|nal| &nal[..]).collect::<Vec<_>>());
        }
    }
}
