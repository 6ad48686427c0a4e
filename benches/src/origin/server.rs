//! weir's origin alone, as a process: the crate that the daemon serves players with, and a snapshot that stands still.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::sync::watch;
use weir_origin::{Access, Config, Directory, Limits, Origin, Status, Tls, tls_config};
use weir_packager::{Edge, MediaFile, PartGrid, Playlist, RenditionSnapshot, Snapshot};

use super::bodies::{self, CHANNEL, PART_BYTES, RENDITION};

/// Serves the bodies under `root` with the certificate there, and prints `listening HTTP HTTPS`. Runs until it is killed.
pub async fn run(root: &Path) -> Result<()> {
    let metrics = PrometheusBuilder::new().install_recorder()?;
    let (_publish, source) = watch::channel(Some(Arc::new(snapshot(root)?)));
    let directory = Directory::new();
    directory.insert(CHANNEL, source, Access::Free);
    let tls =
        Tls { listen: "127.0.0.1:0".parse()?, config: tls_config(&root.join("cert.pem"), &root.join("key.pem"))? };
    let limits = Limits { connections_per_address_max: usize::MAX, ..Limits::default() };
    let config = Config { listen: "127.0.0.1:0".parse()?, tls: Some(tls), limits, tokens: None };
    let status = Status { metrics: Arc::new(move || metrics.render()), ready: Arc::new(|| Ok(())) };
    let origin = Origin::bind(config, directory, status).await?;
    let https = origin.tls_local_addr().context("no HTTPS")?;
    println!("listening {} {https}", origin.local_addr());
    origin.run(std::future::pending()).await;
    Ok(())
}

fn snapshot(root: &Path) -> Result<Snapshot> {
    let file = |name: &str, content_type| -> Result<(String, Arc<MediaFile>)> {
        let body = Bytes::from(bodies::read(root, name)?);
        // As the packager has them: a buffer for each part, and segments that are the parts one after another.
        let pieces = body.chunks(PART_BYTES).map(Bytes::copy_from_slice).collect();
        Ok((name.to_owned(), Arc::new(MediaFile { pieces, etag: format!("\"{name}\""), content_type })))
    };
    let media = HashMap::from([
        file("init.mp4", "video/mp4")?,
        file("part.m4s", "video/iso.segment")?,
        file("segment.m4s", "video/iso.segment")?,
    ]);
    let playlist = Playlist {
        plain: bodies::read(root, "index.m3u8")?.into(),
        gzip: bodies::read(root, "index.m3u8.gz")?.into(),
        etag: "\"bench-1650-0\"".into(),
        gzip_etag: "\"bench-1650-0-gzip\"".into(),
    };
    let rendition = RenditionSnapshot {
        name: RENDITION.to_owned(),
        playlist: playlist.clone(),
        delta: None,
        iframes: None,
        hint: None,
        media,
    };
    let part = Some(PartGrid { target_ms: 333, per_segment: 6 });
    let edge = Edge { next_msn: 1650, parts: 0, last_parts: 6, target_duration_s: 2, part };
    let (renditions, published_at) = (vec![rendition], Instant::now());
    Ok(Snapshot { multivariant: playlist, renditions, edge, published_at, ended: false, private: false })
}
