//! AAC in LATM, as the audio synchronization stream of broadcasts (LOAS; ISO/IEC 14496-3, 1.7).

use bytes::Bytes;
use weir_media::{BitReader, asc_bits};

/// Bytes by which the length of a frame is known.
pub const MEASURE_BYTES: usize = 3;
/// The longest configuration that is believed.
const ASC_BITS_MAX: usize = 512;

/// The length of the frame that begins with `bytes`, header included; `None` when none does.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let &[a, b, c] = bytes.first_chunk()?;
    let sync = a == 0x56 && b & 0xe0 == 0xe0;
    sync.then_some(MEASURE_BYTES + (usize::from(b & 0x1f) << 8 | usize::from(c)))
}

/// A stream's configuration, which is repeated, but not in every frame.
#[derive(Debug, Default)]
pub struct Latm {
    asc: Option<Bytes>,
}

impl Latm {
    /// The decoder configuration and the coded data of a frame (its header included); `None` for what is not one program
    /// of one layer with one frame, and for frames before the first configuration.
    pub fn read(&mut self, frame: &[u8]) -> Option<(Bytes, Bytes)> {
        let mut bits = BitReader::new(frame.get(MEASURE_BYTES..)?);
        let same_as_before = bits.take(1)? == 1;
        if !same_as_before {
            self.asc = Some(configuration(&mut bits)?);
        }
        let asc = self.asc.clone()?;
        let mut length = 0;
        loop {
            let part = bits.take(8)? as usize;
            length += part;
            if part < 255 {
                break;
            }
        }
        Some((asc, bits.bytes(length * 8)?.into()))
    }
}

/// `StreamMuxConfig` (table 1.42).
fn configuration(bits: &mut BitReader<'_>) -> Option<Bytes> {
    let version = bits.take(1)?;
    if version == 1 && bits.take(1)? != 0 {
        return None;
    }
    if version == 1 {
        value(bits)?;
    }
    let same_time_framing = bits.take(1)? == 1;
    let (more_frames, more_programs, more_layers) = (bits.take(6)?, bits.take(4)?, bits.take(3)?);
    if !same_time_framing || (more_frames, more_programs, more_layers) != (0, 0, 0) {
        return None;
    }
    let length = match version {
        0 => asc_bits(bits)?,
        _ => value(bits)? as usize,
    };
    if length > ASC_BITS_MAX {
        return None;
    }
    let asc = bits.bytes(length)?;
    const VARIABLE_LENGTH: u32 = 0;
    if bits.take(3)? != VARIABLE_LENGTH {
        return None;
    }
    // How full the buffer is.
    bits.take(8)?;
    if bits.take(1)? == 1 {
        other_data(bits, version)?;
    }
    if bits.take(1)? == 1 {
        bits.take(8)?;
    }
    Some(asc.into())
}

/// The length of data that follows a frame, which nobody reads.
fn other_data(bits: &mut BitReader<'_>, version: u32) -> Option<()> {
    if version == 1 {
        return value(bits).map(|_| ());
    }
    while bits.take(1)? == 1 {
        bits.take(8)?;
    }
    bits.take(8).map(|_| ())
}

/// `LatmGetValue` (table 1.43).
fn value(bits: &mut BitReader<'_>) -> Option<u32> {
    let bytes = bits.take(2)? as usize + 1;
    bits.take(bytes * 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame as ffmpeg writes it: version 0, LC at 48 kHz in stereo.
    fn frame(with_configuration: bool, data: &[u8]) -> Vec<u8> {
        let mut bits = String::new();
        if with_configuration {
            bits += "0" /* not as before */;
            bits += "0" /* version */;
            bits += "1 000000 0000 000";
            bits += "00010 0011 0010 000" /* configuration */;
            bits += "000 11111111 0 0";
        } else {
            bits += "1";
        }
        bits += &format!("{:08b}", data.len());
        for byte in data {
            bits += &format!("{byte:08b}");
        }
        let bits: Vec<u32> = bits.chars().filter_map(|c| c.to_digit(2)).collect();
        let body: Vec<u8> = bits
            .chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |sum, (at, bit)| sum | (*bit as u8) << (7 - at)))
            .collect();
        let mut out = vec![0x56, 0xe0 | (body.len() >> 8) as u8, body.len() as u8];
        out.extend(body);
        out
    }

    #[test]
    fn a_frame_gives_its_data_and_the_configuration_that_holds() {
        let mut latm = Latm::default();
        let (first, next) = (frame(true, &[1, 2, 3]), frame(false, &[4, 5]));
        assert_eq!(latm.read(&next), None, "nothing is known yet");
        assert_eq!(length(&first), Some(first.len()));
        let asc = Bytes::from_static(&[0x11, 0x90]);
        assert_eq!(latm.read(&first), Some((asc.clone(), Bytes::from_static(&[1, 2, 3]))));
        assert_eq!(latm.read(&next), Some((asc, Bytes::from_static(&[4, 5]))));
        assert_eq!(length(&[0x57, 0xe0, 0]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Latm::default().read(&bytes);
        }
    }
}
