//! Scaling by the two factors that ladders are made of, 3:2 and 2:1, in less time than GStreamer's scaler takes.
//!
//! Both are bilinear like GStreamer's: each picture element is made of the two by two that its centre lies between, and
//! rounded once. Rows are worked on in arrays of fixed length, so that the compiler uses vector instructions that every
//! processor has; for threes, which it does badly, `thirds` names better ones.

mod thirds;

use std::ops::Range;

use super::ChildError;

/// A factor that both sides of a picture shrink by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Factor {
    /// 3:2, as from 1080 lines to 720.
    ThreeToTwo,
    /// 2:1, as from 720 lines to 360.
    TwoToOne,
}

/// A plane of a picture: `stride` bytes from one row to the next, `width` of them in use.
#[derive(Debug)]
pub(super) struct Plane<B> {
    pub bytes: B,
    pub stride: usize,
    pub width: usize,
}

impl Factor {
    /// The factor between two sizes of pictures whose chroma has half their size, if it is one of them.
    pub fn between(from: (u32, u32), to: (u32, u32)) -> Option<Self> {
        let is = |large: u32, small: u32| {
            let both = |(from, to): (u32, u32)| from % (2 * large) == 0 && from / large * small == to;
            both((from.0, to.0)) && both((from.1, to.1))
        };
        if is(3, 2) { Some(Self::ThreeToTwo) } else { is(2, 1).then_some(Self::TwoToOne) }
    }

    /// Scales one plane to `height` rows. The sizes must differ by this factor.
    pub fn shrink(self, from: &Plane<&[u8]>, to: &mut Plane<&mut [u8]>, height: usize) -> Result<(), ChildError> {
        let short = || ChildError::Pipeline("a plane is shorter than its picture".to_owned());
        let (stride, width) = (to.stride, to.width);
        let row = |index: usize| {
            from.bytes.get(index * from.stride..).and_then(|rest| rest.get(..from.width)).ok_or_else(short)
        };
        // Below the last row there is nothing to fetch.
        let fetch_rows = |rows: Range<usize>| rows.map_while(|index| row(index).ok()).for_each(fetch);
        let mut out = to.bytes.chunks_mut(stride).take(height);
        let mut next_out = || out.next().map(|out| out.get_mut(..width).ok_or_else(short)).transpose();
        match self {
            Self::ThreeToTwo => {
                let mut thirds = thirds::Thirds::new(from.width);
                for first in (0..).step_by(3) {
                    let (Some(upper), Some(lower)) = (next_out()?, next_out()?) else { break };
                    fetch_rows(first + 3..first + 6);
                    thirds.shrink([row(first)?, row(first + 1)?, row(first + 2)?], [upper, lower]);
                }
            }
            Self::TwoToOne => {
                for first in (0..).step_by(2) {
                    let Some(out) = next_out()? else { break };
                    fetch_rows(first + 2..first + 4);
                    two_to_one(row(first)?, row(first + 1)?, out);
                }
            }
        }
        Ok(())
    }
}

/// Has a row brought into the cache, all of its lines at once. A picture has left the caches by the time it is scaled, and row
/// by row the processor would wait for each line, for it does not see where the next row begins.
fn fetch(row: &[u8]) {
    const LINE: usize = 64;
    std::hint::black_box(row.iter().step_by(LINE).fold(0, |all, byte| all ^ byte));
}

/// Of two bytes in each of two rows one byte.
fn two_to_one(near: &[u8], far: &[u8], out: &mut [u8]) {
    let mean = |[a, b, c, d]: [u8; 4]| ((u16::from(a) + u16::from(b) + u16::from(c) + u16::from(d) + 2) >> 2) as u8;
    let (near_blocks, near_rest) = near.as_chunks::<32>();
    let (far_blocks, far_rest) = far.as_chunks::<32>();
    let (out_blocks, out_rest) = out.as_chunks_mut::<16>();
    for ((out, near), far) in out_blocks.iter_mut().zip(near_blocks).zip(far_blocks) {
        *out = std::array::from_fn(|i| mean([near[2 * i], near[2 * i + 1], far[2 * i], far[2 * i + 1]]));
    }
    let (near_rest, far_rest) = (near_rest.as_chunks::<2>().0, far_rest.as_chunks::<2>().0);
    for ((out, near), far) in out_rest.iter_mut().zip(near_rest).zip(far_rest) {
        *out = mean([near[0], near[1], far[0], far[1]]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shrunk(factor: Factor, from: &Plane<Vec<u8>>, width: usize, height: usize) -> Vec<u8> {
        let from = Plane { bytes: from.bytes.as_slice(), stride: from.stride, width: from.width };
        let mut bytes = vec![0; width * height];
        factor.shrink(&from, &mut Plane { bytes: &mut bytes, stride: width, width }, height).expect("long enough");
        bytes
    }

    /// The plane's value at a point, between its elements, whose centres are at halves; nothing is outside.
    fn bilinear(from: &Plane<Vec<u8>>, x: f64, y: f64) -> f64 {
        let (left, top) = ((x - 0.5).floor(), (y - 0.5).floor());
        let (right, below) = (x - 0.5 - left, y - 0.5 - top);
        let at = |x: f64, y: f64| f64::from(from.bytes[y as usize * from.stride + x as usize]);
        let row = |y: f64| at(left, y) * (1.0 - right) + at(left + 1.0, y) * right;
        row(top) * (1.0 - below) + row(top + 1.0) * below
    }

    fn planes() -> impl Strategy<Value = (Factor, Plane<Vec<u8>>, usize, usize)> {
        let factor = prop_oneof![Just((Factor::ThreeToTwo, 3, 2)), Just((Factor::TwoToOne, 2, 1))];
        (factor, 1..50usize, 1..5usize, 0..9usize).prop_flat_map(|((factor, large, small), wide, high, padding)| {
            let (width, height) = (wide * large, high * large);
            let stride = width + padding;
            proptest::collection::vec(any::<u8>(), stride * height)
                .prop_map(move |bytes| (factor, Plane { bytes, stride, width }, wide * small, high * small))
        })
    }

    proptest! {
        #[test]
        fn every_element_is_what_bilinear_interpolation_gives((factor, from, width, height) in planes()) {
            let out = shrunk(factor, &from, width, height);
            let ratio = from.width as f64 / width as f64;
            for (index, &got) in out.iter().enumerate() {
                let (x, y) = ((index % width) as f64 + 0.5, (index / width) as f64 + 0.5);
                let wanted = (bilinear(&from, x * ratio, y * ratio) + 0.5).floor();
                prop_assert_eq!(f64::from(got), wanted, "at {}", index);
            }
        }
    }

    #[test]
    fn only_whole_factors_of_even_chroma_are_taken() {
        for (from, to, factor) in [
            ((1920, 1080), (1280, 720), Some(Factor::ThreeToTwo)),
            ((1280, 720), (640, 360), Some(Factor::TwoToOne)),
            ((720, 1280), (360, 640), Some(Factor::TwoToOne)),
            ((1920, 1080), (640, 360), None),
            ((1920, 1080), (1280, 544), None),
            ((1280, 720), (1280, 720), None),
            ((1278, 720), (852, 480), Some(Factor::ThreeToTwo)),
            ((1281, 720), (854, 480), None),
            ((854, 480), (427, 240), None),
        ] {
            assert_eq!(Factor::between(from, to), factor, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn a_plane_that_is_too_short_is_an_error() {
        let from = Plane { bytes: [0; 11].as_slice(), stride: 4, width: 4 };
        let mut out = [0; 4];
        let mut to = Plane { bytes: out.as_mut_slice(), stride: 2, width: 2 };
        assert!(Factor::TwoToOne.shrink(&from, &mut to, 2).is_err());
    }
}
