//! What processes spend.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::time::sleep;
use weir_testkit::proc;

use crate::pinned::pinned;

/// Peaks never fall, so that what happens between two looks is seen at the next one.
pub const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// What a process or a tree of them took.
pub struct Spent {
    /// User and system time.
    pub cpu: Duration,
    /// The most resident memory, in bytes.
    pub peak: u64,
}

/// Runs a program in `folder`, on the core `cpu`, to its end, which must be a good one.
pub async fn spent_by(program: &str, args: &[String], folder: &Path, cpu: u32) -> Result<Spent> {
    let mut command = pinned(cpu, program);
    command.args(args).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    let number = child.id().with_context(|| format!("{program} has no pid"))?;
    let pid = i32::try_from(number).ok().and_then(Pid::from_raw).context("not a pid")?;
    let mut peaks = Peaks::default();
    // Its CPU time can be read between its end and the moment it is waited for, its memory only before its end.
    while waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG)?.is_none() {
        peaks.look_at(&[number]);
        sleep(LOOKS_EVERY).await;
    }
    let cpu = proc::cpu(number)?;
    let status = child.wait().await?;
    ensure!(status.success(), "{program} ended with {status}");
    Ok(Spent { cpu, peak: peaks.sum() })
}

/// The peaks of memory of some processes, those that are gone included.
#[derive(Default)]
pub struct Peaks(HashMap<u32, u64>);

impl Peaks {
    /// Notes how much each of `pids` has had so far.
    pub fn look_at(&mut self, pids: &[u32]) {
        for &pid in pids {
            // One that ended a moment ago keeps what was seen before.
            if let Ok(peak) = proc::memory_peak(pid) {
                self.0.insert(pid, peak);
            }
        }
    }

    /// All of them at their peaks, in bytes.
    pub fn sum(&self) -> u64 {
        self.0.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_measured_to_its_end() {
        let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        let args = ["-c".to_owned(), script.to_owned()];
        let spent = spent_by("sh", &args, Path::new("/"), 0).await.unwrap();
        assert!(spent.cpu >= Duration::from_millis(10) && spent.peak > 0);
        assert!(spent_by("false", &[], Path::new("/"), 0).await.is_err());
    }
}
