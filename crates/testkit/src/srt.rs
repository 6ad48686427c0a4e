//! An SRT caller that says whatever it is told to, datagram by datagram.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);
/// Handshake types.
const INDUCTION: u32 = 1;
const CONCLUSION: u32 = 0xffff_ffff;

/// Extension types of a conclusion.
pub mod extension {
    /// What the caller can do.
    pub const HELLO: u16 = 1;
    /// Wrapped keys.
    pub const KEYS: u16 = 3;
    /// The stream id.
    pub const STREAM_ID: u16 = 5;
    /// Congestion control.
    pub const CONGESTION: u16 = 6;
    /// A packet filter.
    pub const FILTER: u16 = 7;
    /// A bonding group.
    pub const GROUP: u16 = 8;
}

/// A socket that speaks with a listener.
pub struct RawCaller {
    socket: UdpSocket,
    id: u32,
    cookie: u32,
    /// The listener's socket, once it took us.
    listener: u32,
}

impl RawCaller {
    /// A caller to `listener` that has said nothing yet.
    pub async fn open(listener: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(listener).await?;
        Ok(Self { socket, id: 0x1234_5678, cookie: 0, listener: 0 })
    }

    /// The first question; keeps the cookie.
    pub async fn induce(&mut self) -> Result<()> {
        self.say(&self.handshake(INDUCTION, 4, 2, &[])).await?;
        let answer = self.hear().await?;
        ensure!(word(&answer, 9) == INDUCTION, "no induction: {answer:?}");
        self.cookie = word(&answer, 11);
        Ok(())
    }

    /// The second, with these extensions; the handshake type of the answer, 0xffffffff when the caller was taken.
    pub async fn conclude(&mut self, extensions: &[(u16, Vec<u8>)]) -> Result<u32> {
        self.say(&self.conclusion(extensions)).await?;
        let answer = self.hear().await?;
        let kind = word(&answer, 9);
        if kind == CONCLUSION {
            self.listener = word(&answer, 10);
        }
        Ok(kind)
    }

    /// A conclusion as it goes on the wire.
    pub fn conclusion(&self, extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
        self.handshake(CONCLUSION, 5, 5, extensions)
    }

    /// An induction as it goes on the wire.
    pub fn induction(&self) -> Vec<u8> {
        self.handshake(INDUCTION, 4, 2, &[])
    }

    /// Sends bytes as they are.
    pub async fn say(&self, datagram: &[u8]) -> Result<()> {
        self.socket.send(datagram).await.map(drop).context("nobody listens")
    }

    /// A control packet to the listener's socket.
    pub fn control(&self, kind: u16, subtype: u16, body: &[u8]) -> Vec<u8> {
        let mut out = (0x8000 | kind).to_be_bytes().to_vec();
        out.extend(subtype.to_be_bytes());
        for field in [0, 0, self.listener] {
            out.extend(field.to_be_bytes());
        }
        out.extend(body);
        out
    }

    /// A packet of media with this number.
    pub fn data(&self, number: u32, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for field in [number, 0xc000_0001, number.wrapping_mul(1000), self.listener] {
            out.extend(field.to_be_bytes());
        }
        out.extend(payload);
        out
    }

    /// The next datagram from the listener.
    pub async fn hear(&self) -> Result<Vec<u8>> {
        let mut answer = vec![0; 2048];
        let count = timeout(ANSWER, self.socket.recv(&mut answer)).await.context("no answer")??;
        answer.truncate(count);
        Ok(answer)
    }

    fn handshake(&self, kind: u32, version: u32, announced: u32, extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut out = vec![0x80, 0, 0, 0];
        for field in [0, 0, 0, version, announced, 1000, 1500, 8192, kind, self.id, self.cookie, 0x0100_007f, 0, 0, 0] {
            out.extend(u32::to_be_bytes(field));
        }
        for (kind, content) in extensions {
            out.extend(kind.to_be_bytes());
            out.extend(((content.len() / 4) as u16).to_be_bytes());
            out.extend(content);
        }
        out
    }
}

/// The hello of a live caller.
pub fn hello() -> (u16, Vec<u8>) {
    let fields: [u32; 3] = [0x0001_0500, 0xbf & !0x40, 120];
    (extension::HELLO, fields.iter().flat_map(|field| field.to_be_bytes()).collect())
}

/// Text as SRT sends it: words turned round, zeros behind.
pub fn text(kind: u16, text: &str) -> (u16, Vec<u8>) {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.chunks_exact_mut(4).for_each(<[u8]>::reverse);
    (kind, bytes)
}

/// Datagrams that look much like SRT, the same ones for the same seed.
pub struct Fuzzer {
    chance: StdRng,
}

impl Fuzzer {
    /// A source of datagrams.
    pub fn new(seed: u64) -> Self {
        Self { chance: StdRng::seed_from_u64(seed) }
    }

    /// The next: a valid one of `caller` with a few bytes changed, cut or added; or noise.
    pub fn next(&mut self, caller: &RawCaller, key: &str) -> Vec<u8> {
        let extensions = [hello(), text(extension::STREAM_ID, key), (self.small() as u16, vec![7; 8])];
        let mut datagram = match self.chance.random_range(0..8) {
            0 => caller.induction(),
            1 | 2 => caller.conclusion(&extensions[..self.chance.random_range(0..4)]),
            3 => caller.control(self.small() as u16, self.small() as u16, &[0xff; 24]),
            4 => caller.control(0x7fff, self.small() as u16, &[0x12; 72]),
            5 => caller.data(1000 + self.small() * 50, &[0x47; 188]),
            6 => caller.data(self.chance.random(), &[0; 1316]),
            _ => (0..self.chance.random_range(0..200)).map(|_| self.chance.random()).collect(),
        };
        for _ in 0..self.chance.random_range(0..6) {
            if let Some(at) = (!datagram.is_empty()).then(|| self.chance.random_range(0..datagram.len())) {
                datagram[at] = self.chance.random();
            }
        }
        if self.chance.random_range(0..4) == 0 {
            let length = self.chance.random_range(0..=datagram.len());
            datagram.truncate(length);
        }
        datagram
    }

    fn small(&mut self) -> u32 {
        self.chance.random_range(0..12)
    }
}

fn word(datagram: &[u8], index: usize) -> u32 {
    let bytes = datagram.get(index * 4..index * 4 + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u32::from_be_bytes).unwrap_or_default()
}
