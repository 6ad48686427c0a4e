//! The daemon: everything is bound, then joined, then drained.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};
use weir_api::Api;
use weir_broadcast::Channels;
use weir_ingest::{BindError, Protocol, RtmpServer, SrtServer};
use weir_origin::{Access, Directory, Origin, Status};
use weir_packager::Snapshot;

use crate::cli::Failure;
use crate::config::Config;
use crate::events::{EventParts, Events};
use crate::keys::{self, ChannelKey};
use crate::listen::cannot_listen;
use crate::vault::Vault;
use crate::wiring::{self, Addresses, LateGate};

/// Publishers that may wait for the gate, which answers at once.
const REQUESTS_MAX: usize = 64;
/// How long ended playlists are served before the daemon goes: players look every target duration.
const END_SHOWN: Duration = Duration::from_secs(2);
/// From the signal to the end of that, however long workers took to drain: all of it must fit in five seconds.
const LINGER_MAX: Duration = Duration::from_millis(3500);
/// Bounds of the histograms of delays, in seconds: fine around the 60 ms that a part may take to be readable.
const DELAY_BUCKETS_S: [f64; 19] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 3.0];
/// How often the metrics recorder tidies its histograms.
const UPKEEP: Duration = Duration::from_secs(5);

/// Why the daemon did not start or did not end well, and the exit code that says so.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ServeError {
    /// The exit code.
    pub failure: Failure,
    message: String,
}

impl ServeError {
    /// What went wrong, and how the process ends of it.
    pub fn new(failure: Failure, error: impl std::fmt::Display) -> Self {
        Self { failure, message: error.to_string() }
    }
}

/// Runs the daemon until SIGTERM or SIGINT.
///
/// # Errors
/// A key cannot be kept, a certificate is broken, an address is taken, or a channel's files cannot be used.
pub async fn serve(config: Config) -> Result<(), ServeError> {
    let running = |e: &dyn std::fmt::Display| ServeError::new(Failure::Running, e);

    // First, so that no signal can come before there is somebody to hear it.
    let mut stopping = pin!(stop_signal().map_err(|e| running(&e))?);
    let metrics = record_metrics().map_err(|e| running(&e))?;
    let rtmp_config = wiring::rtmp(&config).map_err(|e| ServeError::new(Failure::Config, e))?;

    let rtmp = RtmpServer::bind(rtmp_config).await.map_err(|e| ingest_unbound(&e))?;
    let late_gate = LateGate::default();
    let srt = match wiring::srt(&config, &late_gate) {
        Some(srt_config) => Some(SrtServer::bind(srt_config).await.map_err(|e| ingest_unbound(&e))?),
        None => None,
    };
    let api = Api::bind(config.api.listen).await.map_err(|e| unbound("[api] listen", e.address, &e))?;
    let vault = Vault::open(&config)?;
    let directory = Directory::new();
    let ready = Arc::new(AtomicBool::new(false));
    let status = status(metrics, ready.clone());
    let origin_config = wiring::origin(&config, vault.token_keys()).map_err(|e| ServeError::new(Failure::Config, e))?;
    let origin =
        Origin::bind(origin_config, directory.clone(), status).await.map_err(|e| origin_unbound(&config, &e))?;
    let addresses = Addresses {
        http: origin.local_addr(),
        https: origin.tls_local_addr(),
        rtmp: rtmp.local_addr(),
        rtmps: rtmp.tls_local_addr(),
        srt: srt.as_ref().map(SrtServer::local_addr),
        api: api.local_addr(),
    };

    // Only now: a daemon that cannot listen must leave neither a stream key nor a line about one behind.
    let keys = resolve_keys(&config, &rtmp, srt.as_ref())?;
    let settings = tokio::select! {
        settings = wiring::settings(&config) => settings.map_err(|e| running(&e))?,
        () = &mut stopping => return Ok(()),
    };
    let store = vault.store(&config).await?;
    let gate = Arc::new(vault.gate(&config));
    wiring::open_doors(&gate, &config, &keys);

    let (stop, stopped) = watch::channel(false);
    let (channels, handle) = Channels::open(Arc::new(settings), gate.clone(), wiring::channels(&config), &stopped)
        .map_err(|e| ServeError::new(Failure::Keys, e))?;
    let mut shown = Vec::new();
    for (name, snapshots) in channels.snapshots() {
        directory.insert(name, snapshots.clone(), Access::Free);
        shown.push(snapshots);
    }
    let (requests, publishers) = mpsc::channel(REQUESTS_MAX);
    let broadcasting = tokio::spawn(channels.run(publishers));
    let parts = EventParts { config: &config, addresses, store, vault: &vault, handle, gate: gate.clone(), directory };
    let events = Events::start(parts, api, &stopped).await?;

    late_gate.set(gate);
    let srt_ingesting = srt.map(|srt| tokio::spawn(srt.run(requests.clone(), stopped.clone())));
    let mut pulling = JoinSet::new();
    for source in wiring::srt_pulls(&config, &keys) {
        pulling.spawn(weir_ingest::pull(source, requests.clone(), stopped.clone()));
    }
    let ingesting = tokio::spawn(rtmp.run(requests, stopped));
    let (close_origin, origin_closes) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(origin.run(async {
        let _ = origin_closes.await;
    }));

    ready.store(true, Ordering::Relaxed);
    announce(addresses);
    stopping.await;

    ready.store(false, Ordering::Relaxed);
    info!("stopping");
    notify(&[sd_notify::NotifyState::Stopping]);
    // Encoders first, then what they feed, players last: they still get to see the end.
    shown.retain(|snapshots| !has_ended(snapshots));
    let linger_max = Instant::now() + LINGER_MAX;
    let _ = stop.send(true);
    let joined = async {
        ingesting.await?;
        if let Some(srt) = srt_ingesting {
            srt.await?;
        }
        while let Some(pulled) = pulling.join_next().await {
            pulled?;
        }
        broadcasting.await?;
        if shown.iter().any(has_ended) {
            sleep_until(linger_max.min(Instant::now() + END_SHOWN)).await;
        }
        drop(close_origin);
        serving.await?;
        events.join().await
    };
    joined.await.map_err(|e| running(&e))?;
    info!("stopped");
    Ok(())
}

fn ingest_unbound(error: &BindError) -> ServeError {
    let setting = match error.listener {
        Protocol::Rtmp => "[rtmp] listen",
        Protocol::Rtmps => "[rtmp.tls] listen",
        Protocol::Srt => "[srt] listen",
    };
    unbound(setting, error.address, error)
}

fn origin_unbound(config: &Config, error: &weir_origin::BindError) -> ServeError {
    let plain = config.http.listen;
    match &config.http.tls {
        Some(tls) if error.address() != plain => unbound("[http.tls] listen", tls.listen, error),
        _ => unbound("[http] listen", plain, error),
    }
}

fn unbound(setting: &str, address: SocketAddr, error: &dyn std::fmt::Display) -> ServeError {
    ServeError::new(Failure::Bind, cannot_listen(setting, address, error))
}

/// Whether these playlists carry ENDLIST.
fn has_ended(snapshots: &watch::Receiver<Option<Arc<Snapshot>>>) -> bool {
    snapshots.borrow().as_ref().is_some_and(|snapshot| snapshot.ended)
}

/// Resolves when the process is told to stop.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn record_metrics() -> Result<PrometheusHandle, metrics_exporter_prometheus::BuildError> {
    let delays = |name: &str| Matcher::Full(name.to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(delays("weir_stage_seconds"), &DELAY_BUCKETS_S)?
        .set_buckets_for_metric(delays("weir_http_first_byte_seconds"), &DELAY_BUCKETS_S)?
        .install_recorder()?;
    weir_broadcast::describe_metrics();
    weir_director::describe_metrics();
    weir_ingest::describe_metrics();
    weir_ladder::describe_metrics();
    weir_origin::describe_metrics();
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            tick.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

fn status(metrics: PrometheusHandle, ready: Arc<AtomicBool>) -> Status {
    Status {
        metrics: Arc::new(move || metrics.render()),
        ready: Arc::new(move || match ready.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err("starting or stopping".to_owned()),
        }),
    }
}

fn resolve_keys(config: &Config, rtmp: &RtmpServer, srt: Option<&SrtServer>) -> Result<Vec<ChannelKey>, ServeError> {
    let keys = keys::resolve(&config.data_dir, &config.channels).map_err(|e| ServeError::new(Failure::Keys, e))?;
    let ingest =
        keys::Ingest { rtmp: rtmp.local_addr(), rtmps: rtmp.tls_local_addr(), srt: srt.map(SrtServer::local_addr) };
    if let Err(error) = keys::show(&keys, ingest) {
        warn!(%error, "new stream keys could not be shown; they are in the data folder");
    }
    Ok(keys)
}

fn announce(addresses: Addresses) {
    let Addresses { http, https, rtmp, rtmps, srt, api } = addresses;
    let [https, rtmps, srt] = [https, rtmps, srt].map(|address| address.map(tracing::field::display));
    info!(%http, https, %rtmp, rtmps, srt, %api, "listening");
    notify(&[sd_notify::NotifyState::Ready]);
}

/// Tells systemd, where it started the daemon and wants to know.
fn notify(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "the service manager cannot be told");
    }
}
