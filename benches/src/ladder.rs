//! The 1080p ladder: CPU time of the daemon with its worker, beside that of ffmpeg making the same renditions,
//! both fed in real time with the same clip, in turns.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tempfile::TempDir;
use weir_testkit::{Config, Daemon, Download, Probe, Source, proc, push_clip, run_tool};

use crate::table::{Row, render};

const ROUNDS: usize = 3;
const PRESET: &str = "superfast";
/// Length of a clip made here.
const SECONDS: u32 = 20;
/// From the end of a clip to ENDLIST: the reconnect window and the draining.
const ENDED_WITHIN: Duration = Duration::from_secs(30);
/// Where the table goes, below the folder the bench was started in.
const REPORT: &str = "target/bench-ladder.md";

/// Runs the comparison with `clip`, or with one made for it.
pub async fn run(clip: Option<PathBuf>) -> Result<()> {
    let folder = TempDir::new()?;
    let flv = folder.path().join("clip.flv");
    match &clip {
        // Once into the container of RTMP, so that no contender pays for that.
        Some(clip) => remux(clip, &flv).await?,
        None => make_clip(&flv).await?,
    }
    let frames = Probe::video(&flv).await?.frames();
    let stream = duration(&flv).await?;
    let name = clip.as_deref().and_then(Path::file_name).map_or("testsrc2".into(), |name| name.to_string_lossy());
    println!(
        "{name}: {frames} frames, {:.2} s; {ROUNDS} rounds of each, in turns, preset {PRESET}",
        stream.as_secs_f64()
    );

    let row = |name| Row { name, millis: Vec::new() };
    let mut rows = [row("weir"), row("ffmpeg in real time"), row("ffmpeg at full speed")];
    for round in 1..=ROUNDS {
        rows[0].add(by_weir(&flv, frames).await?, stream);
        rows[1].add(by_ffmpeg(&flv, true, folder.path())?, stream);
        rows[2].add(by_ffmpeg(&flv, false, folder.path())?, stream);
        let figures: Vec<_> = rows.iter().filter_map(|row| row.millis.last()).collect();
        println!("round {round}: {figures:?} ms of CPU per second of stream");
    }
    let table = render(&rows);
    println!("\n{table}");
    if let Some(parent) = Path::new(REPORT).parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(REPORT, format!("1080p ladder, preset {PRESET}, {name}, {frames} frames\n\n{table}"))?;
    println!("written to {REPORT}");
    Ok(())
}

async fn make_clip(flv: &Path) -> Result<()> {
    let seconds = Some(SECONDS);
    let source = Source { width: 1920, height: 1080, gop: 60, kbps: 5000, seconds, ..Source::default() };
    source.write_clip(flv).await
}

async fn remux(clip: &Path, flv: &Path) -> Result<()> {
    let (from, to) = (clip.to_str().context("a path that is not UTF-8")?, flv.to_str().context("a path")?);
    let args =
        ["-v", "error", "-nostdin", "-i", from, "-map", "0:v:0", "-map", "0:a:0?", "-c", "copy", "-f", "flv", to];
    run_tool("ffmpeg", &args, Duration::from_secs(120)).await.map(drop)
}

async fn duration(flv: &Path) -> Result<Duration> {
    let name = flv.to_str().context("a path that is not UTF-8")?;
    let args = ["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", name];
    let output = run_tool("ffprobe", &args, Duration::from_secs(60)).await?;
    let seconds: f64 = String::from_utf8(output)?.trim().parse()?;
    Ok(Duration::from_secs_f64(seconds))
}

/// CPU time of the daemon and its worker from the first byte of the clip to the last segment.
async fn by_weir(flv: &Path, frames: usize) -> Result<Duration> {
    let config = Config { preset: PRESET, reconnect_window_s: 5, ..Config::full_ladder("1080p") };
    let daemon = Daemon::start(config).await?;
    let before = proc::cpu_of_tree(daemon.pid());
    push_clip(flv, &[], &daemon.publish_url())?.succeed(Duration::from_secs(600)).await?;
    let hls = daemon.hls();
    hls.wait_playable(ENDED_WITHIN).await?;
    for path in hls.renditions().await? {
        hls.wait_playlist(&path, "it has ended", ENDED_WITHIN, |playlist| playlist.ended).await?;
    }
    let spent = proc::cpu_of_tree(daemon.pid()) - before;
    let downloads = hls.download_ended(ENDED_WITHIN).await?;
    check_work(&downloads, frames)?;
    daemon.stop().await?;
    Ok(spent)
}

/// A contender that skipped work has not won: three renditions with every frame, one of audio.
fn check_work(downloads: &[Download], frames: usize) -> Result<()> {
    ensure!(downloads.len() == 4, "{} renditions, wanted three of video and one of audio", downloads.len());
    for download in downloads.iter().take(3) {
        let mut made = 0;
        for piece in &download.segments {
            made += weir_testkit::cmaf::samples(&piece.body)?.len();
        }
        // More are well: holes in a clip are filled.
        ensure!(made + 1 >= frames, "{}: {made} frames of {frames}", download.path);
    }
    Ok(())
}

/// CPU time of ffmpeg from its start to its end: one decode, the same scaler in cascade, the same encoders, CMAF
/// segments and playlists on disk.
fn by_ffmpeg(flv: &Path, real_time: bool, folder: &Path) -> Result<Duration> {
    let out = folder.join("ffmpeg");
    std::fs::create_dir_all(&out)?;
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-nostats", "-v", "error", "-y"]);
    command.args(real_time.then_some("-re")).arg("-i").arg(flv).current_dir(&out);
    command.args(["-filter_complex", FILTERS]);
    for (index, kbps, profile) in [(0, 5000, "high"), (1, 3000, "high"), (2, 800, "main")] {
        let rate = format!("{kbps}k");
        command.args(["-map", &format!("[v{index}]")]).args([format!("-profile:v:{index}"), profile.to_owned()]);
        for option in ["b", "maxrate", "bufsize"] {
            command.args([format!("-{option}:v:{index}"), rate.clone()]);
        }
    }
    command.args(["-map", "0:a:0", "-c:a", "copy"]);
    command.args([
        "-c:v",
        "libx264",
        "-preset",
        PRESET,
        "-bf",
        "0",
        "-g",
        "60",
        "-keyint_min",
        "60",
        "-sc_threshold",
        "0",
    ]);
    command.args("-f hls -hls_time 2 -hls_list_size 30 -hls_segment_type fmp4 -master_pl_name index.m3u8".split(' '));
    command.args(["-hls_flags", "delete_segments+independent_segments"]);
    command.args(["-var_stream_map", "v:0,agroup:a v:1,agroup:a v:2,agroup:a a:0,agroup:a", "-hls_segment_filename"]);
    command.args(["v%v-%d.m4s", "v%v.m3u8"]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.spawn().context("cannot start ffmpeg")?;
    // Its figures can be read between its end and the moment it is waited for.
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("not a pid")?;
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    let spent = proc::cpu(child.id())?;
    let status = child.wait()?;
    ensure!(status.success(), "ffmpeg ended with {status}");
    Ok(spent)
}

const FILTERS: &str =
    "[0:v]split[v0][a];[a]scale=1280:720:flags=bilinear,split[v1][b];[b]scale=640:360:flags=bilinear[v2]";
