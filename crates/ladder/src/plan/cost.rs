//! What a ladder takes of a machine. Pure.

use weir_media::SpsInfo;

use super::{Plan, Preset, Rung};

/// Cost of decoding a macroblock of the source, in thousandths of encoding one at `superfast`; measured.
const DECODE_MILLI: u64 = 400;
/// Cost of scaling, for each macroblock of the picture that is scaled: an estimate, from its share in the profile of a
/// 1080p ladder (6 %).
const SCALE_MILLI: u64 = 60;
/// Threads that one x264 encoder gains from at these sizes.
pub(crate) const THREADS_MAX: u64 = 6;

/// How fast a machine encodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineSpeed {
    /// CPU time that x264 takes for a macroblock at `superfast`, in nanoseconds.
    pub ns_per_macroblock: u32,
    /// Processors that this process may use.
    pub cores: u32,
}

impl Plan {
    /// What this ladder takes at each preset that an automatic choice is made among, fastest first, in thousandths of a
    /// processor, when made of a source of `sps`. `None` where a rung would not keep real time on any number of processors.
    pub fn costs(&self, sps: &SpsInfo, speed: MachineSpeed) -> [Option<u32>; Preset::AUTOMATIC] {
        let threads = u64::from(speed.cores).min(THREADS_MAX);
        let milli = |ns_per_second: u64| u32::try_from(ns_per_second / 1_000_000).unwrap_or(u32::MAX);
        let ns = |macroblocks: u64, cost: u64| macroblocks * cost / 1000 * u64::from(speed.ns_per_macroblock);
        let source = macroblocks(sps.width, sps.height) * self.frame_rate.millihertz() / 1000;
        let base = if self.encoded().next().is_some() { ns(source, DECODE_MILLI) } else { 0 };
        let scaled = self.encoded().fold((source, 0), |(from, sum), (_, rung)| (rung_macroblocks(rung), sum + from)).1;
        Preset::automatic().map(|preset| {
            let rungs = || self.encoded().map(|(_, rung)| ns(rung_macroblocks(rung), preset.cost_milli()));
            let in_time = rungs().all(|rung| u64::from(milli(rung)) <= threads * 1000);
            in_time.then(|| milli(base + ns(scaled, SCALE_MILLI) + rungs().sum::<u64>()))
        })
    }
}

fn rung_macroblocks(rung: &Rung) -> u64 {
    macroblocks(rung.width, rung.height) * rung.frame_rate.millihertz() / 1000
}

pub(crate) fn macroblocks(width: u32, height: u32) -> u64 {
    u64::from(width.div_ceil(16)) * u64::from(height.div_ceil(16))
}

#[cfg(test)]
mod tests {
    use weir_media::FrameRate;

    use super::super::{DeclaredInput, default_rungs, plan};
    use super::*;

    fn sps(width: u32, height: u32) -> SpsInfo {
        let (sample_aspect, declared_rate) = ((1, 1), None);
        SpsInfo { width, height, sample_aspect, declared_rate, interlaced: false, bit_depth: 8, chroma_format_idc: 1 }
    }

    #[test]
    fn slower_presets_take_more_and_a_copied_rung_takes_nothing() {
        let speed = MachineSpeed { ns_per_macroblock: 2000, cores: 4 };
        let source = sps(1920, 1080);
        let mut ladder = plan(DeclaredInput::P1080, &default_rungs(), &source, FrameRate::new(30, 1), 2000);
        let whole = ladder.costs(&source, speed);
        assert!(whole.windows(2).all(|pair| pair[0] < pair[1] || pair[1].is_none()), "{whole:?}");
        // 244,800 macroblocks a second decoded, 380,400 encoded, and a little for scaling.
        assert_eq!(whole[Preset::SUPERFAST.index()], Some(1028));
        ladder.copy_best(60);
        assert_eq!(ladder.costs(&source, speed)[Preset::SUPERFAST.index()], Some(509));
        ladder.shed_best();
        ladder.shed_best();
        assert_eq!((ladder.rungs.len(), ladder.costs(&source, speed)[0]), (1, Some(0)));
    }

    #[test]
    fn no_number_of_processors_makes_one_encoder_faster_than_its_threads() {
        let costs = plan(DeclaredInput::P1080, &default_rungs(), &sps(1920, 1080), FrameRate::new(60, 1), 2000)
            .costs(&sps(1920, 1080), MachineSpeed { ns_per_macroblock: 2000, cores: 128 });
        assert!(costs[0].is_some());
        assert_eq!(costs[Preset::AUTOMATIC - 1], None);
    }
}
