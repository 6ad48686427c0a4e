//! The shape of SRT datagrams (draft-sharabayko-srt-01, 3): everything from the network is read here first, and what does
//! not have the right shape goes no further.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::seq::Seq;

/// The header of every packet, in bytes.
pub const HEADER_BYTES: usize = 16;
/// The largest UDP payload that is taken: an Ethernet frame less the headers of IP and UDP.
pub const DATAGRAM_BYTES_MAX: usize = 1472;

/// Control packet types (table 1).
mod kind {
    pub const HANDSHAKE: u16 = 0;
    pub const KEEPALIVE: u16 = 1;
    pub const ACK: u16 = 2;
    pub const NAK: u16 = 3;
    pub const CONGESTION_WARNING: u16 = 4;
    pub const SHUTDOWN: u16 = 5;
    pub const ACKACK: u16 = 6;
    pub const DROP_REQUEST: u16 = 7;
    pub const PEER_ERROR: u16 = 8;
    pub const USER: u16 = 0x7fff;
}

/// Subtypes of the user-defined type (3.2.2).
const USER_KEY_REQUEST: u16 = 3;
const USER_KEY_RESPONSE: u16 = 4;

/// One datagram.
#[derive(Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The socket it is for; 0 asks for a new one.
    pub to: u32,
    /// Microseconds since the sender's connection began; wraps after 71 minutes.
    pub timestamp: u32,
    /// What it holds.
    pub packet: Packet,
}

/// What a datagram holds, as far as a receiver has to know it.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet {
    /// Media.
    Data(Data),
    /// The fields of a handshake, for [`Handshake::read`](super::handshake::Handshake::read).
    Handshake(Bytes),
    /// A sign of life.
    KeepAlive,
    /// The peer is done.
    Shutdown,
    /// The answer to our acknowledgement of this number.
    AckAck(u32),
    /// The peer will not send these any more: first and last.
    DropRequest(Seq, Seq),
    /// New keys, wrapped.
    KeyRequest(Bytes),
    /// Something that means nothing to a receiver.
    Ignored,
}

/// One packet of media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// Its place.
    pub seq: Seq,
    /// Which key it is encrypted with, if any.
    pub key: Option<Parity>,
    /// Whether it was sent before.
    pub retransmitted: bool,
    /// What it carries.
    pub payload: Bytes,
}

/// Which of the two keys in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parity {
    /// The even one.
    Even,
    /// The odd one.
    Odd,
}

/// Why a datagram is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than a header, or than its type asks for.
    Short,
    /// Longer than any SRT packet.
    Long,
    /// A type that does not exist.
    Type,
    /// Media that is part of a larger message, which live mode does not know.
    Message,
    /// Both keys at once.
    Key,
    /// A range that ends before it begins.
    Range,
}

impl Malformed {
    /// The value of the `reason` label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
            Self::Type => "type",
            Self::Message => "message",
            Self::Key => "key",
            Self::Range => "range",
        }
    }
}

impl Datagram {
    /// Reads one datagram.
    pub fn read(mut bytes: Bytes) -> Result<Self, Malformed> {
        if bytes.len() < HEADER_BYTES {
            return Err(Malformed::Short);
        }
        if bytes.len() > DATAGRAM_BYTES_MAX {
            return Err(Malformed::Long);
        }
        let (first, second, timestamp, to) = (bytes.get_u32(), bytes.get_u32(), bytes.get_u32(), bytes.get_u32());
        let packet = if first >> 31 == 0 {
            Packet::Data(data(first, second, bytes)?)
        } else {
            control((first >> 16 & 0x7fff) as u16, first as u16, second, bytes)?
        };
        Ok(Self { to, timestamp, packet })
    }
}

/// 3.1
fn data(first: u32, second: u32, payload: Bytes) -> Result<Data, Malformed> {
    const SOLO: u32 = 0b11;
    if second >> 30 != SOLO {
        return Err(Malformed::Message);
    }
    let key = match second >> 27 & 0b11 {
        0b00 => None,
        0b01 => Some(Parity::Even),
        0b10 => Some(Parity::Odd),
        _ => return Err(Malformed::Key),
    };
    if payload.is_empty() {
        return Err(Malformed::Short);
    }
    Ok(Data { seq: Seq::new(first), key, retransmitted: second >> 26 & 1 == 1, payload })
}

/// 3.2
fn control(kind: u16, subtype: u16, info: u32, mut body: Bytes) -> Result<Packet, Malformed> {
    Ok(match kind {
        kind::HANDSHAKE => Packet::Handshake(body),
        kind::KEEPALIVE => Packet::KeepAlive,
        kind::SHUTDOWN => Packet::Shutdown,
        kind::ACKACK => Packet::AckAck(info),
        kind::DROP_REQUEST => {
            if body.len() < 8 {
                return Err(Malformed::Short);
            }
            let (first, last) = (Seq::new(body.get_u32()), Seq::new(body.get_u32()));
            if last.since(first) < 0 {
                return Err(Malformed::Range);
            }
            Packet::DropRequest(first, last)
        }
        kind::USER if subtype == USER_KEY_REQUEST => Packet::KeyRequest(body),
        // Only a sender has a use for these: nothing of them is read.
        kind::ACK | kind::NAK | kind::CONGESTION_WARNING | kind::PEER_ERROR | kind::USER => Packet::Ignored,
        _ => return Err(Malformed::Type),
    })
}

/// Writes control packets of one connection: the peer's socket, and `timestamp` microseconds since it began.
#[derive(Debug, Clone, Copy)]
pub struct Writer {
    /// The peer's socket.
    pub to: u32,
    /// Microseconds since the connection began.
    pub timestamp: u32,
}

impl Writer {
    /// A handshake with these fields.
    pub fn handshake(self, fields: &[u8]) -> Bytes {
        self.control(kind::HANDSHAKE, 0, 0, fields)
    }

    /// A sign of life.
    pub fn keepalive(self) -> Bytes {
        // libsrt sends four bytes, as an empty body cannot be sent everywhere.
        self.control(kind::KEEPALIVE, 0, 0, &[0; 4])
    }

    /// We are done.
    pub fn shutdown(self) -> Bytes {
        self.control(kind::SHUTDOWN, 0, 0, &[0; 4])
    }

    /// Acknowledgement `number`; with one word it is a light one, with all seven it asks for an answer (3.2.4).
    pub fn ack(self, number: u32, words: &[u32]) -> Bytes {
        self.control(kind::ACK, 0, number, &in_bytes(words))
    }

    /// A loss report (3.2.5, appendix A): first and last of each range.
    pub fn nak(self, ranges: &[(Seq, Seq)]) -> Bytes {
        let mut words = Vec::with_capacity(2 * ranges.len());
        for (first, last) in ranges {
            if first == last {
                words.push(first.raw());
            } else {
                words.extend([first.raw() | 1 << 31, last.raw()]);
            }
        }
        self.control(kind::NAK, 0, 0, &in_bytes(&words))
    }

    /// The answer to new keys: the same message back, or a state in four bytes.
    pub fn key_response(self, message: &[u8]) -> Bytes {
        self.control(kind::USER, USER_KEY_RESPONSE, 0, message)
    }

    fn control(self, kind: u16, subtype: u16, info: u32, body: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(HEADER_BYTES + body.len());
        out.put_u16(kind | 0x8000);
        out.put_u16(subtype);
        out.put_u32(info);
        out.put_u32(self.timestamp);
        out.put_u32(self.to);
        out.put_slice(body);
        out.freeze()
    }
}

fn in_bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(words: &[u32], tail: &[u8]) -> Result<Datagram, Malformed> {
        let mut bytes = in_bytes(words);
        bytes.extend_from_slice(tail);
        Datagram::read(bytes.into())
    }

    #[test]
    fn media_is_read_with_its_flags() {
        let datagram = read(&[7, 0b11 << 30 | 0b10 << 27 | 1 << 26 | 99, 1000, 42], b"ts").expect("valid");
        assert_eq!((datagram.to, datagram.timestamp), (42, 1000));
        let expected =
            Data { seq: Seq::new(7), key: Some(Parity::Odd), retransmitted: true, payload: Bytes::from_static(b"ts") };
        assert_eq!(datagram.packet, Packet::Data(expected));
    }

    #[test]
    fn what_has_the_wrong_shape_is_named() {
        assert_eq!(read(&[0, 0, 0], &[]), Err(Malformed::Short));
        assert_eq!(read(&[1, 0b11 << 30, 0, 1], &[]), Err(Malformed::Short));
        assert_eq!(read(&[1, 0b10 << 30, 0, 1], b"x"), Err(Malformed::Message));
        assert_eq!(read(&[1, 0b11 << 30 | 0b11 << 27, 0, 1], b"x"), Err(Malformed::Key));
        assert_eq!(read(&[1, 0b11 << 30, 0, 1], &[0; 1472]), Err(Malformed::Long));
        assert_eq!(read(&[0x8009_0000, 0, 0, 1], &[]), Err(Malformed::Type));
        assert_eq!(read(&[0x8007_0000, 0, 0, 1], &[0; 7]), Err(Malformed::Short));
        assert_eq!(read(&[0x8007_0000, 0, 0, 1, 9, 8], &[]), Err(Malformed::Range));
    }

    #[test]
    fn the_packets_that_kill_other_receivers_mean_nothing_here() {
        // Congestion warning, peer error, unknown user subtype, a loss report cut in the middle of a range, a huge range.
        for words in [
            &[0x8004_0000, 0, 0, 1][..],
            &[0x8008_0000, 0, 0, 1],
            &[0xffff_0063, 0, 0, 1],
            &[0x8003_0000, 0, 0, 1, 0x8000_0001],
            &[0x8003_0000, 0, 0, 1, 0x8000_0001, 0x7fff_fffe],
        ] {
            assert_eq!(read(words, &[]).map(|datagram| datagram.packet), Ok(Packet::Ignored));
        }
    }

    #[test]
    fn a_loss_report_tells_ranges_and_single_packets_apart() {
        let writer = Writer { to: 3, timestamp: 4 };
        let report = writer.nak(&[(Seq::new(5), Seq::new(5)), (Seq::new(7), Seq::new(9))]);
        assert_eq!(report, in_bytes(&[0x8003_0000, 0, 4, 3, 5, 0x8000_0007, 9]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_guard_panic(bytes in prop::collection::vec(any::<u8>(), 0..1600)) {
            let _ = Datagram::read(bytes.into());
        }
    }
}
