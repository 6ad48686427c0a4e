//! Many callers at once on a clean link: CPU beside libsrt's own receivers in the same run.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use weir_testkit::{Process, proc};

use super::PACKET_PERIOD_NS;
use super::receiver::receive;
use super::sender::send;
use crate::pinned::{SERVER_CPU, pinned_self};

const LATENCY_MS: u64 = 120;
const START_WITHIN: Duration = Duration::from_secs(10);
/// From the begin of a load until it is even.
const EVEN_AFTER: Duration = Duration::from_secs(2);

/// What receiving came to.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Share of a core.
    pub core: f64,
    /// Resident bytes.
    pub memory: u64,
}

/// `callers` callers of 6 Mbps for `seconds`, first to weir, then to one libsrt receiver each.
pub async fn run(callers: usize, seconds: u64) -> Result<()> {
    println!("SRT, {callers} callers of 6 Mbps for {seconds} s\n");
    for (name, figures) in [("weir", weir(callers, seconds).await?), ("libsrt", libsrt(callers, seconds).await?)] {
        let (core, mbps) = (figures.core * 100.0, callers as f64 * 6.0);
        println!("{name}: {core:.1} % of a core, {:.4} % per Mbps, {} MiB", core / mbps, figures.memory >> 20);
    }
    Ok(())
}

/// All callers to one port of weir's. Fails when a packet was missing. The memory is what its process has more than without
/// callers.
pub async fn weir(callers: usize, seconds: u64) -> Result<Figures> {
    let command = pinned_self(SERVER_CPU, &["srt-sink", &LATENCY_MS.to_string()])?;
    let sink = Process::spawn("srt-sink", command, &[])?;
    let listening = |line: &str| line.strip_prefix("listening ")?.parse::<SocketAddr>().ok();
    let address = sink.out.find(0, "the address of the sink", START_WITHIN, listening).await?;
    let before = proc::memory(sink.pid())?;
    let url = format!("srt://{address}?streamid=bench&latency={LATENCY_MS}");
    let sending = tokio::spawn(send_all(vec![url; callers], seconds));
    let mut figures = watch(&[sink.pid()], seconds).await?;
    figures.memory = figures.memory.saturating_sub(before);
    sending.await??;
    let count = || sink.out.text().lines().filter(|line| line.starts_with("ended ")).count();
    weir_testkit::until("every caller has come to an end", START_WITHIN, async || {
        Ok((count() >= callers).then_some(()))
    })
    .await?;
    let dropped = |line: &str| line.strip_prefix("ended ")?.split(' ').nth(1)?.parse::<u64>().ok();
    let dropped: u64 = sink.out.text().lines().filter_map(dropped).sum();
    ensure!(dropped == 0, "{dropped} packets were missing");
    Ok(figures)
}

/// Each caller to a receiver of its own.
pub async fn libsrt(callers: usize, seconds: u64) -> Result<Figures> {
    let (mut receivers, mut urls) = (Vec::new(), Vec::new());
    for port in free_ports(callers)? {
        receivers.push(receive(Some(SERVER_CPU), port, LATENCY_MS, Path::new("/dev/null"))?);
        urls.push(format!("srt://127.0.0.1:{port}?latency={LATENCY_MS}"));
    }
    let sending = tokio::spawn(send_all(urls, seconds));
    let pids: Vec<u32> = receivers.iter().map(Process::pid).collect();
    let figures = watch(&pids, seconds).await?;
    sending.await??;
    Ok(figures)
}

/// All of them held at once, so that none comes twice.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let sockets = (0..count).map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<io::Result<Vec<_>>>()?;
    sockets.iter().map(|socket| Ok(socket.local_addr()?.port())).collect()
}

/// CPU and memory of receivers while their callers send for `seconds`.
async fn watch(pids: &[u32], seconds: u64) -> Result<Figures> {
    let cpu = || pids.iter().map(|&pid| proc::cpu(pid)).sum::<Result<Duration>>();
    sleep(EVEN_AFTER).await;
    let begun = (cpu()?, Instant::now());
    sleep(Duration::from_secs(seconds).saturating_sub(EVEN_AFTER)).await;
    let core = (cpu()? - begun.0).as_secs_f64() / begun.1.elapsed().as_secs_f64();
    let memory = pids.iter().map(|&pid| proc::memory(pid)).sum::<Result<u64>>()?;
    Ok(Figures { core, memory })
}

async fn send_all(urls: Vec<String>, seconds: u64) -> Result<()> {
    let packets = seconds * 1_000_000_000 / PACKET_PERIOD_NS;
    let mut senders = JoinSet::new();
    for url in urls {
        senders.spawn(async move { send(&url, packets).await });
    }
    while let Some(ended) = senders.join_next().await {
        ended??;
    }
    Ok(())
}
