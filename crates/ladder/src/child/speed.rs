//! How fast this machine encodes.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use super::ChildError;
use super::link::Link;
use super::pipeline::{Pipeline, SINK};
use crate::parent::usage;
use crate::plan::macroblocks;
use crate::wire::WireSpeed;

/// What is encoded: a moving pattern that takes x264 as long as footage of that size does.
const PATTERN: &str = "videotestsrc pattern=zone-plate kx2=20 ky2=20 kt=3";
const WIDTH: u32 = 640;
const HEIGHT: u32 = 360;
const FRAMES: u32 = 150;
/// As the ladder encodes, at the preset that all costs relate to.
const ENCODER: &str = "x264enc speed-preset=superfast threads=1 bframes=0 b-adapt=false rc-lookahead=0 sync-lookahead=0 \
                       mb-tree=false pass=cbr bitrate=800 vbv-buf-capacity=1000 key-int-max=1073741824 \
                       option-string=\"scenecut=0:keyint=infinite:open-gop=0\"";

/// Encodes the pattern, and makes it once more without encoding it; the difference is what x264 took.
pub(super) fn measure(link: &Arc<Link>) -> Result<WireSpeed, ChildError> {
    let (pattern, encoded) = (cpu_ms("identity", link)?, cpu_ms(ENCODER, link)?);
    let macroblocks = macroblocks(WIDTH, HEIGHT) * u64::from(FRAMES);
    let ns = encoded.saturating_sub(pattern) * 1_000_000 / macroblocks;
    Ok(WireSpeed { ns_per_macroblock: u32::try_from(ns).unwrap_or(u32::MAX).max(1) })
}

fn cpu_ms(then: &str, link: &Arc<Link>) -> Result<u64, ChildError> {
    let description = format!(
        "{PATTERN} num-buffers={FRAMES} ! video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate=30/1 \
         ! {then} ! appsink name=end {SINK}"
    );
    let pipeline = Pipeline::parse("speed", &description, link)?;
    let (ending, ended) = sync_channel(1);
    pipeline.on_sample(
        "end",
        link,
        |_| Ok(()),
        move || {
            let _ = ending.try_send(());
        },
    )?;
    let before = own_cpu_ms()?;
    pipeline.play()?;
    ended.recv().map_err(|_| ChildError::Pipeline("the measurement ended early".to_owned()))?;
    Ok(own_cpu_ms()? - before)
}

fn own_cpu_ms() -> Result<u64, ChildError> {
    let used = usage::of_process(std::process::id());
    used.map(|used| used.cpu_ms).ok_or_else(|| ChildError::Pipeline("the kernel does not tell the CPU time".to_owned()))
}
