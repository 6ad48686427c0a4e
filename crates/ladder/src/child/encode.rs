use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;

use super::ChildError;
use super::decode::frame_time;
use super::link::Link;
use super::pipeline::{Pipeline, SINK, SOURCE};
use super::scaler::shrink_on_the_way;
use crate::plan::{Plan, Preset, Rung, THREADS_MAX, macroblocks};
use crate::wire::{WireFormat, from_worker};

/// Before each encoder, which has a thread: enough for a slow picture not to stop the others.
const QUEUE: &str = "queue max-size-buffers=6 max-size-bytes=0 max-size-time=0 !";
/// The same on one core, where threads would only take turns of a few milliseconds and empty the caches for each other: one
/// rung's picture is encoded after the other's, the best one's last.
const NO_QUEUE: &str = "";
/// For what `scaler` leaves. Bilinear: the cheapest that looks well. No borders: the plan's sizes have the picture's aspect.
const SCALE: &str = "videoconvertscale method=bilinear add-borders=false";
/// How far ahead of its mean rate an encoder may burst, in milliseconds of that rate.
const VBV_MS: u32 = 1000;
/// Macroblocks per second and thread of x264 at `superfast`. One thread encodes 1080p30 (245,000) in about 0.4 to 0.6 s per
/// second; each further thread costs a frame of delay and some efficiency.
const MACROBLOCKS_PER_THREAD: u64 = 300_000;

/// Builds the cascade of scalers and encoders. `ended` hears once from each rung.
pub(super) fn encoders(
    plan: &Plan,
    preset: Preset,
    ended: &SyncSender<usize>,
    link: &Arc<Link>,
) -> Result<(Pipeline, AppSrc), ChildError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let queue = if cores > 1 { QUEUE } else { NO_QUEUE };
    let mut description = format!("appsrc name=grid {SOURCE} ! tee name=root ");
    // All scalers run in one thread, and a tee serves first what was linked first: from the smallest rung up, so that every
    // picture is scaled while it is in the caches, before an encoder wakes and takes the processor.
    for (index, rung) in plan.encoded().rev() {
        let from = match larger(plan, index) {
            Some(larger) => format!("scaled{larger}"),
            None => "root".to_owned(),
        };
        let Rung { width, height, .. } = rung;
        description += &format!(
            "{from}. ! {SCALE} name=branch{index} \
             ! video/x-raw,format=I420,width={width},height={height},pixel-aspect-ratio=1/1 ! tee name=scaled{index} \
             scaled{index}. ! {queue} {} ! appsink name=rung{index} {SINK} ",
            encoder(rung, preset)
        );
    }
    let pipeline = Pipeline::parse("encoders", &description, link)?;
    for (index, rung) in plan.encoded() {
        let scaler: gst::Element = pipeline.element(&format!("branch{index}"))?;
        let branch =
            scaler.static_pad("sink").ok_or_else(|| ChildError::Pipeline(format!("branch {index} has no entry")))?;
        let step = rung.frame_step / larger(plan, index).map_or(1, |larger| plan.rungs[larger].frame_step);
        if step > 1 {
            thin_out(&branch, step, rung);
        }
        shrink_on_the_way(&branch, rung, link);
        let mut output = RungOutput::new(plan, index, rung, link);
        let ended = ended.clone();
        pipeline.on_sample(
            &format!("rung{index}"),
            link,
            move |sample| output.coded(sample),
            move || {
                let _ = ended.try_send(index);
            },
        )?;
    }
    pipeline.play()?;
    let source = pipeline.source("grid")?;
    Ok((pipeline, source))
}

/// The rung whose scaled picture rung `index` is scaled from: the nearest above that shows all the frames it needs.
fn larger(plan: &Plan, index: usize) -> Option<usize> {
    let rung = plan.rungs.get(index)?;
    let fits = |above: &Rung| {
        above.width >= rung.width && above.height >= rung.height && rung.frame_step.is_multiple_of(above.frame_step)
    };
    plan.encoded().rfind(|&(above, larger)| above < index && fits(larger)).map(|(above, _)| above)
}

fn encoder(rung: &Rung, preset: Preset) -> String {
    let per_second = macroblocks(rung.width, rung.height) * rung.frame_rate.millihertz() / 1000;
    let threads = (per_second * preset.cost_milli()).div_ceil(MACROBLOCKS_PER_THREAD * 1000).clamp(1, THREADS_MAX);
    // No scene cuts and no limit between keyframes: they come where they are asked for, on all rungs alike. No B-frames
    // and no lookahead: they delay. Bit rate and VBV are the same, so that no second exceeds the rung's rate by much.
    format!(
        "x264enc speed-preset={preset} threads={threads} sliced-threads=false bframes=0 b-adapt=false \
         rc-lookahead=0 sync-lookahead=0 mb-tree=false pass=cbr bitrate={kbps} vbv-buf-capacity={VBV_MS} \
         key-int-max=1073741824 option-string=\"scenecut=0:keyint=infinite:open-gop=0\" aud=false byte-stream=false qos=false \
         ! video/x-h264,stream-format=avc,alignment=au,profile={profile}",
        kbps = rung.kbps,
        profile = rung.profile.name()
    )
}

/// Lets only every `step`-th frame into a rung's branch, and makes its caps say so.
fn thin_out(pad: &gst::Pad, step: u32, rung: &Rung) {
    let rate = gst::Fraction::new(rung.frame_rate.num as i32, rung.frame_rate.den as i32);
    let frames = AtomicU64::new(0);
    pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        match &mut info.data {
            // Every frame of the grid passes here once and in order, so counting is enough.
            Some(gst::PadProbeData::Buffer(_)) => {
                let frame = frames.fetch_add(1, Ordering::Relaxed);
                if frame.is_multiple_of(u64::from(step)) { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Drop }
            }
            Some(gst::PadProbeData::Event(event)) => {
                if let gst::EventView::Caps(caps) = event.view() {
                    let mut caps = caps.caps_owned();
                    if let Some(structure) = caps.make_mut().structure_mut(0) {
                        structure.set("framerate", rate);
                    }
                    *event = gst::event::Caps::new(&caps);
                }
                gst::PadProbeReturn::Ok
            }
            _ => gst::PadProbeReturn::Ok,
        }
    });
}

/// Numbers the frames of one encoder and holds it to the plan: none missing, keyframes at the cuts and nowhere else.
#[derive(Debug)]
struct RungOutput {
    index: usize,
    /// Whether it is the best one that is encoded, for whose pictures those of the others wait.
    leads: bool,
    rung: Rung,
    frames_per_keyframe: u64,
    link: Arc<Link>,
    frames: u64,
}

impl RungOutput {
    fn new(plan: &Plan, index: usize, rung: &Rung, link: &Arc<Link>) -> Self {
        let leads = plan.encoded().next().is_some_and(|(best, _)| best == index);
        let frames_per_keyframe = u64::from((plan.frames_per_keyframe / rung.frame_step).max(1));
        Self { index, leads, rung: rung.clone(), frames_per_keyframe, link: Arc::clone(link), frames: 0 }
    }

    fn coded(&mut self, sample: &gst::Sample) -> Result<(), ChildError> {
        let broken = |what: String| ChildError::Pipeline(format!("{}: {what}", self.rung.name));
        let buffer = sample.buffer().ok_or_else(|| broken("a coded frame without bytes".to_owned()))?;
        if self.frames == 0 {
            self.send_format(sample)?;
        }
        let frame = self.frames;
        let segment = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let at = segment.and_then(|segment| segment.to_running_time(buffer.pts()));
        let wanted = frame_time(frame, self.rung.frame_rate);
        let near = |at: gst::ClockTime| at.nseconds().abs_diff(wanted.nseconds()) <= 1;
        if !at.is_some_and(near) {
            return Err(broken(format!("frame {frame} came with the time {at:?} instead of {wanted}")));
        }
        let keyframe = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        if keyframe != frame.is_multiple_of(self.frames_per_keyframe) {
            return Err(broken(format!("frame {frame} is {}a keyframe", if keyframe { "" } else { "not " })));
        }
        let data = buffer.map_readable().map_err(|e| broken(e.to_string()))?;
        let time = frame as i64 * i64::from(self.rung.frame_rate.frame_ticks());
        if self.leads {
            self.link.frame(self.index, keyframe, time, &data)?;
        } else {
            self.link.waiting_frame(self.index, keyframe, time, &data)?;
        }
        self.frames += 1;
        Ok(())
    }

    fn send_format(&self, sample: &gst::Sample) -> Result<(), ChildError> {
        let missing = || ChildError::Pipeline(format!("{}: the encoder gives no codec_data", self.rung.name));
        let structure = sample.caps().and_then(|caps| caps.structure(0)).ok_or_else(missing)?;
        let codec_data = structure.get::<gst::Buffer>("codec_data").map_err(|_| missing())?;
        let avcc = codec_data.map_readable().map_err(|_| missing())?.to_vec();
        let format = WireFormat { rendition: self.index, avcc: Some(avcc) };
        Ok(self.link.control(from_worker::FORMAT, &format)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Profile;

    fn rung(height: u32, frame_step: u32) -> Rung {
        let frame_rate = weir_media::FrameRate::new(60 / frame_step, 1);
        let (width, kbps, profile) = (height * 16 / 9, 1000, Profile::High);
        Rung { name: format!("{height}p"), width, height, frame_rate, frame_step, kbps, profile }
    }

    #[test]
    fn every_rung_is_scaled_from_the_next_larger_that_shows_all_its_frames() {
        let rungs = vec![rung(1080, 1), rung(720, 2), rung(480, 1), rung(360, 2)];
        let frame_rate = weir_media::FrameRate::new(60, 1);
        let (frames_per_segment, frames_per_keyframe) = (120, 120);
        let plan =
            Plan { rungs, frame_rate, frames_per_segment, frames_per_keyframe, copies_best: false, mismatch: None };
        let from = |plan: &Plan| (0..4).map(|index| larger(plan, index)).collect::<Vec<_>>();
        assert_eq!(from(&plan), [None, Some(0), Some(0), Some(2)]);
        assert_eq!(from(&Plan { copies_best: true, ..plan }), [None, None, None, Some(2)]);
    }
}
