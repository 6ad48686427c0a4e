//! What the daemon needs while it runs, and what it says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::time::{MissedTickBehavior, interval};
use weir_testkit::{Log, proc};

const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// Looks from one note of the memory to the next: about a minute.
const NOTES_EVERY: usize = 60;

/// At one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Vitals {
    /// Resident memory in bytes.
    pub memory: u64,
    pub files: usize,
    pub threads: usize,
}

impl Vitals {
    /// Of the process `pid`, now.
    pub fn of(pid: u32) -> Result<Self> {
        Ok(Self { memory: proc::memory(pid)?, files: proc::open_files(pid)?, threads: proc::threads(pid)? })
    }
}

/// What was noted so far.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// The most of each.
    pub most: Vitals,
    /// Resident memory, about once a minute.
    pub memory: Vec<u64>,
    /// Sentences of errors, and how often each came.
    pub errors: BTreeMap<String, u64>,
    /// Warnings, likewise.
    pub warnings: BTreeMap<String, u64>,
    /// Panics, in full.
    pub panics: Vec<String>,
}

/// Shared with who asks for it.
pub type Notebook = Arc<Mutex<Notes>>;

/// Notes what the daemon `pid` needs and logs, on and on.
pub async fn watch(pid: u32, log: Log, notebook: Notebook) {
    let mut ticks = interval(LOOKS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut mark = 0;
    for look in 0.. {
        ticks.tick().await;
        let (lines, next) = log.since(mark);
        mark = next;
        let mut notes = notebook.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().for_each(|line| notes.line(line));
        // Once it has ended there is nothing to note; that it has is found elsewhere.
        if let Ok(now) = Vitals::of(pid) {
            if look % NOTES_EVERY == 0 {
                notes.memory.push(now.memory);
            }
            let most = &mut notes.most;
            *most = Vitals {
                memory: most.memory.max(now.memory),
                files: most.files.max(now.files),
                threads: most.threads.max(now.threads),
            };
        }
    }
}

impl Notes {
    fn line(&mut self, line: &str) {
        let Ok(event) = serde_json::from_str::<serde_json::Value>(line) else {
            // Not weir's: a library, or the end of a process.
            *self.warnings.entry(line.to_owned()).or_default() += 1;
            return;
        };
        let message = event["message"].as_str().unwrap_or(line).to_owned();
        if message.contains("panic") {
            self.panics.push(line.to_owned());
        }
        match event["level"].as_str() {
            Some("ERROR") => *self.errors.entry(message).or_default() += 1,
            Some("WARN") => *self.warnings.entry(message).or_default() += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_what_they_say_and_panics_are_kept_whole() {
        let mut notes = Notes::default();
        for line in [
            r#"{"level":"ERROR","message":"cannot write","error":"one"}"#,
            r#"{"level":"ERROR","message":"cannot write","error":"two"}"#,
            r#"{"level":"INFO","message":"fine"}"#,
            r#"{"level":"ERROR","message":"panic: index","location":"a.rs:1"}"#,
        ] {
            notes.line(line);
        }
        assert_eq!(notes.errors["cannot write"], 2);
        assert_eq!((notes.errors.len(), notes.panics.len(), notes.warnings.len()), (2, 1, 0));
    }
}
