//! Three rows of threes into two rows of twos.
//!
//! The centres of two lie at a quarter and at three quarters between those of three, so the nearer neighbour weighs three
//! times the farther one, across and down.

/// Shrinks rows of one width.
pub(super) struct Thirds {
    /// Of two rows, weighed 3 and 1.
    sums: Vec<u16>,
    #[cfg(target_arch = "x86_64")]
    ssse3: Option<pulp::x86::V2>,
}

impl Thirds {
    /// For rows of `width` bytes.
    pub fn new(width: usize) -> Self {
        Self {
            sums: vec![0; width],
            #[cfg(target_arch = "x86_64")]
            ssse3: pulp::x86::V2::try_new(),
        }
    }

    /// Two rows out of three, of a width that is two thirds of theirs.
    pub fn shrink(&mut self, rows: [&[u8]; 3], out: [&mut [u8]; 2]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(cpu) = self.ssse3 {
            let [upper, lower] = out;
            let done = cpu.vectorize(ssse3::Rows { cpu, rows, out: [&mut *upper, &mut *lower] });
            let rows = rows.map(|row| row.get(done / 2 * 3..).unwrap_or_default());
            return self.anywhere(rows, [&mut upper[done..], &mut lower[done..]]);
        }
        self.anywhere(rows, out);
    }

    /// With what every processor has.
    fn anywhere(&mut self, [above, middle, below]: [&[u8]; 3], [upper, lower]: [&mut [u8]; 2]) {
        for (near, out) in [(above, upper), (below, lower)] {
            let width = near.len().min(self.sums.len());
            let sums = &mut self.sums[..width];
            let rows = sums.iter_mut().zip(near).zip(middle);
            rows.for_each(|((sum, near), far)| *sum = 3 * u16::from(*near) + u16::from(*far));
            across(sums, out);
        }
    }
}

/// Of three sums two bytes.
fn across(sums: &[u16], out: &mut [u8]) {
    let first = |three: &[u16; 3]| ((3 * three[0] + three[1] + 8) >> 4) as u8;
    let second = |three: &[u16; 3]| ((three[1] + 3 * three[2] + 8) >> 4) as u8;
    let (blocks, rest) = sums.as_chunks::<48>();
    let (out_blocks, out_rest) = out.as_chunks_mut::<32>();
    for (out, sums) in out_blocks.iter_mut().zip(blocks) {
        let three = |i: usize| [sums[3 * i], sums[3 * i + 1], sums[3 * i + 2]];
        let firsts: [u8; 16] = std::array::from_fn(|i| first(&three(i)));
        let seconds: [u8; 16] = std::array::from_fn(|i| second(&three(i)));
        *out = std::array::from_fn(|i| if i % 2 == 0 { firsts[i / 2] } else { seconds[i / 2] });
    }
    for (out, three) in out_rest.as_chunks_mut::<2>().0.iter_mut().zip(rest.as_chunks::<3>().0) {
        *out = [first(three), second(three)];
    }
}

/// The same with SSSE3, asked for as a part of x86-64-v2, which processors have since 2008: bytes in any order, and sums of
/// weighed pairs of them.
///
/// All of it must be inlined into `vectorize`, for only there may those instructions be used.
#[cfg(target_arch = "x86_64")]
mod ssse3 {
    use std::arch::x86_64::__m128i;

    use pulp::x86::V2;
    use pulp::{NullaryFnOnce, cast};

    /// Of four threes `a b c` the pairs `a b` and `c b`.
    const PAIRS: [u8; 16] = [0, 1, 2, 1, 3, 4, 5, 4, 6, 7, 8, 7, 9, 10, 11, 10];
    const WEIGHTS: [i8; 16] = [3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1];
    const ROUNDING: [u16; 8] = [8; 8];
    /// Bytes of four threes; as many are read as fill a register.
    const FOUR: usize = 12;

    /// Does as many blocks of 16 bytes as there are bytes to be read for; how many bytes of each row that were.
    pub(super) struct Rows<'a> {
        pub cpu: V2,
        pub rows: [&'a [u8]; 3],
        pub out: [&'a mut [u8]; 2],
    }

    impl NullaryFnOnce for Rows<'_> {
        type Output = usize;

        #[inline(always)]
        fn call(self) -> usize {
            let Self { cpu, rows: [above, middle, below], out: [upper, lower] } = self;
            let mut done = 0;
            let blocks = upper.as_chunks_mut().0.iter_mut().zip(lower.as_chunks_mut().0);
            for ((upper, lower), at) in blocks.zip((0..).step_by(2 * FOUR)) {
                let (Some(above), Some(middle), Some(below)) =
                    (across(cpu, above, at), across(cpu, middle, at), across(cpu, below, at))
                else {
                    break;
                };
                *upper = down(cpu, above, middle);
                *lower = down(cpu, below, middle);
                done += upper.len();
            }
            done
        }
    }

    /// Sixteen sums out of eight threes.
    #[inline(always)]
    fn across(cpu: V2, row: &[u8], at: usize) -> Option<[__m128i; 2]> {
        let (one, other) = (row.get(at..)?.first_chunk()?, row.get(at + FOUR..)?.first_chunk()?);
        Some([pairs(cpu, one), pairs(cpu, other)])
    }

    #[inline(always)]
    fn pairs(cpu: V2, bytes: &[u8; 16]) -> __m128i {
        let pairs = cpu.ssse3._mm_shuffle_epi8(cast(*bytes), cast(PAIRS));
        cpu.ssse3._mm_maddubs_epi16(pairs, cast(WEIGHTS))
    }

    /// Sixteen bytes out of the sums of a nearer and a farther row.
    #[inline(always)]
    fn down(cpu: V2, near: [__m128i; 2], far: [__m128i; 2]) -> [u8; 16] {
        cast(cpu.sse2._mm_packus_epi16(mean(cpu, near[0], far[0]), mean(cpu, near[1], far[1])))
    }

    #[inline(always)]
    fn mean(cpu: V2, near: __m128i, far: __m128i) -> __m128i {
        let near_thrice = cpu.sse2._mm_add_epi16(cpu.sse2._mm_add_epi16(near, near), near);
        let sum = cpu.sse2._mm_add_epi16(near_thrice, cpu.sse2._mm_add_epi16(far, cast(ROUNDING)));
        cpu.sse2._mm_srli_epi16::<4>(sum)
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shrunk(thirds: &mut Thirds, rows: &[Vec<u8>; 3]) -> [Vec<u8>; 2] {
        let mut out = [(); 2].map(|()| vec![0; rows[0].len() / 3 * 2]);
        let [upper, lower] = &mut out;
        thirds.shrink(rows.each_ref().map(Vec::as_slice), [upper, lower]);
        out
    }

    proptest! {
        #[test]
        fn processors_without_its_instructions_come_to_the_same(
            rows in (1..90usize).prop_flat_map(|threes| [(); 3].map(|()| proptest::collection::vec(any::<u8>(), 3 * threes))),
        ) {
            let mut thirds = Thirds::new(rows[0].len());
            prop_assert!(thirds.ssse3.is_some(), "this machine cannot tell");
            let with = shrunk(&mut thirds, &rows);
            thirds.ssse3 = None;
            prop_assert_eq!(shrunk(&mut thirds, &rows), with);
        }
    }
}
