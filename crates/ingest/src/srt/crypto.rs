//! Encryption (draft-sharabayko-srt-01, 6): the wrapped keys of a caller, opened with the passphrase, and its packets.
//!
//! Unwrapping and ciphers are srt-protocol's. Its reader of key material is not used: everything is checked here first.

use std::fmt;

use bytes::{Bytes, BytesMut};
use srt_protocol::options::{KeySize, Passphrase as Secret};
use srt_protocol::packet::{Auth, CipherType, DataEncryption, KeyFlags, KeyingMaterialMessage, PacketType, SeqNumber};
use srt_protocol::settings::{KeySettings, StreamEncryptionKeys};

use super::handshake::Reject;
use super::packet::{Data, Parity};

/// What sender and receiver both know. Neither `Debug` nor an error shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(String);

/// A passphrase of the wrong length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an SRT passphrase has 10 to 79 bytes, and this has {0}")]
pub struct PassphraseError(usize);

impl Passphrase {
    /// Takes a passphrase of 10 to 79 bytes.
    pub fn parse(text: &str) -> Result<Self, PassphraseError> {
        let error = PassphraseError(text.len());
        if !(10..=79).contains(&text.len()) {
            return Err(error);
        }
        // So that opening keys cannot fail for the passphrase's own sake.
        Secret::try_from(text.to_owned()).map_err(|_| error)?;
        Ok(Self(text.to_owned()))
    }

    /// The text itself, for srt-tokio alone.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(redacted)")
    }
}

/// The keys of one caller.
#[derive(Default)]
pub struct Keys {
    passphrase: Option<Passphrase>,
    even: Option<StreamEncryptionKeys>,
    odd: Option<StreamEncryptionKeys>,
    /// The message that was taken last; senders repeat it until they are answered.
    message: Bytes,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("even", &self.even.is_some()).field("odd", &self.odd.is_some()).finish()
    }
}

impl Keys {
    /// The keys a caller begins with: it sends some if and only if there is a passphrase.
    pub fn open(passphrase: Option<Passphrase>, message: Option<&Bytes>) -> Result<Self, Reject> {
        let mut keys = Self { passphrase, ..Self::default() };
        match (&keys.passphrase, message) {
            (None, None) => {}
            (Some(_), Some(message)) => keys.renew(message)?,
            (Some(_), None) | (None, Some(_)) => return Err(Reject::Unsecure),
        }
        Ok(keys)
    }

    /// Takes new keys. Those that are not in the message stay as they are.
    pub fn renew(&mut self, message: &Bytes) -> Result<(), Reject> {
        if *message == self.message {
            return Ok(());
        }
        let Some(Passphrase(text)) = &self.passphrase else { return Err(Reject::Unsecure) };
        let secret = Secret::try_from(text.clone()).map_err(|_| Reject::BadSecret)?;
        let (material, key_size) = read(message).ok_or(Reject::Crypto)?;
        let settings = KeySettings { key_size, passphrase: secret };
        let keys = StreamEncryptionKeys::unwrap_from(&settings, &material).map_err(|_| Reject::BadSecret)?;
        if material.key_flags.contains(KeyFlags::EVEN) {
            self.even = Some(keys.clone());
        }
        if material.key_flags.contains(KeyFlags::ODD) {
            self.odd = Some(keys);
        }
        self.message = message.clone();
        Ok(())
    }

    /// Whether packets come encrypted.
    pub fn encrypts(&self) -> bool {
        self.passphrase.is_some()
    }

    /// The payload in the clear; `None` when its key is not here. In the clear where encryption was agreed is refused too:
    /// anybody could have sent it.
    pub fn decrypt(&self, data: Data) -> Option<Bytes> {
        let (keys, parity) = match data.key {
            None if self.encrypts() => return None,
            None => return Some(data.payload),
            Some(Parity::Even) => (self.even.as_ref()?, DataEncryption::Even),
            Some(Parity::Odd) => (self.odd.as_ref()?, DataEncryption::Odd),
        };
        let mut payload = data.payload.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        keys.decrypt(parity, SeqNumber::new_truncate(data.seq.raw()), &mut payload)?;
        Some(payload.freeze())
    }
}

/// The message of 3.2.2, as far as it is AES in counter mode.
fn read(message: &[u8]) -> Option<(KeyingMaterialMessage, KeySize)> {
    const VERSION_AND_TYPE: u8 = 0x12;
    const SIGN: [u8; 2] = [0x20, 0x29];
    const CTR: u8 = 2;
    const NO_AUTH: u8 = 0;
    const IN_SRT: u8 = 2;
    let (head, rest) = message.split_at_checked(16)?;
    let key_flags = KeyFlags::from_bits(head[3] & 3).filter(|flags| !flags.is_empty())?;
    let known =
        head[0] == VERSION_AND_TYPE && head[1..3] == SIGN && head[8..11] == [CTR, NO_AUTH, IN_SRT] && head[14] == 4;
    let key_size = match head[15] {
        4 => KeySize::AES128,
        6 => KeySize::AES192,
        8 => KeySize::AES256,
        _ => return None,
    };
    let (salt, wrapped) = rest.split_at_checked(16)?;
    let keys = key_flags.bits().count_ones() as usize;
    if !known || wrapped.len() != keys * usize::from(head[15]) * 4 + 8 {
        return None;
    }
    let material = KeyingMaterialMessage {
        pt: PacketType::KeyingMaterial,
        key_flags,
        keki: 0,
        cipher: CipherType::Ctr,
        auth: Auth::None,
        salt: salt.to_vec(),
        wrapped_keys: wrapped.to_vec(),
    };
    Some((material, key_size))
}

#[cfg(test)]
mod tests {
    use super::super::seq::Seq;
    use super::*;
    use proptest::prelude::*;

    /// The message of a sender with these keys.
    fn message(keys: &StreamEncryptionKeys, settings: &KeySettings) -> Bytes {
        let material = keys.wrap_with(settings).expect("keys");
        let words = (settings.key_size.as_usize() / 4) as u8;
        let mut out = vec![0x12, 0x20, 0x29, material.key_flags.bits(), 0, 0, 0, 0, 2, 0, 2, 0, 0, 0, 4, words];
        out.extend(&material.salt);
        out.extend(&material.wrapped_keys);
        out.into()
    }

    fn settings(key_size: KeySize) -> KeySettings {
        KeySettings { key_size, passphrase: Secret::from("correct horse battery") }
    }

    fn passphrase(text: &str) -> Option<Passphrase> {
        Some(Passphrase::parse(text).expect("long enough"))
    }

    #[test]
    fn packets_of_every_key_length_come_out_in_the_clear() {
        for size in [KeySize::AES128, KeySize::AES192, KeySize::AES256] {
            let sender = StreamEncryptionKeys::new_random(size);
            let keys = Keys::open(passphrase("correct horse battery"), Some(&message(&sender, &settings(size))));
            let keys = keys.expect("the right passphrase");
            for (parity, theirs) in [(Parity::Even, DataEncryption::Even), (Parity::Odd, DataEncryption::Odd)] {
                let mut payload = b"media".to_vec();
                sender.encrypt(theirs, SeqNumber::new_truncate(77), &mut payload);
                let data = Data { seq: Seq::new(77), key: Some(parity), retransmitted: false, payload: payload.into() };
                assert_eq!(keys.decrypt(data).as_deref(), Some(&b"media"[..]));
            }
        }
    }

    #[test]
    fn what_does_not_match_is_refused_with_its_reason() {
        let sender = message(&StreamEncryptionKeys::new_random(KeySize::AES128), &settings(KeySize::AES128));
        let open = |passphrase, message| Keys::open(passphrase, message).map(|_| ());
        assert_eq!(open(passphrase("another passphrase"), Some(&sender)), Err(Reject::BadSecret));
        assert_eq!(open(passphrase("correct horse battery"), None), Err(Reject::Unsecure));
        assert_eq!(open(None, Some(&sender)), Err(Reject::Unsecure));
        assert_eq!(open(None, None), Ok(()));
        let gcm = Bytes::from([&sender[..8], &[4, 1], &sender[10..]].concat());
        assert_eq!(open(passphrase("correct horse battery"), Some(&gcm)), Err(Reject::Crypto));
        assert_eq!(Passphrase::parse("short"), Err(PassphraseError(5)));
    }

    #[test]
    fn media_in_the_clear_is_not_taken_from_a_caller_that_encrypts() {
        let sender = message(&StreamEncryptionKeys::new_random(KeySize::AES128), &settings(KeySize::AES128));
        let keys = Keys::open(passphrase("correct horse battery"), Some(&sender)).expect("the right passphrase");
        let data = Data { seq: Seq::new(1), key: None, retransmitted: false, payload: Bytes::from_static(b"x") };
        assert_eq!(keys.decrypt(data), None);
    }

    proptest! {
        #[test]
        fn no_damage_makes_the_reader_panic(at in 0..80_usize, value in any::<u8>(), length in 0..90_usize) {
            let mut bytes =
                message(&StreamEncryptionKeys::new_random(KeySize::AES128), &settings(KeySize::AES128)).to_vec();
            let last = bytes.len() - 1;
            bytes[at.min(last)] = value;
            bytes.truncate(length);
            let _ = Keys::open(passphrase("correct horse battery"), Some(&bytes.into()));
        }
    }
}
