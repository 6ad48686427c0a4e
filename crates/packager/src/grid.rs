use weir_media::FrameRate;

/// Where segments begin: every `frames_per_segment` frames of the source's rate, from instant 0 of the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentGrid {
    /// Frames of `frame_rate` in one segment, at least 1.
    pub frames_per_segment: u32,
    /// The rate of the source after it was made constant.
    pub frame_rate: FrameRate,
}

/// The largest term of a frame rate and the most frames of a segment, so that no product below overflows.
pub(crate) const TERM_MAX: u32 = 1_000_000;

/// Whether a rate can be reckoned with: `FrameRate::timescale` multiplies its terms by 1000.
pub(crate) fn is_usable(rate: FrameRate) -> bool {
    (1..=TERM_MAX).contains(&rate.num) && (1..=TERM_MAX).contains(&rate.den)
}

impl SegmentGrid {
    /// Whether the grid can be reckoned with.
    pub(crate) fn is_usable(self) -> bool {
        is_usable(self.frame_rate) && (1..=TERM_MAX).contains(&self.frames_per_segment)
    }

    /// The frame of a track that starts nearest to boundary `k`, when every frame lasts `frame_ticks` of `timescale`.
    pub(crate) fn frame_at(self, k: u64, timescale: u32, frame_ticks: u32) -> u64 {
        let (ticks, per) = self.fraction(timescale, frame_ticks);
        ((2 * u128::from(k) * ticks + per) / (2 * per)) as u64
    }

    /// Whether every boundary falls between two frames of the track.
    pub(crate) fn meets(self, timescale: u32, frame_ticks: u32) -> bool {
        let (ticks, per) = self.fraction(timescale, frame_ticks);
        ticks % per == 0
    }

    /// The most frames of a track in one segment.
    pub(crate) fn frames_max(self, timescale: u32, frame_ticks: u32) -> u64 {
        let (ticks, per) = self.fraction(timescale, frame_ticks);
        ticks.div_ceil(per) as u64
    }

    /// Frames of a track in one segment, as a fraction.
    fn fraction(self, timescale: u32, frame_ticks: u32) -> (u128, u128) {
        let ticks = u128::from(self.frames_per_segment) * u128::from(self.frame_rate.den) * u128::from(timescale);
        (ticks, u128::from(self.frame_rate.num) * u128::from(frame_ticks.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use weir_media::AAC_FRAME_SAMPLES;

    fn grid(frames_per_segment: u32, num: u32, den: u32) -> SegmentGrid {
        SegmentGrid { frames_per_segment, frame_rate: FrameRate::new(num, den) }
    }

    #[test]
    fn a_rung_at_half_the_rate_has_half_the_frames() {
        let (grid, half) = (grid(120, 60_000, 1001), FrameRate::new(60_000, 1001).halved());
        assert_eq!(grid.frame_at(7, half.timescale(), half.frame_ticks()), 7 * 60);
        assert!(grid.meets(half.timescale(), half.frame_ticks()));
    }

    #[test]
    fn an_odd_segment_does_not_meet_half_the_rate() {
        let half = FrameRate::new(25, 1).halved();
        assert!(!grid(25, 25, 1).meets(half.timescale(), half.frame_ticks()));
    }

    #[test]
    fn audio_is_cut_at_the_nearest_frame() {
        let starts: Vec<_> = (0..4).map(|k| grid(60, 30, 1).frame_at(k, 48_000, AAC_FRAME_SAMPLES)).collect();
        assert_eq!(starts, [0, 94, 188, 281]);
        assert_eq!(grid(60, 30, 1).frames_max(48_000, AAC_FRAME_SAMPLES), 94);
    }

    proptest! {
        #[test]
        fn no_audio_cut_is_further_than_half_a_frame_from_the_boundary(
            rate in prop::sample::select(&FrameRate::STANDARD[..]), frames in 5_u32..600, k in 0_u64..100_000,
        ) {
            let grid = SegmentGrid { frames_per_segment: frames, frame_rate: rate };
            let (num, den) = (i128::from(rate.num), i128::from(rate.den));
            let cut = i128::from(grid.frame_at(k, 48_000, AAC_FRAME_SAMPLES)) * 1024 * num;
            let boundary = i128::from(k) * i128::from(frames) * den * 48_000;
            prop_assert!((cut - boundary).abs() * 2 <= 1024 * num);
            let next = grid.frame_at(k + 1, 48_000, AAC_FRAME_SAMPLES);
            let here = grid.frame_at(k, 48_000, AAC_FRAME_SAMPLES);
            prop_assert!(next - here <= grid.frames_max(48_000, AAC_FRAME_SAMPLES));
        }
    }
}
