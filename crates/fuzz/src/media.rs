use bytes::Bytes;
use weir_media::{AudioParams, BitReader, SpsInfo, VideoParams, asc_bits, nal_units};

/// A sequence parameter set alone and as a decoder configuration. The first byte says as which; of a configuration the same
/// bytes are a frame, too.
pub fn avc(data: &[u8]) {
    let Some((&how, bytes)) = data.split_first() else { return };
    if how & 1 == 0 {
        if let Ok(sps) = SpsInfo::parse(bytes) {
            assert_sps(&sps);
        }
        return;
    }
    let length_size = [1, 2, 4][usize::from(how >> 1) % 3];
    let units: usize = nal_units(bytes, length_size).map(|unit| usize::from(length_size) + unit.len()).sum();
    assert!(units <= bytes.len());
    if let Ok(params) = VideoParams::from_avcc(Bytes::copy_from_slice(bytes)) {
        assert_sps(&params.sps);
        assert!(params.avcc == bytes && matches!(params.nal_length_size, 1 | 2 | 4));
        let codec = params.codec_string();
        assert!(
            codec.strip_prefix("avc1.").is_some_and(|hex| u32::from_str_radix(hex, 16).is_ok_and(|_| hex.len() == 6))
        );
    }
}

fn assert_sps(sps: &SpsInfo) {
    assert!((16..=8192).contains(&sps.width) && (16..=8192).contains(&sps.height));
    assert!(sps.sample_aspect.0 > 0 && sps.sample_aspect.1 > 0);
    assert!((8..=14).contains(&sps.bit_depth) && sps.chroma_format_idc <= 3);
    if let Some(rate) = sps.declared_rate {
        assert!(rate.num > 0 && rate.den > 0);
    }
}

/// An `AudioSpecificConfig`, and how many bits of the bytes are one.
pub fn aac(data: &[u8]) {
    if let Some(bits) = asc_bits(&BitReader::new(data)) {
        assert!(bits <= data.len() * 8);
    }
    let Ok(params) = AudioParams::from_asc(Bytes::copy_from_slice(data)) else { return };
    assert!((7350..=96_000).contains(&params.sample_rate) && params.channels <= 8 && params.asc == data);
    if params.is_lc_48k_stereo() {
        let plain = AudioParams::lc_48k_stereo();
        assert_eq!((params.sample_rate, params.channels), (plain.sample_rate, plain.channels));
        assert!(params.is_aac() && params.codec_string() == plain.codec_string());
    }
}
