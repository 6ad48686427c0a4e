use bytes::Bytes;

use crate::BitReader;

/// Samples per channel in one AAC-LC frame.
pub const AAC_FRAME_SAMPLES: u32 = 1024;

/// One AAC-LC frame of digital silence for two channels: a channel pair element with a common window, no
/// scale factor bands (`max_sfb` 0) and so no spectrum, then the end element (ISO/IEC 14496-3, 4.4.2.1).
pub const SILENT_STEREO_FRAME: [u8; 6] = [0x21, 0x00, 0x00, 0x00, 0x00, 0x1c];

/// Sampling rates by index (ISO/IEC 14496-3, table 1.18).
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
/// Index that announces a rate written out in 24 bits.
const RATE_ESCAPE: u32 = 15;
/// Object type of AAC-LC (table 1.17).
const AAC_LC: u8 = 2;
/// Object types that wrap AAC-LC with spectral band replication, without and with parametric stereo.
const SBR: u8 = 5;
const PS: u8 = 29;

/// The decoder parameters of an AAC track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioParams {
    /// The whole `AudioSpecificConfig` (ISO/IEC 14496-3, 1.6.2.1).
    pub asc: Bytes,
    /// Audio object type; 2 is AAC-LC, 5 HE-AAC, 29 HE-AAC v2.
    pub object_type: u8,
    /// Samples per second of the core coder.
    pub sample_rate: u32,
    /// Channels, 1 to 8; 0 when a program config element in the stream says it.
    pub channels: u8,
}

/// Why an `AudioSpecificConfig` was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AacError {
    /// It ends before what it announces.
    #[error("the AAC configuration ends after {0} bytes, in the middle of what it announces")]
    Short(usize),
    /// A reserved sampling rate index, or a rate of nothing.
    #[error("the AAC configuration names no usable sampling rate (index {0})")]
    SampleRate(u32),
    /// A reserved channel configuration.
    #[error("the AAC configuration names channel layout {0}, which is reserved")]
    Channels(u32),
}

impl AudioParams {
    /// AAC-LC, 48 kHz, stereo: what every audio rendition of weir is.
    pub fn lc_48k_stereo() -> Self {
        Self { asc: Bytes::from_static(&[0x11, 0x90]), object_type: AAC_LC, sample_rate: 48_000, channels: 2 }
    }

    /// Reads an `AudioSpecificConfig`.
    pub fn from_asc(asc: Bytes) -> Result<Self, AacError> {
        let short = || AacError::Short(asc.len());
        let mut bits = BitReader::new(&asc);
        let object_type = object_type(&mut bits).ok_or_else(short)?;
        let (index, sample_rate) = sample_rate(&mut bits).ok_or_else(short)?;
        let sample_rate =
            sample_rate.filter(|rate| (7_350..=96_000).contains(rate)).ok_or(AacError::SampleRate(index))?;
        let layout = bits.take(4).ok_or_else(short)?;
        let channels = match layout {
            0..=6 => layout as u8,
            7 | 12 | 14 => 8,
            11 => 7,
            other => return Err(AacError::Channels(other)),
        };
        Ok(Self { object_type, sample_rate, channels, asc })
    }

    /// Whether this is plain AAC-LC at 48 kHz in stereo, so that frames can pass unchanged.
    pub fn is_lc_48k_stereo(&self) -> bool {
        (self.object_type, self.sample_rate, self.channels) == (AAC_LC, 48_000, 2) && !self.announces_sbr()
    }

    /// Whether the configuration is one of the AAC family that the ladder can decode.
    pub fn is_aac(&self) -> bool {
        matches!(self.object_type, AAC_LC | SBR | PS)
    }

    /// The RFC 6381 name of the codec, `mp4a.40.2` for AAC-LC.
    pub fn codec_string(&self) -> String {
        format!("mp4a.40.{}", self.object_type)
    }

    /// Whether a backward compatible extension (1.6.5.3) turns AAC-LC into HE-AAC.
    fn announces_sbr(&self) -> bool {
        const SYNC_EXTENSION: u32 = 0x2b7;
        let mut bits = BitReader::new(&self.asc);
        bits.take(16).is_some()
            && bits.take(11) == Some(SYNC_EXTENSION)
            && object_type(&mut bits) == Some(SBR)
            && bits.take(1) == Some(1)
    }
}

/// How many bits at the front of `bytes` are an `AudioSpecificConfig` without a backward compatible extension, as LATM
/// carries it (1.7.3.1); `None` when it ends early, or describes its channels by a program config element.
pub fn asc_bits(bits: &BitReader<'_>) -> Option<usize> {
    let (mut bits, begin) = (bits.clone(), bits.position());
    let mut object = object_type(&mut bits)?;
    sample_rate(&mut bits)?;
    if bits.take(4)? == 0 {
        return None;
    }
    if matches!(object, SBR | PS) {
        sample_rate(&mut bits)?;
        object = object_type(&mut bits)?;
    }
    if object != AAC_LC {
        return None;
    }
    // GASpecificConfig (4.4.1): frame length, and whether and how far it depends on a core coder.
    bits.take(1)?;
    if bits.take(1)? == 1 {
        bits.take(14)?;
    }
    bits.take(1)?;
    Some(bits.position() - begin)
}

fn object_type(bits: &mut BitReader<'_>) -> Option<u8> {
    Some(match bits.take(5)? {
        31 => 32 + bits.take(6)? as u8,
        short => short as u8,
    })
}

/// The index, and the rate it means.
fn sample_rate(bits: &mut BitReader<'_>) -> Option<(u32, Option<u32>)> {
    let index = bits.take(4)?;
    let rate = if index == RATE_ESCAPE { Some(bits.take(24)?) } else { RATES.get(index as usize).copied() };
    Some((index, rate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(bytes: &[u8]) -> Result<AudioParams, AacError> {
        AudioParams::from_asc(Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn lc_stereo_at_48_khz_may_pass_unchanged() {
        let params = parse(&[0x11, 0x90]).expect("valid");
        assert_eq!(params, AudioParams::lc_48k_stereo());
        assert!(params.is_lc_48k_stereo());
        assert_eq!(params.codec_string(), "mp4a.40.2");
    }

    #[test]
    fn mono_at_44100_hz_may_not() {
        let params = parse(&[0x12, 0x08]).expect("valid");
        assert_eq!((params.sample_rate, params.channels), (44_100, 1));
        assert!(!params.is_lc_48k_stereo());
    }

    #[test]
    fn an_extension_that_says_sbr_is_not_plain_lc() {
        assert!(parse(&[0x11, 0x90, 0x56, 0xe5, 0x00]).expect("valid").is_lc_48k_stereo());
        assert!(!parse(&[0x11, 0x90, 0x56, 0xe5, 0x80]).expect("valid").is_lc_48k_stereo());
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(parse(&[]), Err(AacError::Short(0)));
        assert_eq!(parse(&[0x11]), Err(AacError::Short(1)));
        assert_eq!(parse(&[0x16, 0x90]), Err(AacError::SampleRate(13)));
        assert_eq!(parse(&[0x11, 0xc8]), Err(AacError::Channels(9)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(params) = parse(&bytes) {
                let _ = params.is_lc_48k_stereo();
            }
        }
    }
}
