//! Many callers at once on a clean link: CPU beside libsrt's own receivers in the same run.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::process::Command;
use tokio::task::JoinSet;
use weir_testkit::{Process, proc};

use super::PACKET_PERIOD_NS;
use super::receiver::receive;
use super::sender::send;

const LATENCY_MS: u64 = 120;
const START_WITHIN: Duration = Duration::from_secs(10);

/// `callers` callers of 6 Mbps for `seconds`, first to weir, then to one libsrt receiver each.
pub async fn run(callers: usize, seconds: u64) -> Result<()> {
    let packets = seconds * 1_000_000_000 / PACKET_PERIOD_NS;
    let mbps = callers as f64 * 6.0;
    println!("SRT, {callers} callers of 6 Mbps for {seconds} s\n");

    let mut command = Command::new(std::env::current_exe()?);
    command.args(["srt-sink", &LATENCY_MS.to_string()]);
    let sink = Process::spawn("srt-sink", command, &[])?;
    let address = sink
        .out
        .find(0, "the address of the sink", START_WITHIN, |line| {
            line.strip_prefix("listening ")?.parse::<SocketAddr>().ok()
        })
        .await?;
    let begin = Instant::now();
    send_all((0..callers).map(|_| format!("srt://{address}?streamid=bench&latency={LATENCY_MS}")), packets).await?;
    let (took, cpu) = (begin.elapsed(), proc::cpu(sink.pid())?);
    let memory = proc::memory_peak(sink.pid())?;
    let count = || sink.out.text().lines().filter(|line| line.starts_with("ended ")).count();
    weir_testkit::until("every caller has come to an end", START_WITHIN, async || {
        Ok((count() == callers).then_some(()))
    })
    .await?;
    let dropped: u64 = sink
        .out
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("ended ")?.split(' ').nth(1)?.parse::<u64>().ok())
        .sum();
    report("weir", cpu, took, mbps, memory);
    println!("packets missing: {dropped}");

    let mut receivers = Vec::new();
    for _ in 0..callers {
        let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        receivers.push((port, receive(port, LATENCY_MS, Path::new("/dev/null"))?));
    }
    let begin = Instant::now();
    let urls: Vec<String> =
        receivers.iter().map(|(port, _)| format!("srt://127.0.0.1:{port}?latency={LATENCY_MS}")).collect();
    let sending = tokio::spawn(send_all(urls.into_iter(), packets));
    // Read shortly before the end, while all of them are there.
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (mut cpu, mut memory) = (Duration::ZERO, 0);
    for (_, receiver) in &receivers {
        cpu += proc::cpu(receiver.pid())?;
        memory += proc::memory(receiver.pid()).context("a receiver is gone")?;
    }
    report("libsrt", cpu, begin.elapsed(), mbps, memory);
    sending.await??;
    Ok(())
}

async fn send_all(urls: impl Iterator<Item = String>, packets: u64) -> Result<()> {
    let mut senders = JoinSet::new();
    for url in urls {
        senders.spawn(async move { send(&url, packets).await });
    }
    while let Some(ended) = senders.join_next().await {
        ended??;
    }
    Ok(())
}

fn report(name: &str, cpu: Duration, took: Duration, mbps: f64, memory: u64) {
    let core = cpu.as_secs_f64() / took.as_secs_f64() * 100.0;
    println!("{name}: {core:.1} % of a core, {:.4} % per Mbps, {} MiB", core / mbps, memory >> 20);
}
