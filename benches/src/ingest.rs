//! Encoders: CPU and memory of each, beside nginx-rtmp and libsrt.

mod rtmp_load;
mod rtmp_sink;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use weir_testkit::{Audio, Process, Source, proc};

use crate::nginx;
use crate::pinned::{LOAD_CPU, SERVER_CPU, pinned_self};
use crate::report::Report;
use crate::srt;

pub use rtmp_load::run as rtmp_load;
pub use rtmp_sink::run as rtmp_sink;

const ROUNDS: usize = 3;
const PUBLISHERS: u32 = 50;
const MBPS: f64 = 6.0;
/// So few that their `srt-live-transmit`s, which share a core, keep up on slow machines too: what they send too late is missing
/// at the receiver.
const CALLERS: u32 = 25;
const SRT_SECONDS: u64 = 8;
const SECONDS: u64 = 8;
/// Numbers of publishers that are tried for what one core holds.
const RAMP: [u32; 6] = [200, 400, 600, 800, 1000, 1200];
/// A core is full from here on.
const FULL: f64 = 0.95;
/// Messages that the server takes later than so are no longer taken in time: half a group of pictures.
const LATE_MAX_MS: f64 = 500.0;
/// From the begin of a load until it is even.
const EVEN_AFTER: Duration = Duration::from_secs(2);
/// Hundreds of publishers shake hands one after another.
const START_WITHIN: Duration = Duration::from_secs(60);

const WEIR: &str = "weir";
const NGINX: &str = "nginx-rtmp";

/// What one server under load came to.
struct Outcome {
    /// Share of a core.
    core: f64,
    /// Resident bytes more than before.
    memory: u64,
    /// How late the messages were taken, at the 99th percentile.
    late_p99_ms: f64,
}

/// Measures both protocols and writes the report.
pub async fn run() -> Result<()> {
    let mut report = Report::new("ingest", "Ingest")?;
    report.commands.push("make bench-ingest".to_owned());
    let home = TempDir::new()?;
    let clip = clip(home.path()).await?;
    for _ in 0..ROUNDS {
        for contender in [WEIR, NGINX] {
            let outcome = rtmp(contender, home.path(), &clip, PUBLISHERS).await?;
            let (core, memory) = (outcome.core * 100.0, outcome.memory as f64 / 1024.0);
            let (cpu, kib) = (core / f64::from(PUBLISHERS), memory / f64::from(PUBLISHERS));
            report.add(contender, "RTMP, CPU of a publisher of 6 Mbps", "% of a core", cpu);
            report.add(contender, "RTMP, memory of a publisher", "KiB", kib);
            println!(
                "RTMP {contender}: {core:.1} % of a core, {memory:.0} KiB, 99 % within {:.1} ms",
                outcome.late_p99_ms
            );
        }
    }
    for contender in [WEIR, NGINX] {
        let held = held(contender, home.path(), &clip).await?;
        report.add(contender, "RTMP, publishers that one core held", "", held.0.into());
        report.add(contender, "RTMP, CPU of a publisher when the core is fullest", "% of a core", held.1);
    }
    for _ in 0..ROUNDS {
        for (contender, figures) in [
            (WEIR, srt::weir(CALLERS as usize, SRT_SECONDS).await?),
            ("libsrt", srt::libsrt(CALLERS as usize, SRT_SECONDS).await?),
        ] {
            let callers = f64::from(CALLERS);
            report.add(contender, "SRT, CPU of a caller of 6 Mbps", "% of a core", figures.core * 100.0 / callers);
            report.add(contender, "SRT, memory of a caller", "KiB", figures.memory as f64 / 1024.0 / callers);
        }
    }
    notes(&mut report);
    aims(&mut report)?;
    report.save()
}

fn notes(report: &mut Report) {
    report.notes.extend([
        format!(
            "{PUBLISHERS} publishers of {MBPS} Mbps (a clip of ffmpeg's test picture, 720p30 with sound, again and again with rising timestamps, \
             chunks of 4096 bytes) come from one process on a core of its own; the server has the other core to itself."
        ),
        "weir is measured without its ladder, which has a comparison of its own: its ingest crate in a process that accepts \
         everybody, reads every frame and throws it away. nginx-rtmp has `live on` and nobody who plays. Both take in \
         each byte and put messages together; neither writes any."
            .to_owned(),
        "Memory is what a process has more than before its publishers came, divided among them; for libsrt it is the resident \
         memory of one `srt-live-transmit` for each caller, which is how libsrt is run."
            .to_owned(),
        format!(
            "What one core holds was tried in steps of {} up to {}: the most with the core under {} % and 99 % of all messages \
             taken within {LATE_MAX_MS} ms. Where the last step was held, the load and not the server was at its end.",
            RAMP[1] - RAMP[0],
            RAMP[RAMP.len() - 1],
            FULL * 100.0
        ),
        format!(
            "SRT: {CALLERS} callers, each a `srt-live-transmit` that sends 6 Mbps at 120 ms latency; libsrt receives them with one \
             `srt-live-transmit` each, weir with one port. Receivers have a core of their own."
        ),
    ]);
}

fn aims(report: &mut Report) -> Result<()> {
    for (metric, peer) in [
        ("RTMP, CPU of a publisher of 6 Mbps", NGINX),
        ("RTMP, memory of a publisher", NGINX),
        ("SRT, CPU of a caller of 6 Mbps", "libsrt"),
        ("SRT, memory of a caller", "libsrt"),
    ] {
        let ratio = report.median(WEIR, metric)? / report.median(peer, metric)?;
        report.aim_at_most(&format!("weir / {peer}: {metric}"), 1.0, ratio);
    }
    Ok(())
}

/// The most publishers of the ramp that a core holds, and what each of them then costs in percent of it.
async fn held(contender: &str, home: &Path, clip: &Path) -> Result<(u32, f64)> {
    let mut held = (0, 0.0);
    for publishers in RAMP {
        let outcome = rtmp(contender, home, clip, publishers).await?;
        println!(
            "RTMP {contender}, {publishers} publishers: {:.1} % of a core, 99 % within {:.1} ms",
            outcome.core * 100.0,
            outcome.late_p99_ms
        );
        if outcome.core >= FULL || outcome.late_p99_ms > LATE_MAX_MS {
            break;
        }
        held = (publishers, outcome.core * 100.0 / f64::from(publishers));
    }
    Ok(held)
}

/// Loads a server that is started for it.
async fn rtmp(contender: &str, home: &Path, clip: &Path, publishers: u32) -> Result<Outcome> {
    let (server, address) = match contender {
        WEIR => weir_server().await?,
        _ => nginx_server(home).await?,
    };
    let before = memory(&server)?;
    let clip = clip.to_str().context("a path that is not UTF-8")?;
    let (address, count, seconds) = (address.to_string(), publishers.to_string(), SECONDS.to_string());
    let command = pinned_self(LOAD_CPU, &["rtmp-load", &address, &count, &seconds, clip])?;
    let mut load = Process::spawn("rtmp-load", command, &[])?;
    load.out.wait_for(0, "publishing", START_WITHIN).await?;
    sleep(EVEN_AFTER).await;
    let begun = (proc::cpu_of_tree(server.pid()), Instant::now());
    sleep(Duration::from_secs(SECONDS) - EVEN_AFTER * 3 / 2).await;
    let core = (proc::cpu_of_tree(server.pid()) - begun.0).as_secs_f64() / begun.1.elapsed().as_secs_f64();
    let memory = memory(&server)?.saturating_sub(before);
    load.succeed(START_WITHIN).await?;
    let late = |line: &str| line.strip_prefix("late ")?.split(' ').nth(1)?.parse::<f64>().ok();
    let late_p99_ms = load.out.text().lines().find_map(late).context("the load does not say how late it was")?;
    let lost = server.out.text().lines().any(|line| line.starts_with("lost "));
    ensure!(!lost, "frames were dropped with {publishers} publishers");
    Ok(Outcome { core, memory, late_p99_ms })
}

fn memory(server: &Process) -> Result<u64> {
    proc::tree(server.pid()).into_iter().map(proc::memory).sum()
}

async fn weir_server() -> Result<(Process, SocketAddr)> {
    let server = Process::spawn("rtmp-sink", pinned_self(SERVER_CPU, &["rtmp-sink"])?, &[])?;
    let listening = |line: &str| line.strip_prefix("listening ")?.parse().ok();
    let address = server.out.find(0, "the address of the sink", START_WITHIN, listening).await?;
    Ok((server, address))
}

async fn nginx_server(home: &Path) -> Result<(Process, SocketAddr)> {
    let address = nginx::free_address()?;
    let module = "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;\n";
    let servers =
        format!("rtmp {{ access_log off; server {{ listen {address}; application live {{ live on; }} }} }}\n");
    let server = nginx::start(&home.join("nginx-rtmp"), module, &servers, &[address]).await?;
    Ok((server, address))
}

async fn clip(home: &Path) -> Result<PathBuf> {
    let file = home.join("clip.flv");
    let audio = Audio::Sine { rate: 48_000, layout: "stereo" };
    let kbps = (MBPS * 1000.0) as u32 - 128;
    let source = Source { width: 1280, height: 720, seconds: Some(8), kbps, audio, ..Source::default() };
    source.write_clip(&file).await?;
    let mbps = std::fs::metadata(&file)?.len() as f64 * 8.0 / 8.0 / 1e6;
    ensure!((mbps / MBPS - 1.0).abs() < 0.1, "the clip has {mbps:.2} Mbps");
    Ok(file)
}
