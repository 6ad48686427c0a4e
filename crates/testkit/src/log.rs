use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;

/// Lines kept of one stream. A daemon at debug level for ten minutes writes fewer.
const LINES_MAX: usize = 20_000;
/// Lines shown in an error, enough to see what a process was doing when it failed.
const TAIL_LINES: usize = 40;

/// What a process writes to one of its streams, line by line, as it comes.
#[derive(Clone)]
pub struct Log {
    state: Arc<Mutex<State>>,
    changed: watch::Receiver<()>,
}

#[derive(Default)]
struct State {
    lines: VecDeque<String>,
    /// Number of the first line still held.
    first: usize,
    closed: bool,
    secrets: Vec<String>,
    leak: Option<String>,
}

impl State {
    fn add(&mut self, line: String) {
        if self.leak.is_none() && self.secrets.iter().any(|secret| line.contains(secret.as_str())) {
            self.leak = Some(line.clone());
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
            self.first += 1;
        }
        self.lines.push_back(line);
    }
}

impl Log {
    /// Reads `stream` to its end in a task of its own. No line of it may contain one of `secrets`.
    pub fn follow(stream: impl AsyncRead + Unpin + Send + 'static, secrets: Vec<String>) -> Self {
        let (notify, changed) = watch::channel(());
        let state = Arc::new(Mutex::new(State { secrets, ..State::default() }));
        let log = Self { state: state.clone(), changed };
        tokio::spawn(async move {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while let Ok(1..) = reader.read_until(b'\n', &mut line).await {
                lock(&state).add(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
                notify.send_replace(());
            }
            lock(&state).closed = true;
            notify.send_replace(());
        });
        log
    }

    /// From now on no line may contain `secret` either.
    pub fn forbid(&self, secret: &str) {
        lock(&self.state).secrets.push(secret.to_owned());
    }

    /// The first line that contained a secret.
    pub fn leak(&self) -> Option<String> {
        lock(&self.state).leak.clone()
    }

    /// How many lines have come so far: a mark to wait from.
    pub fn mark(&self) -> usize {
        let state = lock(&self.state);
        state.first + state.lines.len()
    }

    /// The lines after `mark` that are still held, and the mark behind them.
    pub fn since(&self, mark: usize) -> (Vec<String>, usize) {
        let state = lock(&self.state);
        let skip = mark.saturating_sub(state.first);
        (state.lines.iter().skip(skip).cloned().collect(), state.first + state.lines.len())
    }

    /// All lines held, joined.
    pub fn text(&self) -> String {
        join(&lock(&self.state), 0)
    }

    /// The last lines, for error messages.
    pub fn tail(&self) -> String {
        let state = lock(&self.state);
        join(&state, state.lines.len().saturating_sub(TAIL_LINES))
    }

    /// Waits for the first line after `mark` that contains `text`.
    pub async fn wait_for(&self, mark: usize, text: &str, within: Duration) -> Result<String> {
        self.find(mark, text, within, |line| line.contains(text).then(|| line.to_owned())).await
    }

    /// Waits for the first line after `mark` from which `pick` takes something; `what` names it in the error.
    pub async fn find<T>(
        &self,
        mut mark: usize,
        what: &str,
        within: Duration,
        mut pick: impl FnMut(&str) -> Option<T>,
    ) -> Result<T> {
        let mut changed = self.changed.clone();
        let search = async {
            loop {
                changed.borrow_and_update();
                {
                    let state = lock(&self.state);
                    let skip = mark.saturating_sub(state.first);
                    if let Some(found) = state.lines.iter().skip(skip).find_map(|line| pick(line)) {
                        return Ok(found);
                    }
                    mark = state.first + state.lines.len();
                    if state.closed {
                        bail!("the output ended without {what}:\n{}", join(&state, 0));
                    }
                }
                // An error means that the reader is gone, which `closed` tells at the next turn.
                let _ = changed.changed().await;
            }
        };
        match tokio::time::timeout(within, search).await {
            Ok(result) => result,
            Err(_) => bail!("no {what} within {within:?}; the last lines:\n{}", self.tail()),
        }
    }

    /// Waits until the stream has been read to its end.
    pub async fn end(&self, within: Duration) -> Result<()> {
        let mut changed = self.changed.clone();
        let wait = async {
            while !lock(&self.state).closed {
                let _ = changed.changed().await;
            }
        };
        match tokio::time::timeout(within, wait).await {
            Ok(()) => Ok(()),
            Err(_) => bail!("the output did not end within {within:?}"),
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn join(state: &State, skip: usize) -> String {
    state.lines.iter().skip(skip).map(String::as_str).collect::<Vec<_>>().join("\n")
}
