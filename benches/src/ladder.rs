//! The 1080p ladder: what weir spends on it beside ffmpeg making the same renditions, both fed at the same pace with the same
//! clip, and beside the floor of decoding and encoding alone. And what the pictures are like.

mod clip;
mod ffmpeg;
mod floor;
mod pictures;
mod spent;
mod weir;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::pinned::{SERVER_CPU, awake};
use crate::report::Report;
use clip::Clip;
use pictures::Settings;
use spent::Spent;

const ROUNDS: usize = 3;
/// How fast the clip is fed, of real time: so slowly that a whole ladder has room on the one core that all contenders get.
const SPEED: f64 = 0.5;
const PRESET: &str = "superfast";

const CPU: &str = "CPU";
const CPU_UNIT: &str = "s per stream s";
const FLOOR_PACED: &str = "floor: decoder and x264 alone, same pace";
const FLOOR: &str = "floor, as fast as it can";
const FLOOR_SCALED: &str = "floor with ffmpeg's scalers";
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
    let mut awake = awake(SERVER_CPU)?;
    println!("{}: {} frames, {:.2} s; {ROUNDS} rounds of each, in turns", clip.name, clip.frames, clip.seconds);
    floor::prepare(folder).await?;
    describe(&mut report, &clip);
    for round in 1..=ROUNDS {
        // The machine's speed changes within minutes: what weir is compared with comes right before and right after it.
        let ffmpeg = ffmpeg::run(folder).await?;
        add_spent(&mut report, FFMPEG, &ffmpeg.spent, &clip);
        let weir = weir::run(&clip, folder, false).await?.context("weir copied without having been told to")?;
        add_spent(&mut report, WEIR, &weir.spent, &clip);
        let paced_floor = floor::run_paced(folder).await?;
        report.add(FLOOR_PACED, CPU, CPU_UNIT, paced_floor.spent.cpu.as_secs_f64() / clip.seconds);
        add_floor(&mut report, &floor::run(folder).await?, &clip);
        let copying = weir::run(&clip, folder, true).await?;
        // The clip made here is fit for it.
        ensure!(copying.is_some() || given.is_some(), "the best rung was not copied");
        if let Some(copying) = &copying {
            add_spent(&mut report, COPYING, &copying.spent, &clip);
        }
        if round == 1 {
            same_settings(&weir.files, &ffmpeg.files)?;
            same_settings(&weir.files, &paced_floor.files)?;
            add_pictures(&mut report, WEIR, &weir.files, &clip).await?;
            add_pictures(&mut report, FFMPEG, &ffmpeg.files, &clip).await?;
        }
        ensure!(awake.is_running(), "the core was not kept awake: {}", awake.err.tail());
        println!("round {round} of {ROUNDS} is done");
    }
    add_aims(&mut report)?;
    report.save()
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
        "Everything that is measured runs on the same core, whatever feeds it on the other; the clip is fed at half of real time, \
         so that a whole ladder has room there. ffmpeg encodes one rung after the other, weir all at once. A loop of idle priority \
         (`chrt --idle`) keeps that core awake for all of them: a virtual machine gives a halted core back to its host, and what it \
         takes to be quick again would count for those that wait for pictures and not for the floor that does not."
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

fn add_spent(report: &mut Report, contender: &str, spent: &Spent, clip: &Clip) {
    report.add(contender, CPU, CPU_UNIT, spent.cpu.as_secs_f64() / clip.seconds);
    report.add(contender, "peak memory", "MiB", spent.peak as f64 / f64::from(1 << 20));
}

fn add_floor(report: &mut Report, floor: &floor::Floor, clip: &Clip) {
    let share = |spent: &Spent| spent.cpu.as_secs_f64() / clip.seconds;
    let encoders: f64 = floor.encoders.iter().map(share).sum();
    report.add(FLOOR, CPU, CPU_UNIT, share(&floor.decoder) + encoders);
    report.add(FLOOR_SCALED, CPU, CPU_UNIT, share(&floor.decoder_and_scalers) + encoders);
    report.add("decoder", "CPU of the floor's parts", CPU_UNIT, share(&floor.decoder));
    for (rung, spent) in RUNGS.iter().zip(&floor.encoders) {
        report.add(&format!("x264 {}", rung.name), "CPU of the floor's parts", CPU_UNIT, share(spent));
    }
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
    let weir = report.median(WEIR, CPU)?;
    let ffmpeg = report.median(FFMPEG, CPU)?;
    report.aim_at_most("CPU, weir / floor at the same pace", 1.05, weir / report.median(FLOOR_PACED, CPU)?);
    report.aim_at_most("CPU, weir / floor as fast as it can", 1.05, weir / report.median(FLOOR, CPU)?);
    report.aim_at_most("CPU, weir / ffmpeg", 1.0, weir / ffmpeg);
    if let Ok(copying) = report.median(COPYING, CPU) {
        report.aim_at_most("CPU, weir with its best rung copied / ffmpeg", 0.55, copying / ffmpeg);
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
