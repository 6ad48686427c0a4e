use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// The longest token that is looked at, in bytes. One with the longest viewer's id takes half of it, and whatever
/// else a platform puts in has room; the URL has a limit of its own.
const TOKEN_BYTES_MAX: usize = 1024;
/// What of it can be left when the base64 coding is gone.
const DECODED_BYTES_MAX: usize = TOKEN_BYTES_MAX / 4 * 3;
/// The longest id of a viewer, in characters: room for a UUID or an e-mail address, not for a profile.
const VIEWER_CHARS_MAX: usize = 128;

/// A key that tokens are signed with (HMAC-SHA256). It should be random and have at least 32 bytes (RFC 7518, 3.2).
#[derive(Clone)]
pub struct TokenKey(hmac::Key);

/// The two keys of an origin. A platform that sells tickets has the first and can never open a preview with it.
#[derive(Debug, Clone)]
pub struct TokenKeys {
    /// Signs the tokens of viewers, `"aud": "playback"`.
    pub playback: TokenKey,
    /// Signs the tokens of operators, `"aud": "preview"`.
    pub preview: TokenKey,
}

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// To watch what is on air.
    Playback,
    /// To watch what is not on air yet, and on from there.
    Preview,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// `aud`; it has to fit the key.
    pub audience: Audience,
    /// `evt`: the id of the event, which is its name in the [`Directory`](crate::Directory).
    pub event: String,
    /// `sub`: whom the token was given to, 1 to 128 characters. Playback needs it.
    pub viewer: Option<String>,
    /// `exp`: from when on the token is void, in seconds since 1970.
    pub expires_s: i64,
    /// `nbf`: until when it is void, likewise.
    pub not_before_s: Option<i64>,
}

/// What a valid token grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What for.
    pub audience: Audience,
    /// To whom; always there for playback.
    pub viewer: Option<String>,
    /// From when on no more, in seconds since 1970.
    pub expires_s: i64,
}

/// Why a token grants nothing. The words are what a player is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// There is none.
    #[error("token missing")]
    Missing,
    /// More than 1024 bytes.
    #[error("token too long")]
    TooLong,
    /// No compact JWS, or its header is no JSON object.
    #[error("token malformed")]
    Malformed,
    /// The header names another algorithm than HS256, or an extension that has to be understood.
    #[error("token not signed with HS256")]
    Algorithm,
    /// Signed with neither of the keys.
    #[error("token signature wrong")]
    Signature,
    /// Signed, but a claim is missing or of the wrong kind.
    #[error("token claims incomplete")]
    Claims,
    /// Signed with the key for another audience.
    #[error("token for another audience")]
    Audience,
    /// For another event.
    #[error("token for another event")]
    OtherEvent,
    /// `nbf` lies ahead.
    #[error("token not valid yet")]
    NotYet,
    /// `exp` has passed.
    #[error("token expired")]
    Expired,
}

/// The claims as they stand in a token. Others may stand beside them.
#[derive(Serialize, Deserialize)]
struct Payload<'a> {
    aud: Audience,
    #[serde(borrow)]
    evt: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    sub: Option<Cow<'a, str>>,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
}

/// What matters of a header. A `crit` lists extensions that must be understood (RFC 7515, 4.1.11); none is.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    crit: Option<IgnoredAny>,
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

impl TokenKey {
    /// A key of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Signs claims. Whether they can be used is for [`TokenKeys::verify`] to say.
    pub fn mint(&self, claims: &Claims) -> String {
        let payload = Payload {
            aud: claims.audience,
            evt: Cow::Borrowed(&claims.event),
            sub: claims.viewer.as_deref().map(Cow::Borrowed),
            exp: claims.expires_s,
            nbf: claims.not_before_s,
        };
        // Strings and numbers cannot fail to be written; an empty payload would be refused by whoever reads it.
        self.sign(HEADER, &serde_json::to_string(&payload).unwrap_or_default())
    }

    pub(crate) fn sign(&self, header: &str, payload: &str) -> String {
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let tag = hmac::sign(&self.0, token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(tag, &mut token);
        token
    }

    /// Compares in constant time.
    fn signed(&self, text: &str, tag: &[u8]) -> bool {
        hmac::verify(&self.0, text.as_bytes(), tag).is_ok()
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

impl TokenKeys {
    /// What `token` grants for the event `name` at `now_s`, in seconds since 1970.
    ///
    /// A token is a JWT (RFC 7519) in the compact form of JWS (RFC 7515), signed with HS256 and nothing else: every
    /// language that a platform is written in can make one. Reading it is these lines and not a crate for JWTs,
    /// because those bring all the algorithms there are, and with them a choice that a token could make. The claims
    /// are read only once the signature is known to be right, and nothing but the viewer's id is copied.
    ///
    /// # Errors
    /// The token grants nothing, and why not.
    pub fn verify(&self, token: &str, name: &str, now_s: i64) -> Result<Grant, TokenFault> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::TooLong);
        }
        let (signed, tag) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
        let mut buffer = [0; DECODED_BYTES_MAX];
        let header: Header<'_> = read(header, &mut buffer).ok_or(TokenFault::Malformed)?;
        if header.alg != "HS256" || header.crit.is_some() {
            return Err(TokenFault::Algorithm);
        }
        let audience = self.signed_for(signed, tag)?;
        let payload: Payload<'_> = read(payload, &mut buffer).ok_or(TokenFault::Claims)?;
        payload.granted(audience, name, now_s)
    }

    /// Which of the keys signed.
    fn signed_for(&self, signed: &str, tag: &str) -> Result<Audience, TokenFault> {
        let mut buffer = [0; DECODED_BYTES_MAX];
        let tag = decoded(tag, &mut buffer).ok_or(TokenFault::Malformed)?;
        if self.playback.signed(signed, tag) {
            Ok(Audience::Playback)
        } else if self.preview.signed(signed, tag) {
            Ok(Audience::Preview)
        } else {
            Err(TokenFault::Signature)
        }
    }
}

impl Payload<'_> {
    /// What is granted by claims that the key for `audience` signed.
    fn granted(self, audience: Audience, name: &str, now_s: i64) -> Result<Grant, TokenFault> {
        if self.aud != audience {
            return Err(TokenFault::Audience);
        }
        if self.evt != name {
            return Err(TokenFault::OtherEvent);
        }
        let named = match &self.sub {
            Some(viewer) => (1..=VIEWER_CHARS_MAX).contains(&viewer.chars().count()),
            None => audience == Audience::Preview,
        };
        if !named {
            return Err(TokenFault::Claims);
        }
        if self.nbf.is_some_and(|nbf| now_s < nbf) {
            return Err(TokenFault::NotYet);
        }
        let grant = Grant { audience, viewer: self.sub.map(Cow::into_owned), expires_s: self.exp };
        if grant.is_over(now_s) { Err(TokenFault::Expired) } else { Ok(grant) }
    }
}

impl Grant {
    /// Whether it has expired at `now_s`, in seconds since 1970.
    pub(crate) fn is_over(&self, now_s: i64) -> bool {
        now_s >= self.expires_s
    }
}

/// Base64 without padding (RFC 7515, 2). Every text has one coding only, so no other token says the same.
fn decoded<'b>(text: &str, buffer: &'b mut [u8; DECODED_BYTES_MAX]) -> Option<&'b [u8]> {
    let length = URL_SAFE_NO_PAD.decode_slice(text, buffer).ok()?;
    buffer.get(..length)
}

fn read<'b, T: Deserialize<'b>>(text: &str, buffer: &'b mut [u8; DECODED_BYTES_MAX]) -> Option<T> {
    serde_json::from_slice(decoded(text, buffer)?).ok()
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
