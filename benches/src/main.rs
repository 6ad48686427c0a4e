//! Measurements of whole processes: `cargo run --release -p weir-benches -- all`, or one of them by its name.
//!
//! The daemon must have been built with the same profile before. What comes out is in `RESULTS.md`.

mod ingest;
mod ladder;
mod latency;
mod machine;
mod origin;
mod report;
mod results;
mod srt;
mod waiters;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// How long many SRT callers are watched.
const SRT_LOAD_SECONDS: u64 = 60;
/// How often each player is started and how long it is watched then: alone, and as one comparison of many.
const LATENCY: (usize, u64) = (5, 60);
const LATENCY_SHORT: (usize, u64) = (3, 15);
const USAGE: &str = "usage: weir-benches all | ladder [CLIP] | ingest | origin | latency [SECONDS] | waiters [STREAMS] \
                     | srt-losses [SEEDS] | srt-load [CALLERS]";

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next(), args.next()) {
        (Some("all"), None, None) => all().await,
        (Some("ladder"), clip, None) => ladder::run(clip.map(PathBuf::from)).await,
        (Some("ingest"), None, None) => ingest::run().await,
        (Some("origin"), None, None) => origin::run().await,
        (Some("latency"), seconds, None) => latency::run(LATENCY.0, number(seconds, LATENCY.1)?).await,
        (Some("waiters"), streams, None) => waiters::run(number(streams, 5000)? as usize).await,
        (Some("srt-losses"), seeds, None) => srt::losses(number(seeds, 5)?, 20).await,
        (Some("srt-load"), callers, None) => srt::load(number(callers, 50)? as usize, SRT_LOAD_SECONDS).await,
        (Some("srt-sink"), latency, None) => srt::sink(number(latency, 120)?).await,
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

fn number(argument: Option<String>, default: u64) -> Result<u64> {
    argument.map_or(Ok(default), |text| text.parse().with_context(|| format!("{text} is no number")))
}
