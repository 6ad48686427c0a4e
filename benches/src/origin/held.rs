//! T3: thousands of requests that wait for the next part of a stream on air.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use weir_testkit::{Config, Daemon, Process, Source};

use super::peer;
use crate::pinned::{LOAD_CPU, SERVER_CPU, pinned_self};
use crate::report::Report;

pub const STREAMS: usize = 5000;
const ROUNDS: usize = 10;
const WITHIN: Duration = Duration::from_secs(60);

const WEIR: &str = "weir";
const REQUEST: &str = "a request: CPU";
const ANSWER: &str = "an answer: CPU";
const MEMORY: &str = "memory of a waiter";

/// A server under the load of T3.
struct Server {
    address: SocketAddr,
    pid: u32,
    /// The playlist, and where to look what comes next in it.
    playlist: Option<(SocketAddr, String)>,
}

/// weir, the least that hyper can do, and nginx before weir.
pub async fn run(report: &mut Report, test: &str, root: &Path) -> Result<()> {
    let (daemon, _encoder, path) = on_air().await?;
    let http = daemon.http().address();
    let playlist = Some((http, path));
    load(report, test, WEIR, &Server { address: http, pid: daemon.pid(), playlist: playlist.clone() }).await?;
    let minimal = Process::spawn("origin-minimal", pinned_self(SERVER_CPU, &["origin-minimal"])?, &[])?;
    let listening = |line: &str| line.strip_prefix("listening ")?.parse().ok();
    let address = minimal.out.find(0, "the address of the minimal server", WITHIN, listening).await?;
    load(report, test, "hyper alone", &Server { address, pid: minimal.pid(), playlist: None }).await?;
    let (nginx, address) = peer::cache(root, http).await?;
    // The worker, not its master.
    let pid = *weir_testkit::proc::children(nginx.pid()).first().context("nginx has no worker")?;
    load(report, test, "nginx before weir", &Server { address, pid, playlist }).await
}

/// weir alone, while something else runs on its core.
pub async fn beside_ladder(report: &mut Report) -> Result<()> {
    let (daemon, _encoder, path) = on_air().await?;
    let address = daemon.http().address();
    load(report, "T4", WEIR, &Server { address, pid: daemon.pid(), playlist: Some((address, path)) }).await
}

/// What T3 is measured against.
pub fn aims(report: &mut Report) -> Result<()> {
    let (request, answer) = (report.median(WEIR, &metric("T3", REQUEST))?, report.median(WEIR, &metric("T3", ANSWER))?);
    let memory = report.median(WEIR, &metric("T3", MEMORY))?;
    report.aim_at_most("T3, CPU of a blocked answer, us", 15.0, answer);
    report.aim_at_most("T3, CPU of a blocked answer and of its request, us", 15.0, request + answer);
    report.aim_at_most("T3, memory of a waiter, kB", 10.0, memory);
    Ok(())
}

/// A daemon on the server's core with a stream, its encoder, and the path of the first rendition.
async fn on_air() -> Result<(Daemon, Process, String)> {
    let config = Config {
        segment_ms: 2000,
        waiters_per_address_max: Some(2 * STREAMS as u32),
        cpu: Some(SERVER_CPU),
        ..Config::default()
    };
    let daemon = Daemon::start(config).await?;
    let encoder = Source { gop: 60, ..Source::default() }.push(&daemon.publish_url())?;
    daemon.hls().wait_playable(WITHIN).await?;
    let path = daemon.hls().renditions().await?.first().cloned().context("no rendition")?;
    Ok((daemon, encoder, path))
}

async fn load(report: &mut Report, test: &str, contender: &str, server: &Server) -> Result<()> {
    let (address, pid) = (server.address.to_string(), server.pid.to_string());
    let (streams, rounds) = (STREAMS.to_string(), ROUNDS.to_string());
    let mut args = vec!["origin-waiters", &address, &pid, &streams, &rounds];
    let lookup = server.playlist.as_ref().map(|(address, path)| (address.to_string(), path.clone()));
    if let Some((address, path)) = &lookup {
        args.extend([address.as_str(), path]);
    }
    let mut load = Process::spawn("origin-waiters", pinned_self(LOAD_CPU, &args)?, &[])?;
    load.succeed(WITHIN).await?;
    let output = load.out.text();
    println!("{test}, {contender}:\n{output}");
    for line in output.lines() {
        let (word, numbers) = line.split_once(' ').context("a line without numbers")?;
        let numbers: Vec<f64> = numbers.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let mut add = |what: &str, unit, value| report.add(contender, &metric(test, what), unit, value);
        match (word, &numbers[..]) {
            ("round", &[request, answer, half, p99, all]) => {
                add(REQUEST, "us", request);
                add(ANSWER, "us", answer);
                add("half of the answers within", "ms", half);
                add("99 % of the answers within", "ms", p99);
                add("all answers within", "ms", all);
            }
            ("memory", &[idle, held]) => add(MEMORY, "kB", (held - idle) / 1000.0 / STREAMS as f64),
            _ => {}
        }
    }
    Ok(())
}

fn metric(test: &str, what: &str) -> String {
    format!("{test}, {what}")
}
