use std::sync::{Arc, Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use super::ChildError;
use super::link::Link;
use super::shrink::{Factor, Plane};
use crate::plan::Rung;

/// Scales the pictures that pass `pad` to the size of `rung` where that is one of our [factors](Factor); GStreamer's scaler
/// behind it then has nothing to do. All others pass as they are.
pub(super) fn shrink_on_the_way(pad: &gst::Pad, rung: &Rung, link: &Arc<Link>) {
    let (size, name, link) = ((rung.width, rung.height), rung.name.clone(), Arc::clone(link));
    let scaler = Mutex::new(None::<Scaler>);
    pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let mut scaler = scaler.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = match &mut info.data {
            Some(gst::PadProbeData::Event(event)) => match event.view() {
                gst::EventView::Caps(caps) => Scaler::new(caps.caps(), size).map(|made| {
                    if let Some(made) = &made {
                        *event = gst::event::Caps::new(&made.caps);
                    }
                    *scaler = made;
                }),
                _ => Ok(()),
            },
            Some(gst::PadProbeData::Buffer(picture)) => scaler.as_ref().map_or(Ok(()), |scaler| {
                *picture = scaler.shrunk(picture)?;
                Ok(())
            }),
            _ => Ok(()),
        };
        if let Err(error) = outcome {
            link.fatal(&format!("{name}: {error}"));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Scales pictures of one format.
#[derive(Debug)]
struct Scaler {
    factor: Factor,
    from: gst_video::VideoInfo,
    to: gst_video::VideoInfo,
    /// Caps of what it gives out.
    caps: gst::Caps,
    pool: gst_video::VideoBufferPool,
}

impl Scaler {
    /// From pictures of `caps` to others of `size`; `None` where that is not for us: other factors, deeper pictures, pixels
    /// that are not square.
    fn new(caps: &gst::CapsRef, size: (u32, u32)) -> Result<Option<Self>, ChildError> {
        let from = gst_video::VideoInfo::from_caps(caps).map_err(failed)?;
        let fits = from.format() == gst_video::VideoFormat::I420 && from.par() == gst::Fraction::new(1, 1);
        let Some(factor) = Factor::between((from.width(), from.height()), size).filter(|_| fits) else {
            return Ok(None);
        };
        let mut caps = caps.to_owned();
        if let Some(structure) = caps.make_mut().structure_mut(0) {
            structure.set("width", size.0 as i32);
            structure.set("height", size.1 as i32);
        }
        let to = gst_video::VideoInfo::from_caps(&caps).map_err(failed)?;
        let pool = gst_video::VideoBufferPool::new();
        let mut config = pool.config();
        config.set_params(Some(&caps), to.size() as u32, 0, 0);
        pool.set_config(config).and_then(|()| pool.set_active(true)).map_err(failed)?;
        Ok(Some(Self { factor, from, to, caps, pool }))
    }

    fn shrunk(&self, picture: &gst::Buffer) -> Result<gst::Buffer, ChildError> {
        let from = gst_video::VideoFrameRef::from_buffer_ref_readable(picture, &self.from).map_err(failed)?;
        let empty = self.pool.acquire_buffer(None).map_err(|error| ChildError::Pipeline(error.to_string()))?;
        let unmapped = |_| ChildError::Pipeline("a picture cannot be written".to_owned());
        let mut to = gst_video::VideoFrame::from_buffer_writable(empty, &self.to).map_err(unmapped)?;
        // In this format a plane is a component.
        for plane in 0..from.n_planes() {
            let (index, component) = (plane as usize, plane as u8);
            let bytes = from.plane_data(plane).map_err(failed)?;
            let width = self.from.comp_width(component) as usize;
            let source = Plane { bytes, stride: from.plane_stride()[index] as usize, width };
            let (stride, width) = (to.plane_stride()[index] as usize, self.to.comp_width(component) as usize);
            let bytes = to.plane_data_mut(plane).map_err(failed)?;
            self.factor.shrink(
                &source,
                &mut Plane { bytes, stride, width },
                self.to.comp_height(component) as usize,
            )?;
        }
        let mut shrunk = to.into_buffer();
        let kept = gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS;
        picture.copy_into(shrunk.make_mut(), kept, ..).map_err(failed)?;
        Ok(shrunk)
    }
}

fn failed(error: gst::glib::BoolError) -> ChildError {
    ChildError::Pipeline(error.to_string())
}

impl Drop for Scaler {
    fn drop(&mut self) {
        // Pictures that are still on their way come back to it later.
        let _ = self.pool.set_active(false);
    }
}
