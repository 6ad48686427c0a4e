//! Stream keys and what goes with them.

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_events::{Event, Source};
use weir_store::{Credentials, Digest, Seal};

use crate::config::IngestUrls;
use crate::error::DirectorError;

/// No letter that is mistaken for another when read aloud or copied by hand (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 5 bits each: 140 bits.
const KEY_CHARS: usize = 28;
/// 120 bits.
const PASSPHRASE_CHARS: usize = 24;
/// What they are sealed for; the row is the event.
const PURPOSE: &str = "credentials";

/// `chars` random characters that can be read aloud, of 5 bits each.
///
/// # Errors
/// The system has no random bytes to give.
pub fn random_text(chars: usize) -> Result<String, DirectorError> {
    let mut random = vec![0; chars];
    SystemRandom::new().fill(&mut random).map_err(|_| DirectorError::NoRandomness)?;
    Ok(random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

/// The secrets of an event's encoder.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    /// The stream key.
    pub key: String,
    /// What SRT is encrypted with.
    pub passphrase: String,
}

impl Secrets {
    pub fn generate() -> Result<Self, DirectorError> {
        Ok(Self { key: random_text(KEY_CHARS)?, passphrase: random_text(PASSPHRASE_CHARS)? })
    }

    pub fn sealed(&self, seal: &Seal, event: Uuid, digest: Digest, now_ms: i64) -> Result<Credentials, DirectorError> {
        let text = serde_json::to_string(self).map_err(|_| DirectorError::NoCredentials("they cannot be written"))?;
        let secret = seal.seal(PURPOSE, event, &text)?;
        Ok(Credentials { event, key_digest: digest, secret, issued_ms: now_ms })
    }

    pub fn unsealed(seal: &Seal, credentials: &Credentials) -> Result<Self, DirectorError> {
        let text = seal.unseal(PURPOSE, credentials.event, &credentials.secret)?;
        serde_json::from_str(&text).map_err(|_| DirectorError::NoCredentials("the stored credentials cannot be read"))
    }
}

/// What an encoder needs, ready to paste. It works from the start of the event to its end, and for nothing else.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct IssuedCredentials {
    /// Where RTMP goes; OBS calls it Server.
    pub rtmp_url: Option<String>,
    /// The same with TLS, where the server has that.
    pub rtmps_url: Option<String>,
    /// The whole URL for SRT, with stream id and passphrase; OBS takes it as Server, with no stream key.
    pub srt_url: Option<String>,
    /// The secret that lets the encoder in.
    pub stream_key: String,
    /// What SRT is encrypted with, for encoders that want it apart.
    pub srt_passphrase: Option<String>,
}

impl IssuedCredentials {
    pub(crate) fn new(event: &Event, secrets: Secrets, urls: &IngestUrls) -> Self {
        let Secrets { key, passphrase } = secrets;
        match event.source {
            Source::Srt { .. } => {
                // The passphrase is made of letters and digits, so that nothing in it needs to be escaped.
                let url = |base: &String| format!("{base}?streamid={key}&passphrase={passphrase}");
                let srt_url = urls.srt.as_ref().map(url);
                let srt_passphrase = Some(passphrase);
                Self { rtmp_url: None, rtmps_url: None, srt_url, stream_key: key, srt_passphrase }
            }
            Source::Rtmp { .. } | Source::Hls { .. } => {
                let (rtmp_url, rtmps_url) = (urls.rtmp.clone(), urls.rtmps.clone());
                Self { rtmp_url, rtmps_url, srt_url: None, stream_key: key, srt_passphrase: None }
            }
        }
    }
}

impl std::fmt::Debug for IssuedCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IssuedCredentials(***)")
    }
}
