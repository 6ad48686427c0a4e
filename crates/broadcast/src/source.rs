//! A publisher's stream on its way to a worker: placed on a timeline, held back until the frame rate is
//! known, then fed.

use std::time::{Duration, Instant};

use tracing::info;
use weir_ingest::Publication;
use weir_ladder::{Job, RateFinder, Worker, plan};
use weir_media::{AudioParams, Frame, FrameRate, MEDIA_HZ, SourceClock, TrackKind, VideoParams};
use weir_packager::{Epoch, RenditionSpec, SegmentGrid};

use crate::settings::{ChannelSpec, Settings};
use crate::status::Measured;
use crate::timeline::Timeline;
use crate::wall::Wall;

/// How many frames may wait for the frame rate to be found: some seconds of picture and sound.
const OPENING_FRAMES_MAX: usize = 600;

/// A publisher that sends sound only, or never a keyframe, for so long has something set up wrongly: encoders send the
/// first picture within a second, and keyframes every few.
const PICTURELESS: Duration = Duration::from_secs(15);

/// A connected publisher.
pub struct Source {
    /// Where its events come from.
    pub publication: Publication,
    /// Its timestamps.
    pub timeline: Timeline,
    /// The H.264 parameters in force.
    pub video: Option<VideoParams>,
    /// The AAC parameters in force.
    pub audio: Option<AudioParams>,
    /// The frame rate its metadata claims, in frames per 1000 seconds: a tie-breaker, never more.
    pub claimed_millihertz: Option<u64>,
    /// What happens with its frames.
    pub feed: Feed,
    /// Since when no picture has come at all; `None` once one came, or once that was told.
    pub pictureless_since: Option<Instant>,
}

/// What happens with a source's frames.
pub enum Feed {
    /// They are dropped until a keyframe comes (and a worker may be started).
    Waiting,
    /// They are held back until the frame rate is known.
    Opening(Box<Opening>),
    /// They go to the worker of the newest epoch.
    Running,
}

/// An epoch that has begun at the source but not yet at its worker.
pub struct Opening {
    /// The process, already starting.
    pub worker: Worker,
    frames: Vec<Frame>,
    finder: RateFinder,
    /// When instant 0 was.
    pub began: Instant,
    wall: Wall,
}

/// An epoch that is ready to run.
pub struct Opened {
    /// The worker, with its job and the frames held back.
    pub worker: Worker,
    /// What the packager has to know of it.
    pub epoch: Epoch,
    /// When instant 0 was, and the clock that dates it.
    pub began: (Instant, Wall),
    /// What was measured.
    pub measured: Measured,
    /// How it differs from what was declared, if it does.
    pub mismatch: Option<String>,
}

impl Source {
    /// A publisher that has sent nothing yet, and stamps its frames by `clock`.
    pub fn new(publication: Publication, clock: SourceClock) -> Self {
        Self {
            publication,
            timeline: Timeline::new(clock),
            video: None,
            audio: None,
            claimed_millihertz: None,
            feed: Feed::Waiting,
            pictureless_since: Some(Instant::now()),
        }
    }

    /// Whether the publisher has sent no picture for so long that its owner should know. True once.
    pub fn is_pictureless(&mut self, now: Instant) -> bool {
        self.pictureless_since.take_if(|since| now.duration_since(*since) >= PICTURELESS).is_some()
    }
}

impl Opening {
    /// Begins an epoch at this moment, with a worker that was just started.
    pub fn new(worker: Worker, video: &VideoParams, claimed_millihertz: Option<u64>) -> Self {
        let finder = RateFinder::new(video.sps.declared_rate, claimed_millihertz);
        Self { worker, frames: Vec::new(), finder, began: Instant::now(), wall: Wall::read() }
    }

    /// Holds a frame back that came at `now`. Answers the frame rate once it is known.
    pub fn hold(&mut self, frame: Frame, now: Instant) -> Option<FrameRate> {
        let found = match frame.kind {
            TrackKind::Video => {
                // What an encoder made while it connected comes late and in a heap; the picture that was least
                // delayed tells best when instant 0 was.
                let since = u64::try_from(frame.pts * 1000 / MEDIA_HZ).unwrap_or(0);
                let began = now.checked_sub(Duration::from_millis(since)).unwrap_or(now);
                self.began = self.began.min(began);
                self.finder.push(frame.dts)
            }
            TrackKind::Audio => None,
        };
        self.frames.push(frame);
        found.or_else(|| (self.frames.len() >= OPENING_FRAMES_MAX).then(|| self.finder.decide()))
    }

    /// Plans the ladder for `rate` and lets the worker begin.
    pub fn open(
        mut self,
        settings: &Settings,
        channel: &ChannelSpec,
        video: VideoParams,
        audio: Option<AudioParams>,
        rate: FrameRate,
    ) -> Opened {
        let plan = plan(channel.input, &settings.rungs, &video.sps, rate, settings.packager.segment_ms());
        let rungs: Vec<String> =
            plan.rungs.iter().map(|rung| format!("{} {}x{}", rung.name, rung.width, rung.height)).collect();
        info!(
            channel = channel.name,
            width = video.sps.width,
            height = video.sps.height,
            fps = %rate,
            audio = audio.as_ref().map_or("none yet".to_owned(), describe_audio),
            rungs = rungs.join(", "),
            "input measured, ladder starts"
        );
        let mismatch = plan.mismatch.as_ref().map(ToString::to_string);
        if let Some(mismatch) = &mismatch {
            tracing::warn!(channel = channel.name, "{mismatch}");
        }
        let measured = Measured {
            width: video.sps.width,
            height: video.sps.height,
            frame_rate: rate,
            audio: audio.as_ref().map(describe_audio),
            rungs: plan.rungs.iter().map(|rung| rung.name.clone()).collect(),
        };
        let mut renditions: Vec<RenditionSpec> =
            plan.rungs.iter().map(|rung| RenditionSpec { name: rung.name.clone(), kind: TrackKind::Video }).collect();
        renditions.push(RenditionSpec { name: "audio".to_owned(), kind: TrackKind::Audio });
        let epoch = Epoch {
            segment: SegmentGrid { frames_per_segment: plan.frames_per_segment, frame_rate: plan.frame_rate },
            wall_start_ms: self.wall.at(self.began),
            renditions,
        };
        self.worker.start(Job { plan, video, audio, preset: settings.preset });
        for frame in self.frames {
            self.worker.send(frame);
        }
        Opened { worker: self.worker, epoch, began: (self.began, self.wall), measured, mismatch }
    }
}

fn describe_audio(audio: &AudioParams) -> String {
    format!("{} {} Hz, {} channels", audio.codec_string(), audio.sample_rate, audio.channels)
}
