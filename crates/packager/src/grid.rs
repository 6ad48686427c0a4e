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

/// The shortest rest of a segment that is published as a part: below it there might be no frame of audio to go with it.
const REST_MS_MIN: u64 = 25;

/// The least length of a part of video that is not the last of its segment, in per cent of PART-TARGET: rfc8216bis
/// 4.4.4.9 wants 85, which audio that goes with it and is cut up to a frame earlier must have too.
const PART_PERCENT_MIN: u64 = 90;

/// Whether a rate can be reckoned with: `FrameRate::timescale` multiplies its terms by 1000.
pub(crate) fn is_usable(rate: FrameRate) -> bool {
    (1..=TERM_MAX).contains(&rate.num) && (1..=TERM_MAX).contains(&rate.den)
}

impl SegmentGrid {
    /// Whether the grid can be reckoned with.
    pub(crate) fn is_usable(self) -> bool {
        is_usable(self.frame_rate) && (1..=TERM_MAX).contains(&self.frames_per_segment)
    }

    /// The frame of a track that starts nearest to `frame` of the source's rate, when every frame of the track lasts
    /// `frame_ticks` of `timescale`.
    pub(crate) fn nearest(self, frame: u64, timescale: u32, frame_ticks: u32) -> u64 {
        let ticks = u128::from(frame) * u128::from(self.frame_rate.den) * u128::from(timescale);
        let per = u128::from(self.frame_rate.num) * u128::from(frame_ticks.max(1));
        ((2 * ticks + per) / (2 * per)) as u64
    }

    /// The frame of a track that starts nearest to boundary `k` between segments.
    #[cfg(test)]
    fn frame_at(self, k: u64, timescale: u32, frame_ticks: u32) -> u64 {
        self.nearest(k * u64::from(self.frames_per_segment), timescale, frame_ticks)
    }

    /// Frames of the source's rate in one part: as many as a PART-TARGET of `target_ms` holds, or somewhat less when the
    /// rest of the segment would be too short for a part. Above 40 fps an even number, for there may be rungs at half
    /// the rate.
    pub(crate) fn frames_per_part(self, target_ms: u32) -> u32 {
        let (num, den) = (u64::from(self.frame_rate.num), u64::from(self.frame_rate.den));
        let step = if num > 40 * den { 2 } else { 1 };
        let most = (u64::from(target_ms) * num / (1000 * den)).clamp(1, u64::from(self.frames_per_segment)) as u32;
        let rest_is_long_enough = |frames: &u32| {
            let rest = u64::from(self.frames_per_segment % frames);
            rest == 0 || rest * 1000 * den >= REST_MS_MIN * num
        };
        let least = (u64::from(target_ms) * num * PART_PERCENT_MIN).div_ceil(100_000 * den) as u32;
        let fitting = (least..=most).rev().filter(|frames| frames % step == 0).find(rest_is_long_enough);
        fitting.unwrap_or((most / step * step).max(1))
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

    #[test]
    fn parts_are_as_long_as_the_target_allows() {
        let parts = |frames, num, den| {
            let grid = grid(frames, num, den);
            let part = grid.frames_per_part(512);
            (part, frames.div_ceil(part))
        };
        assert_eq!(parts(60, 30, 1), (15, 4));
        assert_eq!(parts(60, 30_000, 1001), (15, 4));
        assert_eq!(parts(120, 60, 1), (30, 4));
        assert_eq!(parts(48, 24, 1), (12, 4));
        assert_eq!(parts(50, 25, 1), (12, 5));
        assert_eq!(parts(100, 50, 1), (24, 5));
        assert_eq!(parts(61, 30, 1), (15, 5));
        // Two frames would remain, less than one of audio.
        assert_eq!(parts(122, 120, 1), (58, 3));
        assert_eq!(parts(15, 30, 1), (15, 1));
    }

    proptest! {
        #[test]
        fn parts_keep_to_the_target_in_every_rendition(
            rate in prop::sample::select(&FrameRate::STANDARD[..]), segment_ms in 500_u32..6000,
        ) {
            let frames = (u64::from(segment_ms) * u64::from(rate.num) / u64::from(rate.den) / 1000).max(1) as u32;
            let grid = grid(frames.next_multiple_of(2), rate.num, rate.den);
            let per_part = u64::from(grid.frames_per_part(512));
            let mut tracks = vec![(rate.timescale(), rate.frame_ticks()), (48_000, AAC_FRAME_SAMPLES)];
            if rate.num > 40 * rate.den {
                tracks.push((rate.halved().timescale(), rate.halved().frame_ticks()));
            }
            for (timescale, ticks) in tracks {
                let total = u64::from(grid.frames_per_segment);
                for k in 0..50 {
                    let cuts: Vec<_> = (0..=total.div_ceil(per_part))
                        .map(|p| grid.nearest(k * total + (p * per_part).min(total), timescale, ticks))
                        .collect();
                    let micros = |pair: &[u64]| (pair[1] - pair[0]) * u64::from(ticks) * 1_000_000 / u64::from(timescale);
                    for (at, part) in cuts.windows(2).map(micros).enumerate() {
                        prop_assert!(part > 0 && part <= 512_000, "{part}");
                        prop_assert!(at + 2 == cuts.len() || part >= 435_200, "{part}");
                    }
                }
            }
        }

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
