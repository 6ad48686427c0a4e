//! What the daemon's configuration says to the director.

use std::path::PathBuf;
use std::time::Duration;

use weir_events::Rules;

/// What a director is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The figures of the rules.
    pub rules: Rules,
    /// Where encoders are told to connect.
    pub ingest: IngestUrls,
    /// For how long packets of events over SRT are held.
    pub srt_latency: Duration,
    /// Where viewers come, without a slash at its end, for example `https://live.example`.
    pub playback_url: String,
    /// Where the channels of events keep their files.
    pub events_dir: PathBuf,
}

/// Where encoders are told to connect; `None` where there is no listener.
#[derive(Debug, Clone, Default)]
pub struct IngestUrls {
    /// For example `rtmp://live.example:1935/live`.
    pub rtmp: Option<String>,
    /// For example `rtmps://live.example:1936/live`.
    pub rtmps: Option<String>,
    /// For example `srt://live.example:8890`.
    pub srt: Option<String>,
}
