//! The listener's side of the handshake (draft-sharabayko-srt-01, 4.3.1): nothing is remembered of a caller before it has
//! shown that it receives what is sent to its address.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

use super::handshake::{Handshake, Hello, Reject};
use super::stream_id::{self, StreamIdError};
use crate::{Refusal, StreamKey};

/// How long a cookie holds at least; at most twice as long.
const COOKIE_US: i64 = 60_000_000;

/// Why a caller was turned away: for the caller a code, for the operator a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// What the caller is told.
    pub reject: Reject,
    /// The value of the `reason` label.
    pub label: &'static str,
    /// What the operator is told.
    pub sentence: String,
}

impl Denied {
    fn new(reject: Reject, label: &'static str, sentence: &str) -> Self {
        Self { reject, label, sentence: sentence.to_owned() }
    }
}

impl From<&Refusal> for Denied {
    fn from(refusal: &Refusal) -> Self {
        let reject = match refusal {
            Refusal::WrongKey => Reject::Unauthorized,
            Refusal::KeyInUse => Reject::Conflict,
            Refusal::Closed(_) => Reject::Forbidden,
            Refusal::Unavailable(_) => Reject::Unavailable,
        };
        Self::new(reject, refusal.label(), refusal.sentence())
    }
}

impl From<StreamIdError> for Denied {
    fn from(error: StreamIdError) -> Self {
        let reject = match error {
            StreamIdError::Missing | StreamIdError::NotText | StreamIdError::Path => Reject::BadRequest,
            StreamIdError::Request | StreamIdError::Mode => Reject::BadMode,
        };
        Self::new(reject, "stream_id", error.sentence())
    }
}

/// Keys that could not be agreed on: `encrypts` says whether the stream wants them.
pub fn denied_keys(reject: Reject, encrypts: bool) -> Denied {
    let sentence = match reject {
        Reject::BadSecret => "the passphrase is wrong",
        Reject::Unsecure if encrypts => "the caller does not encrypt, and this stream has a passphrase",
        Reject::Unsecure => "the caller encrypts, and this stream has no passphrase",
        _ => "the caller encrypts with a cipher other than AES-CTR",
    };
    Denied::new(reject, "passphrase", sentence)
}

/// Makes and checks cookies.
#[derive(Debug, Default)]
pub struct Cookies(RandomState);

impl Cookies {
    /// The cookie of a caller at `now`.
    pub fn make(&self, peer: SocketAddr, now: i64) -> u32 {
        self.at(peer, now / COOKIE_US)
    }

    /// Whether the caller was given this cookie not long ago.
    pub fn are_fresh(&self, cookie: u32, peer: SocketAddr, now: i64) -> bool {
        let minute = now / COOKIE_US;
        cookie == self.at(peer, minute) || cookie == self.at(peer, minute - 1)
    }

    fn at(&self, peer: SocketAddr, minute: i64) -> u32 {
        self.0.hash_one((peer, minute)) as u32
    }
}

/// What a caller with a good cookie wants: the key it publishes under; and what it can do.
pub fn wanted(handshake: &Handshake) -> Result<(StreamKey, Hello), Denied> {
    let deny = |reject, label, sentence: &str| Err(Denied::new(reject, label, sentence));
    let extensions = &handshake.extensions;
    if handshake.version != 5 {
        return deny(Reject::Version, "version", "the caller speaks SRT before 1.3, which has no stream id");
    }
    if extensions.group {
        return deny(Reject::Group, "bonding", "the caller is part of a bonding group; send over one connection");
    }
    if extensions.filter {
        return deny(Reject::Filter, "filter", "the caller wants a packet filter (FEC); send without");
    }
    let congestion = extensions.congestion.as_deref();
    if congestion.is_some_and(|name| !name.eq_ignore_ascii_case(b"live")) {
        return deny(Reject::Congestion, "file_mode", "the caller is in file mode; send with transtype=live");
    }
    let Some(hello) = extensions.hello else {
        return deny(Reject::Rogue, "handshake", "the caller does not say what it can do");
    };
    if hello.is_stream() {
        return deny(Reject::MessageApi, "file_mode", "the caller is in file mode; send with transtype=live");
    }
    if !hello.is_timed() {
        return deny(Reject::Rogue, "handshake", "the caller does not time its packets; send with tsbpdmode on");
    }
    let stream_id = extensions.stream_id.as_deref().unwrap_or_default();
    Ok((stream_id::key(stream_id)?, hello))
}

/// An address as SRT writes it: words of 32 bits in the byte order of a little-endian machine.
pub fn wire_ip(ip: IpAddr) -> [u8; 16] {
    let mut out = [0; 16];
    match ip {
        IpAddr::V4(ip) => out[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out = ip.octets(),
    }
    for word in out.chunks_exact_mut(4) {
        word.reverse();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::handshake::tests::{conclusion, hello};
    use super::*;

    const LIVE: u32 = 0xbf & !0x40;

    fn outcome(extensions: &[(u16, Vec<u8>)]) -> Result<Vec<u8>, Reject> {
        let handshake = Handshake::read(conclusion(1, extensions)).expect("well formed");
        wanted(&handshake).map(|(key, _)| key.as_bytes().to_vec()).map_err(|denied| denied.reject)
    }

    fn id() -> (u16, Vec<u8>) {
        (5, b"1yek".to_vec())
    }

    #[test]
    fn what_weir_does_not_do_is_refused_by_its_code() {
        assert_eq!(outcome(&[hello(LIVE, 120), id()]), Ok(b"key1".to_vec()));
        assert_eq!(outcome(&[hello(LIVE, 120), id(), (6, b"evil".to_vec())]), Ok(b"key1".to_vec()));
        assert_eq!(outcome(&[hello(LIVE, 120), id(), (6, b"elif".to_vec())]), Err(Reject::Congestion));
        assert_eq!(outcome(&[hello(LIVE, 120), id(), (7, vec![0; 4])]), Err(Reject::Filter));
        assert_eq!(outcome(&[hello(LIVE, 120), id(), (8, vec![0; 8])]), Err(Reject::Group));
        assert_eq!(outcome(&[hello(LIVE | 0x40, 120), id()]), Err(Reject::MessageApi));
        assert_eq!(outcome(&[hello(LIVE & !1, 120), id()]), Err(Reject::Rogue));
        assert_eq!(outcome(&[id()]), Err(Reject::Rogue));
        assert_eq!(outcome(&[hello(LIVE, 120)]), Err(Reject::BadRequest));
    }

    #[test]
    fn a_cookie_is_good_for_its_address_and_for_a_minute_or_two() {
        let cookies = Cookies::default();
        let (peer, other) = ("192.0.2.1:5000".parse().expect("valid"), "192.0.2.1:5001".parse().expect("valid"));
        let cookie = cookies.make(peer, 0);
        assert!(cookies.are_fresh(cookie, peer, COOKIE_US));
        assert!(!cookies.are_fresh(cookie, peer, 2 * COOKIE_US));
        assert!(!cookies.are_fresh(cookie, other, 0));
    }
}
