//! The fields of a handshake and of its extensions (draft-sharabayko-srt-01, 3.2.1).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::seq::Seq;

/// Handshake types. Anything from [`REFUSED`] on is a refusal.
pub const INDUCTION: u32 = 1;
/// As [`INDUCTION`].
pub const CONCLUSION: u32 = 0xffff_ffff;
const REFUSED: u32 = 1000;
/// What a listener of version 5 puts into the extension field of its first answer.
const MAGIC: u16 = 0x4a17;
/// The flags of the extension field that announce extensions: hello, key material, and all others.
const HAS_HELLO: u16 = 1;
const HAS_KEYS: u16 = 2;
/// Extension types (table 5).
mod extension {
    pub const HELLO_REQUEST: u16 = 1;
    pub const HELLO_RESPONSE: u16 = 2;
    pub const KEY_REQUEST: u16 = 3;
    pub const KEY_RESPONSE: u16 = 4;
    pub const STREAM_ID: u16 = 5;
    pub const CONGESTION: u16 = 6;
    pub const FILTER: u16 = 7;
    pub const GROUP: u16 = 8;
}
/// Bytes before the extensions.
const FIELDS_BYTES: usize = 48;
/// The longest stream id (3.2.1.3).
pub const STREAM_ID_BYTES_MAX: usize = 512;

/// Flags of the hello (table 6).
mod flag {
    pub const TSBPD_SENDER: u32 = 1;
    pub const TSBPD_RECEIVER: u32 = 1 << 1;
    pub const CRYPT: u32 = 1 << 2;
    pub const TOO_LATE_DROP: u32 = 1 << 3;
    pub const PERIODIC_NAK: u32 = 1 << 4;
    pub const RETRANSMIT_FLAG: u32 = 1 << 5;
    pub const STREAM: u32 = 1 << 6;
}
/// What weir announces: it takes timed packets, loss reports come again, and retransmissions should say so.
const OUR_FLAGS: u32 = flag::TSBPD_SENDER
    | flag::TSBPD_RECEIVER
    | flag::CRYPT
    | flag::TOO_LATE_DROP
    | flag::PERIODIC_NAK
    | flag::RETRANSMIT_FLAG;
/// The version of the protocol that this follows, 1.5.0.
const OUR_VERSION: u32 = 0x01_05_00;

/// A handshake as a caller sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// 4 in an induction, 5 in a conclusion.
    pub version: u32,
    /// Length of the key in bytes divided by 8; 0 when none is advertised.
    pub encryption: u16,
    /// The number of the first packet.
    pub first: Seq,
    /// The largest packet, headers of IP and UDP included.
    pub mtu: u32,
    /// [`INDUCTION`], [`CONCLUSION`] or something else.
    pub kind: u32,
    /// The caller's socket.
    pub socket: u32,
    /// What the listener had it repeat.
    pub cookie: u32,
    /// What follows the fields.
    pub extensions: Extensions,
}

/// The extensions of a conclusion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions {
    /// What the caller can do.
    pub hello: Option<Hello>,
    /// Its keys, wrapped.
    pub keys: Option<Bytes>,
    /// What it wants: at most [`STREAM_ID_BYTES_MAX`] bytes, not necessarily text.
    pub stream_id: Option<Vec<u8>>,
    /// How it avoids congestion: `live`, or `file`.
    pub congestion: Option<Vec<u8>>,
    /// Whether it wants a packet filter (forward error correction).
    pub filter: bool,
    /// Whether it belongs to a bonding group.
    pub group: bool,
}

/// HSREQ and HSRSP (3.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// Of the library: three bytes.
    pub version: u32,
    /// What it can.
    pub flags: u32,
    /// For how long it would hold what it receives, in milliseconds.
    pub receive_ms: u16,
    /// For how long its peer should hold what it sends, in milliseconds.
    pub send_ms: u16,
}

impl Hello {
    /// Whether packets are timed, as in live mode.
    pub fn is_timed(self) -> bool {
        self.flags & flag::TSBPD_SENDER != 0
    }

    /// Whether data is a stream of bytes without packets, as in file mode.
    pub fn is_stream(self) -> bool {
        self.flags & flag::STREAM != 0
    }

    /// The library's version as people write it.
    pub fn version_text(self) -> String {
        format!("{}.{}.{}", self.version >> 16 & 0xff, self.version >> 8 & 0xff, self.version & 0xff)
    }
}

/// Why a caller is turned away, as the protocol says it (table 7; the codes above 1000 follow those of HTTP).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reject {
    /// Not a caller of this protocol.
    Rogue,
    /// No room.
    Backlog,
    /// A version before 1.3.
    Version,
    /// The passphrase is wrong.
    BadSecret,
    /// One side encrypts, the other does not.
    Unsecure,
    /// File mode.
    MessageApi,
    /// A congestion control other than `live`.
    Congestion,
    /// A packet filter.
    Filter,
    /// A bonding group.
    Group,
    /// A cipher other than AES in counter mode.
    Crypto,
    /// The stream id cannot be read.
    BadRequest,
    /// The key is wrong.
    Unauthorized,
    /// The key is known, and does not let this caller in.
    Forbidden,
    /// The stream cannot be had now.
    Unavailable,
    /// A request to receive.
    BadMode,
    /// Somebody else is sending.
    Conflict,
}

impl Reject {
    /// The code as libsrt shows it.
    pub fn code(self) -> u32 {
        match self {
            Self::Rogue => 4,
            Self::Backlog => 5,
            Self::Version => 8,
            Self::BadSecret => 10,
            Self::Unsecure => 11,
            Self::MessageApi => 12,
            Self::Congestion => 13,
            Self::Filter => 14,
            Self::Group => 15,
            Self::Crypto => 17,
            Self::BadRequest => 1400,
            Self::Unauthorized => 1401,
            Self::Forbidden => 1403,
            Self::BadMode => 1405,
            Self::Conflict => 1409,
            Self::Unavailable => 1503,
        }
    }
}

impl Handshake {
    /// Reads the body of a handshake packet; `None` when its shape is wrong.
    pub fn read(mut body: Bytes) -> Option<Self> {
        if body.len() < FIELDS_BYTES {
            return None;
        }
        let version = body.get_u32();
        let encryption = body.get_u16();
        let announced = body.get_u16();
        let first = Seq::new(body.get_u32());
        let mtu = body.get_u32();
        let _window = body.get_u32();
        let (kind, socket, cookie) = (body.get_u32(), body.get_u32(), body.get_u32());
        // The address under which it believes to reach us.
        body.advance(16);
        let announces = kind == CONCLUSION && version == 5 && announced != 0;
        let extensions = if announces { Extensions::read(body)? } else { Extensions::default() };
        Some(Self { version, encryption, first, mtu, kind, socket, cookie, extensions })
    }
}

impl Extensions {
    fn read(mut body: Bytes) -> Option<Self> {
        let mut found = Self::default();
        while !body.is_empty() {
            if body.len() < 4 {
                return None;
            }
            let (kind, words) = (body.get_u16(), usize::from(body.get_u16()));
            if body.len() < words * 4 {
                return None;
            }
            let mut content = body.split_to(words * 4);
            match kind {
                extension::HELLO_REQUEST if content.len() >= 12 => {
                    let (version, flags) = (content.get_u32(), content.get_u32());
                    let (receive_ms, send_ms) = (content.get_u16(), content.get_u16());
                    found.hello = Some(Hello { version, flags, receive_ms, send_ms });
                }
                extension::HELLO_REQUEST => return None,
                extension::KEY_REQUEST => found.keys = Some(content),
                extension::STREAM_ID if content.len() > STREAM_ID_BYTES_MAX => return None,
                extension::STREAM_ID => found.stream_id = Some(text(&content)),
                extension::CONGESTION => found.congestion = Some(text(&content)),
                extension::FILTER => found.filter = true,
                extension::GROUP => found.group = true,
                // What a later version may add.
                _ => {}
            }
        }
        Some(found)
    }
}

/// Text goes in words of 32 bits with the byte order turned round, and zeros at the end.
fn text(content: &[u8]) -> Vec<u8> {
    let mut text: Vec<u8> = content.chunks_exact(4).flat_map(|word| [word[3], word[2], word[1], word[0]]).collect();
    while text.last() == Some(&0) {
        text.pop();
    }
    text
}

/// Answers to one handshake.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// What is answered.
    pub to: &'a Handshake,
    /// The caller's address, as it goes on the wire.
    pub peer_ip: [u8; 16],
}

/// What an accepted caller is told.
#[derive(Debug)]
pub struct Acceptance<'a> {
    /// Our socket.
    pub socket: u32,
    /// For how long packets are held, in milliseconds.
    pub latency_ms: u16,
    /// For how long the caller would hold ours.
    pub send_ms: u16,
    /// The largest packet.
    pub mtu: u32,
    /// How many packets may be under way.
    pub window: u32,
    /// The wrapped keys, sent back.
    pub keys: Option<&'a [u8]>,
}

impl Answer<'_> {
    /// The first answer: come again, with this cookie.
    pub fn induction(self, cookie: u32) -> Bytes {
        let out = self.fields(5, MAGIC, INDUCTION, self.to.socket, cookie, self.to.mtu, 8192);
        out.freeze()
    }

    /// The caller is turned away.
    pub fn refusal(self, reject: Reject) -> Bytes {
        let out = self.fields(5, 0, REFUSED + reject.code(), self.to.socket, self.to.cookie, self.to.mtu, 8192);
        out.freeze()
    }

    /// The caller is taken.
    pub fn acceptance(self, accept: &Acceptance<'_>) -> Bytes {
        let announced = HAS_HELLO | if accept.keys.is_some() { HAS_KEYS } else { 0 };
        let (mtu, window) = (accept.mtu, accept.window);
        let mut out = self.fields(5, announced, CONCLUSION, accept.socket, self.to.cookie, mtu, window);
        out.put_u16(extension::HELLO_RESPONSE);
        out.put_u16(3);
        out.put_u32(OUR_VERSION);
        out.put_u32(OUR_FLAGS);
        out.put_u16(accept.latency_ms);
        out.put_u16(accept.send_ms);
        if let Some(keys) = accept.keys {
            out.put_u16(extension::KEY_RESPONSE);
            out.put_u16((keys.len() / 4) as u16);
            out.put_slice(keys);
        }
        out.freeze()
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of the packet, in their order")]
    fn fields(
        self,
        version: u32,
        announced: u16,
        kind: u32,
        socket: u32,
        cookie: u32,
        mtu: u32,
        window: u32,
    ) -> BytesMut {
        let mut out = BytesMut::with_capacity(128);
        out.put_u32(version);
        out.put_u16(0);
        out.put_u16(announced);
        out.put_u32(self.to.first.raw());
        for field in [mtu, window, kind, socket, cookie] {
            out.put_u32(field);
        }
        out.put_slice(&self.peer_ip);
        out
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A conclusion with these extensions, as a caller writes it.
    pub fn conclusion(cookie: u32, extensions: &[(u16, Vec<u8>)]) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u32(5);
        out.put_u16(0);
        out.put_u16(5);
        for field in [1000, 1500, 8192, CONCLUSION, 77, cookie] {
            out.put_u32(field);
        }
        out.put_slice(&[0; 16]);
        for (kind, content) in extensions {
            out.put_u16(*kind);
            out.put_u16((content.len() / 4) as u16);
            out.put_slice(content);
        }
        out.freeze()
    }

    /// The hello of a live caller that asks for `send_ms`.
    pub fn hello(flags: u32, send_ms: u16) -> (u16, Vec<u8>) {
        let mut out = Vec::new();
        out.put_u32(OUR_VERSION);
        out.put_u32(flags);
        out.put_u16(0);
        out.put_u16(send_ms);
        (extension::HELLO_REQUEST, out)
    }

    #[test]
    fn a_conclusion_is_read_with_its_extensions() {
        let id = (extension::STREAM_ID, b"evilm/\0\0yk".to_vec());
        assert_eq!(Handshake::read(conclusion(9, &[id])), None, "not whole words");
        let id = (extension::STREAM_ID, b"evil\0yk/".to_vec());
        let read = Handshake::read(conclusion(9, &[hello(0x3f, 200), id, (7, Vec::new()), (99, vec![0; 8])]));
        let read = read.expect("valid");
        assert_eq!((read.socket, read.cookie, read.first), (77, 9, Seq::new(1000)));
        assert_eq!(read.extensions.stream_id.as_deref(), Some(&b"live/ky"[..]));
        assert!(read.extensions.filter && !read.extensions.group);
        let hello = read.extensions.hello.expect("a hello");
        assert_eq!((hello.send_ms, hello.is_timed(), hello.is_stream()), (200, true, false));
        assert_eq!(hello.version_text(), "1.5.0");
    }

    #[test]
    fn extensions_that_end_early_are_refused() {
        let whole = conclusion(9, &[hello(0x3f, 200)]);
        for length in 0..whole.len() {
            let read = Handshake::read(whole.slice(..length));
            assert_eq!(read.is_some(), length == FIELDS_BYTES, "{length} bytes");
        }
        assert_eq!(Handshake::read(conclusion(9, &[(extension::STREAM_ID, vec![b'x'; 516])])), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(
            tail in prop::collection::vec(any::<u8>(), 0..200),
            damage in prop::option::of((0..48_usize, any::<u8>())),
        ) {
            let mut bytes = conclusion(1, &[]).to_vec();
            if let Some((at, value)) = damage {
                bytes[at] = value;
            }
            bytes.extend(tail);
            let _ = Handshake::read(bytes.into());
        }
    }
}
