//! Measurements of whole processes, run by hand: `cargo run --release -p weir-benches -- ladder [clip]`,
//! `-- latency [seconds]`, `-- waiters [streams]`, `-- soak [minutes [seed]]`, `-- srt-losses [seeds]` and `-- srt-load [callers]`.
//!
//! The daemon must have been built with the same profile before.

mod ladder;
mod latency;
mod soak;
mod srt;
mod table;
mod waiters;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// How long many SRT callers are watched.
const SRT_LOAD_SECONDS: u64 = 60;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next(), args.next()) {
        (Some("ladder") | None, clip, None) => ladder::run(clip.map(PathBuf::from)).await,
        (Some("latency"), seconds, None) => latency::run(number(seconds, 60)?).await,
        (Some("waiters"), streams, None) => waiters::run(number(streams, 5000)? as usize).await,
        (Some("soak"), minutes, seed) => soak::run(number(minutes, 30)?, number(seed, 1)?).await,
        (Some("srt-losses"), seeds, None) => srt::losses(number(seeds, 5)?, 20).await,
        (Some("srt-load"), callers, None) => srt::load(number(callers, 50)? as usize, SRT_LOAD_SECONDS).await,
        (Some("srt-sink"), latency, None) => srt::sink(number(latency, 120)?).await,
        _ => bail!(
            "usage: weir-benches [ladder [CLIP] | latency [SECONDS] | waiters [STREAMS] | soak [MINUTES [SEED]] | srt-losses [SEEDS] | srt-load [CALLERS]]"
        ),
    }
}

fn number(argument: Option<String>, default: u64) -> Result<u64> {
    argument.map_or(Ok(default), |text| text.parse().with_context(|| format!("{text} is no number")))
}
