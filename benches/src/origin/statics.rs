//! T1: what lies there already, asked for by wrk and h2load as fast as one core of theirs can.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use weir_testkit::proc;

use crate::pinned::{LOAD_CPU, pinned};

/// How a body is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Http1,
    Http1Tls,
    Http2Tls,
}

impl Way {
    pub const ALL: [Self; 3] = [Self::Http1, Self::Http1Tls, Self::Http2Tls];

    pub fn title(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http1Tls => "h1+TLS",
            Self::Http2Tls => "h2+TLS",
        }
    }
}

/// A server under load.
pub struct Target {
    pub pid: u32,
    pub http: SocketAddr,
    pub https: SocketAddr,
}

/// What one run came to.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Answers a second.
    pub rate: f64,
    /// CPU of the server for each, in microseconds.
    pub cpu_us: f64,
    /// How much of its core the server used: when it is under 1, the load was the limit.
    pub core: f64,
}

/// Loads `target` for `seconds`.
pub async fn run(target: &Target, way: Way, path: &str, seconds: u64) -> Result<Outcome> {
    let before = proc::cpu_of_tree(target.pid);
    let begun = tokio::time::Instant::now();
    let answers = match way {
        Way::Http1 => wrk(&format!("http://{}{path}", target.http), seconds).await?,
        Way::Http1Tls => wrk(&format!("https://{}{path}", target.https), seconds).await?,
        Way::Http2Tls => h2load(&format!("https://{}{path}", target.https), seconds).await?,
    };
    ensure!(answers > 0.0, "nothing was answered in {seconds} s");
    let took = begun.elapsed().as_secs_f64();
    let cpu = (proc::cpu_of_tree(target.pid) - before).as_secs_f64();
    Ok(Outcome { rate: answers / took, cpu_us: cpu * 1e6 / answers, core: cpu / took })
}

/// The requests that wrk had answered.
async fn wrk(url: &str, seconds: u64) -> Result<f64> {
    let duration = format!("-d{seconds}s");
    let text = tool("wrk", &["-t1", "-c32", &duration, "-H", "Accept-Encoding: gzip", url], seconds).await?;
    ensure!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "wrk: {text}");
    let line = text.lines().find_map(|line| line.trim().split_once(" requests in "));
    Ok(line.with_context(|| format!("wrk says {text}"))?.0.parse()?)
}

/// The requests that h2load had answered.
async fn h2load(url: &str, seconds: u64) -> Result<f64> {
    let duration = format!("-D{seconds}");
    let args = ["-t1", "-c8", "-m16", &duration, "-H", "accept-encoding: gzip", url];
    let text = tool("h2load", &args, seconds).await?;
    ensure!(text.contains("Application protocol: h2"), "h2load: {text}");
    // requests: 9 total, 9 started, 9 done, 9 succeeded, 0 failed, 0 errored, 0 timeout
    let line = text.lines().find(|line| line.starts_with("requests: ")).with_context(|| text.clone())?;
    let count = |name: &str| {
        let number = line.split(", ").find_map(|part| part.strip_suffix(name))?;
        number.trim().parse::<f64>().ok()
    };
    ensure!(count("failed") == Some(0.0) && count("errored") == Some(0.0), "h2load: {text}");
    count("succeeded").with_context(|| text.clone())
}

async fn tool(name: &str, args: &[&str], seconds: u64) -> Result<String> {
    let mut command = pinned(LOAD_CPU, name);
    command.args(args).kill_on_drop(true);
    let within = Duration::from_secs(seconds + 20);
    let output =
        tokio::time::timeout(within, command.output()).await.with_context(|| format!("{name} does not end"))?;
    let output = output.with_context(|| format!("{name} is not here: scripts/setup --bench"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{name}: {text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(text)
}
