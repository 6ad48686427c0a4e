use weir_media::{FrameRate, MEDIA_HZ};

/// Frames after which a declaration that agrees with the cadence is believed: 8 intervals, so that the rounding of
/// timestamps to milliseconds stays below 1 % at 60 frames a second.
const FRAMES_WHEN_DECLARED: usize = 9;
/// How far the measured cadence may lie from the declared one, in per mille.
const AGREE_PER_MILLE: u64 = 20;
/// Without a declaration: the span to measure. Long enough to tell 24 from 25 in spite of rounding.
const SPAN_TICKS: i64 = MEDIA_HZ * 3 / 4;
/// The longest wait: a slideshow of less than 9 frames in this span is decided with what there is.
const SPAN_TICKS_MAX: i64 = MEDIA_HZ * 2;
/// The most frames that are looked at, for sources whose timestamps do not advance.
const FRAMES_MAX: usize = 120;
/// Two rates this near, in per mille, cannot be told apart in a second: 29.97 and 30.
const TIE_PER_MILLE: u64 = 5;
/// When nothing at all is known.
const FALLBACK: FrameRate = FrameRate::new(30, 1);

/// Finds the frame rate of a source among [`FrameRate::STANDARD`] from the cadence of its first frames.
///
/// What the source declares (VUI timing) only picks among rates that the cadence confirms; encoders leave it out,
/// count fields, or lie. The caller's hint (container metadata) only decides between neighbours such as 29.97 and 30.
#[derive(Debug, Clone)]
pub struct RateFinder {
    declared: Option<FrameRate>,
    hint_millihertz: Option<u64>,
    dts: Vec<i64>,
}

impl RateFinder {
    /// `declared` is the rate of the SPS; `hint_millihertz` what the metadata said, in frames per 1000 seconds.
    pub fn new(declared: Option<FrameRate>, hint_millihertz: Option<u64>) -> Self {
        Self { declared, hint_millihertz, dts: Vec::new() }
    }

    /// Takes the decoding time of the next frame, in ticks of [`MEDIA_HZ`], and answers once the rate is certain:
    /// after 9 frames when the declaration agrees, after 0.75 s otherwise, after 2 s at the latest.
    pub fn push(&mut self, dts: i64) -> Option<FrameRate> {
        self.dts.push(dts);
        let first = *self.dts.first()?;
        let span = dts - first;
        let enough = self.dts.len() >= FRAMES_WHEN_DECLARED;
        if enough && let Some(agreed) = self.cadence().and_then(|cadence| self.agreed(cadence)) {
            return Some(agreed);
        }
        let over = span >= SPAN_TICKS_MAX || self.dts.len() >= FRAMES_MAX;
        (over || (enough && span >= SPAN_TICKS)).then(|| self.decide())
    }

    /// The best answer with what has been seen, for a caller that cannot wait longer.
    pub fn decide(&self) -> FrameRate {
        let Some(cadence) = self.cadence() else {
            let known = self.declared.map(FrameRate::millihertz).or(self.hint_millihertz);
            return known.map_or(FALLBACK, |millihertz| self.nearest(millihertz));
        };
        self.agreed(cadence).unwrap_or_else(|| self.nearest(cadence))
    }

    /// Mean frames per 1000 seconds over all intervals that are not holes.
    fn cadence(&self) -> Option<u64> {
        let intervals: Vec<i64> = self.dts.windows(2).map(|pair| pair[1] - pair[0]).filter(|&i| i > 0).collect();
        let mut sorted = intervals.clone();
        sorted.sort_unstable();
        let median = *sorted.get(sorted.len() / 2)?;
        let regular = intervals.iter().filter(|&&interval| interval * 2 < median * 3);
        let (count, sum) = regular.fold((0_i64, 0_i64), |(count, sum), interval| (count + 1, sum + interval));
        (sum > 0).then(|| ((MEDIA_HZ * 1000 * count + sum / 2) / sum) as u64)
    }

    /// The standard rate that the source declares, if the cadence confirms it. Some encoders count fields, or forget
    /// that a frame is two ticks, and so declare twice or half of what they send.
    fn agreed(&self, cadence: u64) -> Option<FrameRate> {
        let declared = self.declared?.millihertz();
        let meant =
            [declared, declared * 2, declared / 2].into_iter().find(|&rate| within(rate, cadence, AGREE_PER_MILLE))?;
        let rate = exactly_nearest(meant);
        within(rate.millihertz(), cadence, AGREE_PER_MILLE).then_some(rate)
    }

    /// The standard rate nearest to `millihertz`. Between neighbours the declaration, then the hint decides, then the whole number.
    fn nearest(&self, millihertz: u64) -> FrameRate {
        let best = exactly_nearest(millihertz);
        let tied = |rate: &FrameRate| within(rate.millihertz(), best.millihertz(), TIE_PER_MILLE);
        let candidates: Vec<FrameRate> = FrameRate::STANDARD.into_iter().filter(tied).collect();
        let hinted = self.hint_millihertz.map(exactly_nearest).filter(|hinted| candidates.contains(hinted));
        hinted.or_else(|| candidates.iter().copied().find(|rate| rate.den == 1)).unwrap_or(best)
    }
}

fn within(a: u64, b: u64, per_mille: u64) -> bool {
    a.abs_diff(b) * 1000 <= b * per_mille
}

fn exactly_nearest(millihertz: u64) -> FrameRate {
    FrameRate::STANDARD.into_iter().min_by_key(|rate| rate.millihertz().abs_diff(millihertz)).unwrap_or(FALLBACK)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// DTS of frame `n` as an encoder with millisecond timestamps writes it.
    fn dts(rate: FrameRate, n: i64) -> i64 {
        let (num, den) = (i64::from(rate.num), i64::from(rate.den));
        (n * 1000 * den + num / 2) / num * 90
    }

    fn find(declared: Option<FrameRate>, hint: Option<u64>, dts: impl Iterator<Item = i64>) -> (FrameRate, usize) {
        let mut finder = RateFinder::new(declared, hint);
        dts.enumerate().find_map(|(n, dts)| finder.push(dts).map(|rate| (rate, n + 1))).expect("bounded")
    }

    #[test]
    fn a_declaration_that_agrees_is_believed_after_nine_frames() {
        for rate in FrameRate::STANDARD {
            assert_eq!(find(Some(rate), None, (0..).map(|n| dts(rate, n))), (rate, 9), "{rate}");
        }
    }

    #[test]
    fn a_declaration_in_fields_is_halved_and_one_in_single_ticks_doubled() {
        let ntsc = FrameRate::new(30_000, 1001);
        for declared in [FrameRate::new(60_000, 1001), FrameRate::new(15_000, 1001)] {
            assert_eq!(find(Some(declared), None, (0..).map(|n| dts(ntsc, n))), (ntsc, 9));
        }
    }

    #[test]
    fn a_declaration_that_lies_is_not_believed() {
        let pal = FrameRate::new(25, 1);
        assert_eq!(find(Some(FrameRate::new(90_000, 1)), None, (0..).map(|n| dts(pal, n))).0, pal);
        assert_eq!(find(Some(FrameRate::new(30, 1)), Some(30_000), (0..).map(|n| dts(pal, n))).0, pal);
    }

    #[test]
    fn the_hint_decides_only_between_neighbours() {
        let (ntsc, thirty) = (FrameRate::new(30_000, 1001), FrameRate::new(30, 1));
        assert_eq!(find(None, Some(29_970), (0..).map(|n| dts(ntsc, n))).0, ntsc);
        assert_eq!(find(None, None, (0..).map(|n| dts(ntsc, n))).0, thirty);
        assert_eq!(find(None, Some(25_000), (0..).map(|n| dts(thirty, n))).0, thirty);
    }

    #[test]
    fn a_hole_in_the_first_frames_does_not_disturb() {
        let sixty = FrameRate::new(60, 1);
        let lossy = (0..).filter(|n| ![3, 4, 5, 6].contains(n)).map(|n| dts(sixty, n));
        assert_eq!(find(Some(sixty), None, lossy), (sixty, 9));
    }

    #[test]
    fn a_clock_that_stands_still_ends_in_the_declared_rate() {
        assert_eq!(find(Some(FrameRate::new(50, 1)), None, std::iter::repeat(7)), (FrameRate::new(50, 1), FRAMES_MAX));
        assert_eq!(find(None, None, std::iter::repeat(7)).0, FALLBACK);
    }

    proptest! {
        #[test]
        fn the_cadence_alone_tells_all_rates_but_neighbours(
            index in 0..FrameRate::STANDARD.len(),
            start in 0_i64..1 << 40,
            jitter in prop::collection::vec(-1_i64..=1, 130),
        ) {
            let rate = FrameRate::STANDARD[index];
            let noisy = (0..).map(|n| start + dts(rate, n) + 90 * jitter[n as usize % 130]);
            let (found, frames) = find(None, Some(rate.millihertz() + 1), noisy);
            prop_assert_eq!(found, rate);
            prop_assert!(frames <= 48);
        }

        #[test]
        fn no_timestamps_upset_it(dts in prop::collection::vec(-1_i64 << 40..1 << 40, 120), hint in any::<Option<u32>>()) {
            let (rate, _) = find(Some(FrameRate::new(1, u32::MAX)), hint.map(u64::from), dts.into_iter());
            prop_assert!(FrameRate::STANDARD.contains(&rate));
        }
    }
}
