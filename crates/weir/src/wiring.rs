//! The configuration in the words of the crates that it is for.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use weir_broadcast::{ChannelSpec, Gate, OnShutdown, Settings};
use weir_ingest::{RtmpConfig, RtmpTls, SrtAccess, SrtConfig, SrtLimits, SrtLookup, SrtPull, StreamKey, TlsError};
use weir_ladder::{WorkerCommand, WorkerLimits};

use crate::config::{self, Config};
use crate::keys::ChannelKey;

/// How much longer than the reconnect window a silent connection is kept: the broadcast closes it first and
/// says why.
const IDLE_MARGIN: Duration = Duration::from_secs(30);

/// For answers under way when everything else has stopped; the whole stop may take five seconds.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// The ingest's settings.
///
/// # Errors
/// The certificate or its key cannot be used.
pub fn rtmp(config: &Config) -> Result<RtmpConfig, TlsError> {
    let tls = match &config.rtmp.tls {
        Some(tls) => Some(RtmpTls { listen: tls.listen, config: weir_ingest::tls_config(&tls.cert, &tls.key)? }),
        None => None,
    };
    let idle_timeout = reconnect_window(config) + IDLE_MARGIN;
    let mut limits = weir_ingest::Limits { idle_timeout, ..weir_ingest::Limits::default() };
    if let Some(max) = config.rtmp.connections_per_address_max {
        limits.connections_per_address_max = max as usize;
    }
    Ok(RtmpConfig { listen: config.rtmp.listen, tls, limits })
}

/// What SRT callers have to know and to wait for, by their keys. The port is opened before the keys are known: until
/// [`set`](SrtKeys::set) no caller is let in.
#[derive(Clone, Default)]
pub struct SrtKeys(Arc<OnceLock<(Gate, Vec<SrtAccess>)>>);

impl SrtKeys {
    /// The channels with their keys, which stand in the same order.
    pub fn set(&self, config: &Config, keys: &[ChannelKey]) {
        let access = |channel| srt_access(config, channel);
        let gate = Gate::new(keys.iter().map(|key| key.key.expose().as_bytes().to_vec()).collect());
        // Set once, at the start.
        let _ = self.0.set((gate, config.channels.iter().map(access).collect()));
    }

    fn lookup(&self) -> SrtLookup {
        let known = self.0.clone();
        Arc::new(move |key| {
            let (gate, access) = known.get()?;
            gate.channel(key.as_bytes()).and_then(|index| access.get(index)).cloned()
        })
    }
}

/// What holds for a channel over SRT: its own settings, or those of `[srt]`.
fn srt_access(config: &Config, channel: &config::Channel) -> SrtAccess {
    let server = config.srt.as_ref();
    let latency_ms = channel.srt_latency_ms.or(server.map(|srt| srt.latency_ms)).unwrap_or(config::SRT_LATENCY_MS);
    SrtAccess {
        passphrase: channel.srt_passphrase.as_ref().or(server.and_then(|srt| srt.passphrase.as_ref())).cloned(),
        latency: Duration::from_millis(latency_ms.into()),
    }
}

/// The streams that are fetched over SRT.
pub fn srt_pulls(config: &Config, keys: &[ChannelKey]) -> Vec<SrtPull> {
    let pull = |(channel, key): (&config::Channel, &ChannelKey)| {
        let from = channel.srt_pull.as_ref()?;
        let SrtAccess { passphrase, latency } = srt_access(config, channel);
        let (address, stream_id) = (from.address.clone(), from.stream_id.clone());
        Some(SrtPull { address, stream_id, passphrase, latency, key: StreamKey::new(key.key.expose()) })
    };
    config.channels.iter().zip(keys).filter_map(pull).collect()
}

/// The SRT listener's settings, if there is to be one.
pub fn srt(config: &Config, keys: &SrtKeys) -> Option<SrtConfig> {
    let srt = config.srt.as_ref()?;
    let mut limits = SrtLimits::default();
    if let Some(max) = srt.callers_per_address_max {
        limits.callers_per_address_max = max as usize;
    }
    Some(SrtConfig { listen: srt.listen, limits, lookup: keys.lookup() })
}

/// The origin's settings.
///
/// # Errors
/// The certificate or its key cannot be used.
pub fn origin(config: &Config) -> Result<weir_origin::Config, weir_origin::TlsError> {
    let http = &config.http;
    let mut limits = weir_origin::Limits { shutdown_grace: SHUTDOWN_GRACE, ..weir_origin::Limits::default() };
    let set = |limit: &mut usize, wanted: Option<u32>| *limit = wanted.map_or(*limit, |wanted| wanted as usize);
    set(&mut limits.connections_max, http.connections_max);
    set(&mut limits.connections_per_address_max, http.connections_per_address_max);
    set(&mut limits.waiters_max, http.waiters_max);
    set(&mut limits.waiters_per_address_max, http.waiters_per_address_max);
    limits.streams_per_connection_max = http.streams_per_connection_max.unwrap_or(limits.streams_per_connection_max);
    let tls = http.tls.as_ref().map(http_tls).transpose()?;
    Ok(weir_origin::Config { listen: http.listen, tls, limits, tokens: None })
}

fn http_tls(tls: &config::HttpTls) -> Result<weir_origin::Tls, weir_origin::TlsError> {
    let config = match &tls.certificate {
        config::Certificate::Files { cert, key } => weir_origin::tls_config(cert, key)?,
        config::Certificate::SelfSigned => weir_origin::self_signed(&names(tls.listen))?,
    };
    Ok(weir_origin::Tls { listen: tls.listen, config })
}

/// What a certificate for trying out is good for.
fn names(listen: SocketAddr) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let address = listen.ip().to_string();
    if !listen.ip().is_unspecified() && !names.contains(&address) {
        names.push(address);
    }
    names
}

/// The broadcasts' settings.
///
/// # Errors
/// The program cannot find itself, or a value that the configuration let pass is refused further in.
pub fn settings(config: &Config) -> anyhow::Result<Settings> {
    let memory_bytes_max = u64::from(config.ladder.memory_max_mb) << 20;
    Ok(Settings {
        state_dir: config.data_dir.join("channels"),
        rungs: config.ladder.rungs.clone(),
        preset: config.ladder.preset,
        packager: weir_packager::Config::new(config.hls.latency, config.hls.segment_ms, config.hls.window_s)?,
        reconnect_window: reconnect_window(config),
        on_shutdown: match config.hls.on_shutdown {
            config::OnShutdown::Resume => OnShutdown::Resume,
            config::OnShutdown::End => OnShutdown::End,
        },
        worker: WorkerCommand { program: std::env::current_exe()?, args: vec!["ladder-worker".into()] },
        worker_limits: WorkerLimits { memory_bytes_max, ..WorkerLimits::default() },
    })
}

/// The channels with their keys, which stand in the same order.
pub fn channels(config: &Config, keys: &[ChannelKey]) -> Vec<ChannelSpec> {
    let spec = |(channel, key): (&config::Channel, &ChannelKey)| ChannelSpec {
        name: channel.name.clone(),
        input: channel.input,
        key: key.key.expose().as_bytes().to_vec(),
    };
    config.channels.iter().zip(keys).map(spec).collect()
}

fn reconnect_window(config: &Config) -> Duration {
    Duration::from_secs(u64::from(config.ladder.reconnect_window_s))
}
