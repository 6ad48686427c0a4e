use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::Instant;

use crate::api::Api;
use crate::certificate::write_certificate;
use crate::config::{CHANNEL, Config};
use crate::hls::Hls;
use crate::http::Http;
use crate::log::Log;
use crate::proc;
use crate::process::{Process, run_tool};
use crate::wait::until;

/// The longest that a start may take: GStreamer reads its plugins anew on a fresh machine.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest that an orderly end is waited for; what is promised is less, and for the tests to check.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// The folder of a daemon with its configuration; outlives its restarts.
pub struct Home {
    folder: TempDir,
    config: Config,
    environment: Vec<(String, String)>,
}

/// A running `weir serve`. One that is dropped without having been stopped belongs to a test that fails: the end
/// of its log is printed then. No key may ever have been in that log.
pub struct Daemon {
    process: Process,
    /// `None` once it was stopped.
    home: Option<Home>,
    key: String,
    folder: PathBuf,
    http: SocketAddr,
    https: Option<SocketAddr>,
    rtmp: SocketAddr,
    rtmps: Option<SocketAddr>,
    srt: SocketAddr,
    api: SocketAddr,
}

/// How a daemon ended after SIGTERM.
pub struct Stopped {
    /// Its exit status.
    pub status: ExitStatus,
    /// How long that took.
    pub took: Duration,
    /// Where it can be started again.
    pub home: Home,
}

impl Home {
    /// A fresh folder with `config` written into it, and a certificate when it wants one.
    pub fn new(config: Config) -> Result<Self> {
        Self::new_in(&std::env::temp_dir(), config)
    }

    /// As [`new`](Self::new), with the folder under `place`.
    pub fn new_in(place: &Path, config: Config) -> Result<Self> {
        let folder = TempDir::new_in(place)?;
        if config.tls {
            write_certificate(folder.path())?;
        }
        std::fs::write(folder.path().join("weir.toml"), config.toml(folder.path()))?;
        Ok(Self { folder, config, environment: Vec::new() })
    }

    /// The daemon is started with this in its environment too.
    pub fn with_variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("weir.toml")
    }
}

/// The daemon's program: `WEIR_BIN`, or `weir` in the folder above that of the running test.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("WEIR_BIN") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let beside = [test.parent().map(|folder| folder.join("weir")), test.ancestors().nth(2).map(|f| f.join("weir"))];
    let found = beside.into_iter().flatten().find(|path| path.is_file());
    found.context("the daemon is not built: run `cargo build --bin weir` with the same profile, or set WEIR_BIN")
}

impl Daemon {
    /// Starts a daemon in a folder of its own and waits until it listens.
    pub async fn start(config: Config) -> Result<Self> {
        Self::start_in(Home::new(config)?).await
    }

    /// Starts a daemon where another one ended.
    pub async fn start_in(home: Home) -> Result<Self> {
        let mut command = match home.config.cpu {
            // It becomes the daemon, so the process id is that of the daemon.
            Some(cpu) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &cpu.to_string()]).arg(binary()?);
                command
            }
            None => Command::new(binary()?),
        };
        command.arg("serve").arg("--config").arg(home.config_file()).env_remove("WEIR_LOG");
        command.envs(home.environment.iter().map(|(name, value)| (name, value)));
        let mut secrets = vec![home.config.key.clone()];
        secrets.extend(home.config.srt_passphrase.map(str::to_owned));
        let process = Process::spawn("weir", command, &secrets)?;
        let event = process.err.find(0, "the event `listening`", START_TIMEOUT, listening).await?;
        let address = |name: &str| -> Result<Option<SocketAddr>> {
            let Some(text) = event[name].as_str().filter(|text| !text.is_empty()) else { return Ok(None) };
            text.parse().map(Some).with_context(|| format!("{name} is {text:?}"))
        };
        let http = address("http")?.context("`listening` without http")?;
        let https = address("https")?;
        let rtmp = address("rtmp")?.context("`listening` without rtmp")?;
        let rtmps = address("rtmps")?;
        let srt = address("srt")?.context("`listening` without srt")?;
        let api = address("api")?.context("`listening` without api")?;
        let folder = home.folder().to_owned();
        let key = home.config.key.clone();
        Ok(Self { process, home: Some(home), folder, key, http, https, rtmp, rtmps, srt, api })
    }

    /// Its HTTP side.
    pub fn http(&self) -> Http {
        Http::new(self.http)
    }

    /// Where it listens for HTTPS.
    pub fn https(&self) -> Option<SocketAddr> {
        self.https
    }

    /// A player of the channel.
    pub fn hls(&self) -> Hls {
        Hls::new(self.http(), &format!("/live/{CHANNEL}/index.m3u8"))
    }

    /// A player of an event that needs no token.
    pub fn event_hls(&self, id: &str) -> Hls {
        Hls::new(self.http(), &format!("/live/{id}/index.m3u8"))
    }

    /// The API, with a new token of `role`.
    pub async fn api(&self, role: &str) -> Result<Api> {
        Ok(Api::new(self.api, &self.token(role).await?))
    }

    /// A new token of `role` for the API.
    pub async fn token(&self, role: &str) -> Result<String> {
        let config = self.folder.join("weir.toml");
        let config = config.to_str().context("a path that is not UTF-8")?;
        let weir = binary()?;
        let weir = weir.to_str().context("a path that is not UTF-8")?;
        let token = run_tool(weir, &["token", "create", "--role", role, "--config", config], START_TIMEOUT).await?;
        let token = String::from_utf8(token)?.trim().to_owned();
        self.forbid(&token);
        Ok(token)
    }

    /// Where the API listens.
    pub fn api_address(&self) -> SocketAddr {
        self.api
    }

    /// From now on this must not be in the log.
    pub fn forbid(&self, secret: &str) {
        self.process.err.forbid(secret);
        self.process.out.forbid(secret);
    }

    /// The URL of the page that plays the channel.
    pub fn watch_url(&self) -> String {
        self.http().url(&format!("/watch/{CHANNEL}"))
    }

    /// Where it listens for RTMP.
    pub fn rtmp(&self) -> SocketAddr {
        self.rtmp
    }

    /// The stream key of the channel.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The RTMP URL with the right key.
    pub fn publish_url(&self) -> String {
        format!("rtmp://{}/live/{}", self.rtmp, self.key())
    }

    /// The RTMPS URL with the right key.
    pub fn publish_url_tls(&self) -> Result<String> {
        let address = self.rtmps.context("`listening` without rtmps")?;
        Ok(format!("rtmps://{address}/live/{}", self.key()))
    }

    /// Where it listens for RTMPS.
    pub fn rtmps(&self) -> Option<SocketAddr> {
        self.rtmps
    }

    /// Where it listens for SRT.
    pub fn srt(&self) -> SocketAddr {
        self.srt
    }

    /// The SRT URL with this stream id, which may hold anything, and further options `&name=value`.
    pub fn srt_url(&self, stream_id: &str, options: &str) -> String {
        format!("srt://{}?streamid={stream_id}{options}", self.srt)
    }

    /// Its folder, for files of the test too.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it logged so far.
    pub fn log(&self) -> &Log {
        &self.process.err
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Whether it still runs and answers.
    pub async fn is_well(&mut self) -> Result<()> {
        ensure!(self.process.is_running(), "the daemon ended:\n{}", self.log().tail());
        self.http().fetch("/healthz").await.map(drop)
    }

    /// The processes of its ladder workers.
    pub fn workers(&self) -> Vec<u32> {
        let children = proc::children(self.pid());
        children.into_iter().filter(|&pid| proc::command_line(pid).contains("ladder-worker")).collect()
    }

    /// Waits until exactly one worker runs that is not `other`.
    pub async fn wait_worker(&self, other: Option<u32>, within: Duration) -> Result<u32> {
        until("a ladder worker runs", within, async || match self.workers()[..] {
            [pid] if Some(pid) != other => Ok(Some(pid)),
            _ => Ok(None),
        })
        .await
    }

    /// The value of the metric `name` summed over all its label sets that contain `labels`; 0 when it is not there.
    pub async fn metric(&self, name: &str, labels: &str) -> Result<f64> {
        let answer = self.http().fetch("/metrics").await?;
        let mut sum = 0.0;
        for line in answer.text()?.lines().filter(|line| line.contains(labels)) {
            if line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) {
                let value = line.rsplit(' ').next().unwrap_or_default();
                sum += value.parse::<f64>().with_context(|| line.to_owned())?;
            }
        }
        Ok(sum)
    }

    /// Fails when one of the daemon's lines held a key.
    pub fn check_secrets(&self) -> Result<()> {
        match self.process.err.leak().or_else(|| self.process.out.leak()) {
            Some(line) => bail!("a key was logged: {line}"),
            None => Ok(()),
        }
    }

    /// Lets it end by SIGTERM and judges its log.
    pub async fn stop(mut self) -> Result<Stopped> {
        let begin = Instant::now();
        self.process.signal(Signal::TERM)?;
        let status = self.process.wait(STOP_TIMEOUT).await?;
        let took = begin.elapsed();
        self.check_secrets()?;
        Ok(Stopped { status, took, home: self.take_home()? })
    }

    /// Kills it outright.
    pub async fn kill(mut self) -> Result<Home> {
        self.process.kill().await?;
        self.check_secrets()?;
        self.take_home()
    }

    fn take_home(&mut self) -> Result<Home> {
        self.home.take().context("stopped twice")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.home.is_some() {
            eprintln!("the last lines of the daemon:\n{}", self.log().tail());
        }
        let leak = self.check_secrets();
        assert!(leak.is_ok() || std::thread::panicking(), "{leak:?}");
    }
}

/// The fields of the JSON event `listening` that has all addresses.
fn listening(line: &str) -> Option<Value> {
    let mut event: Value = serde_json::from_str(line).ok()?;
    let fields = if event["fields"].is_object() { event["fields"].take() } else { event };
    (fields["message"] == "listening" && fields["http"].is_string()).then_some(fields)
}
