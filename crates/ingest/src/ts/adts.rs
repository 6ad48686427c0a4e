//! AAC with ADTS headers (ISO/IEC 14496-3, 1.A.2.2).

use bytes::Bytes;

/// Bytes of a header without a check sum.
const HEADER_BYTES: usize = 7;

/// One frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the whole frame.
    pub length: usize,
    /// Bytes before the coded data.
    pub header: usize,
    /// The decoder configuration, two bytes.
    asc: [u8; 2],
    /// Whether there is just one block of data in the frame, as everybody sends it.
    pub single: bool,
}

impl Header {
    /// Reads the header at the front of `bytes`, which hold at least [`MEASURE_BYTES`]; `None` when there is none.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        // Twelve bits of one, and layer 0.
        if bytes[0] != 0xff || bytes[1] & 0xf6 != 0xf0 {
            return None;
        }
        let header = if bytes[1] & 1 == 1 { HEADER_BYTES } else { HEADER_BYTES + 2 };
        let length = usize::from(bytes[3] & 3) << 11 | usize::from(bytes[4]) << 3 | usize::from(bytes[5] >> 5);
        let object_type = (bytes[2] >> 6) + 1;
        let rate = bytes[2] >> 2 & 0x0f;
        let channels = (bytes[2] & 1) << 2 | bytes[3] >> 6;
        let asc = [object_type << 3 | rate >> 1, rate << 7 | channels << 3];
        (length > header).then_some(Self { length, header, asc, single: bytes[6] & 3 == 0 })
    }

    /// The decoder configuration.
    pub fn asc(self) -> Bytes {
        Bytes::copy_from_slice(&self.asc)
    }
}

/// Bytes by which the length of a frame is known.
pub const MEASURE_BYTES: usize = HEADER_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_gives_length_and_configuration() {
        // LC, 48 kHz, stereo, 371 bytes, no check sum.
        let header = Header::read(&[0xff, 0xf1, 0x4c, 0x80, 0x2e, 0x7f, 0xfc]).expect("a header");
        assert_eq!((header.length, header.header, header.single), (371, 7, true));
        assert_eq!(header.asc(), [0x11, 0x90][..]);
        assert_eq!(Header::read(&[0xff, 0xf3, 0x4c, 0x80, 0x2e, 0x7f, 0xfc]), None, "MPEG layer");
        assert_eq!(Header::read(&[0xff, 0xf1, 0x4c, 0x80, 0x00, 0x7f, 0xfc]), None, "shorter than itself");
    }
}
