//! An epoch that has begun at the source but not yet at its worker: what is to be made of it is being found out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};
use weir_ladder::{CopyWatch, DeclaredInput, Job, Plan, Preset, RateFinder, Unfit, Worker, plan};
use weir_media::{AudioParams, Frame, FrameRate, MEDIA_HZ, TrackKind, VideoParams};
use weir_packager::{Epoch, RenditionSpec, SegmentGrid};

use crate::capacity::Claim;
use crate::settings::{PresetChoice, Settings};
use crate::status::Measured;
use crate::wall::Wall;

/// How many frames may wait: some seconds of picture and sound.
const OPENING_FRAMES_MAX: usize = 600;

/// What a ladder is planned from.
#[derive(Debug, Clone)]
pub struct Prospect {
    /// What holds for every channel.
    pub settings: Arc<Settings>,
    /// The channel's name, for the log.
    pub channel: String,
    /// What its encoder is said to send.
    pub input: DeclaredInput,
    /// What it sends.
    pub video: VideoParams,
    /// Whether its own frames may be the best rendition.
    pub copy: bool,
    /// How many rungs the machine was found unable to hold.
    pub shed: usize,
}

/// What is known of a source whose epoch ends at one of its keyframes, for the next that begins there.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Its frame rate.
    pub rate: FrameRate,
    /// Frames between its keyframes, while it is fit to be copied.
    pub frames_per_keyframe: Option<u32>,
    /// When the keyframe was.
    pub began: Instant,
}

/// An epoch whose frames are held back: until the frame rate is known and, where the source may be copied, the distance
/// of its keyframes.
pub struct Opening {
    worker: Worker,
    prospect: Prospect,
    frames: Vec<Frame>,
    finder: RateFinder,
    known: Option<Known>,
    plan: Option<Plan>,
    /// Whether the source is fit to be copied, once its rate is known; `None` where that is not wanted.
    copy: Option<Result<CopyWatch, Unfit>>,
    /// When instant 0 was.
    pub began: Instant,
    wall: Wall,
}

/// What the epoch that runs was opened with.
#[derive(Debug)]
pub struct Current {
    /// Rate of the grid.
    pub rate: FrameRate,
    /// Frames of a segment.
    pub frames_per_segment: u32,
    /// x264's speed.
    pub preset: Preset,
    /// Rungs that are encoded, by name, best first.
    pub encoded: Vec<String>,
    /// When instant 0 was.
    pub began: Instant,
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
    /// What the machine cannot hold of it, if so.
    pub overload: Option<String>,
    /// What it was opened with.
    pub current: Current,
    /// Watches over frames that are copied.
    pub copy: Option<CopyWatch>,
}

impl Opening {
    /// Begins an epoch at this moment, with a worker that was just started.
    pub fn new(worker: Worker, prospect: Prospect, claimed_millihertz: Option<u64>) -> Self {
        let finder = RateFinder::new(prospect.video.sps.declared_rate, claimed_millihertz);
        let (frames, known, plan, copy) = (Vec::new(), None, None, None);
        let (began, wall) = (Instant::now(), Wall::read());
        Self { worker, prospect, frames, finder, known, plan, copy, began, wall }
    }

    /// Begins an epoch with a keyframe of a source of which that much is `known`.
    pub fn again(worker: Worker, prospect: Prospect, known: Known) -> Self {
        Self { known: Some(known), began: known.began, ..Self::new(worker, prospect, None) }
    }

    /// Holds a frame back that came at `now`. Answers whether enough is known.
    pub fn hold(&mut self, frame: Frame, now: Instant) -> bool {
        if frame.kind == TrackKind::Video && self.known.is_none() {
            // What an encoder made while it connected comes late and in a heap; the picture that was least
            // delayed tells best when instant 0 was.
            let since = u64::try_from(frame.pts * 1000 / MEDIA_HZ).unwrap_or(0);
            let began = now.checked_sub(Duration::from_millis(since)).unwrap_or(now);
            self.began = self.began.min(began);
        }
        self.frames.push(frame.clone());
        let full = self.frames.len() >= OPENING_FRAMES_MAX;
        if self.plan.is_some() {
            self.watch(&frame);
        } else {
            let found = match (self.known, frame.kind) {
                (Some(known), _) => Some(known.rate),
                (None, TrackKind::Video) => self.finder.push(frame.dts),
                (None, TrackKind::Audio) => None,
            };
            let Some(rate) = found.or_else(|| full.then(|| self.finder.decide())) else { return false };
            self.rate_is(rate);
        }
        let open = |watch: &CopyWatch| watch.frames_per_keyframe().is_none();
        full || !matches!(&self.copy, Some(Ok(watch)) if open(watch))
    }

    fn rate_is(&mut self, rate: FrameRate) {
        let Prospect { settings, input, video, .. } = &self.prospect;
        let plan = plan(*input, &settings.rungs, &video.sps, rate, settings.packager.segment_ms());
        if self.prospect.copy {
            let mut watch = CopyWatch::new(&plan, video, settings.packager.frames_per_part(segment_grid(&plan)));
            if let (Ok(watch), Some(frames)) = (&mut watch, self.known.and_then(|known| known.frames_per_keyframe)) {
                watch.expect_keyframes(frames);
            }
            self.copy = Some(watch);
        }
        self.plan = Some(plan);
        for frame in self.frames.clone() {
            self.watch(&frame);
        }
    }

    fn watch(&mut self, frame: &Frame) {
        if let Some(Ok(watch)) = &mut self.copy
            && let Err(unfit) = watch.frame(frame)
        {
            self.copy = Some(Err(unfit));
        }
    }

    /// Plans the ladder and lets the worker begin. `claim` is the broadcast's part of the machine, where the preset follows
    /// from that. Nothing comes of an epoch of which not enough is known.
    pub fn open(mut self, audio: Option<AudioParams>, claim: Option<&Claim>) -> Option<Opened> {
        let mut plan = self.plan.take()?;
        let copy = self.copy_into(&mut plan);
        let (preset, overload) = choose(&self.prospect, &mut plan, claim);
        let Prospect { channel, video, .. } = &self.prospect;
        let measured = Measured {
            width: video.sps.width,
            height: video.sps.height,
            frame_rate: plan.frame_rate,
            audio: audio.as_ref().map(describe_audio),
            rungs: plan.rungs.iter().map(|rung| rung.name.clone()).collect(),
            preset: preset.name().to_owned(),
            copied: plan.copies_best,
        };
        announce(channel, &plan, &measured);
        let mismatch = plan.mismatch.as_ref().map(ToString::to_string);
        for sentence in mismatch.iter().chain(&overload) {
            warn!(channel, "{sentence}");
        }
        let current = Current {
            rate: plan.frame_rate,
            frames_per_segment: plan.frames_per_segment,
            preset,
            encoded: plan.encoded().map(|(_, rung)| rung.name.clone()).collect(),
            began: self.began,
        };
        let epoch = epoch(&plan, self.wall.at(self.began));
        self.worker.start(Job { plan, video: video.clone(), audio, preset });
        for frame in self.frames {
            self.worker.send(frame);
        }
        let began = (self.began, self.wall);
        Some(Opened { worker: self.worker, epoch, began, measured, mismatch, overload, current, copy })
    }

    /// Lets the best rung be the source's own frames where those are fit for it; says so where they are not.
    fn copy_into(&mut self, plan: &mut Plan) -> Option<CopyWatch> {
        let channel = &self.prospect.channel;
        match self.copy.take()? {
            Ok(watch) => {
                let frames = watch.frames_per_keyframe()?;
                plan.copy_best(frames);
                info!(channel, frames_per_keyframe = frames, "the encoder's own picture is the best rendition");
                Some(watch)
            }
            Err(unfit) => {
                info!(channel, reason = %unfit, "the encoder's own picture cannot be the best rendition");
                None
            }
        }
    }
}

/// Chooses the preset; where the machine does not hold the whole ladder at any, rungs are taken away from the top. Answers
/// also what to tell people then.
fn choose(prospect: &Prospect, plan: &mut Plan, claim: Option<&Claim>) -> (Preset, Option<String>) {
    let mut shed: Vec<String> = (0..prospect.shed).filter_map(|_| plan.shed_best()).map(|rung| rung.name).collect();
    let tell = |shed: &[String], what: &str| {
        let without = if shed.is_empty() { String::new() } else { format!(" without {}", shed.join(" and ")) };
        format!("this machine does not hold the whole ladder: it is encoded at {what}{without}")
    };
    let capacity = match &prospect.settings.preset {
        PresetChoice::Fixed(preset) => return (*preset, None),
        PresetChoice::Auto(capacity) => capacity,
    };
    loop {
        let costs = plan.costs(&prospect.video.sps, capacity.speed());
        if let Some(claim) = claim {
            claim.update(costs);
        }
        match claim.and_then(Claim::preset) {
            Some(preset) if shed.is_empty() => return (preset, None),
            Some(preset) => return (preset, Some(tell(&shed, preset.name()))),
            None => match plan.shed_best() {
                Some(rung) => shed.push(rung.name),
                None => return (Preset::FASTEST, Some(tell(&shed, Preset::FASTEST.name()))),
            },
        }
    }
}

fn announce(channel: &str, plan: &Plan, measured: &Measured) {
    let rungs: Vec<String> =
        plan.rungs.iter().map(|rung| format!("{} {}x{}", rung.name, rung.width, rung.height)).collect();
    info!(
        channel,
        width = measured.width,
        height = measured.height,
        fps = %plan.frame_rate,
        audio = measured.audio.as_deref().unwrap_or("none yet"),
        rungs = rungs.join(", "),
        preset = measured.preset,
        copied = measured.copied,
        "input measured, ladder starts"
    );
}

fn segment_grid(plan: &Plan) -> SegmentGrid {
    SegmentGrid { frames_per_segment: plan.frames_per_segment, frame_rate: plan.frame_rate }
}

fn epoch(plan: &Plan, wall_start_ms: i64) -> Epoch {
    let video = plan.rungs.iter().map(|rung| RenditionSpec { name: rung.name.clone(), kind: TrackKind::Video });
    let audio = RenditionSpec { name: "audio".to_owned(), kind: TrackKind::Audio };
    Epoch { segment: segment_grid(plan), wall_start_ms, renditions: video.chain([audio]).collect() }
}

fn describe_audio(audio: &AudioParams) -> String {
    format!("{} {} Hz, {} channels", audio.codec_string(), audio.sample_rate, audio.channels)
}
