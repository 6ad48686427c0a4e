use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use gstreamer as gst;
use gstreamer_app::AppSrc;
use weir_media::{AAC_FRAME_SAMPLES, AudioParams};

use super::ChildError;
use super::link::Link;
use super::pipeline::{self, Pipeline, SINK, SOURCE};

/// How sound travels between decoder, grid and encoder.
const PCM: &str = "audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=2";
/// Bytes of one sample for both channels.
pub(super) const SAMPLE_BYTES: usize = 8;
/// Bit rate of the audio rendition.
const BITS_PER_SECOND: u32 = 128_000;
/// What libav's encoder puts before the first sample: one frame, which a decoder would play as silence.
const PRIMING_FRAMES: u64 = 1;
/// The longest silence that is made in one buffer, in samples.
const SILENCE_SAMPLES_MAX: usize = 48_000;

/// Decodes AAC of any kind to stereo at 48 kHz.
#[derive(Debug)]
pub(super) struct Decoder {
    source: AppSrc,
    ended: Receiver<()>,
    _pipeline: Pipeline,
}

impl Decoder {
    /// `decoded` gets every block with its time in ticks since instant 0.
    pub fn new(
        params: &AudioParams,
        link: &Arc<Link>,
        mut decoded: impl FnMut(i64, &[u8]) -> Result<(), ChildError> + Send + 'static,
    ) -> Result<Self, ChildError> {
        let description = format!(
            "appsrc name=coded {SOURCE} ! avdec_aac max-errors=-1 ! audioconvert ! audioresample ! {PCM} ! appsink name=decoded {SINK}"
        );
        let pipeline = Pipeline::parse("audio decoder", &description, link)?;
        let source = pipeline.source("coded")?;
        source.set_caps(Some(&caps(params)));
        let (ending, ended) = sync_channel(1);
        let sample = move |sample: &gst::Sample| {
            let Some(buffer) = sample.buffer() else { return Ok(()) };
            let Some(pts) = buffer.pts() else { return Ok(()) };
            let map = buffer.map_readable().map_err(|e| ChildError::Pipeline(e.to_string()))?;
            decoded(pipeline::to_ticks(pts), &map)
        };
        pipeline.on_sample("decoded", link, sample, move || end(&ending))?;
        pipeline.play()?;
        Ok(Self { source, ended, _pipeline: pipeline })
    }

    /// Decodes one AAC frame.
    pub fn push(&self, data: bytes::Bytes, pts: i64) -> Result<(), ChildError> {
        let mut buffer = gst::Buffer::from_slice(data);
        if let Some(fields) = buffer.get_mut() {
            fields.set_pts(pipeline::to_clock(pts));
        }
        pipeline::push(&self.source, buffer)
    }

    /// Waits until everything has been decoded.
    pub fn finish(&self) -> Result<(), ChildError> {
        finish(&self.source, &self.ended)
    }
}

fn caps(params: &AudioParams) -> gst::Caps {
    let mut caps = gst::Caps::builder("audio/mpeg")
        .field("mpegversion", 4)
        .field("stream-format", "raw")
        .field("framed", true)
        .field("codec_data", gst::Buffer::from_slice(params.asc.clone()))
        .field("rate", params.sample_rate as i32);
    // With 0 the layout is in the stream, where the decoder finds it.
    if params.channels > 0 {
        caps = caps.field("channels", i32::from(params.channels));
    }
    caps.build()
}

/// Encodes stereo at 48 kHz to AAC-LC, in frames that are numbered on from where copied ones ended.
#[derive(Debug)]
pub(super) struct Encoder {
    source: AppSrc,
    ended: Receiver<()>,
    samples: u64,
    _pipeline: Pipeline,
}

impl Encoder {
    /// `rendition` is the number of the audio rendition, `first_frame` that of the first frame to be made.
    pub fn new(rendition: usize, first_frame: u64, link: &Arc<Link>) -> Result<Self, ChildError> {
        let description = format!(
            "appsrc name=pcm {SOURCE} caps={PCM} ! audioconvert ! avenc_aac bitrate={BITS_PER_SECOND} \
             ! audio/mpeg,mpegversion=4,stream-format=raw ! appsink name=frames {SINK}"
        );
        let pipeline = Pipeline::parse("audio encoder", &description, link)?;
        let source = pipeline.source("pcm")?;
        let (ending, ended) = sync_channel(1);
        let mut made = 0;
        let output = Arc::clone(link);
        let sample = move |sample: &gst::Sample| {
            made += 1;
            let Some(buffer) = sample.buffer().filter(|_| made > PRIMING_FRAMES) else { return Ok(()) };
            let map = buffer.map_readable().map_err(|e| ChildError::Pipeline(e.to_string()))?;
            let frame = first_frame + made - PRIMING_FRAMES - 1;
            Ok(output.waiting_frame(rendition, true, frame as i64 * i64::from(AAC_FRAME_SAMPLES), &map)?)
        };
        pipeline.on_sample("frames", link, sample, move || end(&ending))?;
        pipeline.play()?;
        Ok(Self { source, ended, samples: 0, _pipeline: pipeline })
    }

    /// Encodes samples, both channels interleaved.
    pub fn push(&mut self, samples: Vec<u8>) -> Result<(), ChildError> {
        if samples.is_empty() {
            return Ok(());
        }
        let at = |samples: u64| gst::ClockTime::from_nseconds(samples * 1_000_000_000 / 48_000);
        let count = (samples.len() / SAMPLE_BYTES) as u64;
        let mut buffer = gst::Buffer::from_mut_slice(samples);
        if let Some(fields) = buffer.get_mut() {
            fields.set_pts(at(self.samples));
            fields.set_duration(at(self.samples + count) - at(self.samples));
        }
        self.samples += count;
        pipeline::push(&self.source, buffer)
    }

    /// Encodes silence.
    pub fn push_silence(&mut self, samples: u32) -> Result<(), ChildError> {
        let mut rest = samples as usize;
        while rest > 0 {
            let now = rest.min(SILENCE_SAMPLES_MAX);
            self.push(vec![0; now * SAMPLE_BYTES])?;
            rest -= now;
        }
        Ok(())
    }

    /// Waits until everything has been encoded and written.
    pub fn finish(&self) -> Result<(), ChildError> {
        finish(&self.source, &self.ended)
    }
}

fn end(ending: &SyncSender<()>) {
    let _ = ending.try_send(());
}

fn finish(source: &AppSrc, ended: &Receiver<()>) -> Result<(), ChildError> {
    source.end_of_stream().map_err(|e| ChildError::Pipeline(format!("audio: {e}")))?;
    ended.recv().map_err(|_| ChildError::Pipeline("audio ended early".to_owned()))
}
