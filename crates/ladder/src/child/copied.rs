use std::sync::Arc;

use weir_media::{Frame, FrameRate, VideoParams};

use super::ChildError;
use super::link::Link;
use crate::copy::{composition_frames, nearest_frame};
use crate::plan::Plan;
use crate::wire::{WireFormat, from_worker};

/// The number of the best rung.
const BEST: usize = 0;

/// The best rung where it is the source's own frames: given back as they came, on the exact times of the grid. That they
/// are fit for it was seen before they came here ([`CopyWatch`](crate::CopyWatch)).
#[derive(Debug)]
pub(super) struct Copied {
    frame_rate: FrameRate,
    link: Arc<Link>,
    first_dts: Option<i64>,
    frames: i64,
}

impl Copied {
    pub fn new(plan: &Plan, source: &VideoParams, link: &Arc<Link>) -> Result<Self, ChildError> {
        let format = WireFormat { rendition: BEST, avcc: Some(source.avcc.to_vec()) };
        link.control(from_worker::FORMAT, &format)?;
        Ok(Self { frame_rate: plan.frame_rate, link: Arc::clone(link), first_dts: None, frames: 0 })
    }

    pub fn frame(&mut self, frame: &Frame) -> Result<(), ChildError> {
        self.check(frame.dts)?;
        let ticks = i64::from(self.frame_rate.frame_ticks());
        let dts = self.frames * ticks;
        let pts = dts + composition_frames(frame, self.frame_rate) * ticks;
        self.link.reordered_frame(BEST, frame.keyframe, (dts, pts), &frame.data)?;
        self.frames += 1;
        Ok(())
    }

    /// What found no room in the queue before the worker is a hole, behind which this rung would run ahead of the others:
    /// theirs is filled with still pictures.
    fn check(&mut self, dts: i64) -> Result<(), ChildError> {
        let since = dts - *self.first_dts.get_or_insert(dts);
        let found = nearest_frame(since, self.frame_rate);
        if (found - self.frames).abs() <= 1 {
            return Ok(());
        }
        let wanted = self.frames;
        Err(ChildError::Pipeline(format!(
            "frame {found} of a source that is copied came in the place of frame {wanted}"
        )))
    }
}
