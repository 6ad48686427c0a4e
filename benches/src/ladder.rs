//! The 1080p ladder: what weir spends on it beside ffmpeg making the same renditions, both fed at the same pace with the same
//! clip, and beside the floor of decoding and encoding alone. And what the pictures are like.

mod clip;
mod duel;
mod ffmpeg;
mod floor;
mod pictures;
mod spent;
mod weir;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::pinned::{LOAD_CPU, SERVER_CPU, awake};
use crate::report::Report;
use clip::Clip;
use duel::Duel;
use pictures::Settings;
use spent::Spent;

/// Even, so that everybody has had each core as often.
const ROUNDS: usize = 4;
/// Where the two run that run at once.
const CORES: (u32, u32) = (SERVER_CPU, LOAD_CPU);
/// How fast the clip is fed, of real time: so slowly that a whole ladder has room on the one core that each contender gets.
const SPEED: f64 = 0.5;
const PRESET: &str = "superfast";

const CPU_UNIT: &str = "s per stream s";
const FLOOR_PACED: &str = "floor at the same pace";
const FLOOR: &str = "floor as fast as it can";
const FLOOR_SCALED: &str = "the same with ffmpeg's scalers";
const FFMPEG: &str = "ffmpeg";
const WEIR: &str = "weir";
const COPYING: &str = "weir, best rung copied";

/// One rung as weir makes it by default of 1080p30.
struct Rung {
    name: &'static str,
    width: u32,
    height: u32,
    kbps: u32,
    profile: &'static str,
}

const RUNGS: [Rung; 3] = [
    Rung { name: "1080p", width: 1920, height: 1080, kbps: 5000, profile: "high" },
    Rung { name: "720p", width: 1280, height: 720, kbps: 3000, profile: "high" },
    Rung { name: "360p", width: 640, height: 360, kbps: 800, profile: "main" },
];

/// What one contender did in one round.
struct Ladder {
    spent: Spent,
    /// The renditions of video, in the order of [`RUNGS`].
    files: Vec<PathBuf>,
}

/// Runs the comparison with `given`, or with a clip made for it.
pub async fn run(given: Option<PathBuf>) -> Result<()> {
    let mut report = Report::new("ladder", "Ladder: 1080p30 to 1080p, 720p and 360p")?;
    let folder = TempDir::new()?;
    let folder = folder.path();
    let clip = match &given {
        Some(path) => Clip::take(path, folder).await?,
        None => Clip::make(folder).await?,
    };
    println!("{}: {} frames, {:.2} s; {ROUNDS} rounds", clip.name, clip.frames, clip.seconds);
    floor::prepare(folder).await?;
    describe(&mut report, &clip);
    let mut awake = [awake(CORES.0)?, awake(CORES.1)?];
    for round in 0..ROUNDS {
        let cores = if round % 2 == 0 { CORES } else { (CORES.1, CORES.0) };
        let (weir, ffmpeg) = beside_ffmpeg(&mut report, &clip, folder, cores).await?;
        if round == 0 {
            same_settings(&weir.files, &ffmpeg.files)?;
            add_pictures(&mut report, WEIR, &weir.files, &clip).await?;
            add_pictures(&mut report, FFMPEG, &ffmpeg.files, &clip).await?;
        }
        beside_floors(&mut report, &clip, folder, cores).await?;
        let copied = copying(&mut report, &clip, folder, cores).await?;
        // The clip made here is fit for it.
        ensure!(copied || given.is_some(), "the best rung was not copied");
        for awake in &mut awake {
            ensure!(awake.is_running(), "a core was not kept awake: {}", awake.err.tail());
        }
        println!("round {} of {ROUNDS} is done", round + 1);
    }
    add_aims(&mut report)?;
    report.save()
}

/// weir and ffmpeg with all rungs.
async fn beside_ffmpeg(report: &mut Report, clip: &Clip, folder: &Path, cores: (u32, u32)) -> Result<(Ladder, Ladder)> {
    let (weir, ffmpeg) = tokio::try_join!(encoding(clip, folder, cores.0), ffmpeg::run(folder, cores.1))?;
    Duel::add(report, clip, (WEIR, &weir.spent), (FFMPEG, &ffmpeg.spent));
    Ok((weir, ffmpeg))
}

/// weir and each of the floors.
async fn beside_floors(report: &mut Report, clip: &Clip, folder: &Path, cores: (u32, u32)) -> Result<()> {
    let (weir, paced) = tokio::try_join!(encoding(clip, folder, cores.0), floor::run_paced(folder, cores.1))?;
    same_settings(&weir.files, &paced.files)?;
    Duel::add(report, clip, (WEIR, &weir.spent), (FLOOR_PACED, &paced.spent));

    let (weir, floor) = tokio::try_join!(encoding(clip, folder, cores.0), floor::run(folder, cores.1))?;
    let duel = Duel::add(report, clip, (WEIR, &weir.spent), (FLOOR, &floor.sum(&floor.decoder)));
    duel.add_cpu(report, clip, FLOOR_SCALED, &floor.sum(&floor.decoder_and_scalers));
    report.add("decoder", "CPU of that floor's parts", CPU_UNIT, clip.share(&floor.decoder));
    for (rung, spent) in RUNGS.iter().zip(&floor.encoders) {
        report.add(&format!("x264 {}", rung.name), "CPU of that floor's parts", CPU_UNIT, clip.share(spent));
    }
    Ok(())
}

/// weir with its best rung copied, and ffmpeg with all rungs. Whether the clip was fit for it.
async fn copying(report: &mut Report, clip: &Clip, folder: &Path, cores: (u32, u32)) -> Result<bool> {
    let (weir, ffmpeg) = tokio::try_join!(weir::run(clip, folder, true, cores.0), ffmpeg::run(folder, cores.1))?;
    let Some(weir) = weir else { return Ok(false) };
    Duel::add(report, clip, (COPYING, &weir.spent), (FFMPEG, &ffmpeg.spent));
    Ok(true)
}

/// weir with all rungs encoded.
async fn encoding(clip: &Clip, folder: &Path, cpu: u32) -> Result<Ladder> {
    weir::run(clip, folder, false, cpu).await?.context("weir copied without having been told to")
}

fn describe(report: &mut Report, clip: &Clip) {
    report.commands.push("make bench-ladder    # CLIP=... for a clip of your own".to_owned());
    report.commands.push(format!("# ffmpeg's ladder:\n{}", ffmpeg::command_line()));
    report.commands.push(format!("# The floor at the same pace:\n{}", floor::paced_command_line()));
    report
        .commands
        .push(format!("# The floor as fast as it can, one after the other:\n{}", floor::command_lines().join("\n")));
    report.notes = vec![
        format!(
            "Preset {PRESET}, one x264 thread for each rung, no B-frames, no look-ahead, keyframes every two seconds. \
             {}, {} frames in {:.2} s.",
            clip.name, clip.frames, clip.seconds
        ),
        "Two contenders run at once, each on a core of its own, and exchange their cores every round: a shared machine's speed changes \
         within minutes by more than what they differ in, and does so for both. Ratios are medians of the rounds' ratios. The clip is fed at half of real \
         time, so that a whole ladder has room on one core; what feeds weir is on weir's core. ffmpeg encodes one rung after the other, and on one core so does weir. \
         A loop of idle priority (`chrt --idle`) keeps both cores awake: a virtual machine gives a halted core back to its host, and what it takes to be quick again \
         would count for those that wait for pictures and not for the floor that does not."
            .to_owned(),
        "weir is the daemon with its worker, from the first byte over RTMP to ENDLIST: ingest, decoder, scalers, encoders, \
         packager, journal and the requests that watch its playlists. ffmpeg reads the clip at the same pace from a file and \
         writes CMAF segments and playlists to a disk. The floor is decoding the clip once and x264 for each rung: scaling, audio \
         and containers are not in it, the smaller rungs are encoded from pictures that are scaled already. At the same pace \
         that is one process. As fast as it can it is one process after the other, which have the caches of the processor \
         to themselves and never wait for a picture, as nothing that is live can; the next line adds the scaling as ffmpeg does it."
            .to_owned(),
        "With its best rung copied (`[ladder] copy_best = true`) weir serves the clip's own 1080p, and encodes 720p and 360p \
         as above; there is no such row for a clip that is not fit for it."
            .to_owned(),
        "Peak memory is the sum of each process's own peak (VmHWM); what two processes share counts twice.".to_owned(),
        "The pictures of the first round, frame by frame beside the clip's own, scaled by ffmpeg (bicubic): SSIM and PSNR \
         of all planes. Bit rates are of the files, boxes included. That x264 ran with the same settings in weir and \
         in ffmpeg is read from what it writes into the stream."
            .to_owned(),
    ];
}

async fn add_pictures(report: &mut Report, contender: &str, files: &[PathBuf], clip: &Clip) -> Result<()> {
    for (rung, file) in RUNGS.iter().zip(files) {
        let likeness = pictures::compare(file, &clip.path, rung).await?;
        report.add(contender, &ssim(rung), "", likeness.ssim);
        report.add(contender, &psnr(rung), "dB", likeness.psnr);
        let bits = std::fs::metadata(file)?.len() as f64 * 8.0;
        report.add(contender, &format!("bit rate {}", rung.name), "kbit/s", bits / 1000.0 / clip.seconds);
    }
    Ok(())
}

fn ssim(rung: &Rung) -> String {
    format!("SSIM {}", rung.name)
}

fn psnr(rung: &Rung) -> String {
    format!("PSNR {}", rung.name)
}

/// Other settings would be another comparison.
fn same_settings(ours: &[PathBuf], theirs: &[PathBuf]) -> Result<()> {
    for ((ours, theirs), rung) in ours.iter().zip(theirs).zip(&RUNGS) {
        let (ours, theirs) = (Settings::read(ours)?, Settings::read(theirs)?);
        let differences = ours.differences(&theirs);
        ensure!(differences.is_empty(), "{}: x264 was set differently: {}", rung.name, differences.join(", "));
    }
    Ok(())
}

fn add_aims(report: &mut Report) -> Result<()> {
    for (ours, theirs, most) in [(WEIR, FLOOR_PACED, 1.05), (WEIR, FLOOR, 1.05), (WEIR, FFMPEG, 1.0)] {
        report.aim_at_most(&format!("CPU, {ours} / {theirs}"), most, Duel(ours, theirs).ratio(report)?);
    }
    if let Ok(ratio) = Duel(COPYING, FFMPEG).ratio(report) {
        report.aim_at_most(&format!("CPU, {COPYING} / {FFMPEG}"), 0.55, ratio);
    }
    let (mut ssim_least, mut psnr_least) = (f64::INFINITY, f64::INFINITY);
    for rung in &RUNGS {
        let ahead =
            |metric: String| Ok::<_, anyhow::Error>(report.median(WEIR, &metric)? - report.median(FFMPEG, &metric)?);
        ssim_least = ssim_least.min(ahead(ssim(rung))?);
        psnr_least = psnr_least.min(ahead(psnr(rung))?);
    }
    report.aim_at_least("SSIM, weir - ffmpeg, worst rung", -0.002, ssim_least);
    report.aim_at_least("PSNR, weir - ffmpeg, worst rung, dB", -0.1, psnr_least);
    Ok(())
}

/// Programs are run in the folder of all files, with names relative to it, so that what was run can be shown.
const CLIP: &str = "clip.flv";

/// Splits a text at its blanks: no argument here has one.
fn arguments(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A command line for a shell.
fn shell(program: &str, args: &[String]) -> String {
    let plain = |arg: &str| arg.chars().all(|c| c.is_ascii_alphanumeric() || "-_.,:/=%+@".contains(c));
    let quoted = args.iter().map(|arg| if plain(arg) { arg.clone() } else { format!("'{arg}'") });
    [program.to_owned()].into_iter().chain(quoted).collect::<Vec<_>>().join(" ")
}

/// Below `folder`, made when it is not there yet, without what an earlier round left.
fn fresh(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path)?;
    }
    std::fs::create_dir_all(&path)?;
    Ok(path)
}
