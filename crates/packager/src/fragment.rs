//! Parts of segments: `styp` before the first, then `moof` and `mdat` (ISO/IEC 14496-12, 8.8 and 8.16).

use std::ops::Range;

use bytes::{BufMut, Bytes};
use weir_media::TrackKind;

use crate::boxes::{boxed, full_box, patch};

/// Every file holds one track.
pub(crate) const TRACK_ID: u32 = 1;

/// One frame on its way into a segment.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) data: Bytes,
    /// Presentation time less decoding time, in ticks.
    pub(crate) composition: i32,
    /// Whether decoding can start here.
    pub(crate) sync: bool,
}

/// Flags of a sample (8.8.3.1): never leading, for nothing that follows an IDR picture is shown before it;
/// then whether it depends on others, and whether it is a sync sample.
const SYNC: u32 = 0x0a00_0000;
const NON_SYNC: u32 = 0x0901_0000;

/// `tfhd`: offsets count from the moof, and a default duration and default flags follow (8.8.7).
const TFHD_FLAGS: u32 = 0x02_0000 | 0x08 | 0x20;
/// `trun` (8.8.8).
const TRUN_DATA_OFFSET: u32 = 0x001;
const TRUN_FIRST_SAMPLE_FLAGS: u32 = 0x004;
const TRUN_SIZE: u32 = 0x200;
const TRUN_FLAGS: u32 = 0x400;
const TRUN_COMPOSITION: u32 = 0x800;

/// More than the boxes of a segment take beside its samples, and beside each of them.
const OVERHEAD_BYTES: usize = 160;
const OVERHEAD_SAMPLE_BYTES: usize = 12;

/// A part as bytes.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) body: Bytes,
    /// Where in it the `moof` begins, and where the first sample ends.
    pub(crate) first_sample: Range<usize>,
}

/// One part of a segment: one buffer, into which every sample is copied once. `styp` stands before the first.
pub(crate) fn part(
    begins_segment: bool,
    sequence: u32,
    decode_time: u64,
    kind: TrackKind,
    ticks: u32,
    samples: &[Sample],
) -> Chunk {
    let media: usize = samples.iter().map(|sample| sample.data.len() + OVERHEAD_SAMPLE_BYTES).sum();
    let mut out = Vec::with_capacity(media + OVERHEAD_BYTES);
    if begins_segment {
        boxed(&mut out, b"styp", |out| {
            out.extend_from_slice(b"msdh");
            out.put_u32(0);
            out.extend_from_slice(b"msdhcmfs");
        });
    }
    let start = out.len();
    let data = append_chunk(&mut out, sequence, decode_time, kind, ticks, samples);
    let end = data + samples.first().map_or(0, |sample| sample.data.len());
    Chunk { body: Bytes::from(out), first_sample: start..end }
}

/// Appends the `moof` and `mdat` of one run of samples, each lasting `ticks`, the first decoded at `decode_time`.
/// Answers where the samples begin.
fn append_chunk(
    out: &mut Vec<u8>,
    sequence: u32,
    decode_time: u64,
    kind: TrackKind,
    ticks: u32,
    samples: &[Sample],
) -> usize {
    let start = out.len();
    let mut data_offset_at = 0;
    boxed(out, b"moof", |out| {
        full_box(out, b"mfhd", 0, 0, |out| out.put_u32(sequence));
        boxed(out, b"traf", |out| {
            full_box(out, b"tfhd", 0, TFHD_FLAGS, |out| {
                out.put_u32(TRACK_ID);
                out.put_u32(ticks);
                out.put_u32(if kind == TrackKind::Audio { SYNC } else { NON_SYNC });
            });
            full_box(out, b"tfdt", 1, 0, |out| out.put_u64(decode_time));
            data_offset_at = run(out, kind, samples);
        });
    });
    // The samples begin behind the header of the mdat that follows.
    let data = out.len() + 8;
    patch(out, data_offset_at, (data - start) as u32);
    boxed(out, b"mdat", |out| samples.iter().for_each(|sample| out.extend_from_slice(&sample.data)));
    data
}

/// Appends the `trun`; answers where its data offset is to be written.
fn run(out: &mut Vec<u8>, kind: TrackKind, samples: &[Sample]) -> usize {
    // What differs from the defaults of tfhd is said once when it is only the first sample, else for each.
    let default_sync = kind == TrackKind::Audio;
    let first_differs = samples.first().is_some_and(|sample| sample.sync != default_sync);
    let others_differ = samples.iter().skip(1).any(|sample| sample.sync != default_sync);
    let composed = samples.iter().any(|sample| sample.composition != 0);
    let mut flags = TRUN_DATA_OFFSET | TRUN_SIZE;
    if others_differ {
        flags |= TRUN_FLAGS;
    } else if first_differs {
        flags |= TRUN_FIRST_SAMPLE_FLAGS;
    }
    if composed {
        flags |= TRUN_COMPOSITION;
    }
    let mut data_offset_at = 0;
    full_box(out, b"trun", 1, flags, |out| {
        out.put_u32(samples.len() as u32);
        data_offset_at = out.len();
        out.put_u32(0);
        if flags & TRUN_FIRST_SAMPLE_FLAGS != 0 {
            out.put_u32(if default_sync { NON_SYNC } else { SYNC });
        }
        for sample in samples {
            out.put_u32(sample.data.len() as u32);
            if flags & TRUN_FLAGS != 0 {
                out.put_u32(if sample.sync { SYNC } else { NON_SYNC });
            }
            if flags & TRUN_COMPOSITION != 0 {
                out.put_i32(sample.composition);
            }
        }
    });
    data_offset_at
}
