//! The file as it is written: every setting optional, every value with its place in the file.

use serde::Deserialize;
use serde::de::value::Error as ProbeError;
use serde::de::{Deserializer, Error as _, Visitor};
use toml::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Raw {
    pub data_dir: Option<Spanned<String>>,
    pub log: RawLog,
    pub http: RawHttp,
    pub rtmp: RawRtmp,
    pub srt: Option<Spanned<RawSrt>>,
    pub hls: RawHls,
    pub ladder: RawLadder,
    pub database: RawDatabase,
    pub api: RawApi,
    pub events: RawEvents,
    pub ingest: RawIngest,
    pub playback: RawPlayback,
    pub outbound: RawOutbound,
    pub channel: Vec<Spanned<RawChannel>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawLog {
    pub format: Option<Spanned<String>>,
    pub level: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawHttp {
    pub listen: Option<Spanned<String>>,
    pub connections_max: Option<Spanned<i64>>,
    pub connections_per_address_max: Option<Spanned<i64>>,
    pub waiters_max: Option<Spanned<i64>>,
    pub waiters_per_address_max: Option<Spanned<i64>>,
    pub streams_per_connection_max: Option<Spanned<i64>>,
    pub tls: Option<Spanned<RawHttpTls>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawHttpTls {
    pub listen: Option<Spanned<String>>,
    pub cert: Option<Spanned<String>>,
    pub key: Option<Spanned<String>>,
    pub self_signed: Option<Spanned<bool>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRtmp {
    pub listen: Option<Spanned<String>>,
    pub connections_per_address_max: Option<Spanned<i64>>,
    pub tls: Option<Spanned<RawTls>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawTls {
    pub listen: Option<Spanned<String>>,
    pub cert: Option<Spanned<String>>,
    pub key: Option<Spanned<String>>,
}

/// No `Debug` of its own: it may hold a passphrase.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawSrt {
    pub listen: Option<Spanned<String>>,
    pub latency_ms: Option<Spanned<i64>>,
    pub srt_passphrase: Option<Spanned<String>>,
    pub callers_per_address_max: Option<Spanned<i64>>,
}

impl std::fmt::Debug for RawSrt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawSrt").field("listen", &self.listen).finish_non_exhaustive()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawHls {
    pub latency: Option<Spanned<String>>,
    pub segment_ms: Option<Spanned<i64>>,
    pub window_s: Option<Spanned<i64>>,
    pub on_shutdown: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawLadder {
    pub preset: Option<Spanned<String>>,
    pub copy_best: Option<bool>,
    pub reconnect_window_s: Option<Spanned<i64>>,
    pub memory_max_mb: Option<Spanned<i64>>,
    pub rung: Vec<Spanned<RawRung>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRung {
    pub name: Option<Spanned<String>>,
    pub width: Option<Spanned<i64>>,
    pub height: Option<Spanned<i64>>,
    pub kbps: Option<Spanned<i64>>,
    pub kbps_high: Option<Spanned<i64>>,
    pub fps_max: Option<Spanned<i64>>,
    pub profile: Option<Spanned<String>>,
}

/// No `Debug` of its own: the URL may hold a password.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawDatabase {
    pub database_url: Option<Spanned<String>>,
    pub secret_key_file: Option<Spanned<String>>,
}

impl std::fmt::Debug for RawDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawDatabase").field("secret_key_file", &self.secret_key_file).finish_non_exhaustive()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawApi {
    pub listen: Option<Spanned<String>>,
    pub behind_proxy: Option<Spanned<bool>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawEvents {
    pub duration_max_s: Option<Spanned<i64>>,
    pub lead_s: Option<Spanned<i64>>,
    pub no_input_s: Option<Spanned<i64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawIngest {
    pub host: Option<Spanned<String>>,
    pub wrong_keys_per_minute_max: Option<Spanned<i64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawPlayback {
    pub public_url: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawOutbound {
    pub allow: Option<Spanned<String>>,
}

/// No `Debug`: it may hold a stream key.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawChannel {
    pub name: Option<Spanned<String>>,
    pub input: Option<Spanned<String>>,
    pub key: Option<Spanned<String>>,
    pub key_file: Option<Spanned<String>>,
    pub srt_passphrase: Option<Spanned<String>>,
    pub srt_latency_ms: Option<Spanned<i64>>,
    pub srt_pull: Option<Spanned<String>>,
}

impl std::fmt::Debug for RawChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawChannel").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The fields whose values are never shown. The URL of a stream to pull holds its stream id, that of a database its password.
pub const SECRET_FIELDS: [&str; 4] = ["key", "srt_passphrase", "srt_pull", "database_url"];

/// Every table of the file: its path, and the settings it may hold.
pub fn tables() -> [(&'static str, &'static [&'static str]); 17] {
    [
        ("", fields_of::<Raw>()),
        ("log", fields_of::<RawLog>()),
        ("http", fields_of::<RawHttp>()),
        ("http.tls", fields_of::<RawHttpTls>()),
        ("rtmp", fields_of::<RawRtmp>()),
        ("rtmp.tls", fields_of::<RawTls>()),
        ("srt", fields_of::<RawSrt>()),
        ("hls", fields_of::<RawHls>()),
        ("ladder", fields_of::<RawLadder>()),
        ("ladder.rung", fields_of::<RawRung>()),
        ("database", fields_of::<RawDatabase>()),
        ("api", fields_of::<RawApi>()),
        ("events", fields_of::<RawEvents>()),
        ("ingest", fields_of::<RawIngest>()),
        ("playback", fields_of::<RawPlayback>()),
        ("outbound", fields_of::<RawOutbound>()),
        ("channel", fields_of::<RawChannel>()),
    ]
}

/// How the header of the table at `path` is written; `path` is not empty.
pub fn header(path: &str) -> String {
    match path {
        "channel" | "ladder.rung" => format!("[[{path}]]"),
        _ => format!("[{path}]"),
    }
}

/// Where the settings of the table at `path` stand.
pub fn place(path: &str) -> String {
    if path.is_empty() { "at the top of the file".to_owned() } else { format!("in {}", header(path)) }
}

/// The names serde derived for the fields of `T`, asked of serde so that no second list can fall behind.
fn fields_of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // The probe always answers with an error; only what it was asked for matters.
    let _ = T::deserialize(FieldProbe(&mut fields));
    fields
}

struct FieldProbe<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldProbe<'_> {
    type Error = ProbeError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ProbeError> {
        Err(ProbeError::custom("only the names of fields are wanted"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_knows_its_fields() {
        for (path, fields) in tables() {
            assert!(!fields.is_empty(), "{path}");
        }
        assert_eq!(tables()[7].1, ["latency", "segment_ms", "window_s", "on_shutdown"]);
    }

    #[test]
    fn a_raw_channel_does_not_print_its_key() {
        let raw: Raw = toml::from_str("[[channel]]\nname = 'studio'\nkey = 'hidden-hidden-hidden'").unwrap();
        let printed = format!("{raw:?}");
        assert!(printed.contains("studio") && !printed.contains("hidden"), "{printed}");
    }
}
