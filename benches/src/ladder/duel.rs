//! Two contenders that run at once.

use anyhow::Result;

use super::CPU_UNIT;
use super::clip::Clip;
use super::spent::Spent;
use crate::report::Report;

const RATIO: &str = "CPU, ratio in each round";

/// Who is put beside whom.
pub struct Duel(pub &'static str, pub &'static str);

impl Duel {
    /// Notes what both took in one round.
    pub fn add(report: &mut Report, clip: &Clip, ours: (&'static str, &Spent), theirs: (&'static str, &Spent)) -> Self {
        let duel = Self(ours.0, theirs.0);
        for (contender, spent) in [ours, theirs] {
            duel.add_cpu(report, clip, contender, spent);
            report.add(contender, "peak memory", "MiB", spent.peak as f64 / f64::from(1 << 20));
        }
        report.add(&duel.name(), RATIO, "", ours.1.cpu.as_secs_f64() / theirs.1.cpu.as_secs_f64());
        duel
    }

    /// Notes what another took that belongs beside these.
    pub fn add_cpu(&self, report: &mut Report, clip: &Clip, contender: &str, spent: &Spent) {
        report.add(
            contender,
            &format!("CPU beside each other: {} and {}", self.0, self.1),
            CPU_UNIT,
            clip.share(spent),
        );
    }

    /// What the first takes of what the second takes.
    pub fn ratio(&self, report: &Report) -> Result<f64> {
        report.median(&self.name(), RATIO)
    }

    fn name(&self) -> String {
        format!("{} / {}", self.0, self.1)
    }
}
