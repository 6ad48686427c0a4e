//! The commands of an encoder, and the many ways in which it may spell application and key.

use super::APP;
use super::amf0::{self, AmfError, Value};
use super::metadata;
use crate::{Encoder, StreamKey};

/// The longest stream key that is looked at; those weir makes are far shorter.
const KEY_BYTES_MAX: usize = 256;

/// A command message (RTMP 1.0, 7.2), as far as a server for publishers cares.
#[derive(Debug)]
pub(super) enum Command {
    Connect {
        transaction: f64,
        /// `None` when the application is not ours.
        target: Option<Target>,
        encoder: Encoder,
    },
    CreateStream {
        transaction: f64,
    },
    Publish {
        name: KeyText,
    },
    /// `FCUnpublish`, `deleteStream` or `closeStream`.
    Unpublish,
    Play,
    /// `releaseStream` or `FCPublish`, which want an answer but mean nothing here.
    Courtesy {
        transaction: f64,
    },
    /// Any other, by its printable name.
    Unknown(String),
}

impl Command {
    /// The printable name, for logs.
    pub fn name(&self) -> String {
        let name = match self {
            Self::Connect { .. } => "connect",
            Self::CreateStream { .. } => "createStream",
            Self::Publish { .. } => "publish",
            Self::Unpublish => "FCUnpublish, deleteStream or closeStream",
            Self::Play => "play",
            Self::Courtesy { .. } => "releaseStream or FCPublish",
            Self::Unknown(name) => name,
        };
        name.to_owned()
    }
}

/// What `connect` aims at: our application, perhaps with the key behind it.
#[derive(Debug)]
pub(super) struct Target {
    pub key: KeyText,
}

/// A place where a key may stand.
#[derive(Debug)]
pub(super) enum KeyText {
    Empty,
    TooLong(usize),
    Key(StreamKey),
}

/// Why a command message cannot be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum CommandError {
    #[error(transparent)]
    Amf(#[from] AmfError),
    #[error("the command has {0} bytes, more than any real one")]
    TooLong(usize),
    #[error("the command has {0} values, or they are not of the right kind")]
    Shape(usize),
}

/// Reads the body of an AMF0 command message.
pub(super) fn read(body: &[u8]) -> Result<Command, CommandError> {
    let values = amf0::read(body)?;
    let shape = || CommandError::Shape(values.len());
    let name = values.first().and_then(Value::as_str).ok_or_else(shape)?;
    // Absent in the notifications of some encoders, which then expect no answer.
    let transaction = values.get(1).and_then(Value::as_number).unwrap_or(0.0);
    Ok(match name {
        "connect" => {
            let object = values.get(2).ok_or_else(shape)?;
            let app = object.get("app").and_then(Value::as_str).unwrap_or_default();
            Command::Connect { transaction, target: target(app), encoder: metadata::encoder(object) }
        }
        "createStream" => Command::CreateStream { transaction },
        "publish" => Command::Publish { name: key(values.get(3).and_then(Value::as_str).unwrap_or_default()) },
        "FCUnpublish" | "deleteStream" | "closeStream" => Command::Unpublish,
        "play" | "play2" => Command::Play,
        "releaseStream" | "FCPublish" => Command::Courtesy { transaction },
        other => Command::Unknown(metadata::printable(other)),
    })
}

/// Understands `live`, `live/`, `live/KEY`, `live/KEY/` and each with a query.
fn target(app: &str) -> Option<Target> {
    let path = without_query(app).trim_matches('/');
    let (app, behind) = path.split_once('/').unwrap_or((path, ""));
    (app == APP).then(|| Target { key: key(behind) })
}

/// Understands `KEY`, `KEY/`, `KEY?query`.
fn key(text: &str) -> KeyText {
    match without_query(text).trim_matches('/') {
        "" => KeyText::Empty,
        long if long.len() > KEY_BYTES_MAX => KeyText::TooLong(long.len()),
        key => KeyText::Key(StreamKey::new(key)),
    }
}

fn without_query(text: &str) -> &str {
    text.split_once('?').map_or(text, |(path, _)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(key: KeyText) -> Option<String> {
        match key {
            KeyText::Key(key) => Some(String::from_utf8(key.as_bytes().to_vec()).expect("UTF-8")),
            _ => None,
        }
    }

    #[test]
    fn the_application_may_carry_slashes_a_query_and_the_key() {
        for app in ["live", "live/", "/live", "live?x=/y", "live/?x"] {
            assert!(matches!(target(app), Some(Target { key: KeyText::Empty })), "{app}");
        }
        for app in ["live/s3cret", "live/s3cret/", "/live/s3cret?x=y"] {
            assert_eq!(target(app).and_then(|target| spelled(target.key)).as_deref(), Some("s3cret"), "{app}");
        }
        for app in ["", "/", "Live", "livestream", "app/live", "?live"] {
            assert!(target(app).is_none(), "{app}");
        }
    }

    #[test]
    fn the_publish_name_may_carry_a_query_and_slashes() {
        for name in ["s3cret", "s3cret?user=a&b=c", "/s3cret/", "s3cret/?x"] {
            assert_eq!(spelled(key(name)).as_deref(), Some("s3cret"), "{name}");
        }
        assert!(matches!(key("?only=query"), KeyText::Empty));
        assert!(matches!(key(&"k".repeat(257)), KeyText::TooLong(257)));
    }

    #[test]
    fn commands_without_their_values_are_refused_or_take_defaults() {
        assert_eq!(read(&[]).err(), Some(CommandError::Shape(0)));
        assert_eq!(read(&[5]).err(), Some(CommandError::Shape(1)));
        assert_eq!(read(b"\x02\0\x07connect").err(), Some(CommandError::Shape(1)));
        assert!(matches!(read(b"\x02\0\x07publish"), Ok(Command::Publish { name: KeyText::Empty })));
        assert!(matches!(read(b"\x02\0\x0ccreateStream"), Ok(Command::CreateStream { .. })));
        assert!(matches!(read(b"\x02\0\x03\x1b[m"), Ok(Command::Unknown(name)) if name == "[m"));
    }
}
