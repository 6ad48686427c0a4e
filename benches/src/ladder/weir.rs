//! weir as a ladder.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;
use weir_testkit::{Config, Daemon, Download, Process, proc};

use super::clip::{Clip, SECONDS_MAX};
use super::spent::{LOOKS_EVERY, Peaks, Spent};
use super::{Ladder, PRESET, RUNGS, SPEED, arguments, fresh};
use crate::pinned::pinned;

/// From the end of a clip to ENDLIST: the reconnect window and the draining.
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// All of the longest clip stays in the playlists: fed more slowly than real time it ends behind the clock, and gaps follow it up to
/// there. And a minute more.
const WINDOW_S: u32 = (SECONDS_MAX as f64 / SPEED) as u32 + 60;

/// How often processes are looked at before their tree is read again.
const LOOKS_A_TREE: usize = 10;

/// In the log of a daemon that copies.
const COPIES: &str = "the encoder's own picture is the best rendition";

/// From the first byte of the clip to the last segment, on the core `cpu`, which what feeds it shares; with `copy_best`, the
/// best rung is the clip's own picture.
///
/// `None` when a clip was to be copied that is not fit for it.
pub async fn run(clip: &Clip, folder: &Path, copy_best: bool, cpu: u32) -> Result<Option<Ladder>> {
    let out = fresh(folder, if copy_best { "weir-copying" } else { "weir" })?;
    let full = Config::full_ladder("1080p");
    let config =
        Config { preset: PRESET, window_s: WINDOW_S, reconnect_window_s: 5, copy_best, cpu: Some(cpu), ..full };
    let daemon = Daemon::start(config).await?;
    let before = proc::cpu_of_tree(daemon.pid());
    let mut push = pinned(cpu, "ffmpeg");
    push.args(arguments(&format!("-v error -nostdin -readrate {SPEED} -i"))).arg(&clip.path);
    push.args(arguments("-c copy -flvflags no_duration_filesize -f flv")).arg(daemon.publish_url());
    let mut encoder = Process::spawn("ffmpeg", push, &[])?;
    let mut peaks = Peaks::default();
    while encoder.is_running() {
        // To find the worker all processes are read, which is too much to do ten times a second beside what is measured.
        let processes = proc::tree(daemon.pid());
        for _ in 0..LOOKS_A_TREE {
            peaks.look_at(&processes);
            sleep(LOOKS_EVERY).await;
        }
    }
    encoder.succeed(ENDED_WITHIN).await?;
    let hls = daemon.hls();
    hls.wait_playable(ENDED_WITHIN).await?;
    for path in hls.renditions().await? {
        hls.wait_playlist(&path, "it has ended", ENDED_WITHIN, |playlist| playlist.ended).await?;
    }
    let cpu = proc::cpu_of_tree(daemon.pid()) - before;
    let downloads = hls.download_ended(ENDED_WITHIN).await?;
    check_work(&downloads, clip.frames)?;
    let mut files = Vec::new();
    for download in downloads.iter().take(RUNGS.len()) {
        let epochs = download.write_epochs(&out)?;
        ensure!(epochs.len() == 1, "{} has {} epochs", download.path, epochs.len());
        files.push(epochs.into_iter().next().context("no epoch")?);
    }
    let copied = daemon.log().text().contains(COPIES);
    daemon.stop().await?;
    Ok((copied == copy_best).then_some(Ladder { spent: Spent { cpu, peak: peaks.sum() }, files }))
}

/// A contender that skipped work has not won: three renditions with every frame, one of audio.
fn check_work(downloads: &[Download], frames: usize) -> Result<()> {
    ensure!(
        downloads.len() == RUNGS.len() + 1,
        "{} renditions, wanted three of video and one of audio",
        downloads.len()
    );
    for download in downloads.iter().take(RUNGS.len()) {
        let mut made = 0;
        for piece in &download.segments {
            made += weir_testkit::cmaf::samples(&piece.body)?.len();
        }
        // More are well: holes in a clip are filled.
        ensure!(made + 1 >= frames, "{}: {made} frames of {frames}", download.path);
    }
    Ok(())
}
