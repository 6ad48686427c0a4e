//! What a caller wants, out of its stream id: every dialect that encoders and other servers have taught their users.

use crate::StreamKey;

/// The longest key that is looked up.
const KEY_BYTES_MAX: usize = 256;
/// The application that a key may stand behind, as in an RTMP URL.
const APP: &str = "live";

/// Why a stream id names no stream to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamIdError {
    /// There is none, or no key in it.
    Missing,
    /// It is not UTF-8, or holds control characters.
    NotText,
    /// It names more than an application and a key.
    Path,
    /// It asks to receive.
    Request,
    /// It asks for something else than to publish.
    Mode,
}

impl StreamIdError {
    /// The sentence for logs.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Missing => "the stream id names no stream key; send streamid=KEY or streamid=#!::r=KEY,m=publish",
            Self::NotText => "the stream id is not text",
            Self::Path => "the stream id names an application other than live",
            Self::Request => "the stream id asks to receive (m=request); weir takes SRT in and plays HLS",
            Self::Mode => "the stream id asks for a mode other than publish",
        }
    }
}

/// Reads the key out of a stream id:
///
/// - `#!::r=KEY,m=publish,…` (SRT access control: any order, unknown names ignored; `r` may be `live/KEY`)
/// - `KEY`, `live/KEY`, `/live/KEY`
/// - `publish:KEY`, `publish:live/KEY`, with `:user:password` behind it (MediaMTX), `publish/live/KEY`
/// - `input/live/KEY`, `uplive.host/live/KEY`: the last two parts of a path whose last but one is `live`
/// - `KEY,mode:publish,token:…` (datarhei) and `live/KEY,token=…` (Ant Media)
/// - with `?…` behind any of these
pub fn key(stream_id: &[u8]) -> Result<StreamKey, StreamIdError> {
    let text = std::str::from_utf8(stream_id).map_err(|_| StreamIdError::NotText)?;
    // OBS adds nothing of its own, but pastes what the user pasted.
    let text = text.trim();
    if text.chars().any(char::is_control) {
        return Err(StreamIdError::NotText);
    }
    let resource = match text.strip_prefix("#!:") {
        Some(fields) => access_control(fields.strip_prefix(':').ok_or(StreamIdError::Mode)?)?,
        None => plain(text)?,
    };
    let key = without_app(resource.split('?').next().unwrap_or(resource))?;
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(StreamIdError::Missing);
    }
    Ok(StreamKey::new(key))
}

/// `name=value,…` (SRT access control guidelines).
fn access_control(fields: &str) -> Result<&str, StreamIdError> {
    let mut resource = None;
    for field in fields.split(',') {
        let Some((name, value)) = field.split_once('=') else { continue };
        match (name, value) {
            ("r", value) => resource = Some(value),
            ("m", "publish" | "bidirectional") => {}
            ("m", "request") => return Err(StreamIdError::Request),
            ("m", _) => return Err(StreamIdError::Mode),
            // u, h, s, t and what others may add: the key alone decides.
            _ => {}
        }
    }
    resource.ok_or(StreamIdError::Missing)
}

fn plain(text: &str) -> Result<&str, StreamIdError> {
    let mut parts = text.split(',');
    let resource = parts.next().unwrap_or_default();
    for part in parts {
        match part.split_once([':', '=']) {
            Some(("mode" | "m", "publish")) => {}
            Some(("mode" | "m", "request" | "read" | "play")) => return Err(StreamIdError::Request),
            // Tokens of other servers.
            _ => {}
        }
    }
    for reading in ["read:", "play:", "request:", "play/", "request/"] {
        if resource.starts_with(reading) {
            return Err(StreamIdError::Request);
        }
    }
    if let Some(behind) = resource.strip_prefix("publish:") {
        return Ok(behind.split(':').next().unwrap_or(behind));
    }
    Ok(resource.strip_prefix("publish/").unwrap_or(resource))
}

/// The key behind the application, if one is named.
fn without_app(path: &str) -> Result<&str, StreamIdError> {
    let path = path.trim_matches('/');
    match path.rsplit_once('/') {
        None => Ok(path),
        Some((before, key)) if before.rsplit('/').next() == Some(APP) => Ok(key),
        Some(_) => Err(StreamIdError::Path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(stream_id: &str) -> Result<String, StreamIdError> {
        key(stream_id.as_bytes()).map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned())
    }

    #[test]
    fn every_dialect_gives_the_key() {
        for stream_id in [
            "KEY-1",
            "live/KEY-1",
            "/live/KEY-1",
            "publish:KEY-1",
            "publish:live/KEY-1",
            "publish:KEY-1:user:password",
            "publish/live/KEY-1",
            "publish/KEY-1",
            "#!::r=KEY-1,m=publish",
            "#!::m=publish,r=KEY-1",
            "#!::r=KEY-1",
            "#!::r=live/KEY-1,m=publish",
            "#!::r=/live/KEY-1",
            "#!::u=someone,r=KEY-1,x=y,t=stream,nothing",
            "#!::h=host,r=live/KEY-1,m=publish",
            "#!::h=host,r=live/KEY-1?token=a,m=bidirectional",
            "uplive.example.com/live/KEY-1",
            "input/live/KEY-1",
            "KEY-1,mode:publish,token:secret",
            "live/KEY-1,token=secret",
            "live/KEY-1?latency=200",
            "  KEY-1\n",
        ] {
            assert_eq!(read(stream_id).as_deref(), Ok("KEY-1"), "{stream_id}");
        }
    }

    #[test]
    fn what_names_no_stream_to_publish_says_why() {
        for (stream_id, error) in [
            ("", StreamIdError::Missing),
            ("live/", StreamIdError::Missing),
            ("#!::m=publish", StreamIdError::Missing),
            ("#!::", StreamIdError::Missing),
            ("#!:{r=KEY}", StreamIdError::Mode),
            ("#!::r=KEY,m=request", StreamIdError::Request),
            ("#!::r=KEY,m=sing", StreamIdError::Mode),
            ("read:KEY", StreamIdError::Request),
            ("play/live/KEY", StreamIdError::Request),
            ("KEY,mode:request", StreamIdError::Request),
            ("other/KEY", StreamIdError::Path),
            ("KEY\u{7}", StreamIdError::NotText),
        ] {
            let expected = if stream_id == "live/" { Ok("live".to_owned()) } else { Err(error) };
            assert_eq!(read(stream_id), expected, "{stream_id}");
        }
        assert_eq!(key(&[0xff, 0xfe]).map(|_| ()), Err(StreamIdError::NotText));
    }

    proptest! {
        #[test]
        fn no_stream_id_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = key(&bytes);
        }

        #[test]
        fn a_key_of_any_shape_comes_through_every_form(k in "[A-Za-z0-9_-]{1,64}") {
            for form in [k.clone(), format!("live/{k}"), format!("#!::r={k},m=publish"), format!("publish:{k}")] {
                prop_assert_eq!(read(&form), Ok(k.clone()));
            }
        }
    }
}
