//! What is served: files of fixed sizes, the same bytes to nginx from a folder and to weir from a snapshot.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

/// The name of the channel that has them.
pub const CHANNEL: &str = "bench";
/// Its one rendition.
pub const RENDITION: &str = "v";
/// Bytes of a part, and how many make a segment: 6 Mbps in thirds of a second.
pub const PART_BYTES: usize = 250_000;
pub const PARTS: usize = 6;

/// One of the bodies.
pub struct Body {
    /// For tables.
    pub title: &'static str,
    pub file: &'static str,
}

pub const BODIES: [Body; 4] = [
    Body { title: "1 KB", file: "init.mp4" },
    Body { title: "2.5 KB playlist, gzip", file: "index.m3u8" },
    Body { title: "250 KB part", file: "part.m4s" },
    Body { title: "1.5 MB segment", file: "segment.m4s" },
];

/// The path on either server.
pub fn path(file: &str) -> String {
    format!("/live/{CHANNEL}/{RENDITION}/{file}")
}

/// Writes the bodies under `root`, each at its path.
pub fn write(root: &Path) -> Result<()> {
    let folder = root.join(format!("live/{CHANNEL}/{RENDITION}"));
    std::fs::create_dir_all(&folder)?;
    let playlist = playlist();
    std::fs::write(folder.join("init.mp4"), noise(1, 1000))?;
    std::fs::write(folder.join("index.m3u8"), &playlist)?;
    std::fs::write(folder.join("index.m3u8.gz"), gzip(playlist.as_bytes())?)?;
    std::fs::write(folder.join("part.m4s"), noise(2, PART_BYTES))?;
    std::fs::write(folder.join("segment.m4s"), noise(3, PART_BYTES * PARTS))?;
    Ok(())
}

/// One of the bodies, from the folder.
pub fn read(root: &Path, file: &str) -> Result<Vec<u8>> {
    let path = root.join(format!("live/{CHANNEL}/{RENDITION}/{file}"));
    std::fs::read(&path).with_context(|| format!("{} is not there", path.display()))
}

/// As long as one of 15 minutes with segments of two seconds.
fn playlist() -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1200\n");
    for number in 1200..1650 {
        text += &format!("#EXTINF:2.00000,\n7f3a9c-{number}.m4s\n");
        // What compresses badly, as dates do.
        if number % 4 == 0 {
            text +=
                &format!("#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:{:02}:{:02}.000Z\n", number / 60 % 60, number % 60);
        }
    }
    text
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// Bytes that do not compress, the same every time (xorshift).
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
