//! Where a stream key leads.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use ring::hmac;
use weir_ingest::{Protocol, Refusal, SrtAccess, StreamKey};

use crate::wrong_keys::WrongKeys;

/// What a stream key is known by: nobody learns the key from it, and nobody can choose it.
pub type KeyDigest = [u8; 32];

/// The doors that stream keys open, shared by all who let encoders in.
///
/// A key is looked up by its digest under a secret. Whoever tries keys cannot steer what is compared with what, so how long
/// an answer takes tells nothing of how much was right.
pub struct Gate {
    secret: hmac::Key,
    doors: RwLock<HashMap<KeyDigest, Door>>,
    wrong: Mutex<WrongKeys>,
}

/// What is behind a stream key.
#[derive(Debug, Clone)]
pub enum Door {
    /// A channel.
    Open(Entrance),
    /// Nothing, for a reason that the encoder's user may read.
    Closed(String),
}

/// A channel that an encoder may ask for.
#[derive(Debug, Clone)]
pub struct Entrance {
    /// Its name.
    pub channel: String,
    /// What holds for callers over SRT.
    pub srt: SrtAccess,
    /// The one way in, where not every way is one.
    pub only: Option<Way>,
}

/// How encoders come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// RTMP, with or without TLS.
    Rtmp,
    /// SRT.
    Srt,
}

impl Way {
    /// The way of a protocol.
    pub fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Rtmp | Protocol::Rtmps => Self::Rtmp,
            Protocol::Srt => Self::Srt,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rtmp => "RTMP",
            Self::Srt => "SRT",
        }
    }
}

impl Gate {
    /// A gate without doors. `secret` makes the digests, and must be the same wherever they are stored;
    /// an address may try `wrong_per_minute_max` wrong keys a minute.
    pub fn new(secret: &[u8], wrong_per_minute_max: u32) -> Self {
        let wrong = Mutex::new(WrongKeys::new(wrong_per_minute_max));
        Self { secret: hmac::Key::new(hmac::HMAC_SHA256, secret), doors: RwLock::default(), wrong }
    }

    /// What `key` is known by.
    pub fn digest(&self, key: &[u8]) -> KeyDigest {
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&self.secret, key).as_ref());
        digest
    }

    /// Puts `door` behind the key of that digest.
    pub fn set(&self, digest: KeyDigest, door: Door) {
        self.doors.write().unwrap_or_else(PoisonError::into_inner).insert(digest, door);
    }

    /// Forgets a key.
    pub fn remove(&self, digest: &KeyDigest) {
        self.doors.write().unwrap_or_else(PoisonError::into_inner).remove(digest);
    }

    /// Whether a key of that digest is known.
    pub fn knows(&self, digest: &KeyDigest) -> bool {
        self.doors.read().unwrap_or_else(PoisonError::into_inner).contains_key(digest)
    }

    /// The channel that `key` opens to an encoder that comes from `peer` by `protocol`.
    ///
    /// # Errors
    /// What its user is told.
    pub fn find(&self, key: &StreamKey, peer: IpAddr, protocol: Protocol, now: Instant) -> Result<Entrance, Refusal> {
        if self.wrong().is_barred(peer, now) {
            let sentence = "too many wrong stream keys came from this address: wait a minute";
            return Err(Refusal::Unavailable(sentence.to_owned()));
        }
        let digest = self.digest(key.as_bytes());
        let door = self.doors.read().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned();
        match door {
            Some(Door::Open(Entrance { only: Some(only), .. })) if only != Way::of(protocol) => {
                let (wanted, found) = (only.name(), Way::of(protocol).name());
                Err(Refusal::Closed(format!("this stream key is for {wanted}, and the encoder sends {found}")))
            }
            Some(Door::Open(entrance)) => Ok(entrance),
            Some(Door::Closed(reason)) => Err(Refusal::Closed(reason)),
            None => {
                self.wrong().note(peer, now);
                Err(Refusal::WrongKey)
            }
        }
    }

    fn wrong(&self) -> MutexGuard<'_, WrongKeys> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn gate() -> Gate {
        let gate = Gate::new(b"secret", 3);
        let srt = SrtAccess { passphrase: None, latency: Duration::from_millis(120) };
        let entrance = |name: &str, only| Door::Open(Entrance { channel: name.to_owned(), srt: srt.clone(), only });
        gate.set(gate.digest(b"first-key"), entrance("first", None));
        gate.set(gate.digest(b"second-key"), entrance("second", Some(Way::Srt)));
        gate.set(gate.digest(b"old-key"), Door::Closed("the event has ended".to_owned()));
        gate
    }

    fn find(gate: &Gate, key: &str, protocol: Protocol) -> Result<String, Refusal> {
        gate.find(&StreamKey::new(key), PEER, protocol, Instant::now()).map(|entrance| entrance.channel)
    }

    #[test]
    fn only_the_whole_key_opens_its_channel() {
        for wrong in ["", "first-ke", "first-key ", "First-key", "third-keys"] {
            assert_eq!(find(&gate(), wrong, Protocol::Rtmp), Err(Refusal::WrongKey));
        }
        assert_eq!(find(&gate(), "first-key", Protocol::Rtmp), Ok("first".to_owned()));
        assert_eq!(find(&gate(), "first-key", Protocol::Srt), Ok("first".to_owned()));
    }

    #[test]
    fn a_key_for_one_protocol_is_refused_on_the_other_by_name() {
        assert_eq!(find(&gate(), "second-key", Protocol::Srt), Ok("second".to_owned()));
        let refusal = find(&gate(), "second-key", Protocol::Rtmps).unwrap_err();
        assert_eq!(refusal.sentence(), "this stream key is for SRT, and the encoder sends RTMP");
    }

    #[test]
    fn a_key_that_is_over_says_why() {
        let refusal = find(&gate(), "old-key", Protocol::Rtmp).unwrap_err();
        assert_eq!(refusal, Refusal::Closed("the event has ended".to_owned()));
    }

    #[test]
    fn a_key_that_was_replaced_is_a_wrong_key() {
        let gate = gate();
        gate.remove(&gate.digest(b"first-key"));
        assert_eq!(find(&gate, "first-key", Protocol::Rtmp), Err(Refusal::WrongKey));
    }

    #[test]
    fn an_address_that_tries_wrong_keys_has_to_wait() {
        let (gate, now) = (gate(), Instant::now());
        let attempt = |key: &str, peer, now| gate.find(&StreamKey::new(key), peer, Protocol::Rtmp, now).map(|_| ());
        for _ in 0..3 {
            assert_eq!(attempt("wrong", PEER, now), Err(Refusal::WrongKey));
        }
        assert!(matches!(attempt("first-key", PEER, now), Err(Refusal::Unavailable(_))));
        assert_eq!(attempt("first-key", OTHER, now), Ok(()));
        assert_eq!(attempt("first-key", PEER, now + Duration::from_secs(60)), Ok(()));
    }
}
