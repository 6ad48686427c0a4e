//! One channel: a task that joins publisher, workers and playlists.

mod effort;
mod intake;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{counter, gauge};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};
use weir_ingest::{CloseReason, IngestEvent, PublishRequest, Refusal};
use weir_ladder::Worker;
use weir_packager::{Packager, Snapshot};

use crate::backoff::Backoff;
use crate::capacity::Claim;
use crate::files::ChannelFiles;
use crate::ledger::Ledger;
use crate::life::{Answer, Due, Life, Stage};
use crate::pace::Pace;
use crate::settings::{ChannelSpec, Lasting, OnShutdown, Settings};
use crate::show::Show;
use crate::source::{Feed, Source};
use crate::status::{self, Publisher, Status};

/// How often deadlines are looked at and gauges are set. Everything it decides is measured in seconds.
const TICK: Duration = Duration::from_millis(250);
/// How long workers may take to drain when the daemon stops; the whole stop may take five seconds.
const DRAIN_MAX: Duration = Duration::from_secs(2);
/// Media that does not come for so long has stalled; encoders send many frames a second.
const STALLED: Duration = Duration::from_millis(700);
/// How long before a segment is overdue its stalled epoch is closed: for the next tick, and for the worker to drain.
const OVERDUE_MARGIN: Duration = Duration::from_millis(500);
/// How long ended playlists stay to be seen, so that every player learns of the end and can play it out.
const ENDED_KEPT: Duration = Duration::from_secs(600);

/// What is wanted of the channel of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// It is to go on air.
    pub public: bool,
    /// It is over.
    pub over: bool,
}

/// What outlives the task of a channel: where it shows what it has, and where it is told what to do.
#[derive(Clone)]
pub struct Outside {
    /// What players see.
    pub snapshots: Arc<watch::Sender<Option<Arc<Snapshot>>>>,
    /// What those see who watch over it.
    pub status: Arc<watch::Sender<Status>>,
    /// What is wanted of it.
    pub wish: watch::Receiver<Wish>,
}

/// The state of one channel, owned by its task.
pub struct Channel {
    spec: ChannelSpec,
    settings: Arc<Settings>,
    files: ChannelFiles,
    life: Life,
    source: Option<Source>,
    show: Option<Show>,
    backoff: Backoff,
    /// Its part of the machine, where presets follow from that.
    claim: Option<Claim>,
    pace: Pace,
    /// A worker that was started for an epoch that is about to begin.
    standby: Option<Worker>,
    ended: Option<Instant>,
    outside: Outside,
}

impl Channel {
    /// A channel that goes on with the window an earlier run left behind, if there is one.
    pub fn open(spec: ChannelSpec, settings: Arc<Settings>, outside: Outside) -> io::Result<Self> {
        let (folder, reconnect_window) = match spec.lasting {
            Lasting::Standing => (&settings.state_dir, Some(settings.reconnect_window)),
            Lasting::Event => (&settings.events_dir, None),
        };
        let files = ChannelFiles::open(folder, &spec.name)?;
        let resumed = files.resume(settings.packager, &session_id())?;
        let mut channel = Self {
            life: Life::new(reconnect_window, resumed.as_ref().map(|_| Instant::now())),
            source: None,
            show: None,
            backoff: Backoff::default(),
            claim: None,
            pace: Pace::default(),
            standby: None,
            ended: None,
            spec,
            settings,
            files,
            outside,
        };
        channel.told(|status| *status = Status::default());
        if let Some((packager, ledger)) = resumed {
            info!(channel = channel.spec.name, "playlists of the earlier run go on");
            let mut show = channel.new_show(packager, ledger);
            show.show_restored();
            channel.show = Some(show);
        }
        Ok(channel)
    }

    /// Runs until `stop` turns true, then closes as configured; or, where it lasts as long as an event, until that is
    /// over and viewers have had time to learn of it. Answers whether it is over for good.
    pub async fn run(mut self, mut requests: mpsc::Receiver<PublishRequest>, mut stop: watch::Receiver<bool>) -> bool {
        let mut tick = tokio::time::interval(TICK);
        let mut wish = self.outside.wish.clone();
        wish.mark_changed();
        if let Some(show) = &mut self.show {
            show.publish().await;
        }
        loop {
            tokio::select! {
                // In this order: an encoder that comes back at once must not find its own end still unread.
                biased;
                _ = stop.changed() => break,
                Ok(()) = wish.changed() => self.wished().await,
                _ = tick.tick() => self.tick(Instant::now()).await,
                event = next_event(&mut self.source) => self.ingested(event),
                Some(request) = requests.recv() => self.publish(request),
                output = next_output(&mut self.show) => self.laddered(output).await,
            }
            if self.is_over() {
                return true;
            }
        }
        self.stop().await;
        false
    }

    /// Somebody wants something of an event's channel. Doing it twice does no harm.
    async fn wished(&mut self) {
        let Wish { public, over } = *self.outside.wish.borrow();
        if over && self.ended.is_none() {
            info!(channel = self.spec.name, "the event is over: the playlists end");
            self.close_feed();
            if let Some(source) = self.source.take() {
                source.publication.close(CloseReason::Stopped);
            }
            self.life.left(Instant::now(), true);
            self.told(|status| *status = Status::default());
            self.end_show().await;
        } else if public && let Some(show) = &mut self.show {
            show.open_to_public().await;
        }
    }

    /// Whether an event's channel has nothing left to do: it is over, and its end was there to be seen.
    fn is_over(&self) -> bool {
        self.outside.wish.borrow().over && self.ended.is_none() && self.show.is_none()
    }

    fn publish(&mut self, request: PublishRequest) {
        if self.outside.wish.borrow().over {
            return request.refuse(Refusal::Closed("the event of this stream key has ended".to_owned()));
        }
        if let Err(full) = self.claim_machine() {
            let (channel, peer) = (self.spec.name.clone(), request.peer);
            warn!(channel, %peer, "publisher refused: {full}");
            counter!("weir_ladder_refusals_total", "channel" => channel).increment(1);
            return request.refuse(Refusal::Unavailable(full.to_string()));
        }
        let (channel, peer) = (&self.spec.name, request.peer);
        match self.life.publish(Instant::now()) {
            Answer::KeyInUse => {
                warn!(channel, %peer, "publisher refused: the key is in use and its publisher is sending");
                return request.refuse(Refusal::KeyInUse);
            }
            Answer::TakeOver => {
                warn!(channel, %peer, "publisher takes over from a silent one");
                self.close_feed();
                if let Some(ghost) = self.source.take() {
                    ghost.publication.close(CloseReason::Silent);
                }
            }
            Answer::Accept => info!(channel, %peer, "publisher connected"),
        }
        self.ended = None;
        let (peer, protocol, encoder) = (request.peer, request.protocol, request.encoder.flash_ver.clone());
        self.told(|status| {
            (status.publisher, status.silent) = (Some(Publisher { peer, protocol, encoder }), false);
            (status.pictures, status.input) = (false, None);
        });
        let clock = request.protocol.clock();
        self.source = Some(Source::new(request.accept(), clock));
        counter!("weir_publishers_total", "channel" => self.spec.name.clone()).increment(1);
    }

    fn new_show(&self, packager: Packager, ledger: Ledger) -> Show {
        Show::new(&self.spec.name, packager, ledger, self.outside.snapshots.clone())
    }

    async fn laddered(&mut self, output: Result<weir_ladder::Output, weir_ladder::WorkerFailure>) {
        let Some(show) = &mut self.show else { return };
        if let Some(failure) = show.apply(output).await {
            let wait = self.backoff.failed(Instant::now());
            let channel = self.spec.name.clone();
            error!(channel, error = %failure, ?wait, "ladder worker failed; it is restarted at the next keyframe");
            counter!("weir_ladder_failures_total", "channel" => channel, "reason" => failure.label()).increment(1);
            if !wait.is_zero() {
                let sentence = format!("encoding fails again and again: {failure}");
                self.told(|status| drop(status.findings.insert(status::LADDER_FAILING, sentence)));
            }
            self.close_feed();
        }
    }

    async fn tick(&mut self, now: Instant) {
        match self.life.tick(now) {
            Some(Due::Silent) => {
                warn!(channel = self.spec.name, "publisher is connected but sends nothing");
                self.told(|status| {
                    status.silent = true;
                    status.findings.insert(status::SILENT, "the encoder is connected and sends nothing".to_owned());
                });
                self.close_feed();
            }
            Some(Due::Expired) => {
                info!(channel = self.spec.name, "no input within the reconnect window: the playlists end");
                if let Some(source) = self.source.take() {
                    source.publication.close(CloseReason::Silent);
                }
                self.end_show().await;
            }
            None => {}
        }
        self.close_overdue(now);
        self.keep_pace(now);
        self.fill_gap().await;
        if self.source.as_mut().is_some_and(|source| source.is_pictureless(now)) {
            warn!(channel = self.spec.name, "publisher is connected but has sent no picture to begin with");
            let sentence = "the encoder is connected and has sent no picture to begin with".to_owned();
            self.told(|status| drop(status.findings.insert(status::NO_PICTURE, sentence)));
        }
        if self.ended.is_some_and(|ended| now.duration_since(ended) >= ENDED_KEPT) {
            self.ended = None;
            self.outside.snapshots.send_replace(None);
        }
        self.tell_shown();
        self.report(now);
    }

    /// A segment must not be waited for longer than one and a half target durations (rfc8216bis 6.2.1): when media
    /// stalls for so long, what there is of it is published, and gaps follow.
    fn close_overdue(&mut self, now: Instant) {
        let (Stage::On { last_media, .. }, Some(show), Some(source)) = (self.life.stage(), &self.show, &self.source)
        else {
            return;
        };
        let target = Duration::from_secs(self.settings.packager.target_duration_s().into());
        let stalled = now.duration_since(last_media) >= STALLED;
        if stalled
            && matches!(source.feed, Feed::Running(_))
            && show.segment_age(now) + OVERDUE_MARGIN >= target * 3 / 2
        {
            warn!(channel = self.spec.name, "input stalled: the segment is closed and a gap begins");
            self.close_feed();
        }
    }

    /// While nothing comes the playlists say so. Nothing is said of the time that a source which is just opening covers.
    async fn fill_gap(&mut self) {
        let opening = self.source.as_ref().and_then(|source| match &source.feed {
            Feed::Opening(opening) => Some(opening.began),
            Feed::Waiting | Feed::Running(_) => None,
        });
        if let Some(show) = &mut self.show {
            let now = Instant::now();
            show.fill(opening.map_or(now, |began| began.min(now))).await;
        }
    }

    fn report(&self, now: Instant) {
        let channel = self.spec.name.clone();
        let on = matches!(self.life.stage(), Stage::On { .. });
        gauge!("weir_channel_publishing", "channel" => channel.clone()).set(f64::from(u8::from(on)));
        if let Some(show) = &self.show {
            gauge!("weir_playlist_age_seconds", "channel" => channel.clone()).set(show.age(now));
            let counters = show.counters();
            gauge!("weir_segments", "channel" => channel.clone()).set(counters.segments as f64);
            gauge!("weir_parts_dropped", "channel" => channel).set(counters.parts_dropped as f64);
        }
    }

    /// Says what players can see by now.
    fn tell_shown(&self) {
        let seen = self.outside.snapshots.borrow().as_ref().map(|snapshot| (!snapshot.ended, !snapshot.private));
        let (playable, public) = seen.unwrap_or_default();
        self.told(|status| (status.playable, status.public) = (playable, playable && public));
    }

    /// Changes what those see who watch over the channel; they are woken where it is another thing then.
    fn told(&self, change: impl FnOnce(&mut Status)) {
        self.outside.status.send_if_modified(|status| {
            let before = status.clone();
            change(status);
            *status != before
        });
    }

    async fn end_show(&mut self) {
        if let Some(mut show) = self.show.take() {
            show.end().await;
            self.ended = Some(Instant::now());
        }
        self.release_claim();
    }

    /// The daemon stops: workers drain, playlists end or are kept.
    async fn stop(mut self) {
        self.close_feed();
        if let Some(source) = self.source.take() {
            source.publication.close(CloseReason::Shutdown);
        }
        let Some(mut show) = self.show.take() else { return };
        let drain = async {
            while !show.is_drained() {
                let output = show.recv().await;
                show.apply(output).await;
            }
        };
        if tokio::time::timeout(DRAIN_MAX, drain).await.is_err() {
            warn!(channel = self.spec.name, "a ladder worker did not drain in time and is cut short");
        }
        match (self.spec.lasting, self.settings.on_shutdown) {
            (Lasting::Standing, OnShutdown::End) => show.end().await,
            // An event goes on in the next run whatever becomes of standing channels.
            (Lasting::Event, _) | (Lasting::Standing, OnShutdown::Resume) => {
                if let Err(e) = show.suspend().await {
                    error!(channel = self.spec.name, error = %e, "cannot keep the playlists for the next run");
                }
            }
        }
    }
}

/// A name for the media files of one presentation that nobody can guess or has seen.
fn session_id() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// The publisher's next event; waits for ever without a publisher.
async fn next_event(source: &mut Option<Source>) -> Option<IngestEvent> {
    match source {
        Some(source) => source.publication.recv().await,
        None => std::future::pending().await,
    }
}

/// The workers' next output; waits for ever without a show.
async fn next_output(show: &mut Option<Show>) -> Result<weir_ladder::Output, weir_ladder::WorkerFailure> {
    match show {
        Some(show) => show.recv().await,
        None => std::future::pending().await,
    }
}
