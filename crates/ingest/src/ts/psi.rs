//! Program specific information (H.222.0, 2.4.4): which programs there are, and which streams they have.

/// The longest section, with its header.
const SECTION_BYTES_MAX: usize = 1024 + 3;
const TABLE_PROGRAMS: u8 = 0;
const TABLE_STREAMS: u8 = 2;

/// Puts sections together and hands out those that are whole and have the right check sum.
#[derive(Debug, Default)]
pub struct Sections {
    bytes: Vec<u8>,
    /// Whether a section has begun.
    open: bool,
}

impl Sections {
    /// Takes the payload of a packet; `starts` says that it begins with a pointer to a new section.
    pub fn push(&mut self, payload: &[u8], starts: bool, mut take: impl FnMut(&[u8])) {
        let Some((pointer, behind)) = payload.split_first().filter(|_| starts) else {
            if self.open {
                self.bytes.extend_from_slice(payload);
                self.drain(&mut take);
            }
            return;
        };
        let Some((end, begin)) = behind.split_at_checked(usize::from(*pointer)) else { return self.lost() };
        if self.open {
            self.bytes.extend_from_slice(end);
            self.drain(&mut take);
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(begin);
        self.open = true;
        self.drain(&mut take);
    }

    /// Something is missing: what has begun cannot be finished.
    pub fn lost(&mut self) {
        self.bytes.clear();
        self.open = false;
    }

    fn drain(&mut self, take: &mut impl FnMut(&[u8])) {
        while self.open {
            // Behind the last section there is stuffing.
            if self.bytes.first() == Some(&0xff) {
                return self.lost();
            }
            let Some(&[_, high, low]) = self.bytes.get(..3) else { return };
            let length = 3 + usize::from(u16::from_be_bytes([high & 0x0f, low]));
            if length > SECTION_BYTES_MAX {
                return self.lost();
            }
            if self.bytes.len() < length {
                return;
            }
            if check_sum(&self.bytes[..length]) == 0 {
                take(&self.bytes[..length]);
            }
            self.bytes.drain(..length);
        }
    }
}

/// The CRC of annex A; 0 over a section and its own check sum.
fn check_sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(*byte) << 24,
            |sum, _| {
                if sum >> 31 == 1 { sum << 1 ^ 0x04c1_1db7 } else { sum << 1 }
            },
        )
    })
}

/// What is common to both tables: the body of a section that is in force.
fn body(section: &[u8], table: u8) -> Option<&[u8]> {
    let in_force = section.get(5)? & 1 == 1;
    (section[0] == table && in_force).then(|| section.get(8..section.len() - 4)).flatten()
}

/// The programs of a program association section: number and PID of the table of streams.
pub fn programs(section: &[u8]) -> Option<Vec<(u16, u16)>> {
    let entries = body(section, TABLE_PROGRAMS)?.chunks_exact(4);
    let entry =
        |entry: &[u8]| (u16::from_be_bytes([entry[0], entry[1]]), u16::from_be_bytes([entry[2] & 0x1f, entry[3]]));
    // Number 0 is the network's.
    Some(entries.map(entry).filter(|(number, _)| *number != 0).collect())
}

/// One elementary stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Where it is.
    pub pid: u16,
    /// What it is.
    pub codec: Codec,
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// H.264.
    H264,
    /// AAC with ADTS headers.
    Adts,
    /// AAC in LATM.
    Latm,
    /// Video of another kind.
    OtherVideo(&'static str),
    /// Audio of another kind.
    OtherAudio(&'static str),
    /// Something that is neither, or not known.
    Data,
}

/// The streams of a program map section of this program.
pub fn streams(section: &[u8], program: u16) -> Option<Vec<Stream>> {
    let body = body(section, TABLE_STREAMS)?;
    if u16::from_be_bytes([section[3], section[4]]) != program {
        return None;
    }
    let length = |high: u8, low: u8| usize::from(u16::from_be_bytes([high & 0x0f, low]));
    let info = length(*body.get(2)?, *body.get(3)?);
    let mut rest = body.get(4 + info..)?;
    let mut streams = Vec::new();
    while let Some((head, behind)) = rest.split_at_checked(5) {
        let (descriptors, next) = behind.split_at_checked(length(head[3], head[4]))?;
        let pid = u16::from_be_bytes([head[1] & 0x1f, head[2]]);
        streams.push(Stream { pid, codec: codec(head[0], descriptors) });
        rest = next;
    }
    Some(streams)
}

/// Table 2-34 and what is in use beside it.
fn codec(stream_type: u8, descriptors: &[u8]) -> Codec {
    match stream_type {
        0x1b => Codec::H264,
        0x0f => Codec::Adts,
        0x11 => Codec::Latm,
        0x01 => Codec::OtherVideo("MPEG-1 video"),
        0x02 => Codec::OtherVideo("MPEG-2 video"),
        0x10 => Codec::OtherVideo("MPEG-4 part 2"),
        0x20 => Codec::OtherVideo("H.264 MVC"),
        0x21 => Codec::OtherVideo("JPEG 2000"),
        0x24 => Codec::OtherVideo("HEVC"),
        0x33 => Codec::OtherVideo("VVC"),
        0xea => Codec::OtherVideo("VC-1"),
        0x03 | 0x04 => Codec::OtherAudio("MPEG audio (MP2 or MP3)"),
        0x1c => Codec::OtherAudio("AAC without ADTS or LATM"),
        0x81 => Codec::OtherAudio("AC-3"),
        0x87 => Codec::OtherAudio("E-AC-3"),
        // 0x86 is DTS-HD on discs, and splice information (SCTE 35) on air.
        0x82 | 0x85 | 0x8a => Codec::OtherAudio("DTS"),
        0x06 => private(descriptors),
        _ => Codec::Data,
    }
}

/// Private data says by its descriptors what it is.
fn private(mut descriptors: &[u8]) -> Codec {
    while let Some((&[tag, length], behind)) = descriptors.split_first_chunk() {
        let Some((content, next)) = behind.split_at_checked(usize::from(length)) else { break };
        match (tag, content) {
            (0x6a, _) => return Codec::OtherAudio("AC-3"),
            (0x7a, _) => return Codec::OtherAudio("E-AC-3"),
            (0x7b, _) => return Codec::OtherAudio("DTS"),
            (0x05, [b'A', b'C', b'-', b'3', ..]) => return Codec::OtherAudio("AC-3"),
            (0x05, [b'O', b'p', b'u', b's', ..]) => return Codec::OtherAudio("Opus"),
            (0x05, [b'H', b'E', b'V', b'C', ..]) => return Codec::OtherVideo("HEVC"),
            (0x05, [b'A', b'V', b'0', b'1', ..]) => return Codec::OtherVideo("AV1"),
            (0x05, [b'V', b'P', b'0', b'9', ..]) => return Codec::OtherVideo("VP9"),
            _ => {}
        }
        descriptors = next;
    }
    Codec::Data
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A section of `table` with this body, whole with its check sum.
    pub fn section(table: u8, id: u16, body: &[u8]) -> Vec<u8> {
        let length = (5 + body.len() + 4) as u16 | 0xb000;
        let mut out = vec![table];
        out.extend(length.to_be_bytes());
        out.extend(id.to_be_bytes());
        out.extend([0xc1, 0, 0]);
        out.extend(body);
        let sum = check_sum(&out);
        out.extend(sum.to_be_bytes());
        out
    }

    fn collect(pieces: &[(&[u8], bool)]) -> Vec<Vec<u8>> {
        let (mut sections, mut found) = (Sections::default(), Vec::new());
        for (payload, starts) in pieces {
            sections.push(payload, *starts, |section| found.push(section.to_vec()));
        }
        found
    }

    #[test]
    fn sections_are_put_together_across_packets() {
        let one = section(0, 1, &[0, 1, 0xe1, 0]);
        let with_pointer = [&[0][..], &one].concat();
        assert_eq!(collect(&[(&with_pointer, true)]), std::slice::from_ref(&one));
        assert_eq!(collect(&[(&with_pointer[..7], true), (&with_pointer[7..], false)]), std::slice::from_ref(&one));
        let last = [&[9, 1, 2, 3, 4, 5, 6, 7, 8, 9][..], &one, &[0xff; 20]].concat();
        assert_eq!(collect(&[(&last, true)]), std::slice::from_ref(&one));
        let mut damaged = with_pointer.clone();
        damaged[9] ^= 1;
        assert_eq!(collect(&[(&damaged, true)]), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn programs_and_streams_are_read() {
        let table = section(0, 1, &[0, 0, 0xe0, 16, 0, 3, 0xe1, 0, 0, 4, 0xe2, 0]);
        assert_eq!(programs(&table), Some(vec![(3, 0x100), (4, 0x200)]));
        let body = [
            0xe1, 0x01, 0xf0, 2, 9, 9, // clock, program descriptors
            0x1b, 0xe1, 0x01, 0xf0, 0, // H.264
            0x06, 0xe1, 0x02, 0xf0, 6, 5, 4, b'O', b'p', b'u', b's', // private
            0x0f, 0xe1, 0x03, 0xf0, 0, 0x8a, 0xe1, 0x04, 0xf0, 0, 0x05, 0xe1, 0x05, 0xf0, 0,
        ];
        let table = section(2, 3, &body);
        let found: Vec<(u16, Codec)> =
            streams(&table, 3).expect("valid").into_iter().map(|stream| (stream.pid, stream.codec)).collect();
        let expected = [
            (0x101, Codec::H264),
            (0x102, Codec::OtherAudio("Opus")),
            (0x103, Codec::Adts),
            (0x104, Codec::OtherAudio("DTS")),
            (0x105, Codec::Data),
        ];
        assert_eq!(found, expected);
        assert_eq!(streams(&table, 4), None, "another program's");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_readers_panic(body in prop::collection::vec(any::<u8>(), 0..200), table in 0..4_u8) {
            let whole = section(table, 3, &body);
            let _ = (programs(&whole), streams(&whole, 3));
            collect(&[(&body, true), (&body, false)]);
        }
    }
}
