//! Stream keys: what one looks like, where each channel's comes from, and how a new one is shown.

mod paste;
mod store;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::{Channel, KeySource};

pub use paste::{Ingest, show};
pub use store::{KeyFileFault, read_key_file};

/// Below this a key can be found by trying; 16 letters and digits are about 80 bits.
pub const KEY_CHARS_MIN: usize = 16;

/// Longer than any service issues; encoders keep keys in fixed fields.
pub const KEY_CHARS_MAX: usize = 128;

/// 28 characters of 5 bits: 140 bits.
const GENERATED_CHARS: usize = 28;

/// A stream key. Neither `Debug` nor `Display` shows it; [`expose`](Self::expose) does.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(String);

impl SecretKey {
    /// Takes `text` as a key: 16 to 128 printable ASCII characters that stand in a URL as they are.
    ///
    /// # Errors
    /// The first thing that is wrong, said without quoting the key.
    pub fn parse(text: &str) -> Result<Self, KeyFault> {
        if let Some(bad) = text.chars().find(|c| !c.is_ascii_graphic() || "/?&#%\"'\\<>".contains(*c)) {
            return Err(KeyFault::Character(bad));
        }
        match text.len() {
            0..KEY_CHARS_MIN => Err(KeyFault::TooShort),
            KEY_CHARS_MIN..=KEY_CHARS_MAX => Ok(Self(text.to_owned())),
            _ => Err(KeyFault::TooLong),
        }
    }

    /// A new random key of 140 bits.
    ///
    /// # Errors
    /// The system has no randomness to give.
    fn generate() -> Result<Self, KeyError> {
        let key = weir_director::random_text(GENERATED_CHARS);
        key.map(Self).map_err(|error| KeyError::NoRandomness(error.to_string()))
    }

    /// The key itself: for comparing with what an encoder sent, and for showing it once.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(***)")
    }
}

/// Why a text is no key. Says nothing of the text but the one character that is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Could be guessed.
    #[error("the key is too short: it must have at least {KEY_CHARS_MIN} characters")]
    TooShort,
    /// Encoders could cut it off.
    #[error("the key is too long: it must have at most {KEY_CHARS_MAX} characters")]
    TooLong,
    /// Would not survive in a URL.
    #[error("the key holds {}, which would not survive in an ingest URL", describe(*.0))]
    Character(char),
}

fn describe(character: char) -> String {
    match character {
        ' ' | '\t' => "a blank".to_owned(),
        '\n' | '\r' => "a line break".to_owned(),
        c if c.is_ascii_graphic() => format!("`{c}`"),
        _ => "a character other than printable ASCII".to_owned(),
    }
}

/// Why the daemon has not all its keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A kept key cannot be used.
    #[error(
        "the kept key of channel {channel} in {} cannot be used: {fault} (delete the file to have a new key made)",
        file.display()
    )]
    Kept {
        /// The channel's name.
        channel: String,
        /// Where its key is kept.
        file: PathBuf,
        /// What is wrong.
        fault: KeyFileFault,
    },
    /// A new key cannot be kept.
    #[error("cannot keep a new stream key in {}: {source}", path.display())]
    Create {
        /// The folder or file that could not be made.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No new key can be made.
    #[error("the system gives no random numbers for a new stream key: {0}")]
    NoRandomness(String),
    /// A key leads to one channel only.
    #[error("channels {first} and {second} have the same stream key")]
    Shared {
        /// One of the two.
        first: String,
        /// The other.
        second: String,
    },
}

/// A channel and its key.
#[derive(Debug)]
pub struct ChannelKey {
    /// The channel's name.
    pub channel: String,
    /// Its key.
    pub key: SecretKey,
    /// Where the key is kept, if it was made just now and its owner has yet to see it.
    pub made: Option<PathBuf>,
}

/// The key of every channel, in their order: as configured, as kept from an earlier start, or made now and kept
/// under `data_dir/keys`, readable by the daemon's user alone.
///
/// # Errors
/// A kept key is broken, a new one cannot be made or kept, or two channels share one.
pub fn resolve(data_dir: &Path, channels: &[Channel]) -> Result<Vec<ChannelKey>, KeyError> {
    let mut keys: Vec<ChannelKey> = Vec::with_capacity(channels.len());
    for channel in channels {
        let (key, made) = match &channel.key {
            KeySource::Given(key) => (key.clone(), None),
            KeySource::File { path, key } => {
                store::warn_if_others_can_read(&channel.name, path);
                (key.clone(), None)
            }
            KeySource::Generated => kept_or_made(data_dir, &channel.name)?,
        };
        if let Some(other) = keys.iter().find(|other| other.key == key) {
            return Err(KeyError::Shared { first: other.channel.clone(), second: channel.name.clone() });
        }
        keys.push(ChannelKey { channel: channel.name.clone(), key, made });
    }
    Ok(keys)
}

fn kept_or_made(data_dir: &Path, channel: &str) -> Result<(SecretKey, Option<PathBuf>), KeyError> {
    if let Some(key) = store::kept(data_dir, channel)? {
        return Ok((key, None));
    }
    let key = SecretKey::generate()?;
    let file = store::keep(data_dir, channel, &key)?;
    Ok((key, Some(file)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use weir_ladder::DeclaredInput;

    fn channel(name: &str, key: KeySource) -> Channel {
        Channel {
            name: name.to_owned(),
            input: DeclaredInput::P720,
            key,
            srt_passphrase: None,
            srt_latency_ms: None,
            srt_pull: None,
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let key = SecretKey::parse("0123456789abcdef").unwrap();
        assert_eq!(format!("{key:?}"), "SecretKey(***)");
    }

    #[test]
    fn keys_that_would_not_survive_in_a_url_are_refused() {
        for bad in ['/', '?', '&', '#', '%', ' ', '\t', '"', 'é', '\0'] {
            assert_eq!(SecretKey::parse(&format!("0123456789{bad}abcdef")).unwrap_err(), KeyFault::Character(bad));
        }
        assert_eq!(SecretKey::parse("0123456789abcde").unwrap_err(), KeyFault::TooShort);
        assert_eq!(SecretKey::parse(&"a".repeat(129)).unwrap_err(), KeyFault::TooLong);
        assert!(SecretKey::parse("live_12-34.56~78:+=@!$").is_ok());
    }

    #[test]
    fn a_generated_key_is_itself_a_valid_key_and_never_the_same() {
        let (first, second) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        assert_eq!(SecretKey::parse(first.expose()).unwrap(), first);
        assert_eq!(first.expose().len(), GENERATED_CHARS);
        assert_ne!(first, second);
    }

    #[test]
    fn a_key_is_made_once_and_kept_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let channels = [channel("studio", KeySource::Generated)];
        let first = resolve(&data_dir, &channels).unwrap();
        let file = first[0].made.clone().unwrap();
        assert_eq!(file, data_dir.join("keys/studio"));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(data_dir.join("keys")).unwrap().permissions().mode() & 0o777, 0o700);

        let second = resolve(&data_dir, &channels).unwrap();
        assert_eq!(second[0].key, first[0].key);
        assert_eq!(second[0].made, None, "it is shown once only");
    }

    #[test]
    fn a_broken_kept_key_is_named_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("keys")).unwrap();
        std::fs::write(folder.path().join("keys/studio"), "short\n").unwrap();
        let error = resolve(folder.path(), &[channel("studio", KeySource::Generated)]).unwrap_err().to_string();
        assert!(error.contains("keys/studio") && error.contains("too short"), "{error}");
    }

    #[test]
    fn one_key_leads_to_one_channel() {
        let key = || KeySource::Given(SecretKey::parse("0123456789abcdef").unwrap());
        let error = resolve(Path::new("unused"), &[channel("a", key()), channel("b", key())]).unwrap_err();
        assert_eq!(error.to_string(), "channels a and b have the same stream key");
    }
}
