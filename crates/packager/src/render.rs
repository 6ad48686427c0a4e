use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::snapshot::Playlist;

impl Playlist {
    /// Both codings of a text and their tags.
    pub(crate) fn render(text: String) -> Self {
        let mut coder = GzEncoder::new(Vec::with_capacity(text.len() / 4), Compression::default());
        // Writing into memory does not fail; if it ever did, a player would see the fault, not a wrong text.
        let _ = coder.write_all(text.as_bytes());
        let gzip = Bytes::from(coder.finish().unwrap_or_default());
        let hash = fnv1a(FNV_START, text.as_bytes());
        let (etag, gzip_etag) = (format!("\"{hash:016x}\"").into(), format!("\"{hash:016x}-gzip\"").into());
        Self { plain: Bytes::from(text), gzip, etag, gzip_etag }
    }
}

/// The value with which FNV-1a begins.
pub(crate) const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a with 64 bits: the same for the same bytes in every version of every build, which is what an entity tag
/// and a stored checksum need. It guards against accidents, not against forgery.
pub(crate) fn fnv1a(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, &byte| (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn each_coding_has_a_tag_of_its_own() {
        let playlist = Playlist::render("foobar".to_owned());
        assert_eq!(playlist.etag, &b"\"85944171f73967e8\""[..]);
        assert_eq!(playlist.gzip_etag, &b"\"85944171f73967e8-gzip\""[..]);
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(FNV_START, b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn both_codings_hold_the_same_text() {
        let playlist = Playlist::render("#EXTM3U\n".repeat(50));
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&playlist.gzip[..]).read_to_end(&mut text).expect("gzip");
        assert_eq!(text, playlist.plain);
        assert!(playlist.gzip.len() < playlist.plain.len());
    }
}
