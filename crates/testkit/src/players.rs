//! Pages with players other than weir's own, in a browser.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::browser::Browser;
use crate::wait::until;

/// The engines that `tests/players` can be asked for.
pub const ENGINES: [&str; 3] = ["hlsjs", "shaka", "videojs"];

/// The built pages of `tests/players`, served on a port of their own.
pub struct PlayerPages {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

/// What a player page says of itself in `window.player`.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayerState {
    /// `currentTime` in seconds.
    pub time: f64,
    /// Errors after which nothing plays.
    pub fatal: u64,
    /// All errors, in words.
    pub errors: String,
    /// Times that the picture stood still, and for how many milliseconds in all.
    pub stalls: u64,
    /// See [`stalls`](Self::stalls).
    pub stalled_ms: f64,
    /// Frames whose clock was read, and frames without one.
    pub readings: u64,
    /// See [`readings`](Self::readings).
    pub rejected: u64,
    /// Milliseconds from capture to screen: half of the frames read were faster.
    pub median_ms: Option<f64>,
    /// The same of 95 in 100.
    pub p95_ms: Option<f64>,
    /// Frames that the browser left out.
    pub dropped: u64,
}

impl PlayerPages {
    /// Serves the pages, which must have been built.
    pub async fn serve() -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/players/dist");
        ensure!(folder.join("index.html").is_file(), "the player pages are not built: run `make players`");
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let folder = folder.clone();
                let service = service_fn(move |request| {
                    let response = file(&folder, &request);
                    async move { Ok::<_, Infallible>(response) }
                });
                tokio::spawn(async move {
                    // A browser that leaves is no fault.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self { address, serving })
    }

    /// Opens the page of `engine` with the presentation at `url`, and waits until it plays.
    pub async fn play(&self, browser: &Browser, engine: &str, url: &str, within: Duration) -> Result<()> {
        let page = format!("http://{}/index.html?engine={engine}&url={url}", self.address);
        browser.goto(&page).await?;
        until(&format!("{engine} plays"), within, async || {
            let state = player_state(browser).await?;
            ensure!(state.fatal == 0, "{engine} failed: {}", state.errors);
            Ok((state.time > 0.5).then_some(()))
        })
        .await
    }
}

impl Drop for PlayerPages {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What the page in `browser` says of its player.
pub async fn player_state(browser: &Browser) -> Result<PlayerState> {
    let state = browser.run("return window.player", Vec::new()).await?;
    ensure!(state.is_object(), "the page has no player: {state}");
    let count = |name: &str| state[name].as_u64().unwrap_or(0);
    Ok(PlayerState {
        time: state["time"].as_f64().unwrap_or(0.0),
        fatal: count("fatal"),
        errors: state["errors"].to_string(),
        stalls: count("stalls"),
        stalled_ms: state["stalled_ms"].as_f64().unwrap_or(0.0),
        readings: count("readings"),
        rejected: count("rejected"),
        median_ms: state["median_ms"].as_f64(),
        p95_ms: state["p95_ms"].as_f64(),
        dropped: count("dropped"),
    })
}

/// Lets the player's counts begin anew, once it has found its place.
pub async fn restart_counts(browser: &Browser) -> Result<()> {
    browser.run("window.restart()", Vec::new()).await.map(drop)
}

fn file<B>(folder: &Path, request: &Request<B>) -> Response<Full<Bytes>> {
    let name = request.uri().path().trim_start_matches('/');
    // Only what the build made is there, and it needs no way up.
    let found = (!name.contains("..")).then(|| std::fs::read(folder.join(PathBuf::from(name))).ok()).flatten();
    let kind = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "application/octet-stream",
    };
    let mut response = Response::new(Full::from(found.clone().unwrap_or_default()));
    if found.is_none() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

/// How many requests of a log at debug level were held for a playlist, and how many were for parts.
///
/// # Errors
/// A line is not the JSON that the daemon writes.
pub fn low_latency_requests(log: &str) -> Result<(usize, usize)> {
    let (mut blocking, mut parts) = (0, 0);
    for line in log.lines().filter(|line| line.contains("\"answered\"")) {
        let event: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
        let path = event["path"].as_str().unwrap_or_default();
        blocking += usize::from(event["msn"].is_u64());
        parts += usize::from(path.contains("-p") && path.ends_with(".m4s"));
    }
    Ok((blocking, parts))
}
