//! FLV files, read so that their tags can be sent as RTMP messages with any timestamp.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;

/// One tag of an FLV file: the body of an RTMP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// 8 audio, 9 video, 18 data; the same numbers are RTMP message types.
    pub kind: u8,
    /// Milliseconds.
    pub timestamp: u32,
    /// The body.
    pub body: Bytes,
}

impl Tag {
    /// Whether it is a video tag with an AVC sequence header.
    pub fn is_video_header(&self) -> bool {
        self.kind == 9 && self.body.starts_with(&[0x17, 0])
    }

    /// Whether it is an audio tag with an AudioSpecificConfig.
    pub fn is_audio_header(&self) -> bool {
        self.kind == 8 && self.body.first().is_some_and(|byte| byte >> 4 == 10) && self.body.get(1) == Some(&0)
    }
}

/// All tags of a file.
pub fn read(file: &Path) -> Result<Vec<Tag>> {
    let bytes = Bytes::from(std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?);
    ensure!(bytes.starts_with(b"FLV\x01"), "{} is no FLV file", file.display());
    let mut at = 13;
    let mut tags = Vec::new();
    while let Some(head) = bytes.get(at..at + 11) {
        let size = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        let timestamp = u32::from_be_bytes([head[7], head[4], head[5], head[6]]);
        ensure!(at + 11 + size <= bytes.len(), "a tag reaches beyond the end");
        tags.push(Tag { kind: head[0], timestamp, body: bytes.slice(at + 11..at + 11 + size) });
        at += 11 + size + 4;
    }
    Ok(tags)
}
