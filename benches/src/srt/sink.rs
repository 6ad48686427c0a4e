//! weir's SRT receiver alone, as a process: it takes every caller and says at the end of each what came.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::{mpsc, watch};
use weir_ingest::{IngestEvent, PublishRequest, SrtAccess, SrtConfig, SrtLimits, SrtServer};

/// Listens on a port of its own with this latency, prints `listening ADDRESS`, then for every caller that ends
/// `ended DELIVERED DROPPED RETRANSMITTED`. Runs until it is killed.
pub async fn run(latency_ms: u64) -> Result<()> {
    let access = SrtAccess { passphrase: None, latency: Duration::from_millis(latency_ms) };
    let config = SrtConfig {
        listen: "127.0.0.1:0".parse()?,
        limits: SrtLimits::default(),
        lookup: Arc::new(move |_, _| Ok(access.clone())),
    };
    let server = SrtServer::bind(config).await?;
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
    let mut last = None;
    while let Some(event) = publication.recv().await {
        if let IngestEvent::Link(stats) = event {
            last = Some(stats);
        }
    }
    if let Some(stats) = last {
        println!("ended {} {} {}", stats.delivered, stats.dropped, stats.retransmitted);
    }
}
