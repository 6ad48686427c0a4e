//! The origin beside nginx: what lies there (T1), viewers by the hundred (T2), requests that wait (T3), and the first and the
//! third of them while a ladder runs on the same core (T4).

mod bodies;
mod held;
mod minimal;
mod peer;
mod server;
mod statics;
mod viewers;
mod waiters;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use weir_testkit::{Http, Process, write_certificate};

use crate::pinned::{LOAD_CPU, SERVER_CPU, pinned, pinned_self};
use crate::report::Report;
use bodies::{BODIES, Body};
use statics::{Outcome, Target, Way};

pub use minimal::run as minimal;
pub use server::run as server;
pub use viewers::run as viewers;
pub use waiters::{Orders, run as waiters};

const START_WITHIN: Duration = Duration::from_secs(20);
/// Many and short: servers can only take turns here, and the machine's speed changes by more than what they differ in.
const ROUNDS: usize = 7;
const SECONDS: u64 = 2;
/// Numbers of viewers: doubled from the first until too many, then halved in between so many times.
const VIEWERS_FIRST: u32 = 500;
const VIEWERS_MAX: u32 = 16_000;
const VIEWERS_HALVINGS: u32 = 2;
const VIEWERS_SECONDS: u32 = 4;

const WEIR: &str = "weir";
const NGINX: &str = "nginx";

/// Measures all of it and writes the report.
pub async fn run() -> Result<()> {
    let mut report = Report::new("origin", "Origin")?;
    report.commands.push("make bench-origin".to_owned());
    let home = tempfile::Builder::new().prefix("weir-bench").tempdir_in("/dev/shm")?;
    let root = home.path();
    bodies::write(root)?;
    write_certificate(root)?;
    {
        let nginx = peer::files(root).await?;
        let (weir, http, https) = weir(root).await?;
        let targets = [
            (WEIR, Target { pid: weir.pid(), http, https }),
            (NGINX, Target { pid: nginx.process.pid(), http: nginx.http, https: nginx.https }),
        ];
        headers(&mut report, &targets).await?;
        for way in Way::ALL {
            for body in &BODIES {
                compare(&mut report, &targets, "T1", way, body).await?;
            }
        }
        viewers_in_time(&mut report, &targets).await?;
        let _ladder = ladder()?;
        for (way, body) in [(Way::Http1, &BODIES[2]), (Way::Http2Tls, &BODIES[1])] {
            compare(&mut report, &targets, "T4", way, body).await?;
        }
    }
    held::run(&mut report, "T3", root).await?;
    {
        let _ladder = ladder()?;
        held::beside_ladder(&mut report).await?;
    }
    notes(&mut report);
    aims(&mut report)?;
    report.save()
}

/// One body in one way, in turns.
async fn compare(report: &mut Report, targets: &[(&str, Target)], test: &str, way: Way, body: &Body) -> Result<()> {
    let path = bodies::path(body.file);
    for _ in 0..ROUNDS {
        for (contender, target) in targets {
            let Outcome { rate, cpu_us, core } = statics::run(target, way, &path, SECONDS).await?;
            let what = format!("{test}, {}, {}", way.title(), body.title);
            println!("{what}, {contender}: {rate:.0}/s, {cpu_us:.1} us of CPU, {:.0} % of a core", core * 100.0);
            report.add(contender, &what, "answers/s", rate);
            report.add(contender, &format!("{what}: CPU"), "us/answer", cpu_us);
        }
    }
    Ok(())
}

async fn headers(report: &mut Report, targets: &[(&str, Target)]) -> Result<()> {
    for body in [&BODIES[1], &BODIES[3]] {
        for (contender, target) in targets {
            let bytes = header_bytes(target.http, &bodies::path(body.file)).await?;
            report.add(contender, &format!("Header of the {}, h1", body.title), "bytes", bytes as f64);
        }
    }
    Ok(())
}

/// Bytes of the status line and the header of an answer over HTTP/1.1.
async fn header_bytes(address: SocketAddr, path: &str) -> Result<usize> {
    let answer = Http::new(address).request("GET", path, &[("accept-encoding", "gzip")]).await?;
    ensure!(answer.status == 200, "status {}", answer.status);
    let fields: usize = answer.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    Ok("HTTP/1.1 200 OK\r\n\r\n".len() + fields)
}

/// T2: the most viewers whose turns end in time.
async fn viewers_in_time(report: &mut Report, targets: &[(&str, Target)]) -> Result<()> {
    for (contender, target) in targets {
        let (mut most, mut too_many) = (0, VIEWERS_FIRST);
        while too_many <= VIEWERS_MAX && in_time(contender, target.http, too_many).await? {
            (most, too_many) = (too_many, too_many * 2);
        }
        for _ in 0..VIEWERS_HALVINGS {
            let between = most.midpoint(too_many);
            let fits = in_time(contender, target.http, between).await?;
            *(if fits { &mut most } else { &mut too_many }) = between;
        }
        report.add(contender, "T2, viewers of 6 Mbps in time", "", most.into());
    }
    Ok(())
}

async fn in_time(contender: &str, server: SocketAddr, viewers: u32) -> Result<bool> {
    let (address, count, seconds) = (server.to_string(), viewers.to_string(), VIEWERS_SECONDS.to_string());
    let command = pinned_self(LOAD_CPU, &["origin-viewers", &address, &count, &seconds])?;
    let mut load = Process::spawn("origin-viewers", command, &[])?;
    load.succeed(START_WITHIN).await?;
    let late = |line: &str| line.strip_prefix("late ")?.split(' ').nth(1)?.parse::<f64>().ok();
    let p99_ms = load.out.text().lines().find_map(late).context("the load does not say how late it was")?;
    println!("T2, {contender}, {viewers} viewers: 99 % within {p99_ms:.1} ms");
    Ok(p99_ms < viewers::PART_PERIOD.as_secs_f64() * 1e3 / 2.0)
}

/// weir's origin as a process: with its addresses for HTTP and HTTPS.
async fn weir(root: &Path) -> Result<(Process, SocketAddr, SocketAddr)> {
    let command = pinned_self(SERVER_CPU, &["origin-server", root.to_str().context("a path that is not UTF-8")?])?;
    let process = Process::spawn("origin-server", command, &[])?;
    let listening = |line: &str| {
        let (http, https) = line.strip_prefix("listening ")?.split_once(' ')?;
        Some((http.parse().ok()?, https.parse().ok()?))
    };
    let (http, https) = process.out.find(0, "the addresses of the origin", START_WITHIN, listening).await?;
    Ok((process, http, https))
}

/// An encoder that takes what it can get of the server's core, at a low priority.
fn ladder() -> Result<Process> {
    let mut command: Command = pinned(SERVER_CPU, "nice");
    command.args(["-n", "10", "ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error"]);
    command.args(["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30"]);
    command.args(["-filter_complex", "split=2[a][b];[a]scale=854:480[low]", "-map", "[b]", "-map", "[low]"]);
    command.args(["-c:v", "libx264", "-preset", "veryfast", "-f", "null", "-"]);
    Process::spawn("ffmpeg", command, &[])
}

fn notes(report: &mut Report) {
    report.notes.extend([
        "The server has one core, the load the other; nginx has one worker, weir one thread. nginx serves the same bytes \
         from files in memory (sendfile, open_file_cache, gzip_static), with the same certificate and no log, and says the \
         same in its headers. T1 and T2 run weir's origin crate in a process of its own over a snapshot that has \
         bodies of these sizes, as the daemon has, with its metrics; T3 runs the daemon with a stream on air."
            .to_owned(),
        format!(
            "T1: wrk with 32 connections, h2load with 8 of 16 streams, {SECONDS} s a round. Where the server leaves some of its core unused \
             the load is the limit, so the CPU of an answer says more than answers a second."
        ),
        format!(
            "T2: each viewer has a connection (h1) and asks for the playlist and then for a part of 250 kB every third of a second, \
             whether the last turn has ended or not; in time means that 99 % of the turns end within {:.0} ms of when they are due. \
             nginx cannot hold requests, so none are held here. The number is exact to a quarter of the last doubling.",
            viewers::PART_PERIOD.as_secs_f64() * 1e3 / 2.0
        ),
        format!(
            "T3: {} requests wait as HTTP/2 streams for the same part. Beside weir: the least that hyper can do (a channel \
             that all watch, one shared body, no limits, headers or metrics), and nginx as a cache with `proxy_cache_lock` before weir, \
             which looks every half second whether the answer has come. CPU is that of the server's process less what it uses \
             when nobody asks; `a request` is from the first sent to the last one held, `an answer` from there to the last one there. \
             Fan-out is from the first answer to the others, and the client shares that delay. 20000 descriptors are the limit of the \
             machine, so more waiters than sockets are a matter of streams.",
            held::STREAMS
        ),
        "T4: the same while ffmpeg encodes two renditions with x264 (veryfast) as fast as it can on the server's core, at nice 10."
            .to_owned(),
    ]);
}

fn aims(report: &mut Report) -> Result<()> {
    for way in Way::ALL {
        for body in &BODIES {
            let what = format!("T1, {}, {}", way.title(), body.title);
            let ratio = report.median(WEIR, &what)? / report.median(NGINX, &what)?;
            report.aim_at_least(&format!("weir / nginx: {what}, answers/s"), 0.9, ratio);
        }
    }
    held::aims(report)
}
