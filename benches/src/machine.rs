//! Where and when something is measured: the machine, the versions of all that takes part, how busy it is before.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::report::folder;

/// Debian's packages of peers, encoders and players.
const PACKAGES: &[&str] = &[
    "libx264-*",
    "libgstreamer1.0-0",
    "nginx",
    "libnginx-mod-rtmp",
    "libsrt1.5-gnutls",
    "srt-tools",
    "wrk",
    "nghttp2-client",
    "chromium",
];

/// Where and when a comparison was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// In UTC.
    pub date: String,
    /// Revision of weir, with `-dirty` when something in its tree was not committed.
    pub revision: String,
    /// Load average of the minute before; well below 1 on an idle machine.
    pub load: f64,
    /// Names and values: processor, memory, versions.
    pub facts: Vec<(String, String)>,
}

impl Setting {
    /// Looks at this machine.
    pub fn now() -> Result<Self> {
        let load = fs::read_to_string("/proc/loadavg")?;
        Ok(Self {
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            revision: revision(),
            load: load.split(' ').next().context("no load average")?.parse()?,
            facts: facts()?,
        })
    }
}

fn facts() -> Result<Vec<(String, String)>> {
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let mut facts = vec![
        fact("processor", field("/proc/cpuinfo", "model name")?),
        fact("cores", available_parallelism()?.to_string()),
        fact("memory", field("/proc/meminfo", "MemTotal")?),
        fact("kernel", fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned()),
        fact("rustc", first_line("rustc", &["--version"])),
        fact("ffmpeg", first_line("ffmpeg", &["-version"])),
    ];
    // Fails when one of them is missing, and still prints the others.
    let output = Command::new("dpkg-query").args(["-W", "-f=${Package} ${Version}\n"]).args(PACKAGES).output();
    let installed = output.map(|output| output.stdout).unwrap_or_default();
    for line in String::from_utf8_lossy(&installed).lines() {
        // Those that were removed or never installed have no version.
        if let Some((package, version)) = line.split_once(' ').filter(|(_, version)| !version.is_empty()) {
            facts.push(fact(package, version.to_owned()));
        }
    }
    Ok(facts)
}

/// What stands behind the first `name:` of a file below `/proc`.
fn field(path: &str, name: &str) -> Result<String> {
    let text = fs::read_to_string(path)?;
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    // Some processors have no name there.
    let value = pairs.find(|(field, _)| field.trim() == name).map_or("not known", |(_, value)| value.trim());
    Ok(value.to_owned())
}

fn first_line(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(folder()).output();
    let output = output.ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("not known").to_owned()
}

/// What the benches write themselves makes no tree dirty.
fn revision() -> String {
    let revision = first_line("git", &["rev-parse", "--short=10", "HEAD"]);
    let changes =
        ["status", "--porcelain", "--", ":/", ":(exclude,top)benches/raw", ":(exclude,top)benches/RESULTS.md"];
    let output = Command::new("git").args(changes).current_dir(folder()).output();
    let dirty = output.is_ok_and(|output| !output.stdout.is_empty());
    if dirty { revision + "-dirty" } else { revision }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores_and_a_compiler() {
        let setting = Setting::now().unwrap();
        let value = |name: &str| setting.facts.iter().find(|(fact, _)| fact == name).map(|(_, value)| value.as_str());
        assert!(value("cores").unwrap().parse::<usize>().unwrap() >= 1);
        assert!(value("rustc").unwrap().starts_with("rustc 1."));
        assert!(setting.load >= 0.0 && setting.date.ends_with("UTC"));
    }
}
