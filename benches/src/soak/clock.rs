//! The daemon's wall clock, which libfaketime can step. The monotonic clock is left alone, as by a real step.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use weir_testkit::rtmp::Rtmp;
use weir_testkit::{Daemon, Home};

const LIBRARIES: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"];
/// How far the log may lie from what was wanted: whole seconds are compared, and the library looks once a second.
const TOLERANCE_S: i64 = 3;
const LOGGED_WITHIN: Duration = Duration::from_secs(5);

/// The clock of a daemon that was started with [`Clock::put_into`].
pub struct Clock {
    library: &'static str,
    file: PathBuf,
}

impl Clock {
    /// A clock that is right, told what it shows by a file in `folder`.
    pub fn new(folder: &Path) -> Result<Self> {
        let library = LIBRARIES.into_iter().find(|path| Path::new(path).is_file());
        let library = library.context("libfaketime is not installed: run scripts/setup --soak")?;
        let clock = Self { library, file: folder.join("clock") };
        clock.step(0)?;
        Ok(clock)
    }

    /// Has the daemon that starts in `home` look at this clock.
    pub fn put_into(&self, home: Home) -> Home {
        home.with_variable("LD_PRELOAD", self.library)
            .with_variable("FAKETIME_TIMESTAMP_FILE", self.file.to_string_lossy())
            .with_variable("FAKETIME_CACHE_DURATION", "1")
            .with_variable("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .with_variable("DONT_FAKE_MONOTONIC", "1")
            .with_variable("FAKETIME_NO_STAT", "1")
            .with_variable("NO_FAKE_STAT", "1")
    }

    /// From now on it is `offset_s` seconds ahead.
    pub fn step(&self, offset_s: i64) -> Result<()> {
        // In one step, for the daemon may read it at any moment.
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{offset_s:+}\n"))?;
        Ok(std::fs::rename(&new, &self.file)?)
    }

    /// Fails unless the daemon sees the clock `offset_s` seconds ahead. The log tells it: the Date of answers stands still
    /// after a step back, for hyper keeps it until the clock has passed it again.
    pub async fn check(&self, daemon: &Daemon, offset_s: i64) -> Result<()> {
        let mark = daemon.log().mark();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        // A wrong key is logged.
        Rtmp::connect(daemon.rtmp()).await?.publish("not-the-key-0123456789").await?;
        let shown = daemon.log().find(mark, "a line with a time", LOGGED_WITHIN, seconds_of_day).await?;
        let wanted = (now.as_secs() as i64 + offset_s).rem_euclid(86_400);
        let off = (shown - wanted + 43_200).rem_euclid(86_400) - 43_200;
        ensure!(off.abs() <= TOLERANCE_S, "the daemon's clock is {off} s beside what it was set to");
        Ok(())
    }
}

/// How long the library may take to see a step.
pub const SEEN_AFTER: Duration = Duration::from_millis(2200);

/// The time of day of a line of the log (`{"timestamp":"2026-11-25T20:19:54.161415Z",...`).
fn seconds_of_day(line: &str) -> Option<i64> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    let (_, time) = event["timestamp"].as_str()?.split_once('T')?;
    let mut fields = time.get(..8)?.split(':').map(|field| field.parse::<i64>().ok());
    let (hours, minutes, seconds) = (fields.next()??, fields.next()??, fields.next()??);
    Some(hours * 3600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_read_from_a_line_of_the_log() {
        let line = r#"{"timestamp":"2026-11-25T08:49:37.161415Z","level":"INFO"}"#;
        assert_eq!(seconds_of_day(line), Some(31_777));
        assert_eq!(seconds_of_day("an end of something else"), None);
    }
}
