use bytes::Bytes;
use weir_ingest::srt::{Datagram, Handshake};

/// A datagram from anybody, as the SRT port reads it, and as the fields of a handshake.
pub fn datagram(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if Datagram::read(bytes.clone()).is_ok() {
        assert!((16..=1472).contains(&data.len()));
    }
    if let Some(handshake) = Handshake::read(bytes) {
        let extensions = handshake.extensions;
        assert!(extensions.stream_id.is_none_or(|id| id.len() <= 512));
        assert!(extensions.keys.is_none_or(|keys| keys.len() < data.len()));
    }
}
