//! The frame of an ISO base media box (ISO/IEC 14496-12, 4.2). The boxes are written here and not by a library
//! so that they are exact copies of the parameters they carry and cannot fail; libraries read them in the tests.

use bytes::BufMut;

/// Appends a box: its size, its type and what `fill` appends.
pub(crate) fn boxed(out: &mut Vec<u8>, kind: &[u8; 4], fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.put_u32(0);
    out.extend_from_slice(kind);
    fill(out);
    let size = (out.len() - start) as u32;
    patch(out, start, size);
}

/// Appends a box with a version and 24 bits of flags (4.2.2, `FullBox`).
pub(crate) fn full_box(out: &mut Vec<u8>, kind: &[u8; 4], version: u8, flags: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    boxed(out, kind, |out| {
        out.put_u32(u32::from(version) << 24 | flags);
        fill(out);
    });
}

/// Writes `value` over the four bytes at `at`, which must be there.
pub(crate) fn patch(out: &mut [u8], at: usize, value: u32) {
    out[at..at + 4].copy_from_slice(&value.to_be_bytes());
}
