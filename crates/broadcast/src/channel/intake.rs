//! The way in: a publisher's events become frames of an epoch.

use std::io;
use std::time::Instant;

use metrics::counter;
use tracing::{error, info, warn};
use weir_ingest::IngestEvent;
use weir_ladder::{Worker, spawn};
use weir_media::Frame;

use super::{Channel, session_id};
use crate::opening::{Opening, Prospect};
use crate::settings::Lasting;
use crate::show::Show;
use crate::source::{Feed, Running, Source, Turn};
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
                if let (Feed::Running(_), Some(worker)) = (&source.feed, self.show.as_mut().and_then(Show::fed)) {
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
        self.release_claim();
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
                source.timeline.place(frame.clone())
            }
            placed => placed,
        };
        match placed {
            Placed::Frame(placed) => self.placed(frame, placed),
            Placed::BeforeKeyframe => self.drop_frame("before_keyframe"),
            Placed::OutOfStep => self.drop_frame("audio_out_of_step"),
            Placed::Break(_) => self.drop_frame("timestamps"),
        }
    }

    /// A frame that has its place in the epoch (`raw` is as it came) goes on, unless another epoch has to begin.
    fn placed(&mut self, raw: Frame, placed: Frame) {
        let Some(Source { feed: Feed::Running(running), .. }) = &mut self.source else { return self.feed(placed) };
        let (turn, unfit) = running.turn(&placed, Instant::now());
        let known = running.known(&placed);
        if let Some(unfit) = unfit {
            self.copy_ended(&unfit);
        }
        match turn {
            Turn::On => self.feed(placed),
            Turn::Anew => {
                self.take_standby();
                self.close_feed();
                let Some(source) = &mut self.source else { return };
                source.known = Some(known);
                match source.timeline.place(raw) {
                    Placed::Frame(first) => self.feed(first),
                    _ => self.drop_frame("timestamps"),
                }
            }
            Turn::Broken => {
                self.close_feed();
                self.drop_frame("copy_ended");
            }
        }
    }

    fn copy_ended(&mut self, unfit: &str) {
        warn!(
            channel = self.spec.name,
            reason = unfit,
            "the encoder's own picture can no longer be the best rendition"
        );
        if let Some(source) = &mut self.source {
            source.copy_ended = true;
        }
        let sentence = format!("the encoder's own picture can no longer be the best rendition: {unfit}");
        self.told(|status| drop(status.findings.insert(status::COPY_ENDED, sentence)));
    }

    /// Keeps the worker that was started for the next epoch when this one ends.
    fn take_standby(&mut self) {
        if let Some(Source { feed: Feed::Running(running), .. }) = &mut self.source {
            self.standby = running.change.take().map(|change| change.worker);
        }
    }

    fn feed(&mut self, frame: Frame) {
        let Some(source) = &mut self.source else { return };
        match &mut source.feed {
            Feed::Running(_) => {
                if let Some(show) = &mut self.show {
                    show.send(frame, Instant::now());
                }
            }
            Feed::Opening(opening) => {
                if opening.hold(frame, Instant::now()) {
                    self.open_epoch();
                }
            }
            Feed::Waiting => match self.start_worker() {
                Some(mut opening) => {
                    let is_ready = opening.hold(frame, Instant::now());
                    if let Some(source) = &mut self.source {
                        source.feed = Feed::Opening(Box::new(opening));
                        source.pictureless_since = None;
                    }
                    if is_ready {
                        self.open_epoch();
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
        let now = Instant::now();
        let video = self.source.as_ref()?.video.clone()?;
        if !self.backoff.is_over(now) {
            return None;
        }
        let worker = self.standby.take().or_else(|| self.spawn_worker(now))?;
        let source = self.source.as_mut()?;
        let prospect = Prospect {
            settings: self.settings.clone(),
            channel: self.spec.name.clone(),
            input: self.spec.input,
            video,
            copy: self.settings.copy_best && !source.copy_ended,
            shed: source.shed,
        };
        Some(match source.known.take() {
            Some(known) => Opening::again(worker, prospect, known),
            None => Opening::new(worker, prospect, source.claimed_millihertz),
        })
    }

    pub(super) fn spawn_worker(&mut self, now: Instant) -> Option<Worker> {
        let spawned = spawn(&self.settings.worker, self.settings.worker_limits.clone(), &self.spec.name);
        spawned
            .inspect_err(|error| {
                let wait = self.backoff.failed(now);
                error!(channel = self.spec.name, %error, ?wait, "cannot start a ladder worker");
            })
            .ok()
    }

    /// It is known what to make of the source: the epoch begins.
    fn open_epoch(&mut self) {
        let Some(source) = &mut self.source else { return };
        let Feed::Opening(opening) = std::mem::replace(&mut source.feed, Feed::Waiting) else { return };
        let Some(opened) = opening.open(source.audio.clone(), self.claim.as_ref()) else { return };
        if self.show.is_none() {
            match self.first_show() {
                Ok(show) => self.show = Some(show),
                Err(e) => return error!(channel = self.spec.name, error = %e, "cannot begin playlists"),
            }
        }
        if let (Some(show), Some(source)) = (&mut self.show, &mut self.source) {
            show.begin(opened.worker, opened.epoch, opened.began);
            let (current, copy) = (opened.current, opened.copy);
            source.feed = Feed::Running(Box::new(Running { current, copy, change: None }));
            self.pace.reset();
        }
        self.told(|status| {
            status.input = Some(opened.measured);
            for (code, sentence) in [(status::INPUT_MISMATCH, opened.mismatch), (status::OVERLOADED, opened.overload)] {
                match sentence {
                    Some(sentence) => drop(status.findings.insert(code, sentence)),
                    None => drop(status.findings.remove(code)),
                }
            }
        });
    }

    fn first_show(&self) -> io::Result<Show> {
        // A disk that takes nothing holds up this channel alone.
        let begin = || self.files.begin(self.settings.packager, &session_id());
        let (packager, ledger) = tokio::task::block_in_place(begin)?;
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
        source.known = None;
        let feed = std::mem::replace(&mut source.feed, Feed::Waiting);
        if let (Feed::Running(_), Some(show)) = (feed, &mut self.show) {
            show.finish();
        }
    }

    fn drop_frame(&self, reason: &'static str) {
        counter!("weir_drops_total", "stage" => "broadcast", "reason" => reason).increment(1);
    }
}
