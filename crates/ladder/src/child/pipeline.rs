use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc};
use gstreamer_video as gst_video;
use weir_media::MEDIA_HZ;

use super::ChildError;
use super::link::Link;

/// A running pipeline. Its errors end the process; dropping it stops it.
#[derive(Debug)]
pub(super) struct Pipeline {
    pipeline: gst::Pipeline,
}

impl Pipeline {
    /// Builds what `description` says. `name` is for error texts.
    pub fn parse(name: &'static str, description: &str, link: &Arc<Link>) -> Result<Self, ChildError> {
        let failed = |why: String| ChildError::Pipeline(format!("{name}: {why}"));
        let element = gst::parse::launch(description).map_err(|e| failed(e.to_string()))?;
        let pipeline = element.downcast::<gst::Pipeline>().map_err(|e| failed(format!("{e:?} is no pipeline")))?;
        let link = Arc::clone(link);
        let bus = pipeline.bus().ok_or_else(|| failed("no bus".to_owned()))?;
        bus.set_sync_handler(move |_, message| {
            if let gst::MessageView::Error(error) = message.view() {
                let source = error.src().map_or_else(String::new, |source| source.name().to_string());
                link.fatal(&format!("{name}: {source}: {}", error.error()));
            }
            gst::BusSyncReply::Drop
        });
        Ok(Self { pipeline })
    }

    pub fn element<T: IsA<gst::Element>>(&self, name: &str) -> Result<T, ChildError> {
        let found = self.pipeline.by_name(name).and_then(|element| element.downcast().ok());
        found.ok_or_else(|| ChildError::Pipeline(format!("no element {name} of the wanted type")))
    }

    pub fn source(&self, name: &str) -> Result<AppSrc, ChildError> {
        self.element(name)
    }

    /// Calls `sample` for everything that reaches the sink `name`, then `end` once. Errors of `sample` end the process.
    pub fn on_sample(
        &self,
        name: &str,
        link: &Arc<Link>,
        mut sample: impl FnMut(&gst::Sample) -> Result<(), ChildError> + Send + 'static,
        mut end: impl FnMut() + Send + 'static,
    ) -> Result<(), ChildError> {
        let sink: AppSink = self.element(name)?;
        let link = Arc::clone(link);
        sink.set_callbacks(
            AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let taken = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    if let Err(error) = sample(&taken) {
                        link.fatal(&error.to_string());
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .eos(move |_| end())
                .build(),
        );
        Ok(())
    }

    pub fn play(&self) -> Result<(), ChildError> {
        let started = self.pipeline.set_state(gst::State::Playing);
        started.map(|_| ()).map_err(|e| ChildError::Pipeline(format!("a pipeline does not start: {e}")))
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// How sinks in descriptions are set: no clock, nothing kept, never more than two buffers.
pub(super) const SINK: &str = "sync=false async=false qos=false enable-last-sample=false max-buffers=2 drop=false";
/// How sources in descriptions are set: pushing blocks when two buffers wait.
pub(super) const SOURCE: &str = "format=time block=true max-buffers=2 max-bytes=0 max-time=0";

/// Ticks of 90 kHz, not negative, as GStreamer's nanoseconds.
pub(super) fn to_clock(ticks: i64) -> gst::ClockTime {
    gst::ClockTime::from_nseconds((i128::from(ticks) * 1_000_000_000 / i128::from(MEDIA_HZ)).max(0) as u64)
}

/// The inverse of [`to_clock`], exact for what came from it.
pub(super) fn to_ticks(time: gst::ClockTime) -> i64 {
    let ns = i128::from(time.nseconds());
    ((ns * i128::from(MEDIA_HZ) + 500_000_000) / 1_000_000_000) as i64
}

/// Lets the decoder before `pad` hand over the very buffers it decodes into, which have padding around the picture. It does
/// so only when offered a pool, and saves a copy of every picture.
pub(super) fn accept_padded_pictures(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        if let Some(gst::QueryViewMut::Allocation(allocation)) = info.query_mut().map(|query| query.view_mut()) {
            let picture = allocation.get().0.and_then(|caps| gst_video::VideoInfo::from_caps(caps).ok());
            if let Some(picture) = picture {
                let pool = gst_video::VideoBufferPool::new();
                allocation.add_allocation_pool(Some(&pool), picture.size() as u32, 0, 0);
            }
            allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
}

/// Pushes a buffer, waiting for room. Fails when the pipeline is ending.
pub(super) fn push(source: &AppSrc, buffer: gst::Buffer) -> Result<(), ChildError> {
    source.push_buffer(buffer).map(|_| ()).map_err(|e| ChildError::Pipeline(format!("{}: {e}", source.name())))
}
