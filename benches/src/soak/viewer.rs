//! Viewers that take every segment, and look whether what was listed is there and stays what it was.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use tokio::time::{Instant, sleep};
use weir_hls_lint::Sink;
use weir_hls_lint::across::resolve;
use weir_hls_lint::playlist::{Playlist, read};
use weir_testkit::Http;

/// How long what is listed may not be had: a fault may keep viewers out, and a playlist keeps it for longer.
const LOST_AFTER: Duration = Duration::from_secs(20);
const RETRY: Duration = Duration::from_millis(250);
/// How often a viewer looks that does not wait for parts.
const LOOKS_EVERY: Duration = Duration::from_millis(900);

/// What all viewers saw.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Segments that a playlist listed, gaps left out.
    pub listed: u64,
    /// Gap segments.
    pub gaps: u64,
    /// Segments and parts that were fetched.
    pub fetched: u64,
    pub parts: u64,
    /// Listed, and not to be had.
    pub lost: u64,
    /// Sequence numbers that no playlist listed.
    pub skipped: u64,
    /// Other bytes under the same name, or another name for the same number.
    pub changed: u64,
    /// Requests that failed and were made again.
    pub retries: u64,
    /// A sentence for each that was lost, skipped or changed.
    pub sentences: Vec<String>,
}

/// Shared by all viewers.
pub type Tally = Arc<Mutex<Seen>>;

/// Follows one playlist until it is dropped.
pub struct Viewer {
    http: Http,
    path: String,
    tally: Tally,
    /// Whether it asks for the next part and is made to wait.
    waits: bool,
    last: Option<Playlist>,
    /// Names of segments by their numbers.
    names: BTreeMap<u64, String>,
    /// What was under a URL.
    bytes: HashMap<String, u64>,
}

impl Viewer {
    /// A viewer of the media playlist at `path`.
    pub fn new(http: Http, path: &str, waits: bool, tally: Tally) -> Self {
        let (path, names, bytes) = (path.to_owned(), BTreeMap::new(), HashMap::new());
        Self { http, path, tally, waits, last: None, names, bytes }
    }

    /// Goes on and on; what goes wrong is told to the tally.
    pub async fn run(mut self) {
        loop {
            match self.look().await {
                Ok(()) if self.waits => {}
                Ok(()) => sleep(LOOKS_EVERY).await,
                Err(_) => {
                    self.with(|seen| seen.retries += 1);
                    sleep(RETRY).await;
                }
            }
        }
    }

    fn with(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn wrong(&self, count: impl FnOnce(&mut Seen) -> &mut u64, sentence: String) {
        eprintln!("viewer of {}: {sentence}", self.path);
        self.with(|seen| {
            *count(seen) += 1;
            seen.sentences.push(format!("{}: {sentence}", self.path));
        });
    }

    async fn look(&mut self) -> Result<()> {
        let path = match &self.last {
            Some(last) if self.waits && last.control.is_some_and(|control| control.block) => {
                format!("{}?_HLS_msn={}&_HLS_part={}", self.path, last.next_msn(), last.open.parts.len())
            }
            _ => self.path.clone(),
        };
        let answer = self.http.get(&path).await?;
        if answer.status == 503 {
            // It may be told that nothing came; what there is it is told without waiting.
            self.last = None;
        }
        ensure!(answer.status == 200, "{path} is answered with {}", answer.status);
        let playlist = read(answer.text()?, &mut Sink::default());
        self.number(&playlist);
        self.fetch(&playlist).await;
        self.again().await;
        self.last = Some(playlist);
        Ok(())
    }

    /// Every number comes once and has one name.
    fn number(&mut self, playlist: &Playlist) {
        for (msn, segment) in playlist.numbered().filter(|(_, segment)| !segment.uri.is_empty()) {
            if let Some(name) = self.names.get(&msn) {
                if *name != segment.uri {
                    self.wrong(|seen| &mut seen.changed, format!("segment {msn} was {name} and is {}", segment.uri));
                }
                continue;
            }
            if let Some((last, _)) = self.names.last_key_value()
                && msn != last + 1
            {
                self.wrong(|seen| &mut seen.skipped, format!("segment {msn} came after {last}"));
            }
            self.names.insert(msn, segment.uri.clone());
            let gap = segment.is_gap();
            self.with(|seen| *(if gap { &mut seen.gaps } else { &mut seen.listed }) += 1);
        }
    }

    async fn fetch(&mut self, playlist: &Playlist) {
        for (msn, segment) in playlist.numbered() {
            let begins = segment.parts.iter().any(|part| !self.bytes.contains_key(&part.uri));
            for part in segment.parts.iter().filter(|part| begins && !part.gap) {
                self.take(&part.uri, msn, |seen| &mut seen.parts).await;
            }
            if !segment.uri.is_empty() && !segment.is_gap() {
                self.take(&segment.uri, msn, |seen| &mut seen.fetched).await;
            }
        }
    }

    /// Fetches what was not fetched yet.
    async fn take(&mut self, uri: &str, msn: u64, count: fn(&mut Seen) -> &mut u64) {
        if self.bytes.contains_key(uri) {
            return;
        }
        let begun = Instant::now();
        let error = loop {
            match self.body(uri).await {
                Ok(body) => {
                    self.bytes.insert(uri.to_owned(), hash(&body));
                    return self.with(|seen| *count(seen) += 1);
                }
                Err(error) if begun.elapsed() > LOST_AFTER => break error,
                Err(_) => {
                    self.with(|seen| seen.retries += 1);
                    sleep(RETRY).await;
                }
            }
        };
        // Said once.
        self.bytes.insert(uri.to_owned(), 0);
        self.wrong(|seen| &mut seen.lost, format!("{uri} of segment {msn} is not to be had: {error:#}"));
    }

    async fn body(&self, uri: &str) -> Result<Bytes> {
        let answer = self.http.fetch(&resolve(&self.path, uri)).await?;
        Ok(answer.body)
    }

    /// Fetches the oldest listed segment once more: it must be what it was.
    async fn again(&mut self) {
        let Some((msn, uri)) = self.oldest() else { return };
        let Ok(body) = self.body(&uri).await else { return self.with(|seen| seen.retries += 1) };
        if self.bytes.get(&uri).is_some_and(|before| *before != 0 && *before != hash(&body)) {
            self.wrong(|seen| &mut seen.changed, format!("{uri} of segment {msn} has other bytes"));
        }
    }

    fn oldest(&self) -> Option<(u64, String)> {
        let (msn, segment) = self.last.as_ref()?.numbered().find(|(_, segment)| !segment.is_gap())?;
        (!segment.uri.is_empty()).then(|| (msn, segment.uri.clone()))
    }
}

fn hash(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish().max(1)
}

/// Whether media come again: two whole segments behind `from`, without gaps between. The next number until then.
pub async fn edge(http: Http, path: &str) -> Result<Edge> {
    let playlist = read(http.fetch(path).await?.text()?, &mut Sink::default());
    let segments: Vec<(u64, bool)> = playlist
        .numbered()
        .filter(|(_, segment)| !segment.uri.is_empty())
        .map(|(msn, segment)| (msn, segment.is_gap()))
        .collect();
    let last = segments.last().context("an empty playlist")?.0;
    let whole = segments.iter().rev().take_while(|(_, gap)| !gap).count() as u64;
    Ok(Edge { next_msn: last + 1, whole })
}

/// How far a playlist is.
#[derive(Debug, Clone, Copy)]
pub struct Edge {
    /// The number of the segment that is not whole yet.
    pub next_msn: u64,
    /// How many segments without gaps stand at its end.
    pub whole: u64,
}
