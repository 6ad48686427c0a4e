//! Packets missing on bad links: the same flow and the same losses for both receivers, which run side by side.

use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;
use tokio::task::JoinSet;
use weir_testkit::{Link, Process, Relay};

use super::receiver::receive;
use super::sender::{number, send};
use super::{PACKET_BYTES, PACKET_PERIOD_NS};

const LOSSES: [f64; 4] = [0.0, 0.02, 0.05, 0.10];
const LATENCIES_MS: [u64; 3] = [120, 200, 400];
/// Each way: a round trip of 50 ms.
const DELAY: Duration = Duration::from_millis(25);
/// srt-live-transmit drops some 70 packets before it begins to read, on a perfect link too: they are not held against libsrt.
const SKIPPED: u64 = 500;
/// For receivers to tell what they have.
const SETTLE: Duration = Duration::from_secs(8);

/// One link under one latency.
#[derive(Clone, Copy)]
struct Cell {
    name: &'static str,
    link: Link,
    latency_ms: u64,
}

/// What is missing, and what had to be sent again (of libsrt's receiver that is not known).
struct Outcome {
    missing: u64,
    retransmitted: u64,
}

/// Runs every cell with `seeds` seeds of `seconds` each and prints the table.
pub async fn run(seeds: u64, seconds: u64) -> Result<()> {
    let packets = seconds * 1_000_000_000 / PACKET_PERIOD_NS;
    println!("SRT, 6 Mbps, {packets} packets, round trip of 50 ms, losses both ways, {seeds} seeds; packets missing\n");
    println!(
        "| link | latency ms | weir median | weir from - to | weir sent again | libsrt median | libsrt from - to |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (name, loss, jitter, duplicates) in links() {
        for latency_ms in LATENCIES_MS {
            let (mut weir, mut libsrt, mut again) = (Vec::new(), Vec::new(), Vec::new());
            let mut runs = JoinSet::new();
            for seed in 1..=seeds {
                let link = Link { seed, delay: DELAY, jitter: Duration::from_millis(jitter), loss, duplicates };
                runs.spawn(pair(Cell { name, link, latency_ms }, packets));
            }
            while let Some(run) = runs.join_next().await {
                let (ours, theirs) = run??;
                weir.push(ours.missing);
                again.push(ours.retransmitted);
                libsrt.push(theirs);
            }
            let (weir, libsrt, again) = (spread(weir), spread(libsrt), spread(again));
            println!(
                "| {name} | {latency_ms} | {} | {} - {} | {} | {} | {} - {} |",
                weir.1, weir.0, weir.2, again.1, libsrt.1, libsrt.0, libsrt.2
            );
        }
    }
    Ok(())
}

/// Every loss alone, and 5 % with reordering and repetition.
fn links() -> impl Iterator<Item = (&'static str, f64, u64, f64)> {
    let names = ["clean", "2 %", "5 %", "10 %"];
    let plain = names.into_iter().zip(LOSSES).map(|(name, loss)| (name, loss, 0, 0.0));
    plain.chain([("5 %, 10 ms of jitter, 2 % twice", 0.05, 10, 0.02)])
}

/// The least, the median and the most.
fn spread(mut values: Vec<u64>) -> (u64, u64, u64) {
    values.sort_unstable();
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    (at(0), at(values.len() / 2), at(values.len().saturating_sub(1)))
}

/// Both receivers, each with a sender and a link of its own, at the same time.
async fn pair(cell: Cell, packets: u64) -> Result<(Outcome, u64)> {
    tokio::try_join!(by_weir(cell, packets), by_libsrt(cell, packets)).with_context(|| cell.name)
}

async fn by_weir(cell: Cell, packets: u64) -> Result<Outcome> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["srt-sink", &cell.latency_ms.to_string()]);
    let sink = Process::spawn("srt-sink", command, &[])?;
    let address = sink
        .out
        .find(0, "the address of the sink", SETTLE, |line| line.strip_prefix("listening ")?.parse::<SocketAddr>().ok())
        .await?;
    let relay = Relay::open(cell.link, address).await?;
    send(&format!("srt://{}?streamid=bench&latency={}", relay.address(), cell.latency_ms), packets).await?;
    let counts: Vec<u64> = sink
        .out
        .find(0, "what came", SETTLE, |line| {
            line.strip_prefix("ended ")?.split(' ').map(|count| count.parse().ok()).collect()
        })
        .await?;
    let &[_, missing, retransmitted] = &counts[..] else { anyhow::bail!("the sink said {counts:?}") };
    Ok(Outcome { missing, retransmitted })
}

async fn by_libsrt(cell: Cell, packets: u64) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("received.ts");
    // libsrt cannot say which port it took; between this and its start nobody else is likely to take it.
    let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut receiver = receive(None, port, cell.latency_ms, &file)?;
    let relay = Relay::open(cell.link, ([127, 0, 0, 1], port).into()).await?;
    send(&format!("srt://{}?latency={}", relay.address(), cell.latency_ms), packets).await?;
    let ended = receiver.wait(SETTLE).await;
    if ended.is_err() {
        receiver.kill().await?;
    }
    count_missing(&file, packets)
}

fn count_missing(file: &Path, packets: u64) -> Result<u64> {
    let bytes = std::fs::read(file).context("libsrt received nothing")?;
    let counted = SKIPPED..packets;
    let came: HashSet<u64> = bytes.chunks(PACKET_BYTES).filter_map(number).filter(|n| counted.contains(n)).collect();
    Ok(packets - SKIPPED - came.len() as u64)
}
