//! What cannot be saved: decoding once, and x264 for every rung.

use std::path::Path;

use anyhow::Result;

use super::ffmpeg::SCALERS;
use super::spent::{Spent, spent_by};
use super::{CLIP, PRESET, RUNGS, Rung, arguments, fresh, shell};

/// Scaled pictures as they are, some gigabytes.
const PICTURES: &str = "pictures";
const OUT: &str = "floor";
const DECODER: &str = "-v error -nostdin -threads 1 -i clip.flv -map 0:v -f null -";

/// Each part alone.
pub struct Floor {
    /// The clip decoded to nothing.
    pub decoder: Spent,
    /// The same, and scaled.
    pub decoder_and_scalers: Spent,
    /// x264 for each rung.
    pub encoders: Vec<Spent>,
}

/// Scales the clip, for all rounds.
pub async fn prepare(folder: &Path) -> Result<()> {
    fresh(folder, PICTURES)?;
    let mut args = arguments(&format!("-v error -nostdin -i {CLIP} -filter_complex {SCALERS}"));
    for (index, rung) in RUNGS.iter().enumerate() {
        args.extend(arguments(&format!("-map [v{index}] {}", pictures(rung))));
    }
    spent_by("ffmpeg", &args, folder).await.map(drop)
}

/// One round.
pub async fn run(folder: &Path) -> Result<Floor> {
    fresh(folder, OUT)?;
    let decoder = spent_by("ffmpeg", &arguments(DECODER), folder).await?;
    let decoder_and_scalers = spent_by("ffmpeg", &scalers(), folder).await?;
    let mut encoders = Vec::new();
    for rung in &RUNGS {
        encoders.push(spent_by("x264", &encoder(rung), folder).await?);
    }
    Ok(Floor { decoder, decoder_and_scalers, encoders })
}

/// What is run.
pub fn command_lines() -> Vec<String> {
    let encoders = RUNGS.iter().map(|rung| shell("x264", &encoder(rung)));
    [shell("ffmpeg", &arguments(DECODER)), shell("ffmpeg", &scalers())].into_iter().chain(encoders).collect()
}

fn pictures(rung: &Rung) -> String {
    format!("{PICTURES}/{}.y4m", rung.name)
}

fn scalers() -> Vec<String> {
    let mut args = arguments(&format!("-v error -nostdin -threads 1 -i {CLIP} -filter_complex {SCALERS}"));
    for index in 0..RUNGS.len() {
        args.extend(arguments(&format!("-map [v{index}] -f null -")));
    }
    args
}

fn encoder(rung: &Rung) -> Vec<String> {
    let Rung { name, kbps, profile, .. } = rung;
    arguments(&format!(
        "--quiet --no-progress --preset {PRESET} --profile {profile} --bitrate {kbps} --vbv-maxrate {kbps} --vbv-bufsize {kbps} \
         --bframes 0 --rc-lookahead 0 --sync-lookahead 0 --no-mbtree --scenecut 0 --keyint 60 --min-keyint 60 --threads 1 \
         -o {OUT}/{name}.264 {}",
        pictures(rung)
    ))
}
