//! Many RTMP publishers in one process: the messages of a clip, again and again with rising timestamps, at its speed.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use weir_testkit::flv::{self, Tag};
use weir_testkit::rtmp::{Message, Rtmp};

use crate::pinned::raise_file_limit;

/// As OBS sends it.
const CHUNK_BYTES: usize = 4096;
const SET_CHUNK_SIZE: u8 = 1;
/// Where the timestamp of a message stands in the header of its first chunk (RTMP 1.0, 5.3.1.2.1).
const TIMESTAMP: std::ops::Range<usize> = 1..4;
/// The publishers begin one after another within this time, that of one group of pictures; lateness counts from then on.
const WARM: Duration = Duration::from_secs(1);

/// A message in chunks, but for the timestamp.
struct Ready {
    timestamp: u32,
    bytes: Bytes,
}

struct Clip {
    headers: Vec<Ready>,
    frames: Vec<Ready>,
    /// From the first frame to where the clip begins anew.
    length_ms: u32,
}

/// Publishes `clip` `publishers` times to the application `live` at `server`. Prints `publishing` when all are accepted, and
/// after `seconds` `late P50_MS P99_MS MAX_MS`: from when a message was due until the system had taken it.
pub async fn run(server: SocketAddr, publishers: u32, seconds: u64, clip: &Path) -> Result<()> {
    raise_file_limit()?;
    let clip = Arc::new(Clip::read(clip)?);
    let mut clients = Vec::new();
    for index in 0..publishers {
        let mut client = Rtmp::publisher(server, &format!("bench-{index}")).await?;
        let body = Bytes::copy_from_slice(&(CHUNK_BYTES as u32).to_be_bytes());
        client.send(&Message { chunk_stream: 2, kind: SET_CHUNK_SIZE, stream: 0, timestamp: 0, body }).await?;
        clients.push(client);
    }
    println!("publishing");
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for (index, client) in (0..).zip(clients) {
        // Not all keyframes at once.
        let start = begin + WARM * index / publishers;
        tasks.spawn(publish(client, clip.clone(), start, begin + Duration::from_secs(seconds)));
    }
    let mut late = Vec::new();
    while let Some(publisher) = tasks.join_next().await {
        late.extend(publisher??);
    }
    late.sort_unstable();
    ensure!(!late.is_empty(), "nothing was sent");
    let quantile = |share: f64| late[((late.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("late {:.2} {:.2} {:.2}", quantile(0.5), quantile(0.99), quantile(1.0));
    Ok(())
}

/// Publishes from `start` to `end`; how late each message was.
async fn publish(mut client: Rtmp, clip: Arc<Clip>, start: Instant, end: Instant) -> Result<Vec<Duration>> {
    let mut late = Vec::new();
    let mut bytes = Vec::new();
    for header in &clip.headers {
        client.send_bytes(&header.bytes).await?;
    }
    for turn in 0.. {
        for frame in &clip.frames {
            let timestamp = turn * clip.length_ms + frame.timestamp;
            let due = start + Duration::from_millis(timestamp.into());
            if due > end {
                return Ok(late);
            }
            sleep_until(due).await;
            bytes.clear();
            bytes.extend_from_slice(&frame.bytes);
            bytes[TIMESTAMP].copy_from_slice(&timestamp.to_be_bytes()[1..]);
            client.send_bytes(&bytes).await?;
            if due > start + WARM {
                late.push(due.elapsed());
            }
        }
    }
    Ok(late)
}

impl Clip {
    fn read(file: &Path) -> Result<Self> {
        let tags = flv::read(file)?;
        let (headers, frames): (Vec<Tag>, Vec<Tag>) = tags
            .into_iter()
            .filter(|tag| tag.kind != 18)
            .partition(|tag| tag.is_video_header() || tag.is_audio_header());
        let last = frames.iter().map(|tag| tag.timestamp).max().context("an empty clip")?;
        let ready = |tags: &[Tag]| tags.iter().map(Ready::of).collect();
        Ok(Self { headers: ready(&headers), frames: ready(&frames), length_ms: last + 33 })
    }
}

impl Ready {
    /// One chunk of type 0, then of type 3, on a chunk stream of its kind.
    fn of(tag: &Tag) -> Self {
        let stream = tag.kind - 4;
        let length = tag.body.len() as u32;
        let mut bytes = vec![stream, 0, 0, 0];
        bytes.extend_from_slice(&length.to_be_bytes()[1..]);
        bytes.extend_from_slice(&[tag.kind, 1, 0, 0, 0]);
        for (index, part) in tag.body.chunks(CHUNK_BYTES).enumerate() {
            if index > 0 {
                bytes.push(0xc0 | stream);
            }
            bytes.extend_from_slice(part);
        }
        Self { timestamp: tag.timestamp, bytes: bytes.into() }
    }
}
