//! Secrets at rest: sealed where weir needs them back, digested where it only has to know them again.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;

use crate::master_key::MasterKey;

/// Bytes of a key, and of a digest.
const KEY_BYTES: usize = 32;

/// A secret that only the [`Seal`] that made it can read, and only as what it was made for.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(String);

/// What a secret is known again by. Keyed: without the master key nobody can try out which secret it is of.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Digest(String);

/// The keys that come of the master key, one for each purpose.
#[derive(Clone)]
pub struct Seal {
    master: hmac::Key,
}

/// Why something could not be sealed, or not be read again.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The system has no randomness to give.
    #[error("a secret cannot be sealed: the system gives no random bytes")]
    Sealing,
    /// It was damaged, moved here from another row, or sealed by another key.
    #[error(
        "the {purpose} of {row} cannot be read: it is damaged, or was sealed for something else or with another master key"
    )]
    Unsealing {
        /// What it was meant to be.
        purpose: String,
        /// The row it was found in.
        row: Uuid,
    },
}

impl Seal {
    /// Everything this seals needs the same master key to be read.
    pub fn open(master: &MasterKey) -> Self {
        Self { master: hmac::Key::new(hmac::HMAC_SHA256, master.bytes()) }
    }

    /// Encrypts `secret`, so that it can be read back only for the same purpose and row.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn seal(&self, purpose: &str, row: Uuid, secret: &str) -> Result<Sealed, SealError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::Sealing)?;
        let key = self.cipher(purpose).ok_or(SealError::Sealing)?;
        let mut sealed = secret.as_bytes().to_vec();
        let nonce_of_it = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce_of_it, aad(row), &mut sealed).map_err(|_| SealError::Sealing)?;
        Ok(Sealed(STANDARD.encode([&nonce[..], &sealed].concat())))
    }

    /// Reads what [`seal`](Self::seal) made for the same purpose and row.
    ///
    /// # Errors
    /// It was not made for them, not by this key, or has been damaged.
    pub fn unseal(&self, purpose: &str, row: Uuid, sealed: &Sealed) -> Result<String, SealError> {
        let opened = || {
            let bytes = STANDARD.decode(&sealed.0).ok()?;
            let (nonce, secret) = bytes.split_first_chunk::<NONCE_LEN>()?;
            let mut secret = secret.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let plain = self.cipher(purpose)?.open_in_place(nonce, aad(row), &mut secret).ok()?;
            String::from_utf8(plain.to_vec()).ok()
        };
        opened().ok_or_else(|| SealError::Unsealing { purpose: purpose.to_owned(), row })
    }

    /// The digest of `secret` for a purpose: the same for the same, and of no use to whoever does not have the master
    /// key.
    pub fn digest(&self, purpose: &str, secret: impl AsRef<[u8]>) -> Digest {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.subkey("digest", purpose));
        let tag = hmac::sign(&key, secret.as_ref());
        Digest(hex(tag.as_ref()))
    }

    /// A key for something that is done elsewhere, for example to sign tokens.
    pub fn derive(&self, purpose: &str) -> [u8; KEY_BYTES] {
        self.subkey("derive", purpose)
    }

    fn cipher(&self, purpose: &str) -> Option<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, &self.subkey("seal", purpose)).ok()?;
        Some(LessSafeKey::new(key))
    }

    /// The keys of one use tell nothing of those of another. The master key has all its bits of randomness, so one HMAC
    /// is enough (it is the expand step of HKDF, RFC 5869 2.3).
    fn subkey(&self, usage: &str, purpose: &str) -> [u8; KEY_BYTES] {
        let tag = hmac::sign(&self.master, &[usage.as_bytes(), b"\0", purpose.as_bytes(), b"\x01"].concat());
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(tag.as_ref());
        key
    }
}

/// The purpose is in the key; the row goes along, authenticated but not stored.
fn aad(row: Uuid) -> Aad<[u8; 16]> {
    Aad::from(row.into_bytes())
}

/// Two digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Sealed {
    /// From a column that was written from [`as_base64`](Self::as_base64).
    pub(crate) fn stored(base64: String) -> Self {
        Self(base64)
    }

    pub(crate) fn as_base64(&self) -> &str {
        &self.0
    }
}

impl Digest {
    pub(crate) fn from_hex(hex: String) -> Option<Self> {
        let is_lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (hex.len() == 2 * KEY_BYTES && hex.bytes().all(is_lower_hex)).then_some(Self(hex))
    }

    /// One that was reckoned elsewhere.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Its bytes.
    pub fn bytes(&self) -> [u8; KEY_BYTES] {
        let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
        let mut bytes = [0; KEY_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(self.0.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0]) << 4 | digit(pair[1]);
        }
        bytes
    }

    /// 64 hexadecimal digits in lower case.
    pub fn as_hex(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(…)")
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Uuid = Uuid::from_u128(7);

    fn seal() -> Seal {
        Seal::open(&MasterKey::from_bytes([7; 32]))
    }

    #[test]
    fn what_was_sealed_is_read_again() {
        let sealed = seal().seal("stream key", ROW, "a secret").expect("sealed");
        assert_eq!(seal().unseal("stream key", ROW, &sealed).expect("read"), "a secret");
    }

    #[test]
    fn the_same_secret_never_looks_the_same() {
        let [one, other] = [(), ()].map(|()| seal().seal("stream key", ROW, "a secret").expect("sealed"));
        assert_ne!(one.as_base64(), other.as_base64());
    }

    #[test]
    fn what_is_moved_to_another_row_or_purpose_cannot_be_read() {
        let sealed = seal().seal("stream key", ROW, "a secret").expect("sealed");
        assert!(seal().unseal("stream key", Uuid::from_u128(8), &sealed).is_err());
        assert!(seal().unseal("webhook secret", ROW, &sealed).is_err());
    }

    #[test]
    fn another_master_key_reads_nothing_and_is_named_as_a_cause() {
        let sealed = seal().seal("stream key", ROW, "a secret").expect("sealed");
        let other = Seal::open(&MasterKey::from_bytes([8; 32]));
        let error = other.unseal("stream key", ROW, &sealed).expect_err("another key");
        assert!(error.to_string().contains("another master key"), "{error}");
    }

    #[test]
    fn damage_is_an_error() {
        let sealed = seal().seal("stream key", ROW, "a secret").expect("sealed");
        let text = sealed.as_base64();
        for damaged in ["", "AAAA", "not base64", &text[..text.len() - 4], &text.to_lowercase()] {
            assert!(seal().unseal("stream key", ROW, &Sealed::stored(damaged.to_owned())).is_err(), "{damaged}");
        }
    }

    #[test]
    fn digests_and_keys_of_two_purposes_have_nothing_in_common() {
        let seal = seal();
        assert_eq!(seal.digest("token", "a"), seal.digest("token", "a"));
        assert_ne!(seal.digest("token", "a"), seal.digest("token", "b"));
        assert_ne!(seal.digest("token", "a"), seal.digest("session", "a"));
        assert_ne!(seal.derive("one"), seal.derive("other"));
        assert_eq!(Digest::from_hex(seal.digest("token", "a").as_hex().to_owned()), Some(seal.digest("token", "a")));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let sealed = seal().seal("stream key", ROW, "a secret").expect("sealed");
        let digest = seal().digest("token", "a");
        assert_eq!(format!("{:?} {sealed:?} {digest:?}", seal()), "Seal(…) Sealed(…) Digest(…)");
        assert_eq!(format!("{:?}", MasterKey::from_bytes([7; 32])), "MasterKey(…)");
    }
}
