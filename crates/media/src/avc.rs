use bytes::Bytes;

use crate::{SpsError, SpsInfo};

/// NAL unit type of a coded slice of an IDR picture (ISO/IEC 14496-10, table 7-1).
const NAL_IDR: u8 = 5;

/// The decoder parameters of an H.264 track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoParams {
    /// The whole `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, 5.3.3.1), as it goes into an `avcC` box.
    pub avcc: Bytes,
    /// Bytes of the length field before each NAL unit of a frame: 1, 2 or 4.
    pub nal_length_size: u8,
    /// What the first SPS says.
    pub sps: SpsInfo,
}

/// Why an `AVCDecoderConfigurationRecord` was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AvcError {
    /// It ends before what it announces.
    #[error("the H.264 decoder configuration ends after {0} bytes, in the middle of what it announces")]
    Short(usize),
    /// A version other than 1.
    #[error("the H.264 decoder configuration has version {0}, only 1 is defined")]
    Version(u8),
    /// `lengthSizeMinusOne` of 2, which is not allowed.
    #[error("the H.264 decoder configuration asks for NAL length fields of 3 bytes; 1, 2 or 4 are allowed")]
    LengthSize,
    /// No sequence or no picture parameter set.
    #[error("the H.264 decoder configuration holds no {0} parameter set")]
    Missing(&'static str),
    /// The SPS cannot be read.
    #[error(transparent)]
    Sps(#[from] SpsError),
}

impl VideoParams {
    /// Reads an `AVCDecoderConfigurationRecord`.
    pub fn from_avcc(avcc: Bytes) -> Result<Self, AvcError> {
        let short = || AvcError::Short(avcc.len());
        let version = *avcc.first().ok_or_else(short)?;
        if version != 1 {
            return Err(AvcError::Version(version));
        }
        let length_size = (avcc.get(4).ok_or_else(short)? & 3) + 1;
        if length_size == 3 {
            return Err(AvcError::LengthSize);
        }
        let sps_count = avcc.get(5).ok_or_else(short)? & 0x1f;
        let (sps, after_sps) = parameter_sets(&avcc, 6, sps_count).ok_or_else(short)?;
        let pps_count = *avcc.get(after_sps).ok_or_else(short)?;
        parameter_sets(&avcc, after_sps + 1, pps_count).ok_or_else(short)?.0.ok_or(AvcError::Missing("picture"))?;
        let sps = SpsInfo::parse(sps.ok_or(AvcError::Missing("sequence"))?)?;
        Ok(Self { nal_length_size: length_size, sps, avcc })
    }

    /// The RFC 6381 name of the codec, for example `avc1.64001f`: profile, constraints and level as the
    /// configuration itself gives them.
    pub fn codec_string(&self) -> String {
        let byte = |at: usize| self.avcc.get(at).copied().unwrap_or(0);
        format!("avc1.{:02x}{:02x}{:02x}", byte(1), byte(2), byte(3))
    }
}

/// The first of `count` parameter sets that begin at `at`, and the offset behind the last.
fn parameter_sets(avcc: &[u8], mut at: usize, count: u8) -> Option<(Option<&[u8]>, usize)> {
    let mut first = None;
    for _ in 0..count {
        let length = usize::from(u16::from_be_bytes([*avcc.get(at)?, *avcc.get(at + 1)?]));
        let set = avcc.get(at + 2..at + 2 + length)?;
        first = first.or(Some(set));
        at += 2 + length;
    }
    Some((first.filter(|set| !set.is_empty()), at))
}

/// The NAL units of a frame whose length fields have `length_size` bytes. Ends early, without an error,
/// where a length field points behind the frame: a decoder conceals that, a parser must only not overrun.
pub fn nal_units(data: &[u8], length_size: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (field, behind) = rest.split_at_checked(usize::from(length_size))?;
        let length = field.iter().fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte));
        let (nal, next) = behind.split_at_checked(length)?;
        rest = next;
        Some(nal)
    })
}

/// Whether a frame holds a slice of an IDR picture, that is, whether decoding can start with it.
pub fn contains_idr(data: &[u8], length_size: u8) -> bool {
    nal_units(data, length_size).any(|nal| nal.first().is_some_and(|header| header & 0x1f == NAL_IDR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What x264 wrote for 640x360 at 30000/1001 frames a second, High profile.
    const AVCC: &[u8] = include_bytes!("../tests/data/avcc-640x360-29.97.bin");

    #[test]
    fn a_configuration_of_x264_is_read() {
        let params = VideoParams::from_avcc(Bytes::from_static(AVCC)).expect("valid");
        assert_eq!((params.sps.width, params.sps.height), (640, 360));
        assert_eq!(params.sps.declared_rate, Some(crate::FrameRate::new(30_000, 1001)));
        assert_eq!(params.sps.sample_aspect, (1, 1));
        assert_eq!((params.nal_length_size, params.sps.bit_depth, params.sps.chroma_format_idc), (4, 8, 1));
        assert_eq!(params.codec_string(), "avc1.64001e");
        assert!(!params.sps.interlaced);
    }

    #[test]
    fn what_is_wrong_with_a_configuration_is_named() {
        let parse = |bytes: &[u8]| VideoParams::from_avcc(Bytes::copy_from_slice(bytes)).expect_err("invalid");
        assert_eq!(parse(&[]), AvcError::Short(0));
        assert_eq!(parse(&[2, 0, 0, 0, 0]), AvcError::Version(2));
        assert_eq!(parse(&[1, 100, 0, 30, 0xfe, 0xe1]), AvcError::LengthSize);
        assert_eq!(parse(&[1, 100, 0, 30, 0xff, 0xe0, 1, 0, 1, 0x68]), AvcError::Missing("sequence"));
        assert_eq!(parse(&AVCC[..20]), AvcError::Short(20));
    }

    #[test]
    fn an_idr_slice_is_found_behind_other_nal_units() {
        assert!(contains_idr(&[0, 0, 0, 2, 0x06, 0, 0, 0, 0, 1, 0x65], 4));
        assert!(!contains_idr(&[0, 0, 0, 2, 0x06, 0, 0, 0, 0, 1, 0x41], 4));
        assert!(!contains_idr(&[0, 0, 0, 9, 0x65], 4));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1_u8..=4) {
            let _ = VideoParams::from_avcc(Bytes::from(bytes.clone()));
            let _ = nal_units(&bytes, size).count();
        }

        #[test]
        fn no_damage_to_a_real_configuration_makes_the_reader_panic(at in 0..AVCC.len(), value in any::<u8>()) {
            let mut bytes = AVCC.to_vec();
            bytes[at] = value;
            let _ = VideoParams::from_avcc(Bytes::from(bytes));
        }
    }
}
