//! Whether a source's own frames may be the best rendition of the ladder. Pure.

use weir_media::{Frame, FrameRate, MEDIA_HZ, TrackKind, VideoParams, nal_units};

use crate::grid::{FrameGrid, Placement};
use crate::plan::Plan;

/// How far the source may be above the rung's bit rate in the long run, in per cent: encoders that hold a rate hold it
/// within this.
const RATE_PERCENT_MAX: u64 = 110;
/// How much it may be ahead of that at any moment, in milliseconds of the rung's rate: the buffer that encoders are
/// told to keep to, and half as much again for those that count it differently.
const BURST_MS_MAX: u64 = 1500;
/// The longest distance of keyframes, in milliseconds: encoders are asked for one every two seconds. So long a source is
/// held back before it is known, and so much has to wait for the worker then.
const KEYFRAME_MS_MAX: u32 = 2500;
/// Parameter sets belong into the sample entry alone (ISO/IEC 14496-15, 5.4.2.1, `avc1`).
const NAL_SPS: u8 = 7;
const NAL_PPS: u8 = 8;

/// Why a source's own frames cannot be the best rendition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Players would see another picture than the rung promises.
    #[error("its picture is {found}, the rung's is {wanted}")]
    Picture {
        /// What the source sends.
        found: String,
        /// What the rung is.
        wanted: String,
    },
    /// Segments could not be cut at its keyframes.
    #[error("its keyframes come every {found} frames; {wanted}")]
    Interval {
        /// Frames between two keyframes.
        found: u64,
        /// What would do.
        wanted: String,
    },
    /// None came where a segment has to begin.
    #[error("its keyframes come every {found} frames or more; {wanted}")]
    NoKeyframe {
        /// Frames since the last one.
        found: u64,
        /// What would do.
        wanted: String,
    },
    /// A keyframe came early or did not come.
    #[error("its keyframes came every {wanted} frames and now after {found}")]
    Unsteady {
        /// Frames between keyframes so far.
        wanted: u64,
        /// Frames since the last one.
        found: u64,
    },
    /// It takes more than the rung may.
    #[error("it sends more than the rung's {kbps} kbps")]
    Rate {
        /// The rung's bit rate.
        kbps: u32,
    },
    /// A frame is missing, or one too many: the other rungs can be mended, this one cannot.
    #[error("its frames do not come at {rate} a second without a hole")]
    Cadence {
        /// The rate it was found to have.
        rate: String,
    },
    /// Frames are shown before the keyframe they come after, or two at once.
    #[error("its groups of pictures are not closed")]
    Open,
    /// Parameter sets stand among the frames.
    #[error("its keyframes carry parameter sets of their own")]
    ParameterSets,
}

/// Looks at every frame of a source, in decoding order, and says when it is no longer fit to be copied.
///
/// It is fit while its pictures are the rung's, come one by one at the rate of the grid, in closed groups of equal length
/// that make up whole segments and parts, at no more than the rung's bit rate.
#[derive(Debug)]
pub struct CopyWatch {
    rate: FrameRate,
    kbps: u32,
    nal_length_size: u8,
    frames_per_segment: u64,
    /// The most frames from one keyframe to the next.
    every_max: u64,
    /// A keyframe must be the first of its part, and of a frame of every rung.
    keyframe_unit: u64,
    grid: FrameGrid,
    first_dts: Option<i64>,
    first_composition: i64,
    frames: u64,
    group_start: u64,
    /// Which frames of the running group are shown, from its keyframe on.
    shown: Vec<bool>,
    every: Option<u64>,
    /// Bits ahead of the allowed rate.
    ahead: u64,
    too_much: bool,
}

impl CopyWatch {
    /// A watch over a source of `video` for the best rung of `plan`, whose parts have `frames_per_part` frames of the
    /// plan's rate.
    ///
    /// # Errors
    /// Its picture alone rules it out.
    pub fn new(plan: &Plan, video: &VideoParams, frames_per_part: u32) -> Result<Self, Unfit> {
        let sps = &video.sps;
        let Some(best) = plan.rungs.first() else { return Err(Unfit::Open) };
        let progressive_8_bit = !sps.interlaced && sps.bit_depth == 8 && sps.chroma_format_idc == 1;
        let square = sps.sample_aspect.0 == sps.sample_aspect.1;
        if (sps.width, sps.height) != (best.width, best.height) || !progressive_8_bit || !square || best.frame_step != 1
        {
            let mut found = format!("{}x{} at {}", sps.width, sps.height, plan.frame_rate);
            for (odd, what) in [
                (sps.interlaced, "interlaced"),
                (!square, "not in square pixels"),
                (sps.bit_depth != 8, "not 8 bits deep"),
                (sps.chroma_format_idc != 1, "not 4:2:0"),
            ] {
                if odd {
                    found += &format!(", {what}");
                }
            }
            let wanted = format!("{}x{} at {}", best.width, best.height, best.frame_rate);
            return Err(Unfit::Picture { found, wanted });
        }
        let step = plan.rungs.iter().map(|rung| rung.frame_step).max().unwrap_or(1);
        Ok(Self {
            rate: plan.frame_rate,
            kbps: best.kbps,
            nal_length_size: video.nal_length_size,
            frames_per_segment: plan.frames_per_segment.into(),
            every_max: plan.frames_per_segment.min(plan.frame_rate.frames_in_millis(KEYFRAME_MS_MAX)).into(),
            keyframe_unit: least_common_multiple(step, frames_per_part.max(1)),
            grid: FrameGrid::new(plan.frame_rate),
            first_dts: None,
            first_composition: 0,
            frames: 0,
            group_start: 0,
            shown: Vec::new(),
            every: None,
            ahead: 0,
            too_much: false,
        })
    }

    /// The source was watched before, and its keyframes came every `frames`.
    pub fn expect_keyframes(&mut self, frames: u32) {
        self.every = Some(frames.into());
    }

    /// How many frames there are from one keyframe to the next; known from the second keyframe on.
    pub fn frames_per_keyframe(&self) -> Option<u32> {
        self.every.map(|every| every as u32)
    }

    /// Takes the next frame, with its times in ticks of [`MEDIA_HZ`] since the first picture. Sound is none of its business.
    ///
    /// # Errors
    /// The source is not fit, or no longer. Where the frame is a keyframe everything before it was fit.
    pub fn frame(&mut self, frame: &Frame) -> Result<(), Unfit> {
        if frame.kind != TrackKind::Video {
            return Ok(());
        }
        let composition = composition_frames(frame, self.rate);
        let first_dts = *self.first_dts.get_or_insert_with(|| {
            self.first_composition = composition;
            frame.dts
        });
        if frame.keyframe {
            self.keyframe(frame)?;
        } else if self.frames - self.group_start >= self.every.unwrap_or(self.every_max) {
            return Err(self.late());
        }
        self.one_by_one(frame.dts - first_dts)?;
        self.order(composition - self.first_composition)?;
        self.count_bits(frame.data.len());
        self.frames += 1;
        Ok(())
    }

    fn keyframe(&mut self, frame: &Frame) -> Result<(), Unfit> {
        let set = |nal: &[u8]| nal.first().is_some_and(|header| [NAL_SPS, NAL_PPS].contains(&(header & 0x1f)));
        if nal_units(&frame.data, self.nal_length_size).any(set) {
            return Err(Unfit::ParameterSets);
        }
        let found = self.frames - self.group_start;
        if self.frames > 0 {
            match self.every {
                Some(every) if every != found => return Err(Unfit::Unsteady { wanted: every, found }),
                Some(_) => {}
                None => self.every = Some(self.interval(found)?),
            }
        }
        if self.too_much {
            return Err(Unfit::Rate { kbps: self.kbps });
        }
        if self.shown.len() as u64 != found || self.shown.contains(&false) {
            return Err(Unfit::Open);
        }
        self.shown.clear();
        self.group_start = self.frames;
        Ok(())
    }

    fn interval(&self, found: u64) -> Result<u64, Unfit> {
        if self.is_fit(found) { Ok(found) } else { Err(Unfit::Interval { found, wanted: self.wanted() }) }
    }

    fn late(&self) -> Unfit {
        let found = self.frames - self.group_start + 1;
        match self.every {
            Some(wanted) => Unfit::Unsteady { wanted, found },
            None => Unfit::NoKeyframe { found, wanted: self.wanted() },
        }
    }

    fn wanted(&self) -> String {
        let fit: Vec<String> =
            (1..=self.every_max).filter(|every| self.is_fit(*every)).map(|every| every.to_string()).collect();
        if fit.is_empty() {
            "no distance fits these segments".to_owned()
        } else {
            format!("{} would do", fit.join(" or "))
        }
    }

    /// Whether keyframes at this distance begin every segment, stand first in a part, and are frames of every rung. Where
    /// each is a segment's first they need not fit the parts.
    fn is_fit(&self, every: u64) -> bool {
        let segments = self.frames_per_segment.is_multiple_of(every) && every <= self.every_max;
        segments && (every == self.frames_per_segment || every.is_multiple_of(self.keyframe_unit))
    }

    /// Every frame is the next of the grid, no other way than the grid of the encoded rungs sees it.
    fn one_by_one(&mut self, dts: i64) -> Result<(), Unfit> {
        match self.grid.place(dts, 0) {
            Ok(Placement::Show { fill: 0, .. }) => Ok(()),
            _ => Err(Unfit::Cadence { rate: self.rate.to_string() }),
        }
    }

    /// Notes which frame of its group is shown at this place; no other may be, and none of another group.
    fn order(&mut self, composition: i64) -> Result<(), Unfit> {
        let place = (self.frames - self.group_start) as i64 + composition;
        let place = usize::try_from(place).map_err(|_| Unfit::Open)?;
        if place as u64 >= self.frames_per_segment {
            return Err(Unfit::Open);
        }
        if self.shown.len() <= place {
            self.shown.resize(place + 1, false);
        }
        if std::mem::replace(&mut self.shown[place], true) { Err(Unfit::Open) } else { Ok(()) }
    }

    /// A leaky bucket. What is too much does no harm before the next keyframe, at which nothing is lost by ending.
    fn count_bits(&mut self, bytes: usize) {
        let bits_per_second = u64::from(self.kbps) * 1000 * RATE_PERCENT_MAX / 100;
        let allowed = bits_per_second * u64::from(self.rate.den) / u64::from(self.rate.num);
        self.ahead = (self.ahead + bytes as u64 * 8).saturating_sub(allowed);
        self.too_much |= self.ahead > u64::from(self.kbps) * BURST_MS_MAX;
    }
}

/// How many frames after its decoding a frame of the source is shown.
pub(crate) fn composition_frames(frame: &Frame, rate: FrameRate) -> i64 {
    nearest_frame(frame.pts.saturating_sub(frame.dts), rate)
}

/// The number of frames that is nearest to `ticks` of [`MEDIA_HZ`].
pub(crate) fn nearest_frame(ticks: i64, rate: FrameRate) -> i64 {
    let per_frame = MEDIA_HZ * i64::from(rate.den);
    ticks.saturating_mul(i64::from(rate.num)).saturating_add(per_frame / 2).div_euclid(per_frame)
}

fn least_common_multiple(a: u32, b: u32) -> u64 {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    u64::from(a) * u64::from(b / x.max(1))
}

#[cfg(test)]
mod tests;
