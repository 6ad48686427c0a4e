//! libsrt receiving.

use std::path::Path;

use anyhow::Result;
use tokio::process::Command;
use weir_testkit::Process;

use super::PACKET_BYTES;
use crate::pinned::pinned;

/// Has libsrt listen on `port`, on one core alone if that is wanted, and write what it delivers into `file`.
pub fn receive(cpu: Option<u32>, port: u16, latency_ms: u64, file: &Path) -> Result<Process> {
    let mut command = cpu.map_or_else(|| Command::new("sh"), |cpu| pinned(cpu, "sh"));
    // It writes to its standard output alone; the shell gives its place and process id to it.
    command.args(["-c", "exec srt-live-transmit -q -a:no -loglevel:fatal \"$1\" \"$2\" file://con > \"$3\"", "sh"]);
    command.arg(format!("-chunk:{PACKET_BYTES}"));
    command.arg(format!("srt://127.0.0.1:{port}?mode=listener&latency={latency_ms}"));
    command.arg(file);
    Process::spawn("srt-live-transmit", command, &[])
}
