//! The daemon's wall clock, which libfaketime can step. The monotonic clock is left alone, as by a real step.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use weir_testkit::{Home, Http};

const LIBRARIES: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"];
/// How far the answer's Date may lie from what was wanted: it has whole seconds, and the library looks once a second.
const DATE_TOLERANCE_S: i64 = 3;

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

    /// Fails unless the daemon sees the clock `offset_s` seconds ahead.
    pub async fn check(&self, http: Http, offset_s: i64) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let answer = http.fetch("/healthz").await?;
        let shown = seconds_of_day(answer.header("date")).context("an answer without a date")?;
        let wanted = (now.as_secs() as i64 + offset_s).rem_euclid(86_400);
        let off = (shown - wanted + 43_200).rem_euclid(86_400) - 43_200;
        ensure!(off.abs() <= DATE_TOLERANCE_S, "the daemon's clock is {off} s beside what it was set to");
        Ok(())
    }
}

/// How long the library may take to see a step.
pub const SEEN_AFTER: Duration = Duration::from_millis(2200);

/// The time of day of an HTTP date (`Sun, 06 Nov 1994 08:49:37 GMT`).
fn seconds_of_day(date: &str) -> Option<i64> {
    let mut fields = date.split(' ').nth(4)?.split(':').map(|field| field.parse::<i64>().ok());
    let (hours, minutes, seconds) = (fields.next()??, fields.next()??, fields.next()??);
    Some(hours * 3600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_read_from_a_date() {
        assert_eq!(seconds_of_day("Sun, 06 Nov 1994 08:49:37 GMT"), Some(31_777));
        assert_eq!(seconds_of_day("today"), None);
    }
}
