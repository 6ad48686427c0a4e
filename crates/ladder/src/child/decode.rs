use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;
use gstreamer_video as gst_video;
use weir_media::{FrameRate, VideoParams};

use super::ChildError;
use super::elements::decode_errors;
use super::link::Link;
use super::pipeline::{self, Pipeline, SINK, SOURCE};
use crate::grid::{FrameGrid, Placement};
use crate::plan::Plan;
use crate::wire::{WireCounts, from_worker};

/// Builds the decoder, whose pictures go through `regulator` on to the encoders.
pub(super) fn decoder(
    video: &VideoParams,
    mut regulator: Regulator,
    link: &Arc<Link>,
) -> Result<(Pipeline, AppSrc), ChildError> {
    // One thread: threads by frame would add their number of frames to the delay, and sources that are cut in slices are rare.
    // max-errors=-1: a picture that cannot be decoded is no reason to stop.
    let description =
        format!("appsrc name=coded {SOURCE} ! avdec_h264 max-threads=1 max-errors=-1 ! appsink name=pictures {SINK}");
    let pipeline = Pipeline::parse("decoder", &description, link)?;
    let source = pipeline.source("coded")?;
    let caps = gst::Caps::builder("video/x-h264")
        .field("stream-format", "avc")
        .field("alignment", "au")
        .field("codec_data", gst::Buffer::from_slice(video.avcc.clone()))
        .field("width", video.sps.width as i32)
        .field("height", video.sps.height as i32)
        .build();
    source.set_caps(Some(&caps));
    if let Some(pad) = pipeline.element::<gst::Element>("pictures")?.static_pad("sink") {
        pipeline::accept_padded_pictures(&pad);
    }
    let end = regulator.output.clone();
    pipeline.on_sample(
        "pictures",
        link,
        move |sample| regulator.picture(sample),
        move || {
            let _ = end.end_of_stream();
        },
    )?;
    pipeline.play()?;
    Ok((pipeline, source))
}

/// Puts decoded pictures on the plan's grid and marks the cuts. Pictures are handed on, never copied.
#[derive(Debug)]
pub(super) struct Regulator {
    grid: FrameGrid,
    frame_rate: FrameRate,
    frames_per_keyframe: u64,
    output: AppSrc,
    sound_lag: Arc<AtomicI64>,
    link: Arc<Link>,
    counts: Arc<std::sync::Mutex<WireCounts>>,
    caps: Option<gst::Caps>,
    last: Option<gst::Buffer>,
}

impl Regulator {
    pub fn new(
        plan: &Plan,
        output: AppSrc,
        sound_lag: Arc<AtomicI64>,
        counts: Arc<std::sync::Mutex<WireCounts>>,
        link: &Arc<Link>,
    ) -> Self {
        Self {
            grid: FrameGrid::new(plan.frame_rate),
            frame_rate: plan.frame_rate,
            frames_per_keyframe: u64::from(plan.frames_per_keyframe),
            output,
            sound_lag,
            link: Arc::clone(link),
            counts,
            caps: None,
            last: None,
        }
    }

    fn picture(&mut self, sample: &gst::Sample) -> Result<(), ChildError> {
        let picture =
            sample.buffer_owned().ok_or_else(|| ChildError::Pipeline("a picture without bytes".to_owned()))?;
        let Some(pts) = picture.pts().map(pipeline::to_ticks) else { return Ok(()) };
        if let Some(caps) = sample.caps().filter(|caps| self.caps.as_deref() != Some(*caps)) {
            self.set_caps(caps);
        }
        let shift = self.sound_lag.load(Ordering::Relaxed);
        let placement = self.grid.place(pts, shift).map_err(|e| ChildError::Pipeline(e.to_string()))?;
        let Placement::Show { index, fill } = placement else { return Ok(()) };
        for missing in index - fill..index {
            // Before the first picture there is no last one: the first is shown early.
            let still = self.last.as_ref().unwrap_or(&picture).copy();
            self.show(missing, still)?;
        }
        self.last = Some(picture.clone());
        self.show(index, picture)
    }

    /// The pictures' caps with the exact rate of the grid. What is coded as fields is encoded as it is decoded, in
    /// whole pictures.
    fn set_caps(&mut self, caps: &gst::CapsRef) {
        let mut ours = caps.to_owned();
        let rate = gst::Fraction::new(self.frame_rate.num as i32, self.frame_rate.den as i32);
        if let Some(structure) = ours.make_mut().structure_mut(0) {
            structure.set("framerate", rate);
            structure.set("interlace-mode", "progressive");
            structure.remove_field("field-order");
            // What the source leaves unsaid is said here, once: every scaler would otherwise take it from the size of its own
            // picture and convert HD colours to SD ones, which costs as much as the scaling and shifts them in players.
            if let Ok(info) = gst_video::VideoInfo::from_caps(caps)
                && !structure.has_field("colorimetry")
            {
                structure.set("colorimetry", info.colorimetry().to_string());
            }
        }
        self.output.set_caps(Some(&ours));
        self.caps = Some(caps.to_owned());
    }

    fn show(&mut self, index: u64, mut picture: gst::Buffer) -> Result<(), ChildError> {
        let at = frame_time(index, self.frame_rate);
        if index.is_multiple_of(self.frames_per_keyframe) {
            // Without a time: it holds for the picture that follows it through the queues. Given a time, the encoder base
            // class of GStreamer 1.22 compares it with x264enc's own clock, which starts at 1000 hours.
            let cut = gst_video::DownstreamForceKeyUnitEvent::builder().all_headers(false).build();
            self.output.send_event(cut);
        }
        if index.is_multiple_of(u64::from(self.frame_rate.num.div_ceil(self.frame_rate.den))) {
            self.report()?;
        }
        let buffer = picture.make_mut();
        buffer.set_pts(at);
        buffer.set_dts(gst::ClockTime::NONE);
        buffer.set_duration(frame_time(1, self.frame_rate));
        pipeline::push(&self.output, picture)
    }

    /// Sends the counts; about once a second of media.
    fn report(&self) -> Result<(), ChildError> {
        let counts = {
            let mut counts = self.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            counts.duplicated = self.grid.duplicated();
            counts.dropped = self.grid.dropped();
            counts.decode_errors = decode_errors();
            *counts
        };
        Ok(self.link.control(from_worker::COUNTS, &counts)?)
    }
}

/// The time at which frame `index` of a grid begins.
pub(super) fn frame_time(index: u64, rate: FrameRate) -> gst::ClockTime {
    let ns = u128::from(index) * 1_000_000_000 * u128::from(rate.den) / u128::from(rate.num);
    gst::ClockTime::from_nseconds(ns as u64)
}
