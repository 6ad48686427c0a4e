//! weir's RTMP ingest alone, as a process: every publisher is accepted, and what it sends is taken and thrown away.

use anyhow::Result;
use tokio::sync::{mpsc, watch};
use weir_ingest::{IngestEvent, Limits, PublishRequest, RtmpConfig, RtmpServer};

/// Prints `listening ADDRESS`, and `lost FRAMES` when a publisher ends of whom frames were dropped. Runs until it is killed.
pub async fn run() -> Result<()> {
    let limits = Limits { connections_max: usize::MAX, connections_per_address_max: usize::MAX, ..Limits::default() };
    let server = RtmpServer::bind(RtmpConfig { listen: "127.0.0.1:0".parse()?, tls: None, limits }).await?;
    println!("listening {}", server.local_addr());
    let (requests, mut publishers) = mpsc::channel(64);
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(server.run(requests, stopped));
    while let Some(request) = publishers.recv().await {
        tokio::spawn(take(request));
    }
    Ok(())
}

async fn take(request: PublishRequest) {
    let mut publication = request.accept();
    let mut lost = 0;
    while let Some(event) = publication.recv().await {
        if let IngestEvent::Lost { frames, .. } = event {
            lost += frames;
        }
    }
    if lost > 0 {
        println!("lost {lost}");
    }
}
