//! The daemon's settings: one TOML file, read whole and checked whole before anything is bound.
//!
//! Text becomes [`raw::Raw`] (serde: names and types), and that becomes [`Config`] (ranges, files, settings that
//! contradict each other). Whatever is wrong is collected and shown together.

mod channels;
mod check;
mod event_sections;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod problem;
mod raw;
mod read;
mod redact;
mod rungs;
mod sections;
mod summary;

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use weir_ingest::Passphrase;
use weir_ladder::{DeclaredInput, Preset, RungSpec};
use weir_packager::Latency;

use crate::keys::SecretKey;
use check::Check;
use problem::Problems;

pub use problem::ConfigError;
pub use sections::SRT_LATENCY_MS;

/// Thousands of channels fit; a file that is longer is not a configuration.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The whole configuration, valid. Paths are ready to use: relative ones were taken from the file's own folder.
#[derive(Debug)]
pub struct Config {
    /// Where the daemon keeps keys, positions and windows. May not exist yet.
    pub data_dir: PathBuf,
    /// `[log]`.
    pub log: Log,
    /// `[http]`.
    pub http: Http,
    /// `[rtmp]`.
    pub rtmp: Rtmp,
    /// `[srt]`, if wanted.
    pub srt: Option<Srt>,
    /// `[hls]`.
    pub hls: Hls,
    /// `[ladder]`.
    pub ladder: Ladder,
    /// `[database]`.
    pub database: Database,
    /// `[api]`.
    pub api: Api,
    /// `[events]`.
    pub events: Events,
    /// `[ingest]`.
    pub ingest: Ingest,
    /// `[playback] public_url`: where viewers come, without a slash at its end; the address of `[http]` when `None`.
    pub playback_url: Option<String>,
    /// `[outbound] allow`: networks that weir may reach on others' behalf although they are not public.
    pub outbound_allow: Vec<ipnet::IpNet>,
    /// `[[channel]]`: names and keys all different.
    pub channels: Vec<Channel>,
}

/// Where events are kept.
#[derive(Debug)]
pub struct Database {
    /// SQLite or PostgreSQL.
    pub url: weir_store::DatabaseUrl,
    /// What its secrets are sealed with; made when missing.
    pub secret_key_file: PathBuf,
}

/// The HTTP API.
#[derive(Debug)]
pub struct Api {
    /// Where operators and their programs connect.
    pub listen: SocketAddr,
    /// Whether everybody comes through a proxy with TLS that says where they come from.
    pub behind_proxy: bool,
}

/// The figures of the rules of events, in seconds.
#[derive(Debug)]
pub struct Events {
    /// The longest live; 60 to 86400.
    pub duration_max_s: u32,
    /// How long before its planned start an event is made ready; 0 to 3600.
    pub lead_s: u32,
    /// How long it may be without input; 5 to 3600.
    pub no_input_s: u32,
}

/// What holds for encoders of all protocols.
#[derive(Debug)]
pub struct Ingest {
    /// The name or address that encoders are told to connect to.
    pub host: Option<String>,
    /// Wrong stream keys that an address may try in a minute.
    pub wrong_keys_per_minute_max: u32,
}

/// How the daemon tells what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// Text or JSON.
    pub format: LogFormat,
    /// The least important events that are shown.
    pub level: tracing::Level,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}

/// The origin.
#[derive(Debug)]
pub struct Http {
    /// Where players connect.
    pub listen: SocketAddr,
    /// Connections at a time; the origin's own limit when `None`.
    pub connections_max: Option<u32>,
    /// Connections at a time from one address; the origin's own limit when `None`. To be raised behind a proxy.
    pub connections_per_address_max: Option<u32>,
    /// Requests at a time that wait for media; the origin's own limit when `None`.
    pub waiters_max: Option<u32>,
    /// Of these, from one address; the origin's own limit when `None`. To be raised behind a proxy.
    pub waiters_per_address_max: Option<u32>,
    /// Requests at a time on one HTTP/2 connection; the origin's own limit when `None`.
    pub streams_per_connection_max: Option<u32>,
    /// HTTPS, if wanted.
    pub tls: Option<HttpTls>,
}

/// HTTPS for players.
#[derive(Debug)]
pub struct HttpTls {
    /// Where players connect with TLS.
    pub listen: SocketAddr,
    /// Where the certificate comes from.
    pub certificate: Certificate,
}

/// Where a certificate comes from.
#[derive(Debug)]
pub enum Certificate {
    /// Both files could be opened for reading; what they hold was not looked at.
    Files {
        /// PEM: the certificate, and those it was signed by.
        cert: PathBuf,
        /// PEM: its private key.
        key: PathBuf,
    },
    /// Made at the start, for trying out.
    SelfSigned,
}

/// RTMP ingest.
#[derive(Debug)]
pub struct Rtmp {
    /// Where encoders connect.
    pub listen: SocketAddr,
    /// Connections at a time from one address; the ingest's own limit when `None`.
    pub connections_per_address_max: Option<u32>,
    /// RTMPS, if wanted.
    pub tls: Option<RtmpTls>,
}

/// RTMPS ingest. Both files could be opened for reading; what they hold was not looked at.
#[derive(Debug)]
pub struct RtmpTls {
    /// Where encoders connect with TLS.
    pub listen: SocketAddr,
    /// PEM: the certificate, and those it was signed by.
    pub cert: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// SRT ingest.
#[derive(Debug)]
pub struct Srt {
    /// Where encoders connect, over UDP.
    pub listen: SocketAddr,
    /// Milliseconds for which packets are held, of channels that do not say otherwise; 20 to 8000.
    pub latency_ms: u32,
    /// The passphrase of channels that have none of their own.
    pub passphrase: Option<Passphrase>,
    /// Callers at a time from one address; the ingest's own limit when `None`.
    pub callers_per_address_max: Option<u32>,
}

/// Segments and playlists.
#[derive(Debug)]
pub struct Hls {
    /// Whether segments are published in parts.
    pub latency: Latency,
    /// Milliseconds, 500 to 10000.
    pub segment_ms: u32,
    /// Seconds a playlist reaches back: 15 to 900, and at least six segments.
    pub window_s: u32,
    /// What a stopping daemon leaves to its players.
    pub on_shutdown: OnShutdown,
}

/// What becomes of the playlists when the daemon stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnShutdown {
    /// The window is kept, and the next start goes on with it.
    Resume,
    /// The playlists end.
    End,
}

/// Encoding.
#[derive(Debug)]
pub struct Ladder {
    /// An x264 preset; `None` where it follows from what the machine holds.
    pub preset: Option<Preset>,
    /// Whether the best rung is the encoder's own picture where that is fit for it.
    pub copy_best: bool,
    /// Seconds an encoder may stay away before its broadcast ends; 5 to 86400.
    pub reconnect_window_s: u32,
    /// MiB of memory one worker may use; 256 to 65536.
    pub memory_max_mb: u32,
    /// The rungs, best first.
    pub rungs: Vec<RungSpec>,
}

/// A standing stream: on whenever its encoder is.
#[derive(Debug)]
pub struct Channel {
    /// Part of its URLs: `[a-z0-9][a-z0-9-]{0,62}`.
    pub name: String,
    /// What the encoder is meant to send.
    pub input: DeclaredInput,
    /// Where the stream key comes from.
    pub key: KeySource,
    /// What SRT encoders encrypt with; `[srt]` decides when `None`.
    pub srt_passphrase: Option<Passphrase>,
    /// Milliseconds for which packets are held over SRT; `[srt]` decides when `None`.
    pub srt_latency_ms: Option<u32>,
    /// An SRT listener that the stream is fetched from.
    pub srt_pull: Option<PullFrom>,
}

/// `srt://address?streamid=…`.
#[derive(Clone)]
pub struct PullFrom {
    /// Host and port.
    pub address: String,
    /// May be a secret of its own.
    pub stream_id: Option<String>,
}

impl std::fmt::Debug for PullFrom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PullFrom").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Where a channel's stream key comes from.
#[derive(Debug)]
pub enum KeySource {
    /// From the configuration.
    Given(SecretKey),
    /// From a file of its own.
    File {
        /// The file.
        path: PathBuf,
        /// What it held when the configuration was read.
        key: SecretKey,
    },
    /// Made at the first start and kept under the data folder.
    Generated,
}

impl KeySource {
    /// The key, where it is known already.
    fn secret(&self) -> Option<&SecretKey> {
        match self {
            Self::Given(key) | Self::File { key, .. } => Some(key),
            Self::Generated => None,
        }
    }
}

impl Config {
    /// Reads the file at `path` and checks it.
    ///
    /// # Errors
    /// The file cannot be read, or all that is wrong in it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let source = read_text(path)?;
        Self::parse(path, &source)
    }

    fn parse(path: &Path, source: &str) -> Result<Self, ConfigError> {
        let (raw, mut problems) = read::read(source);
        let mut config = None;
        if let Some(raw) = raw {
            let mut check = Check::new(path.parent().unwrap_or(Path::new("")), problems.is_empty());
            config = Some(sections::config(&mut check, &raw));
            problems.extend(check.into_problems());
        }
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(ConfigError::Invalid(Problems::new(path.display().to_string(), redact::redact(source), problems))),
        }
    }
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|source| ConfigError::Unreadable { file: path.to_owned(), source })?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(ConfigError::TooLong { file: path.to_owned(), bytes_max: FILE_BYTES_MAX });
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line_start = valid.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        ConfigError::NotUtf8 { file: path.to_owned(), line, column: 1 + valid.len() - line_start }
    })
}
