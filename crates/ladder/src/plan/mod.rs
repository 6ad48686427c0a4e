//! Which rungs to make of an input and where to cut. Pure.

mod cost;
mod preset;
mod rungs;
mod size;

use std::fmt;

use serde::{Deserialize, Serialize};
use weir_media::{FrameRate, SpsInfo};

pub use cost::MachineSpeed;
pub(crate) use cost::{THREADS_MAX, macroblocks};
pub use preset::{Preset, UnknownPreset};
pub use rungs::{DeclaredInput, Profile, RungSpec, default_rungs};
use size::{Size, display_size, fit, fits};

/// Frame rates above this many millihertz get the higher bit rate of a rung.
const HIGH_RATE_MILLIHERTZ: u64 = 30_000;

/// One rendition to encode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// Name of the rendition, for example `720p`.
    pub name: String,
    /// Width in pixels, even.
    pub width: u32,
    /// Height in pixels, even.
    pub height: u32,
    /// Frames a second: the plan's rate, or that divided by [`frame_step`](Self::frame_step).
    #[serde(with = "rate_as_pair")]
    pub frame_rate: FrameRate,
    /// Every how many frames of the plan's rate one is shown: 1, or a power of two.
    pub frame_step: u32,
    /// Bit rate, which is also the VBV's, in kbps.
    pub kbps: u32,
    /// H.264 profile.
    pub profile: Profile,
}

/// What the ladder makes of one input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// At least one rung, best first; the index is the rendition's number.
    pub rungs: Vec<Rung>,
    /// Rate of the grid the source's frames are put on.
    #[serde(with = "rate_as_pair")]
    pub frame_rate: FrameRate,
    /// Frames of [`frame_rate`](Self::frame_rate) in a segment; a multiple of every rung's `frame_step`.
    pub frames_per_segment: u32,
    /// Frames from one keyframe to the next, in all rungs alike; divides `frames_per_segment`.
    pub frames_per_keyframe: u32,
    /// The best rung is not encoded: it is the source's own frames.
    pub copies_best: bool,
    /// Set when the picture is not of the declared size.
    pub mismatch: Option<Mismatch>,
}

impl Plan {
    /// The number of the audio rendition: one behind the video rungs.
    pub fn audio_rendition(&self) -> usize {
        self.rungs.len()
    }

    /// Lets the best rung be the source's own frames, whose keyframes come every `frames`.
    pub fn copy_best(&mut self, frames: u32) {
        (self.copies_best, self.frames_per_keyframe) = (true, frames);
    }

    /// Takes the best of the rungs that cost something away, if another rung remains.
    pub fn shed_best(&mut self) -> Option<Rung> {
        let (index, _) = self.encoded().next()?;
        (self.rungs.len() > 1).then(|| self.rungs.remove(index))
    }

    /// The rungs that are encoded, with their numbers.
    pub fn encoded(&self) -> impl DoubleEndedIterator<Item = (usize, &Rung)> {
        self.rungs.iter().enumerate().skip(usize::from(self.copies_best))
    }
}

/// A picture that is larger or smaller than the operator declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// What was declared.
    pub declared: DeclaredInput,
    /// Measured width in square pixels.
    pub width: u32,
    /// Measured height in square pixels.
    pub height: u32,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { declared, width, height } = self;
        let (upright_w, upright_h) = (width.max(height), width.min(height));
        let effect = if *upright_w > declared.width() || *upright_h > declared.height() {
            "the surplus is scaled away"
        } else {
            "rungs above the real picture are left out"
        };
        write!(
            f,
            "the encoder sends {width}x{height}, declared was {declared} ({}x{}): {effect}",
            declared.width(),
            declared.height()
        )
    }
}

/// Plans the ladder for a picture of `sps` at `frame_rate`, cut every `segment_ms` or as near as whole frames allow.
///
/// The declared input limits the rungs by height, the real picture decides which of those it can fill: nothing
/// is ever enlarged. Aspect is kept, pixels become square. A picture smaller than every rung gets one rung of
/// its own size under the name of the lowest.
pub fn plan(
    declared: DeclaredInput,
    specs: &[RungSpec],
    sps: &SpsInfo,
    frame_rate: FrameRate,
    segment_ms: u32,
) -> Plan {
    let picture = display_size(sps);
    let declared_box = Size { width: declared.width(), height: declared.height() };
    let mut allowed: Vec<RungSpec> = specs.iter().filter(|spec| spec.height <= declared.height()).cloned().collect();
    allowed.sort_by_key(|spec| std::cmp::Reverse((spec.height, spec.kbps)));
    let mut rungs: Vec<Rung> = allowed
        .iter()
        .map(|spec| (spec, Size { width: spec.width, height: spec.height }))
        .filter(|&(_, area)| fits(picture, area))
        .map(|(spec, area)| rung(spec, fit(picture, area), frame_rate))
        .collect();
    if rungs.is_empty() {
        let mut fallback = if specs.is_empty() { default_rungs() } else { specs.to_vec() };
        fallback.sort_by_key(|spec| spec.height);
        rungs.extend(fallback.first().map(|lowest| rung(lowest, fit(picture, declared_box), frame_rate)));
    }
    let step = rungs.iter().map(|rung| rung.frame_step).max().unwrap_or(1);
    let frames = frame_rate.frames_in_millis(segment_ms);
    let frames_per_segment = ((frames + step / 2) / step).max(1) * step;
    let mismatch = (!size::matches(picture, declared_box)).then_some(Mismatch {
        declared,
        width: picture.width,
        height: picture.height,
    });
    let frames_per_keyframe = frames_per_segment;
    Plan { rungs, frame_rate, frames_per_segment, frames_per_keyframe, copies_best: false, mismatch }
}

fn rung(spec: &RungSpec, size: Size, source_rate: FrameRate) -> Rung {
    let (mut frame_rate, mut frame_step) = (source_rate, 1);
    while spec.fps_max.is_some_and(|max| frame_rate.millihertz() > u64::from(max.max(1)) * 1000) {
        frame_rate = frame_rate.halved();
        frame_step *= 2;
    }
    let kbps = if frame_rate.millihertz() > HIGH_RATE_MILLIHERTZ { spec.kbps_high } else { spec.kbps };
    Rung {
        name: spec.name.clone(),
        width: size.width,
        height: size.height,
        frame_rate,
        frame_step,
        kbps,
        profile: spec.profile,
    }
}

/// A frame rate on the wire: numerator and denominator.
mod rate_as_pair {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use weir_media::FrameRate;

    pub fn serialize<S: Serializer>(rate: &FrameRate, to: S) -> Result<S::Ok, S::Error> {
        (rate.num, rate.den).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<FrameRate, D::Error> {
        <(u32, u32)>::deserialize(from).map(|(num, den)| FrameRate::new(num, den))
    }
}

#[cfg(test)]
mod tests;
