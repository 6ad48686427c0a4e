use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};

use weir_media::{AudioParams, Frame, MEDIA_HZ, TrackKind, VideoParams};

use super::ChildError;
use super::audio::Audio;
use super::copied::Copied;
use super::link::Link;
use super::video::Video;
use crate::plan::{Plan, Preset};
use crate::wire::WireCounts;

/// One epoch: picture and sound of a source from one keyframe on, on one timeline.
#[derive(Debug)]
pub(super) struct Session {
    /// The best rung, where it is the source's own.
    copied: Option<Copied>,
    /// The rungs that are encoded; none where a source's own frames are all there is.
    video: Option<Video>,
    audio: Audio,
    counts: Arc<Mutex<WireCounts>>,
    frame_ticks: i64,
    /// Source time of instant 0: the PTS of the first keyframe.
    origin: Option<i64>,
    /// The latest end of a picture so far, in ticks since instant 0.
    video_end: i64,
}

impl Session {
    pub fn new(
        plan: &Plan,
        preset: Preset,
        video: &VideoParams,
        audio: Option<&AudioParams>,
        link: &Arc<Link>,
    ) -> Result<Self, ChildError> {
        let counts = Arc::new(Mutex::new(WireCounts::default()));
        let lag = Arc::new(AtomicI64::new(0));
        // The source's own frames cannot follow the sound, and the other rungs must stay with them.
        let followed = if plan.copies_best { Arc::default() } else { Arc::clone(&lag) };
        let encoded =
            plan.encoded().next().map(|_| Video::new(plan, preset, video, followed, Arc::clone(&counts), link));
        Ok(Self {
            copied: plan.copies_best.then(|| Copied::new(plan, video, link)).transpose()?,
            video: encoded.transpose()?,
            audio: Audio::new(plan.audio_rendition(), audio, lag, link)?,
            counts,
            frame_ticks: MEDIA_HZ * i64::from(plan.frame_rate.den) / i64::from(plan.frame_rate.num),
            origin: None,
            video_end: 0,
        })
    }

    pub fn set_audio(&mut self, params: &AudioParams) -> Result<(), ChildError> {
        self.audio.set_source(params)
    }

    pub fn frame(&mut self, frame: Frame) -> Result<(), ChildError> {
        match frame.kind {
            TrackKind::Video => self.video_frame(frame),
            TrackKind::Audio => match self.origin {
                Some(origin) => self.audio.frame(frame.clone(), frame.pts.saturating_sub(origin)),
                // Heard before the first picture is seen.
                None => Ok(()),
            },
        }
    }

    fn video_frame(&mut self, frame: Frame) -> Result<(), ChildError> {
        let origin = match self.origin {
            Some(origin) => origin,
            None if frame.keyframe => *self.origin.insert(frame.pts),
            None => return Ok(()),
        };
        let pts = frame.pts.saturating_sub(origin);
        // Leading pictures of an open GOP refer to what was before it.
        if pts < 0 {
            return Ok(());
        }
        self.video_end = self.video_end.max(pts + self.frame_ticks);
        if let Some(copied) = &mut self.copied {
            copied.frame(&frame)?;
        }
        if let Some(video) = &self.video {
            video.frame(frame, pts)?;
        }
        self.audio.video_at(self.video_end)?;
        self.audio.count(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// Encodes what is left of picture and sound, which end together.
    pub fn finish(&mut self) -> Result<(), ChildError> {
        self.video.as_ref().map_or(Ok(()), Video::finish)?;
        self.audio.finish(self.video_end)
    }
}
