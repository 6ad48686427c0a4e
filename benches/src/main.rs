//! Measurements of whole processes: `cargo run --release -p weir-benches -- all`, or one of them by its name.
//!
//! The daemon must have been built with the same profile before. What comes out is in `RESULTS.md`.

mod ingest;
mod ladder;
mod latency;
mod machine;
mod nginx;
mod origin;
mod pinned;
mod report;
mod results;
mod soak;
mod srt;
mod waiters;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use mimalloc::MiMalloc;

/// As in the daemon, of which parts are measured in processes of their own.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Requests that wait at a time.
const WAITERS: usize = 5000;
/// How many seeds each bad link has, and the seconds with each of them.
const SRT_LOSSES: (u64, u64) = (5, 20);
/// How many SRT callers there are, and for how many seconds they are watched.
const SRT_LOAD: (usize, u64) = (50, 60);
/// How often each player is started and how long it is watched then: alone, and as one comparison of many.
const LATENCY: (usize, u64) = (5, 60);
const LATENCY_SHORT: (usize, u64) = (3, 15);
const USAGE: &str = "usage: weir-benches all | ladder [CLIP] | ingest | origin | latency [SECONDS] | waiters [STREAMS] \
                     | srt-losses [SEEDS] | srt-load [CALLERS] | soak MINUTES SEED";

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["all"] => all().await,
        ["ladder"] => ladder::run(None).await,
        ["ladder", clip] => ladder::run(Some(PathBuf::from(clip))).await,
        ["ingest"] => ingest::run().await,
        ["origin"] => origin::run().await,
        ["latency"] => latency::run(LATENCY.0, LATENCY.1).await,
        ["latency", seconds] => latency::run(LATENCY.0, number(seconds)?).await,
        ["waiters"] => waiters::run(WAITERS).await,
        ["waiters", streams] => waiters::run(number(streams)?).await,
        ["srt-losses"] => srt::losses(SRT_LOSSES.0, SRT_LOSSES.1).await,
        ["srt-losses", seeds] => srt::losses(number(seeds)?, SRT_LOSSES.1).await,
        ["srt-load"] => srt::load(SRT_LOAD.0, SRT_LOAD.1).await,
        ["srt-load", callers] => srt::load(number(callers)?, SRT_LOAD.1).await,
        ["soak", minutes, seed] => soak::run(number(minutes)?, number(seed)?).await,
        _ => part(&args).await,
    }
}

/// The processes that comparisons are made of: servers and loads.
async fn part(args: &[&str]) -> Result<()> {
    match *args {
        ["srt-sink", latency_ms] => srt::sink(number(latency_ms)?).await,
        ["rtmp-sink"] => ingest::rtmp_sink().await,
        ["rtmp-load", server, publishers, seconds, clip] => {
            ingest::rtmp_load(number(server)?, number(publishers)?, number(seconds)?, Path::new(clip)).await
        }
        ["origin-server", root] => origin::server(Path::new(root)).await,
        ["origin-viewers", server, viewers, seconds] => {
            origin::viewers(number(server)?, number(viewers)?, number(seconds)?).await
        }
        ["origin-minimal"] => origin::minimal().await,
        ["origin-waiters", server, pid, streams, rounds, ref lookup @ ..] => {
            let playlist = match *lookup {
                [playlists, path] => Some((number(playlists)?, path.to_owned())),
                _ => None,
            };
            let (streams, rounds) = (number(streams)?, number(rounds)?);
            origin::waiters(&origin::Orders { server: number(server)?, pid: number(pid)?, playlist, streams, rounds })
                .await
        }
        _ => bail!(USAGE),
    }
}

/// Everything that has a place in `RESULTS.md`, one after the other. One that fails does not keep the others from it.
async fn all() -> Result<()> {
    let mut failed = Vec::new();
    for (name, outcome) in [
        ("ladder", ladder::run(None).await),
        ("ingest", ingest::run().await),
        ("origin", origin::run().await),
        ("latency", latency::run(LATENCY_SHORT.0, LATENCY_SHORT.1).await),
    ] {
        if let Err(error) = outcome {
            eprintln!("{name}: {error:#}");
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("not measured: {}", failed.join(", ")) }
}

/// A number, or an address.
fn number<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(text: &str) -> Result<T> {
    text.parse().with_context(|| format!("{text} is not what it should be"))
}
