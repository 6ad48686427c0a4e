//! What Linux tells about processes under `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// One process as `/proc/{pid}/stat` describes it.
struct Stat {
    parent: u32,
    /// CPU time of its own threads, in clock ticks.
    own_ticks: u64,
    /// CPU time of its children that ended and were waited for, theirs included, in clock ticks.
    reaped_ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold blanks and brackets itself: the fields begin behind the last one.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        own_ticks: number(11)? + number(12)?,
        reaped_ticks: number(13)? + number(14)?,
    })
}

fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The living children of `pid`.
pub fn children(pid: u32) -> Vec<u32> {
    pids().into_iter().filter(|&child| stat(child).is_some_and(|stat| stat.parent == pid)).collect()
}

/// `pid` and everything below it that lives, parents before children.
pub fn tree(pid: u32) -> Vec<u32> {
    let mut tree = vec![pid];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        tree.extend(children(parent));
        next += 1;
    }
    tree
}

/// The command line of `pid`, its arguments parted by blanks; empty when it is gone.
pub fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// CPU time of one process alone, a zombie included.
pub fn cpu(pid: u32) -> Result<Duration> {
    let stat = stat(pid).with_context(|| format!("process {pid} is gone"))?;
    Ok(ticks(stat.own_ticks + stat.reaped_ticks))
}

/// CPU time of `pid` and of all its descendants, those that ended and were waited for included.
pub fn cpu_of_tree(pid: u32) -> Duration {
    ticks(tree(pid).into_iter().filter_map(stat).map(|stat| stat.own_ticks + stat.reaped_ticks).sum())
}

/// CPU time of the living threads of one process, to the nanosecond: for what takes less than a clock tick.
pub fn cpu_exact(pid: u32) -> Result<Duration> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid} is gone"))?;
    let mut nanos = 0;
    for thread in threads {
        // Time on a CPU, time waiting for one, turns. A thread may end in between.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        nanos += text.split(' ').next().unwrap_or_default().parse::<u64>().context("no schedstat")?;
    }
    Ok(Duration::from_nanos(nanos))
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1000 / rustix::param::clock_ticks_per_second())
}

/// Resident memory of `pid` in bytes, now.
pub fn memory(pid: u32) -> Result<u64> {
    status_kilobytes(pid, "VmRSS:")
}

/// The most resident memory that `pid` ever had, in bytes.
pub fn memory_peak(pid: u32) -> Result<u64> {
    status_kilobytes(pid, "VmHWM:")
}

/// How many files `pid` has open.
pub fn open_files(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd")).with_context(|| format!("process {pid} is gone"))?.count())
}

/// How many threads `pid` has.
pub fn threads(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid} is gone"))?.count())
}

fn status_kilobytes(pid: u32, field: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid} is gone"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field}"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Process;
    use tokio::process::Command;

    #[tokio::test]
    async fn a_child_is_found_and_its_work_is_counted_after_its_end() {
        let me = std::process::id();
        let before = cpu_of_tree(me);
        let mut shell = Command::new("sh");
        shell.args(["-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done; exec sleep 60"]);
        let mut child = Process::spawn("sh", shell, &[]).unwrap();
        child.out.wait_for(0, "done", Duration::from_secs(20)).await.unwrap();
        assert!(children(me).contains(&child.pid()) && tree(me).contains(&child.pid()));
        let worked = cpu(child.pid()).unwrap();
        assert!(worked >= Duration::from_millis(10), "{worked:?}");
        assert!(cpu_exact(child.pid()).unwrap() >= Duration::from_millis(10));
        child.kill().await.unwrap();
        assert!(!children(me).contains(&child.pid()));
        assert!(cpu_of_tree(me) - before >= worked);
        assert!(memory(me).unwrap() <= memory_peak(me).unwrap());
    }
}
