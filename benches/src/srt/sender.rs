//! libsrt sending numbered packets at 6 Mbps.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::{PACKET_BYTES, PACKET_PERIOD_NS};

/// Packets behind those that count: what is lost at the very end nobody can miss.
const TRAILING: u64 = 2000;

/// Sends `packets` numbered packets to `url`, and some more, each at its time.
pub async fn send(url: &str, packets: u64) -> Result<()> {
    let mut child = Command::new("srt-live-transmit")
        .args(["-q", "-loglevel:fatal", &format!("-chunk:{PACKET_BYTES}"), "file://con", url])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("srt-live-transmit is not here: scripts/setup --test")?;
    let mut input = child.stdin.take().context("no standard input")?;
    let begin = Instant::now();
    for number in 0..packets + TRAILING {
        tokio::time::sleep_until(begin + Duration::from_nanos(number * PACKET_PERIOD_NS)).await;
        input.write_all(&packet(number)).await.context("the sender is gone")?;
    }
    drop(input);
    end(child).await
}

/// Seven packets of nothing (PID 0x1fff) with a number in the first.
fn packet(number: u64) -> [u8; PACKET_BYTES] {
    let mut bytes = [0; PACKET_BYTES];
    for (index, ts) in bytes.chunks_exact_mut(188).enumerate() {
        ts[..4].copy_from_slice(&[0x47, 0x1f, 0xff, 0x10 | index as u8]);
    }
    bytes[8..16].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// The number of a packet that came whole.
pub fn number(packet: &[u8]) -> Option<u64> {
    let bytes: [u8; 8] = packet.get(8..16)?.try_into().ok()?;
    (packet.len() == PACKET_BYTES && packet[0] == 0x47).then(|| u64::from_be_bytes(bytes))
}

async fn end(mut child: Child) -> Result<()> {
    match tokio::time::timeout(Duration::from_secs(10), child.wait()).await {
        Ok(ended) => ended.map(drop).context("the sender cannot be waited for"),
        Err(_) => child.kill().await.context("the sender does not end"),
    }
}
