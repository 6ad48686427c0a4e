//! Packetized elementary streams (H.222.0, 2.4.3.6).

/// Bytes before the optional header.
const HEAD_BYTES: usize = 6;

/// The payload of one PES packet.
#[derive(Debug, PartialEq, Eq)]
pub struct Pes {
    /// Presentation time, 33 bits of 90 kHz.
    pub pts: Option<u64>,
    /// Decoding time; as `pts` when not given.
    pub dts: Option<u64>,
    /// The elementary stream.
    pub data: Vec<u8>,
}

/// A packet that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

/// Puts the PES packets of one stream together.
#[derive(Debug)]
pub struct Assembler {
    bytes: Vec<u8>,
    open: bool,
    damaged: bool,
    bytes_max: usize,
}

impl Assembler {
    /// Packets longer than `bytes_max` are damaged.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), open: false, damaged: false, bytes_max }
    }

    /// Takes the payload of a packet; `starts` says that a PES packet begins with it.
    pub fn push(&mut self, payload: &[u8], starts: bool, mut take: impl FnMut(Result<Pes, Damaged>)) {
        if starts {
            self.close(&mut take);
            self.open = true;
        }
        if !self.open {
            return;
        }
        if self.bytes.len() + payload.len() > self.bytes_max {
            self.damaged = true;
            self.bytes.clear();
        }
        if !self.damaged {
            self.bytes.extend_from_slice(payload);
        }
        if self.length().is_some_and(|length| self.bytes.len() >= length) {
            self.close(&mut take);
        }
    }

    /// Something of this stream is missing here.
    pub fn lost(&mut self) {
        self.damaged = self.open;
    }

    /// What has begun is over.
    pub fn close(&mut self, mut take: impl FnMut(Result<Pes, Damaged>)) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        let next = Vec::with_capacity(self.bytes.len());
        let bytes = std::mem::replace(&mut self.bytes, next);
        let whole = !std::mem::take(&mut self.damaged);
        take(if whole { read(bytes).ok_or(Damaged) } else { Err(Damaged) });
    }

    /// The whole length, once it is known; video may leave it open.
    fn length(&self) -> Option<usize> {
        match u16::from_be_bytes([*self.bytes.get(4)?, *self.bytes.get(5)?]) {
            0 => None,
            length => Some(HEAD_BYTES + usize::from(length)),
        }
    }
}

fn read(mut bytes: Vec<u8>) -> Option<Pes> {
    if bytes.get(..3)? != [0, 0, 1] || bytes.len() < HEAD_BYTES {
        return None;
    }
    let announced = usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
    if announced > 0 {
        if bytes.len() < HEAD_BYTES + announced {
            return None;
        }
        bytes.truncate(HEAD_BYTES + announced);
    }
    let &[_, flags, header_bytes] = bytes.get(HEAD_BYTES..)?.first_chunk()?;
    let flags = flags >> 6;
    let header = HEAD_BYTES + 3 + usize::from(header_bytes);
    let times = bytes.get(HEAD_BYTES + 3..header)?;
    let pts = if flags & 0b10 != 0 { Some(time(times)?) } else { None };
    let dts = if flags == 0b11 { Some(time(times.get(5..)?)?) } else { pts };
    bytes.drain(..header);
    Some(Pes { pts, dts, data: bytes })
}

fn time(bytes: &[u8]) -> Option<u64> {
    let &[a, b, c, d, e] = bytes.first_chunk()?;
    let (a, b, c, d, e) = (u64::from(a), u64::from(b), u64::from(c), u64::from(d), u64::from(e));
    Some((a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn coded(mark: u8, time: u64) -> [u8; 5] {
        let byte = |shift: u32| (time >> shift) as u8;
        [mark << 4 | (byte(30) & 7) << 1 | 1, byte(22), byte(14) | 1, byte(7), byte(0) << 1 | 1]
    }

    /// A PES packet with these times.
    pub fn pes(stream: u8, pts: u64, dts: u64, data: &[u8], bounded: bool) -> Vec<u8> {
        let length = if bounded { (13 + data.len()) as u16 } else { 0 };
        let mut out = vec![0, 0, 1, stream];
        out.extend(length.to_be_bytes());
        out.extend([0x80, 0xc0, 10]);
        out.extend(coded(3, pts));
        out.extend(coded(1, dts));
        out.extend(data);
        out
    }

    fn all(pushes: &[(&[u8], bool)]) -> Vec<Result<Pes, Damaged>> {
        let (mut assembler, mut found) = (Assembler::new(1000), Vec::new());
        for (payload, starts) in pushes {
            assembler.push(payload, *starts, |pes| found.push(pes));
        }
        assembler.close(|pes| found.push(pes));
        found
    }

    #[test]
    fn a_packet_with_a_length_is_done_with_its_last_byte() {
        let whole = pes(0xc0, (1 << 33) - 1, 12_345, b"sound", true);
        let (mut assembler, mut found) = (Assembler::new(1000), Vec::new());
        assembler.push(&whole[..20], true, |pes| found.push(pes));
        assembler.push(&whole[20..], false, |pes| found.push(pes));
        let expected = Pes { pts: Some((1 << 33) - 1), dts: Some(12_345), data: b"sound".to_vec() };
        assert_eq!(found, [Ok(expected)]);
    }

    #[test]
    fn a_packet_without_one_is_done_when_the_next_begins() {
        let (one, two) = (pes(0xe0, 2, 1, b"picture", false), pes(0xe0, 4, 3, b"next", false));
        let found = all(&[(b"tail of one that began before", false), (&one, true), (b" more", false), (&two, true)]);
        let data: Vec<&[u8]> = found.iter().map(|pes| &pes.as_ref().expect("whole").data[..]).collect();
        assert_eq!(data, [&b"picture more"[..], b"next"]);
    }

    #[test]
    fn what_is_incomplete_or_too_long_is_damaged() {
        let whole = pes(0xc0, 2, 1, b"sound", true);
        assert_eq!(all(&[(&whole[..20], true)]), [Err(Damaged)]);
        assert_eq!(all(&[(&pes(0xe0, 2, 1, &[0; 900], false), true), (&[0; 900], false)]), [Err(Damaged)]);
        assert_eq!(all(&[(b"no start code", true)]), [Err(Damaged)]);
        for announced in 0..3 {
            assert_eq!(all(&[(&[0, 0, 1, 0xe0, 0, announced, 0x80, 0xc0, 10][..], true)]), [Err(Damaged)]);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_assembler_panic(
            pushes in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..200), any::<bool>()), 0..20),
        ) {
            let pushes: Vec<(&[u8], bool)> = pushes.iter().map(|(bytes, starts)| (&bytes[..], *starts)).collect();
            all(&pushes);
        }
    }
}
