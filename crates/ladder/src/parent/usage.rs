//! What the kernel says a process has used (proc(5)). Linux only.

use std::fs;

/// Clock ticks per second in `/proc/PID/stat`: `USER_HZ`, 100 on every architecture Linux has kept.
const USER_HZ: u64 = 100;

/// CPU time and memory of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time of all threads, in milliseconds.
    pub cpu_ms: u64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
}

/// Reads the usage of `pid`; `None` when it has gone.
pub(crate) fn of_process(pid: u32) -> Option<Usage> {
    parse(
        &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?,
        &fs::read_to_string(format!("/proc/{pid}/status")).ok()?,
    )
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    // The second field is the program's name in parentheses and may hold anything; utime and stime are the
    // 14th and 15th.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let cpu_ms = (ticks()? + ticks()?) * 1000 / USER_HZ;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let rss_kib: u64 = rss.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Usage { cpu_ms, rss_bytes: rss_kib * 1024 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_and_blanks_does_not_disturb() {
        let stat = "42 (we) ir) S 1 42 42 0 -1 4194304 100 0 0 0 150 25 0 0 20 0 8 0 100 0 0";
        let status = "Name:\tweir\nVmPeak:\t   99 kB\nVmRSS:\t  2048 kB\n";
        assert_eq!(parse(stat, status), Some(Usage { cpu_ms: 1750, rss_bytes: 2 << 20 }));
        assert_eq!(parse("42 (weir", status), None);
    }

    #[test]
    fn the_own_process_has_memory() {
        assert!(of_process(std::process::id()).expect("it lives").rss_bytes > 100_000);
    }
}
