//! Requests that wait: thousands of them as HTTP/2 streams on one rendition, answered when the next part comes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use weir_testkit::{CHANNEL, Config, Daemon, Source, proc};

const STREAMS_PER_CONNECTION: usize = 250;
const PLAYABLE_WITHIN: Duration = Duration::from_secs(30);
/// Parts that everybody waits for, one after another.
const TICKS: u32 = 20;
const MISSING_POLLS: usize = 10_000;

type Sender = SendRequest<Empty<Bytes>>;

/// Lets `streams` requests wait for each of some parts, and asks for what is not there.
pub async fn run(streams: usize) -> Result<()> {
    let config = Config { segment_ms: 2000, waiters_per_address_max: Some(streams as u32 + 10), ..Config::default() };
    let daemon = Daemon::start(config).await?;
    let _encoder = Source { gop: 60, ..Source::default() }.push(&daemon.publish_url())?;
    daemon.hls().wait_playable(PLAYABLE_WITHIN).await?;
    let path = daemon.hls().renditions().await?.first().cloned().context("no rendition")?;
    let mut senders = Vec::new();
    for _ in 0..streams.div_ceil(STREAMS_PER_CONNECTION) {
        senders.push(connect(&daemon).await?);
    }
    let idle = proc::memory(daemon.pid())?;
    let mut held = idle;
    let (mut answers, mut waits) = (0, Vec::new());
    let (mut cpu, begun) = (Duration::ZERO, Instant::now());
    for _ in 0..TICKS {
        let playlist = daemon.hls().playlist(&path).await?;
        let next = playlist.next_msn();
        let before = proc::cpu(daemon.pid())?;
        let mut waiting = JoinSet::new();
        for index in 0..streams {
            let sender = senders[index / STREAMS_PER_CONNECTION].clone();
            let url = format!("http://weir{path}?_HLS_msn={next}&_HLS_part={}", playlist.open_parts);
            waiting.spawn(ask(sender, url));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        held = held.max(proc::memory(daemon.pid())?);
        let mut times = Vec::new();
        while let Some(answer) = waiting.join_next().await {
            let (status, at) = answer??;
            ensure!(status == 200, "status {status}");
            times.push(at);
            answers += 1;
        }
        let first = times.iter().min().context("no answer")?;
        waits.extend(times.iter().map(|at| at.duration_since(*first)));
        cpu += proc::cpu(daemon.pid())?.saturating_sub(before);
    }
    waits.sort();
    let quantile = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    println!("{answers} answers to {streams} waiters at a time in {:?}", begun.elapsed());
    println!(
        "from the first answer of a part to the others: half within {:?}, 99 % {:?}, all {:?}",
        quantile(0.5),
        quantile(0.99),
        quantile(1.0)
    );
    println!("CPU of the daemon, all it does: {:.1} us per answer", cpu.as_micros() as f64 / f64::from(answers));
    println!(
        "memory: {} KiB with idle connections, {} KiB at most: {:.1} KiB per waiter",
        idle / 1024,
        held / 1024,
        (held - idle) as f64 / 1024.0 / streams as f64
    );
    missing(&daemon, &senders).await?;
    daemon.stop().await.map(drop)
}

async fn missing(daemon: &Daemon, senders: &[Sender]) -> Result<()> {
    let before = proc::memory(daemon.pid())?;
    for index in 0..MISSING_POLLS {
        let url = format!("http://weir/live/{CHANNEL}/none-{index}/index.m3u8?_HLS_msn={index}");
        let (status, _) = ask(senders[index % senders.len()].clone(), url).await?;
        ensure!(status == 404, "status {status}");
    }
    let grown = proc::memory(daemon.pid())? as i64 - before as i64;
    println!("{MISSING_POLLS} polls of playlists that are not there: memory grew by {} KiB", grown / 1024);
    Ok(())
}

async fn ask(mut sender: Sender, url: String) -> Result<(u16, Instant)> {
    let request = Request::get(url).header("accept-encoding", "gzip").body(Empty::new())?;
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    response.into_body().collect().await?;
    Ok((status, Instant::now()))
}

async fn connect(daemon: &Daemon) -> Result<Sender> {
    let address = daemon.http().address();
    let (sender, connection) =
        handshake(TokioExecutor::new(), TokioIo::new(TcpStream::connect(address).await?)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
