//! What a caller says it wants.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_ingest::srt::stream_key;

fuzz_target!(|data: &[u8]| {
    if let Ok(key) = stream_key(data) {
        assert!(!key.as_bytes().is_empty() && key.as_bytes().len() <= data.len());
    }
});
