//! A transport stream in pieces; the first byte says how long they are and where some are missing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_ingest::ts::Demux;

fuzz_target!(|data: &[u8]| {
    let Some((&cut, stream)) = data.split_first() else { return };
    let mut demux = Demux::new(1 << 20);
    for (number, piece) in stream.chunks(usize::from(cut) * 7 + 1).enumerate() {
        if number % 16 == usize::from(cut >> 4) {
            demux.lost();
        }
        if demux.push(piece).is_err() {
            return;
        }
        while demux.pop().is_some() {}
    }
    let _ = demux.finish();
});
