//! The way in: a publisher's events become frames of an epoch.

use std::io;
use std::time::Instant;

use metrics::counter;
use tracing::{error, info, warn};
use weir_ingest::IngestEvent;
use weir_ladder::spawn;
use weir_media::{Frame, FrameRate};

use super::{Channel, session_id};
use crate::settings::Lasting;
use crate::show::Show;
use crate::source::{Feed, Opening};
use crate::timeline::Placed;
use crate::{link, status};

impl Channel {
    pub(super) fn ingested(&mut self, event: Option<IngestEvent>) {
        let Some(source) = &mut self.source else { return };
        match event {
            Some(IngestEvent::Metadata(metadata)) => {
                source.claimed_millihertz = metadata.frame_rate_millihertz.map(u64::from);
            }
            Some(IngestEvent::VideoConfig(video)) => {
                if source.video.as_ref().is_some_and(|before| *before != video) {
                    info!(channel = self.spec.name, "video parameters changed: a new epoch begins");
                    self.close_feed();
                }
                if let Some(source) = &mut self.source {
                    source.video = Some(video);
                }
            }
            Some(IngestEvent::AudioConfig(audio)) => {
                if let (Feed::Running, Some(worker)) = (&source.feed, self.show.as_mut().and_then(Show::fed)) {
                    worker.set_audio(&audio);
                }
                source.audio = Some(audio);
            }
            Some(IngestEvent::Frame(frame)) => self.frame(frame),
            Some(IngestEvent::Lost { frames, reason }) => {
                warn!(channel = self.spec.name, frames, ?reason, "frames lost at the ingest");
            }
            Some(IngestEvent::Link(stats)) => link::report(&self.spec.name, &stats),
            Some(IngestEvent::Ended(reason)) => self.left(&reason.to_string()),
            None => self.left("session gone"),
        }
    }

    /// The publisher's session is over.
    fn left(&mut self, reason: &str) {
        info!(channel = self.spec.name, reason, "publisher gone");
        self.close_feed();
        self.source = None;
        self.life.left(Instant::now(), self.show.is_none());
        self.told(|status| {
            (status.publisher, status.silent, status.pictures, status.input) = (None, false, false, None);
            status.findings.clear();
        });
    }

    fn frame(&mut self, frame: Frame) {
        if self.life.media(Instant::now()) {
            self.told(|status| {
                status.silent = false;
                status.findings.remove(status::SILENT);
            });
        }
        let Some(source) = &mut self.source else { return };
        let placed = match source.timeline.place(frame.clone()) {
            Placed::Break(jump) => {
                warn!(channel = self.spec.name, ?jump, "source timestamps jumped: a new epoch begins");
                counter!("weir_timestamp_jumps_total", "channel" => self.spec.name.clone()).increment(1);
                self.close_feed();
                let Some(source) = &mut self.source else { return };
                source.timeline.place(frame)
            }
            placed => placed,
        };
        match placed {
            Placed::Frame(frame) => self.feed(frame),
            Placed::BeforeKeyframe => self.drop_frame("before_keyframe"),
            Placed::OutOfStep => self.drop_frame("audio_out_of_step"),
            Placed::Break(_) => self.drop_frame("timestamps"),
        }
    }

    fn feed(&mut self, frame: Frame) {
        let Some(source) = &mut self.source else { return };
        match &mut source.feed {
            Feed::Running => {
                if let Some(show) = &mut self.show {
                    show.send(frame, Instant::now());
                }
            }
            Feed::Opening(opening) => {
                if let Some(rate) = opening.hold(frame, Instant::now()) {
                    self.open_epoch(rate);
                }
            }
            Feed::Waiting => match self.start_worker() {
                Some(mut opening) => {
                    opening.hold(frame, Instant::now());
                    if let Some(source) = &mut self.source {
                        source.feed = Feed::Opening(Box::new(opening));
                        source.pictureless_since = None;
                    }
                    self.told(|status| {
                        status.pictures = true;
                        status.findings.remove(status::NO_PICTURE);
                    });
                }
                None => {
                    if let Some(source) = &mut self.source {
                        source.timeline.end_epoch();
                    }
                    self.drop_frame("no_worker");
                }
            },
        }
    }

    /// Starts the process of a new epoch, unless its parameters are missing or it has to wait.
    fn start_worker(&mut self) -> Option<Opening> {
        let source = self.source.as_ref()?;
        let video = source.video.as_ref()?;
        let now = Instant::now();
        if !self.backoff.is_over(now) {
            return None;
        }
        match spawn(&self.settings.worker, self.settings.worker_limits.clone(), &self.spec.name) {
            Ok(worker) => Some(Opening::new(worker, video, source.claimed_millihertz)),
            Err(e) => {
                let wait = self.backoff.failed(now, now);
                error!(channel = self.spec.name, error = %e, ?wait, "cannot start a ladder worker");
                None
            }
        }
    }

    /// The frame rate is known: the epoch begins.
    fn open_epoch(&mut self, rate: FrameRate) {
        let Some(source) = &mut self.source else { return };
        let Feed::Opening(opening) = std::mem::replace(&mut source.feed, Feed::Waiting) else { return };
        let Some(video) = source.video.clone() else { return };
        let opened = opening.open(&self.settings, &self.spec, video, source.audio.clone(), rate);
        if self.show.is_none() {
            match self.first_show() {
                Ok(show) => self.show = Some(show),
                Err(e) => return error!(channel = self.spec.name, error = %e, "cannot begin playlists"),
            }
        }
        if let (Some(show), Some(source)) = (&mut self.show, &mut self.source) {
            show.begin(opened.worker, opened.epoch, opened.began);
            source.feed = Feed::Running;
        }
        self.told(|status| {
            status.input = Some(opened.measured);
            match opened.mismatch {
                Some(sentence) => drop(status.findings.insert(status::INPUT_MISMATCH, sentence)),
                None => drop(status.findings.remove(status::INPUT_MISMATCH)),
            }
        });
    }

    fn first_show(&self) -> io::Result<Show> {
        let (packager, ledger) = self.files.begin(self.settings.packager, &session_id())?;
        let packager = match self.spec.lasting {
            Lasting::Standing => packager,
            // One that is on air already has lost what an earlier run had shown: nothing of it is to be kept back.
            Lasting::Event if self.outside.wish.borrow().public => packager,
            Lasting::Event => packager.private(),
        };
        Ok(self.new_show(packager, ledger))
    }

    /// The source broke off: what was fed drains, and the next keyframe begins anew.
    pub(super) fn close_feed(&mut self) {
        let Some(source) = &mut self.source else { return };
        source.timeline.end_epoch();
        let feed = std::mem::replace(&mut source.feed, Feed::Waiting);
        if let (Feed::Running, Some(show)) = (feed, &mut self.show) {
            show.finish();
        }
    }

    fn drop_frame(&self, reason: &'static str) {
        counter!("weir_drops_total", "stage" => "broadcast", "reason" => reason).increment(1);
    }
}
