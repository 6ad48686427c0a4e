//! The load of T2, as a process: viewers of a stream of 6 Mbps, each with a connection of its own, in an open loop.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::bodies;
use crate::pinned::raise_file_limit;

/// From one part to the next.
pub const PART_PERIOD: Duration = Duration::from_nanos(1_000_000_000 / 3);
/// Turns at the beginning that do not count.
const WARM_TURNS: u32 = 3;
/// Connections made at a time.
const CONNECTING: usize = 64;
/// Asked of the socket at once.
const READ_BYTES: usize = 256 << 10;
/// The longest header that is looked through.
const HEAD_BYTES_MAX: usize = 4096;

/// Lets `viewers` each ask for the playlist and then for a part, every third of a second for `seconds`, and prints
/// `late P50_MS P99_MS MAX_MS`: from when a turn was due to its last byte.
pub async fn run(server: SocketAddr, viewers: u32, seconds: u32) -> Result<()> {
    raise_file_limit()?;
    let (playlist, part) = (request(server, "index.m3u8"), request(server, "part.m4s"));
    let mut streams = Vec::new();
    while streams.len() < viewers as usize {
        let count = CONNECTING.min(viewers as usize - streams.len());
        let mut connecting: JoinSet<_> = (0..count).map(|_| TcpStream::connect(server)).collect();
        while let Some(stream) = connecting.join_next().await {
            streams.push(stream??);
        }
    }
    let begin = Instant::now() + Duration::from_millis(200);
    let mut watching = JoinSet::new();
    for (index, stream) in (0..).zip(streams) {
        stream.set_nodelay(true)?;
        let phase = PART_PERIOD * index / viewers;
        let viewer = Viewer { stream, playlist: playlist.clone(), part: part.clone() };
        watching.spawn(viewer.watch(begin + phase, seconds * 3));
    }
    let mut late = Vec::new();
    while let Some(viewer) = watching.join_next().await {
        late.extend(viewer??);
    }
    late.sort_unstable();
    let quantile = |share: f64| late[((late.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("late {:.2} {:.2} {:.2}", quantile(0.5), quantile(0.99), quantile(1.0));
    Ok(())
}

fn request(server: SocketAddr, file: &str) -> String {
    format!("GET {} HTTP/1.1\r\nHost: {server}\r\nAccept-Encoding: gzip\r\n\r\n", bodies::path(file))
}

struct Viewer {
    stream: TcpStream,
    playlist: String,
    part: String,
}

impl Viewer {
    async fn watch(mut self, first: Instant, turns: u32) -> Result<Vec<Duration>> {
        let mut late = Vec::new();
        for turn in 0..turns {
            let due = first + PART_PERIOD * turn;
            sleep_until(due).await;
            for request in [&self.playlist, &self.part] {
                self.stream.write_all(request.as_bytes()).await?;
                read_answer(&self.stream).await?;
            }
            if turn >= WARM_TURNS {
                late.push(due.elapsed());
            }
        }
        Ok(late)
    }
}

/// Reads one answer to its end. The body is thrown away by the system (tcp(7), `MSG_TRUNC`): the load must cost less than
/// the server does.
async fn read_answer(stream: &TcpStream) -> Result<()> {
    let mut head = [0; HEAD_BYTES_MAX];
    let mut rest = loop {
        let read = RecvFlags::PEEK;
        let length = stream.async_io(Interest::READABLE, || Ok(recv(stream, &mut head[..], read)?.0)).await?;
        if let Some(end) = head[..length].windows(4).position(|four| four == b"\r\n\r\n") {
            let text = std::str::from_utf8(&head[..end])?.to_ascii_lowercase();
            ensure!(text.starts_with("http/1.1 200"), "{text}");
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            break end + 4 + length.context("no length")?.parse::<usize>()?;
        }
        ensure!(length > 0 && length < HEAD_BYTES_MAX, "no header in {length} bytes");
        // A header in two pieces; more will come.
        tokio::task::yield_now().await;
    };
    while rest > 0 {
        let taken = stream.async_io(Interest::READABLE, || discard(stream, rest)).await?;
        ensure!(taken > 0, "closed within an answer");
        rest -= taken;
    }
    Ok(())
}

fn discard(stream: &TcpStream, rest: usize) -> std::io::Result<usize> {
    thread_local!(static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]));
    BUFFER.with_borrow_mut(|buffer| {
        let most = rest.min(buffer.len());
        Ok(recv(stream, &mut buffer[..most], RecvFlags::TRUNC)?.1)
    })
}
