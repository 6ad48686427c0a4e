//! Declarations of an encoder about itself, made fit for people to read.

use super::amf0::Value;
use crate::{Encoder, Metadata};

/// Characters of a text that are kept; OBS needs 44.
const TEXT_CHARS_MAX: usize = 96;
/// Codecs of a `fourCcList` that are kept; encoders list up to 10.
const FOUR_CCS_MAX: usize = 16;

/// Reads the values of a data message; `None` when it is not `onMetaData`.
pub(super) fn read(values: &[Value]) -> Option<Metadata> {
    let values = match values {
        [first, rest @ ..] if first.as_str() == Some("@setDataFrame") => rest,
        all => all,
    };
    let (name, declared) = values.split_first()?;
    if name.as_str() != Some("onMetaData") {
        return None;
    }
    let declared = declared.first()?;
    let number = |name: &str, factor: f64, max: f64| {
        let number = declared.get(name)?.as_number()? * factor;
        // A float becomes an integer here, once, and only if it is a plausible one.
        (1.0..=max).contains(&number).then(|| number.round() as u32)
    };
    Some(Metadata {
        encoder: declared.get("encoder").and_then(Value::as_str).map(printable).filter(|text| !text.is_empty()),
        width: number("width", 1.0, 65_535.0),
        height: number("height", 1.0, 65_535.0),
        frame_rate_millihertz: number("framerate", 1000.0, 1_000_000.0),
        video_kbps: number("videodatarate", 1.0, 10_000_000.0),
        audio_kbps: number("audiodatarate", 1.0, 10_000_000.0),
        audio_sample_rate: number("audiosamplerate", 1.0, 1_000_000.0),
    })
}

/// Reads the command object of `connect`.
pub(super) fn encoder(connect: &Value) -> Encoder {
    let four_ccs = match connect.get("fourCcList") {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).take(FOUR_CCS_MAX).map(printable).collect(),
        _ => Vec::new(),
    };
    let flash_ver = connect.get("flashVer").and_then(Value::as_str).map(printable).unwrap_or_default();
    Encoder { flash_ver, four_ccs }
}

/// The text without control characters, cut to a length fit for a log.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn object(properties: &[(&str, Value)]) -> Value {
        Value::Object(properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    #[test]
    fn declarations_are_read_with_and_without_the_leading_command() {
        let declared = object(&[
            ("width", Value::Number(1920.0)),
            ("framerate", Value::Number(30_000.0 / 1001.0)),
            ("encoder", text("obs-output module (libobs version 29.1.3)")),
        ]);
        let wanted = Metadata {
            encoder: Some("obs-output module (libobs version 29.1.3)".to_owned()),
            width: Some(1920),
            frame_rate_millihertz: Some(29_970),
            ..Metadata::default()
        };
        assert_eq!(read(&[text("onMetaData"), declared.clone()]), Some(wanted.clone()));
        assert_eq!(read(&[text("@setDataFrame"), text("onMetaData"), declared]), Some(wanted));
    }

    #[test]
    fn lies_are_left_out() {
        let declared = object(&[
            ("width", Value::Number(f64::NAN)),
            ("height", Value::Number(-1.0)),
            ("framerate", Value::Number(f64::INFINITY)),
            ("videodatarate", text("fast")),
            ("encoder", text("\u{1b}[31m\n")),
        ]);
        let encoder = Some("[31m".to_owned());
        assert_eq!(read(&[text("onMetaData"), declared]), Some(Metadata { encoder, ..Metadata::default() }));
    }

    #[test]
    fn other_and_empty_data_messages_are_not_metadata() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[text("@setDataFrame")]), None);
        assert_eq!(read(&[text("onMetaData")]), None);
        assert_eq!(read(&[text("onTextData"), object(&[])]), None);
    }

    #[test]
    fn texts_of_connect_are_bounded() {
        let four_ccs = Value::Array(vec![text("avc1"); 500]);
        let connect = object(&[("flashVer", text(&"x".repeat(5000))), ("fourCcList", four_ccs)]);
        let encoder = encoder(&connect);
        assert_eq!((encoder.flash_ver.len(), encoder.four_ccs.len()), (TEXT_CHARS_MAX, FOUR_CCS_MAX));
    }
}
