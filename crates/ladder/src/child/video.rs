use std::sync::atomic::AtomicI64;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

use gstreamer as gst;
use gstreamer_app::AppSrc;
use weir_media::{Frame, VideoParams};

use super::ChildError;
use super::decode::{self, Regulator};
use super::encode;
use super::link::Link;
use super::pipeline::{self, Pipeline};
use crate::plan::{Plan, Preset};
use crate::wire::WireCounts;

/// The whole way of the picture: decoder, grid, scalers, encoders.
#[derive(Debug)]
pub(super) struct Video {
    coded: AppSrc,
    ended: Receiver<usize>,
    rungs: usize,
    // Dropped in this order, which is the way of the data: nothing is pushed into what has stopped.
    _decoder: Pipeline,
    _encoders: Pipeline,
}

impl Video {
    pub fn new(
        plan: &Plan,
        preset: Preset,
        video: &VideoParams,
        sound_lag: Arc<AtomicI64>,
        counts: Arc<Mutex<WireCounts>>,
        link: &Arc<Link>,
    ) -> Result<Self, ChildError> {
        let rungs = plan.encoded().count();
        let (ending, ended) = sync_channel(rungs);
        let (encoders, grid) = encode::encoders(plan, preset, &ending, link)?;
        let regulator = Regulator::new(plan, grid, sound_lag, counts, link);
        let (decoder, coded) = decode::decoder(video, regulator, link)?;
        Ok(Self { coded, ended, rungs, _decoder: decoder, _encoders: encoders })
    }

    /// Decodes a frame that is to be shown at `pts`, in ticks since instant 0. Waits while the encoders are behind.
    pub fn frame(&self, frame: Frame, pts: i64) -> Result<(), ChildError> {
        let mut buffer = gst::Buffer::from_slice(frame.data);
        if let Some(fields) = buffer.get_mut() {
            fields.set_pts(pipeline::to_clock(pts));
            if !frame.keyframe {
                fields.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        pipeline::push(&self.coded, buffer)
    }

    /// Waits until every frame has been encoded and written.
    pub fn finish(&self) -> Result<(), ChildError> {
        self.coded.end_of_stream().map_err(|e| ChildError::Pipeline(format!("decoder: {e}")))?;
        for _ in 0..self.rungs {
            self.ended.recv().map_err(|_| ChildError::Pipeline("encoders ended early".to_owned()))?;
        }
        Ok(())
    }
}
