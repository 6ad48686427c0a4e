//! nginx as a process: one worker on the server's core.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tokio::net::TcpStream;
use weir_testkit::{Process, until};

use crate::pinned::{SERVER_CPU, pinned};

const START_WITHIN: Duration = Duration::from_secs(10);
/// What every configuration begins with: one worker, no logs, everything at home in the folder that nginx is started in.
const COMMON: &str = "daemon off;\nworker_processes 1;\nworker_rlimit_nofile 16384;\npid nginx.pid;\n\
                      error_log stderr crit;\nuser root;\nevents { worker_connections 16000; }\n";
/// The same inside `http`.
pub const COMMON_HTTP: &str = "access_log off; keepalive_requests 1000000000; http2_max_concurrent_streams 256;\n\
    client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;\n";

/// An address on which nobody listens at this moment: nginx cannot be told to take any that is free.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Starts nginx at home in `folder`, with `modules` before what is common and `servers` behind it, and waits until it
/// listens on all of `addresses`.
pub async fn start(folder: &Path, modules: &str, servers: &str, addresses: &[SocketAddr]) -> Result<Process> {
    std::fs::create_dir_all(folder)?;
    let file = folder.join("nginx.conf");
    std::fs::write(&file, format!("{modules}{COMMON}{servers}"))?;
    let mut command = pinned(SERVER_CPU, "nginx");
    command.arg("-p").arg(folder).arg("-c").arg(&file).args(["-e", "stderr"]);
    let process = Process::spawn("nginx", command, &[])?;
    for &address in addresses {
        until("nginx listens", START_WITHIN, async || Ok(TcpStream::connect(address).await.ok())).await?;
    }
    Ok(process)
}
