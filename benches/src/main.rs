//! Comparisons of whole processes, run by hand: `cargo run --release -p weir-benches -- ladder [clip]`.
//!
//! The daemon must have been built with the same profile before.

mod ladder;
mod table;

use std::path::PathBuf;

use anyhow::{Result, bail};

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next(), args.next()) {
        (Some("ladder") | None, clip, None) => ladder::run(clip.map(PathBuf::from)).await,
        _ => bail!("usage: weir-benches [ladder [CLIP]]"),
    }
}
