//! Decoder configurations that weir takes.

use bytes::Bytes;
use weir_media::{AudioParams, VideoParams};

use crate::UnsupportedMedia;

/// Reads an `AVCDecoderConfigurationRecord` of 8-bit 4:2:0.
pub(crate) fn video_params(avcc: Bytes) -> Result<VideoParams, UnsupportedMedia> {
    let params = VideoParams::from_avcc(avcc).map_err(UnsupportedMedia::VideoConfig)?;
    match (params.sps.bit_depth, params.sps.chroma_format_idc) {
        (8, 1) => Ok(params),
        (bit_depth, chroma_format_idc) => Err(UnsupportedMedia::PixelFormat { bit_depth, chroma_format_idc }),
    }
}

/// Reads an `AudioSpecificConfig` of the LC and HE family.
pub(crate) fn audio_params(asc: Bytes) -> Result<AudioParams, UnsupportedMedia> {
    let params = AudioParams::from_asc(asc).map_err(UnsupportedMedia::AudioConfig)?;
    if !params.is_aac() {
        return Err(UnsupportedMedia::AacObjectType(params.object_type));
    }
    Ok(params)
}
