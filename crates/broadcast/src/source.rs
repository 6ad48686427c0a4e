//! A publisher's stream on its way to a worker: placed on a timeline, held back until it is known what to make of it,
//! then fed.

use std::time::{Duration, Instant};

use weir_ingest::Publication;
use weir_ladder::{CopyWatch, Worker};
use weir_media::{AudioParams, Frame, MEDIA_HZ, SourceClock, TrackKind, VideoParams};

use crate::opening::{Current, Known, Opening};
use crate::timeline::Timeline;

/// A publisher that sends sound only, or never a keyframe, for so long has something set up wrongly: encoders send the
/// first picture within a second, and keyframes every few.
const PICTURELESS: Duration = Duration::from_secs(15);
/// How long a change of the ladder waits for a keyframe that stands where a segment begins; then any will do.
const AT_BOUNDARY_MAX: Duration = Duration::from_secs(3);

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
    /// Its frames were the best rendition and turned out unfit for that: it is not tried again.
    pub copy_ended: bool,
    /// How many rungs the machine did not hold.
    pub shed: usize,
    /// What is known of it, where an epoch ended at one of its keyframes.
    pub known: Option<Known>,
    /// Since when no picture has come at all; `None` once one came, or once that was told.
    pub pictureless_since: Option<Instant>,
}

/// What happens with a source's frames.
pub enum Feed {
    /// They are dropped until a keyframe comes (and a worker may be started).
    Waiting,
    /// They are held back until it is known what to make of them.
    Opening(Box<Opening>),
    /// They go to the worker of the newest epoch.
    Running(Box<Running>),
}

/// The epoch that a source's frames go to.
pub struct Running {
    /// What it was opened with.
    pub current: Current,
    /// Watches over the frames where they are the best rendition.
    pub copy: Option<CopyWatch>,
    /// Another ladder is to be made of the source from one of its next keyframes on.
    pub change: Option<Change>,
}

/// A ladder that is about to change.
pub struct Change {
    /// Since when.
    pub since: Instant,
    /// The worker that will make the next one, already starting.
    pub worker: Worker,
}

/// What a frame means for the epoch that runs.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// It belongs to it.
    On,
    /// The next epoch begins with it.
    Anew,
    /// The epoch ends before it, and the next begins with a keyframe.
    Broken,
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
            copy_ended: false,
            shed: 0,
            known: None,
            pictureless_since: Some(Instant::now()),
        }
    }

    /// Whether the publisher has sent no picture for so long that its owner should know. True once.
    pub fn is_pictureless(&mut self, now: Instant) -> bool {
        self.pictureless_since.take_if(|since| now.duration_since(*since) >= PICTURELESS).is_some()
    }
}

impl Running {
    /// What a frame of the epoch means for it. Answers also why the source is no longer fit to be copied, where that is so.
    pub fn turn(&mut self, frame: &Frame, now: Instant) -> (Turn, Option<String>) {
        if frame.kind != TrackKind::Video {
            return (Turn::On, None);
        }
        let unfit = self.copy.as_mut().and_then(|watch| watch.frame(frame).err());
        if let Some(unfit) = unfit {
            self.copy = None;
            let turn = if frame.keyframe { Turn::Anew } else { Turn::Broken };
            return (turn, Some(unfit.to_string()));
        }
        let due = self.change.as_ref().is_some_and(|change| {
            let waited = now.duration_since(change.since);
            frame.keyframe && (self.begins_segment(frame) || waited >= AT_BOUNDARY_MAX)
        });
        (if due { Turn::Anew } else { Turn::On }, None)
    }

    /// What is known of the source at this keyframe of it, for the epoch that begins there.
    pub fn known(&self, keyframe: &Frame) -> Known {
        let frames_per_keyframe = self.copy.as_ref().and_then(CopyWatch::frames_per_keyframe);
        let since = u64::try_from(keyframe.pts * 1000 / MEDIA_HZ).unwrap_or(0);
        let began = self.current.began + Duration::from_millis(since);
        Known { rate: self.current.rate, frames_per_keyframe, began }
    }

    /// Whether a segment begins with the picture.
    fn begins_segment(&self, frame: &Frame) -> bool {
        let per_frame = MEDIA_HZ * i64::from(self.current.rate.den);
        let index = (frame.pts * i64::from(self.current.rate.num) + per_frame / 2) / per_frame;
        index % i64::from(self.current.frames_per_segment) == 0
    }
}
