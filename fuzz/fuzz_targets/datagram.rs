//! A datagram from anybody, as the SRT port reads it, and as a handshake.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use weir_ingest::srt::{Datagram, Handshake};

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    let _ = Datagram::read(bytes.clone());
    let _ = Handshake::read(bytes);
});
