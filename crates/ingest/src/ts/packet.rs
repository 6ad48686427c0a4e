//! One packet of a transport stream (H.222.0, 2.4.3.2).

/// The header and adaptation field of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Which stream.
    pub pid: u16,
    /// Whether a section or PES packet begins here.
    pub starts: bool,
    /// Counts the packets of the stream that have a payload, modulo 16.
    pub counter: u8,
    /// Whether counters or the clock may jump here.
    pub discontinuity: bool,
    /// The program clock, in ticks of 90 kHz and 33 bits.
    pub clock: Option<u64>,
    /// What it carries; `None` for none at all.
    pub payload: Option<&'a [u8]>,
}

/// Why a packet is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// A demodulator says that it is damaged.
    Damaged,
    /// It is scrambled.
    Scrambled,
    /// Its adaptation field does not fit.
    Malformed,
}

impl<'a> Packet<'a> {
    /// Reads a packet of 188 bytes, with the stream it belongs to where that can be told.
    pub fn read(bytes: &'a [u8]) -> Result<Self, (u16, Unusable)> {
        let pid = u16::from_be_bytes([bytes[1] & 0x1f, bytes[2]]);
        if bytes[1] & 0x80 != 0 {
            return Err((pid, Unusable::Damaged));
        }
        if bytes[3] & 0xc0 != 0 {
            return Err((pid, Unusable::Scrambled));
        }
        let mut packet = Self {
            pid,
            starts: bytes[1] & 0x40 != 0,
            counter: bytes[3] & 0x0f,
            discontinuity: false,
            clock: None,
            payload: None,
        };
        let mut rest = &bytes[4..];
        if bytes[3] & 0x20 != 0 {
            let length = usize::from(rest[0]);
            let Some((field, behind)) = rest[1..].split_at_checked(length) else {
                return Err((pid, Unusable::Malformed));
            };
            packet.adaptation(field);
            rest = behind;
        }
        if bytes[3] & 0x10 != 0 {
            packet.payload = Some(rest);
        }
        Ok(packet)
    }

    fn adaptation(&mut self, field: &[u8]) {
        let Some(flags) = field.first() else { return };
        self.discontinuity = flags & 0x80 != 0;
        if flags & 0x10 != 0
            && let Some(&[a, b, c, d, e, _]) = field.get(1..7)
        {
            self.clock = Some(u64::from(u32::from_be_bytes([a, b, c, d])) << 1 | u64::from(e >> 7));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(head: &[u8]) -> [u8; 188] {
        let mut bytes = [0xff; 188];
        bytes[..head.len()].copy_from_slice(head);
        bytes
    }

    #[test]
    fn header_and_adaptation_field_are_read() {
        let bytes = packet(&[0x47, 0x41, 0x00, 0x35, 7, 0x90, 0, 0, 0, 1, 0x80, 0]);
        let read = Packet::read(&bytes).expect("valid");
        assert_eq!((read.pid, read.starts, read.counter, read.discontinuity), (0x100, true, 5, true));
        assert_eq!(read.clock, Some(3));
        assert_eq!(read.payload.map(<[u8]>::len), Some(184 - 8));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        assert_eq!(Packet::read(&packet(&[0x47, 0x80, 9, 0x10])), Err((9, Unusable::Damaged)));
        assert_eq!(Packet::read(&packet(&[0x47, 0, 9, 0x90])), Err((9, Unusable::Scrambled)));
        assert_eq!(Packet::read(&packet(&[0x47, 0, 9, 0x30, 184])), Err((9, Unusable::Malformed)));
    }

    proptest! {
        #[test]
        fn no_packet_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 188)) {
            let _ = Packet::read(&bytes);
        }
    }
}
