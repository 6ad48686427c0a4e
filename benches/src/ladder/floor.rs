//! What cannot be saved: decoding once, and x264 for every rung.

use std::path::Path;

use anyhow::Result;

use super::ffmpeg::{SCALERS, rung_options, x264_options};
use super::spent::{Spent, spent_by};
use super::{CLIP, Ladder, PRESET, RUNGS, Rung, SPEED, arguments, fresh, shell};
use crate::pinned::SERVER_CPU;

/// Scaled pictures as they are, some gigabytes.
const PICTURES: &str = "pictures";
const OUT: &str = "floor";
const OUT_PACED: &str = "floor-paced";
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

impl Floor {
    /// One of the decoders and all encoders: their times together, and the peak of the largest, since one runs after the other.
    pub fn sum(&self, decoder: &Spent) -> Spent {
        let parts = || self.encoders.iter().chain([decoder]);
        Spent { cpu: parts().map(|part| part.cpu).sum(), peak: parts().map(|part| part.peak).max().unwrap_or(0) }
    }
}

/// Scales the clip, for all rounds.
pub async fn prepare(folder: &Path) -> Result<()> {
    fresh(folder, PICTURES)?;
    let mut args = arguments(&format!("-v error -nostdin -i {CLIP} -filter_complex {SCALERS}"));
    for (index, rung) in RUNGS.iter().enumerate() {
        args.extend(arguments(&format!("-map [v{index}] {}", pictures(rung))));
    }
    spent_by("ffmpeg", &args, folder, SERVER_CPU).await.map(drop)
}

/// One round.
pub async fn run(folder: &Path, cpu: u32) -> Result<Floor> {
    fresh(folder, OUT)?;
    let decoder = spent_by("ffmpeg", &arguments(DECODER), folder, cpu).await?;
    let decoder_and_scalers = spent_by("ffmpeg", &scalers(), folder, cpu).await?;
    let mut encoders = Vec::new();
    for rung in &RUNGS {
        encoders.push(spent_by("x264", &encoder(rung), folder, cpu).await?);
    }
    Ok(Floor { decoder, decoder_and_scalers, encoders })
}

/// One round at the pace of the other contenders: one process that decodes the clip and gives it to x264 for the best rung,
/// and to x264 for the others pictures that are scaled already, none before its time.
pub async fn run_paced(folder: &Path, cpu: u32) -> Result<Ladder> {
    let out = fresh(folder, OUT_PACED)?;
    let spent = spent_by("ffmpeg", &paced(), folder, cpu).await?;
    Ok(Ladder { spent, files: RUNGS.iter().map(|rung| out.join(format!("{}.264", rung.name))).collect() })
}

/// What is run.
pub fn command_lines() -> Vec<String> {
    let encoders = RUNGS.iter().map(|rung| shell("x264", &encoder(rung)));
    [shell("ffmpeg", &arguments(DECODER)), shell("ffmpeg", &scalers())].into_iter().chain(encoders).collect()
}

/// What is run at the pace of the others.
pub fn paced_command_line() -> String {
    shell("ffmpeg", &paced())
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

fn paced() -> Vec<String> {
    let mut args = arguments("-v error -nostdin");
    let scaled = RUNGS.iter().skip(1).map(pictures);
    for input in [CLIP.to_owned()].into_iter().chain(scaled) {
        args.extend(arguments(&format!("-readrate {SPEED} -threads 1 -i {input}")));
    }
    for (index, rung) in RUNGS.iter().enumerate() {
        args.extend(arguments(&format!("-map {index}:v {}", rung_options(0, rung))));
        args.extend(x264_options());
        args.extend(arguments(&format!("-f h264 {OUT_PACED}/{}.264", rung.name)));
    }
    args
}
