//! The configuration in the words of the crates that it is for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tracing::info;
use weir_broadcast::{Capacity, ChannelSpec, Door, Entrance, Gate, Lasting, OnShutdown, PresetChoice, Settings};
use weir_director::IngestUrls;
use weir_events::Rules;
use weir_ingest::{
    Protocol, Refusal, RtmpConfig, RtmpTls, SrtAccess, SrtConfig, SrtLimits, SrtLookup, SrtPull, StreamKey, TlsError,
};
use weir_ladder::{WorkerCommand, WorkerLimits};
use weir_origin::TokenKeys;

use crate::config::{self, Config};
use crate::keys::ChannelKey;
use crate::listen::{machine_name, reachable};

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

/// Where SRT callers find what they have to know and to wait for. The port is opened before the keys are known: until
/// [`set`](LateGate::set) no caller is let in.
#[derive(Clone, Default)]
pub struct LateGate(Arc<OnceLock<Arc<Gate>>>);

impl LateGate {
    /// From now on callers are let in.
    pub fn set(&self, gate: Arc<Gate>) {
        // Set once, at the start.
        let _ = self.0.set(gate);
    }

    fn lookup(&self) -> SrtLookup {
        let known = self.0.clone();
        Arc::new(move |key, peer| {
            let starting = || Refusal::Unavailable("the server is starting, try again".to_owned());
            let gate = known.get().ok_or_else(starting)?;
            gate.find(key, peer, Protocol::Srt, Instant::now()).map(|entrance| entrance.srt)
        })
    }
}

/// Lets the encoders of standing channels through the gate.
pub fn open_doors(gate: &Gate, config: &Config, keys: &[ChannelKey]) {
    for (channel, key) in config.channels.iter().zip(keys) {
        let entrance = Entrance { channel: channel.name.clone(), srt: srt_access(config, channel), only: None };
        gate.set(gate.digest(key.key.expose().as_bytes()), Door::Open(entrance));
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
pub fn srt(config: &Config, gate: &LateGate) -> Option<SrtConfig> {
    let srt = config.srt.as_ref()?;
    let mut limits = SrtLimits::default();
    if let Some(max) = srt.callers_per_address_max {
        limits.callers_per_address_max = max as usize;
    }
    Some(SrtConfig { listen: srt.listen, limits, lookup: gate.lookup() })
}

/// The origin's settings.
///
/// # Errors
/// The certificate or its key cannot be used.
pub fn origin(config: &Config, tokens: TokenKeys) -> Result<weir_origin::Config, weir_origin::TlsError> {
    let http = &config.http;
    let mut limits = weir_origin::Limits { shutdown_grace: SHUTDOWN_GRACE, ..weir_origin::Limits::default() };
    let set = |limit: &mut usize, wanted: Option<u32>| *limit = wanted.map_or(*limit, |wanted| wanted as usize);
    set(&mut limits.connections_max, http.connections_max);
    set(&mut limits.connections_per_address_max, http.connections_per_address_max);
    set(&mut limits.waiters_max, http.waiters_max);
    set(&mut limits.waiters_per_address_max, http.waiters_per_address_max);
    limits.streams_per_connection_max = http.streams_per_connection_max.unwrap_or(limits.streams_per_connection_max);
    let tls = http.tls.as_ref().map(http_tls).transpose()?;
    Ok(weir_origin::Config { listen: http.listen, tls, limits, tokens: Some(tokens) })
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
pub async fn settings(config: &Config) -> anyhow::Result<Settings> {
    let worker = WorkerCommand { program: std::env::current_exe()?, args: vec!["ladder-worker".into()] };
    let preset = preset(config, &worker).await?;
    let memory_bytes_max = u64::from(config.ladder.memory_max_mb) << 20;
    Ok(Settings {
        state_dir: config.data_dir.join("channels"),
        events_dir: events_dir(config),
        rungs: config.ladder.rungs.clone(),
        preset,
        copy_best: config.ladder.copy_best,
        packager: weir_packager::Config::new(config.hls.latency, config.hls.segment_ms, config.hls.window_s)?,
        reconnect_window: reconnect_window(config),
        on_shutdown: match config.hls.on_shutdown {
            config::OnShutdown::Resume => OnShutdown::Resume,
            config::OnShutdown::End => OnShutdown::End,
        },
        worker,
        worker_limits: WorkerLimits { memory_bytes_max, ..WorkerLimits::default() },
    })
}

/// Who chooses the preset: sees that the worker starts, and how fast the machine is where that is needed.
async fn preset(config: &Config, worker: &WorkerCommand) -> anyhow::Result<PresetChoice> {
    if let Some(preset) = config.ladder.preset {
        weir_ladder::check_worker(worker).await?;
        return Ok(PresetChoice::Fixed(preset));
    }
    let speed = weir_ladder::measure_speed(worker).await?;
    let capacity = Capacity::new(speed);
    let (cores, ns_per_macroblock) = (speed.cores, speed.ns_per_macroblock);
    info!(cores, ns_per_macroblock, for_ladders = %capacity.all(), "the machine was measured, presets follow from it");
    Ok(PresetChoice::Auto(capacity))
}

/// The standing channels.
pub fn channels(config: &Config) -> Vec<ChannelSpec> {
    let spec = |channel: &config::Channel| ChannelSpec {
        name: channel.name.clone(),
        input: channel.input,
        lasting: Lasting::Standing,
    };
    config.channels.iter().map(spec).collect()
}

fn events_dir(config: &Config) -> PathBuf {
    config.data_dir.join("events")
}

/// The director's settings. `http` is where players really connect.
pub fn director(config: &Config, addresses: &Addresses) -> weir_director::Config {
    let ms = |seconds: u32| i64::from(seconds) * 1000;
    let rules = Rules {
        duration_ms_max: ms(config.events.duration_max_s),
        lead_ms: ms(config.events.lead_s),
        no_input_ms: ms(config.events.no_input_s),
    };
    let latency_ms = config.srt.as_ref().map_or(config::SRT_LATENCY_MS, |srt| srt.latency_ms);
    weir_director::Config {
        rules,
        ingest: ingest_urls(config, addresses),
        srt_latency: Duration::from_millis(latency_ms.into()),
        playback_url: playback_url(config, addresses),
        events_dir: events_dir(config),
    }
}

/// Where viewers come, without a slash at its end.
pub fn playback_url(config: &Config, addresses: &Addresses) -> String {
    let bound = || format!("http://{}", host_port(None, addresses.http));
    config.playback_url.clone().unwrap_or_else(bound)
}

fn ingest_urls(config: &Config, addresses: &Addresses) -> IngestUrls {
    let host = config.ingest.host.as_deref();
    let url = |scheme: &str, address, path: &str| format!("{scheme}://{}{path}", host_port(host, address));
    IngestUrls {
        rtmp: Some(url("rtmp", addresses.rtmp, "/live")),
        rtmps: addresses.rtmps.map(|address| url("rtmps", address, "/live")),
        srt: addresses.srt.map(|address| url("srt", address, "")),
    }
}

/// The `host` that the configuration names, or where the listener can be found.
fn host_port(host: Option<&str>, address: SocketAddr) -> String {
    match host {
        Some(host) => format!("{host}:{}", address.port()),
        None => reachable(address, &machine_name()),
    }
}

/// Where the daemon listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Players.
    pub http: SocketAddr,
    /// Players, with TLS.
    pub https: Option<SocketAddr>,
    /// Encoders.
    pub rtmp: SocketAddr,
    /// Encoders, with TLS.
    pub rtmps: Option<SocketAddr>,
    /// Encoders, over UDP.
    pub srt: Option<SocketAddr>,
    /// Operators.
    pub api: SocketAddr,
}

fn reconnect_window(config: &Config) -> Duration {
    Duration::from_secs(u64::from(config.ladder.reconnect_window_s))
}
