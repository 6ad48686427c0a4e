use h264_reader::nal::sps::{FrameMbsFlags, SeqParameterSet};
use h264_reader::rbsp::{BitReader, decode_nal};

use crate::FrameRate;

/// What a sequence parameter set says of the picture (ISO/IEC 14496-10, 7.4.2.1.1 and annex E).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpsInfo {
    /// Width in pixels after cropping.
    pub width: u32,
    /// Height in pixels after cropping.
    pub height: u32,
    /// Sample aspect ratio, width to height of one pixel; 1:1 when the stream does not say.
    pub sample_aspect: (u32, u32),
    /// Frame rate of the VUI timing information. It is a declaration: encoders leave it out or lie.
    pub declared_rate: Option<FrameRate>,
    /// Whether pictures may be coded as fields.
    pub interlaced: bool,
    /// Bits per luma sample; 8 for everything a browser plays.
    pub bit_depth: u8,
    /// 1 for 4:2:0 (table 6-1).
    pub chroma_format_idc: u32,
}

/// Why a sequence parameter set could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SpsError {
    /// The bits do not follow the syntax, or a value is out of its range.
    #[error("the H.264 sequence parameter set is malformed: {0}")]
    Malformed(String),
    /// A picture of no size, or one larger than `MAX_SIDE` on a side.
    #[error("the H.264 sequence parameter set gives a picture of {width}x{height}; each side must be 16 to 8192")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
}

/// The longest side of a picture that is taken; 8K is 7680 wide.
const MAX_SIDE: u32 = 8192;
/// The shortest side: one macroblock.
const MIN_SIDE: u32 = 16;
/// The last chroma format that there is, 4:4:4.
const MAX_CHROMA_FORMAT_IDC: u32 = 3;
/// A sequence parameter set larger than this is not read: real ones have some dozens of bytes.
const MAX_SPS_BYTES: usize = 4096;

impl SpsInfo {
    /// Reads one SPS NAL unit, its header byte included, emulation prevention bytes still in place.
    pub fn parse(nal: &[u8]) -> Result<Self, SpsError> {
        let malformed = |what: String| SpsError::Malformed(what);
        // `decode_nal` panics on it.
        if nal.is_empty() {
            return Err(malformed("it is empty".to_owned()));
        }
        if nal.len() > MAX_SPS_BYTES {
            return Err(malformed(format!("{} bytes long, at most {MAX_SPS_BYTES} are read", nal.len())));
        }
        let rbsp = decode_nal(nal).map_err(|e| malformed(e.to_string()))?;
        let sps = SeqParameterSet::from_bits(BitReader::new(&*rbsp)).map_err(|e| malformed(format!("{e:?}")))?;
        let chroma_format_idc = sps.chroma_info.chroma_format.to_u32();
        if chroma_format_idc > MAX_CHROMA_FORMAT_IDC {
            return Err(malformed(format!("chroma format {chroma_format_idc} does not exist")));
        }
        let (width, height) = sps.pixel_dimensions().map_err(|e| malformed(format!("{e:?}")))?;
        let sides = MIN_SIDE..=MAX_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(SpsError::Size { width, height });
        }
        let vui = sps.vui_parameters.as_ref();
        let sample_aspect = vui
            .and_then(|vui| vui.aspect_ratio_info.as_ref())
            .and_then(|aspect| aspect.get())
            .filter(|&(w, h)| w > 0 && h > 0)
            .map_or((1, 1), |(w, h)| (u32::from(w), u32::from(h)));
        // One frame is two ticks (E.2.1).
        let declared_rate = vui
            .and_then(|vui| vui.timing_info.as_ref())
            .filter(|timing| timing.num_units_in_tick > 0 && timing.time_scale > 0)
            .map(|timing| reduced(timing.time_scale, u64::from(timing.num_units_in_tick) * 2));
        Ok(Self {
            width,
            height,
            sample_aspect,
            declared_rate,
            interlaced: matches!(sps.frame_mbs_flags, FrameMbsFlags::Fields { .. }),
            bit_depth: sps.chroma_info.bit_depth_luma_minus8 + 8,
            chroma_format_idc,
        })
    }
}

/// `num / den` in lowest terms, squeezed into 32 bits.
fn reduced(num: u32, den: u64) -> FrameRate {
    let (mut a, mut b) = (u64::from(num), den);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    FrameRate::new((u64::from(num) / a) as u32, u32::try_from(den / a).unwrap_or(u32::MAX))
}
