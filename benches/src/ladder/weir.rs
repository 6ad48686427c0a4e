//! weir as a ladder.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;
use weir_testkit::{Config, Daemon, Download, proc, push_clip};

use super::clip::Clip;
use super::spent::{LOOKS_EVERY, Peaks, Spent};
use super::{Ladder, PRESET, RUNGS, fresh};

/// From the end of a clip to ENDLIST: the reconnect window and the draining.
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// From the first byte of the clip to the last segment.
pub async fn run(clip: &Clip, folder: &Path) -> Result<Ladder> {
    let out = fresh(folder, "weir")?;
    let config = Config { preset: PRESET, reconnect_window_s: 5, ..Config::full_ladder("1080p") };
    let daemon = Daemon::start(config).await?;
    let (before, begun) = (proc::cpu_of_tree(daemon.pid()), Instant::now());
    let mut encoder = push_clip(&clip.path, &[], &daemon.publish_url())?;
    let mut peaks = Peaks::default();
    while encoder.is_running() {
        peaks.look_at(&proc::tree(daemon.pid()));
        sleep(LOOKS_EVERY).await;
    }
    encoder.succeed(ENDED_WITHIN).await?;
    let hls = daemon.hls();
    hls.wait_playable(ENDED_WITHIN).await?;
    for path in hls.renditions().await? {
        hls.wait_playlist(&path, "it has ended", ENDED_WITHIN, |playlist| playlist.ended).await?;
    }
    let (cpu, took) = (proc::cpu_of_tree(daemon.pid()) - before, begun.elapsed());
    let downloads = hls.download_ended(ENDED_WITHIN).await?;
    check_work(&downloads, clip.frames)?;
    let mut files = Vec::new();
    for download in downloads.iter().take(RUNGS.len()) {
        let epochs = download.write_epochs(&out)?;
        ensure!(epochs.len() == 1, "{} has {} epochs", download.path, epochs.len());
        files.push(epochs.into_iter().next().context("no epoch")?);
    }
    daemon.stop().await?;
    Ok(Ladder { spent: Spent { cpu, peak: peaks.sum(), took }, files })
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
