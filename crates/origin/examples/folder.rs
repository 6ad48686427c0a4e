//! Serves the HLS that ffmpeg writes into a folder, as the channel "studio": for working on the watch page
//! without a ladder.
//!
//! ```text
//! cargo run -p weir-origin --example folder -- FOLDER [ADDRESS]
//! ```
//! The folder holds `index.m3u8` and one folder for each rendition with its own `index.m3u8` and its files. It
//! is read again and again, so it may be live; without `index.m3u8` the channel is off air.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::watch;
use weir_origin::{Config, Directory, Limits, Origin, Status};
use weir_packager::{MediaFile, Playlist, RenditionSnapshot, Snapshot};

const READ_EVERY: Duration = Duration::from_millis(250);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder?")?;
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned()).parse()?;
    let (publish, studio) = watch::channel(None);
    let directory = Directory::new();
    directory.insert("studio", studio);
    let status = Status { metrics: Arc::new(String::new), ready: Arc::new(|| Ok(())) };
    let origin = Origin::bind(Config { listen, limits: Limits::default() }, directory, status).await?;
    println!("http://{}/watch/studio", origin.local_addr());
    let reading = tokio::spawn(async move {
        loop {
            // A file may vanish between the listing and the reading; the next round is soon.
            let _ = publish.send(read(Path::new(&folder)).ok().map(Arc::new));
            tokio::time::sleep(READ_EVERY).await;
        }
    });
    origin.run(async { drop(tokio::signal::ctrl_c().await) }).await;
    reading.abort();
    Ok(())
}

fn read(folder: &Path) -> io::Result<Snapshot> {
    let multivariant = playlist(&folder.join("index.m3u8"))?;
    let mut renditions = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let name = entry.file_name().to_string_lossy().into_owned();
            renditions.push(rendition(name, &entry.path())?);
        }
    }
    let ended = renditions.iter().all(|rendition| rendition.playlist.plain.ends_with(b"#EXT-X-ENDLIST\n"));
    Ok(Snapshot { multivariant, renditions, ended })
}

fn rendition(name: String, folder: &Path) -> io::Result<RenditionSnapshot> {
    let mut media = HashMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name().to_string_lossy().into_owned();
        let content_type = match file.rsplit_once('.') {
            Some((_, "m4s")) => "video/iso.segment",
            Some((_, "mp4")) => "video/mp4",
            _ => continue,
        };
        let body = Bytes::from(fs::read(entry.path())?);
        media.insert(file, Arc::new(MediaFile { etag: etag(&body), body, content_type }));
    }
    Ok(RenditionSnapshot { name, playlist: playlist(&folder.join("index.m3u8"))?, media })
}

fn playlist(path: &Path) -> io::Result<Playlist> {
    let plain = Bytes::from(fs::read(path)?);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&plain)?;
    Ok(Playlist { etag: etag(&plain), gzip: gzip.finish()?.into(), plain })
}

fn etag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
