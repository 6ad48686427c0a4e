//! What an event's state means outside of it: its channel, its key, its playlists, its page.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};

use tokio::sync::watch;
use tracing::warn;
use uuid::Uuid;
use weir_broadcast::{
    ChannelSpec, ChannelsHandle, Door, Entrance, Gate, KeyDigest, Lasting, OpenError, Opened, Status, Way, Wish,
    remove_past_events,
};
use weir_events::{Effect, Event, Fact, Input, Offer, Phase, Quality, Source, State};
use weir_ingest::{Passphrase, SrtAccess};
use weir_ladder::DeclaredInput;
use weir_origin::{Access, Directory, Notice, NoticeState};
use weir_store::Digest;

use crate::config::Config;
use crate::credentials::Secrets;
use crate::director::Running;
use crate::error::DirectorError;
use crate::view::HealthView;

/// What an encoder with the key of a past event is told.
const PAST: &str = "the event of this stream key has ended";
/// What an encoder with the key of an event that has not been started is told.
const EARLY: &str = "the event of this stream key has not been started yet";

/// Everything that follows from the states of events.
pub struct Stage {
    config: Arc<Config>,
    channels: ChannelsHandle,
    gate: Arc<Gate>,
    directory: Directory,
    running: Running,
    sets: HashMap<Uuid, Set>,
    /// Channels that are over and still show it, so that the last viewers learn of the end.
    ending: HashMap<Uuid, watch::Receiver<Status>>,
}

/// What a running event has on the stage.
struct Set {
    event: Event,
    status: watch::Receiver<Status>,
    wish: watch::Sender<Wish>,
    /// What was wrong when it was told last.
    findings: Vec<String>,
}

impl Stage {
    pub fn new(
        config: Arc<Config>,
        channels: ChannelsHandle,
        gate: Arc<Gate>,
        directory: Directory,
        running: Running,
    ) -> Self {
        Self { config, channels, gate, directory, running, sets: HashMap::new(), ending: HashMap::new() }
    }

    /// What a stream key is known by.
    pub fn digest(&self, key: &str) -> KeyDigest {
        self.gate.digest(key.as_bytes())
    }

    /// Whether encoders of that source can reach this server at all.
    pub fn check_listener(&self, source: &Source) -> Result<(), DirectorError> {
        let urls = &self.config.ingest;
        match source {
            Source::Rtmp { .. } if urls.rtmp.is_none() && urls.rtmps.is_none() => {
                Err(DirectorError::NoListener("RTMP"))
            }
            Source::Srt { .. } if urls.srt.is_none() => Err(DirectorError::NoListener("SRT")),
            _ => Ok(()),
        }
    }

    /// Removes what past events have left on the disk.
    pub fn remove_others(&self, unfinished: &[Event]) {
        let names: HashSet<String> = unfinished.iter().map(|event| event.id.to_string()).collect();
        if let Err(error) = remove_past_events(&self.config.events_dir, &names) {
            warn!(%error, "the files of past events cannot be removed");
        }
    }

    /// Makes everything be as `event` says. Doing it twice does no harm.
    pub async fn set(&mut self, event: &Event, secrets: Option<&Secrets>) -> Result<(), OpenError> {
        if let Some(secrets) = secrets {
            self.gate.set(self.digest(&secrets.key), self.door(event, secrets));
        }
        self.announce(event);
        let effects = event.standing_effects();
        if effects.contains(&Effect::OpenBroadcast) {
            if !self.sets.contains_key(&event.id) {
                self.open(event).await?;
            }
            if let Some(set) = self.sets.get_mut(&event.id) {
                set.event = event.clone();
                let public = effects.contains(&Effect::GoPublic);
                set.wish.send_if_modified(|wish| std::mem::replace(&mut wish.public, public) != public);
            }
        } else if let Some(set) = self.sets.remove(&event.id) {
            set.wish.send_modify(|wish| wish.over = true);
            self.lock_running().remove(&event.id);
            self.ending.insert(event.id, set.status);
        }
        Ok(())
    }

    async fn open(&mut self, event: &Event) -> Result<(), OpenError> {
        let input = match &event.source {
            Source::Rtmp { input } | Source::Srt { input } => *input,
            Source::Hls { .. } => return Ok(()),
        };
        let input = match input {
            Quality::P1080 => DeclaredInput::P1080,
            Quality::P720 => DeclaredInput::P720,
        };
        let name = event.id.to_string();
        let spec = ChannelSpec { name: name.clone(), input, lasting: Lasting::Event };
        let Opened { snapshots, status, wish } = self.channels.open(spec).await?;
        self.directory.insert(name, snapshots, access(event));
        self.lock_running().insert(event.id, status.clone());
        self.sets.insert(event.id, Set { event: event.clone(), status, wish, findings: Vec::new() });
        Ok(())
    }

    fn door(&self, event: &Event, secrets: &Secrets) -> Door {
        match &event.state {
            State::Running(_) => {
                let only = match event.source {
                    Source::Srt { .. } => Way::Srt,
                    Source::Rtmp { .. } | Source::Hls { .. } => Way::Rtmp,
                };
                let passphrase = Passphrase::parse(&secrets.passphrase).ok();
                let srt = SrtAccess { passphrase, latency: self.config.srt_latency };
                Door::Open(Entrance { channel: event.id.to_string(), srt, only: Some(only) })
            }
            State::Ended(_) => Door::Closed(PAST.to_owned()),
            State::Draft | State::Scheduled { .. } => Door::Closed(EARLY.to_owned()),
        }
    }

    /// From now on a key is that of a past event.
    pub fn close_key(&self, digest: &Digest) {
        self.gate.set(digest.bytes(), Door::Closed(PAST.to_owned()));
    }

    /// From now on a key is that of nothing.
    pub fn forget_key(&self, digest: &Digest) {
        self.gate.remove(&digest.bytes());
    }

    /// Says on its public page how things stand. Of a draft nobody hears.
    pub fn announce(&self, event: &Event) {
        let name = event.id.to_string();
        let state = match &event.state {
            State::Draft => return self.directory.withdraw(&name),
            State::Scheduled { .. } => NoticeState::Upcoming,
            State::Running(run) => match run.phase {
                Phase::Ready | Phase::Preview => NoticeState::Upcoming,
                Phase::Live { .. } => NoticeState::Live,
            },
            State::Ended(_) => NoticeState::Ended,
        };
        let external_url = match &event.source {
            Source::Hls { url } if state == NoticeState::Live => Some(url.clone()),
            _ => None,
        };
        let starts_ms = event.schedule.map(|schedule| schedule.start_ms);
        let (title, access) = (event.title.clone(), access(event));
        self.directory.announce(name, Notice { title, state, starts_ms, access, external_url });
    }

    /// What the channels show that their events do not know yet.
    pub fn facts(&mut self) -> Vec<(Uuid, Fact)> {
        let directory = &self.directory;
        self.ending.retain(|id, status| {
            // The channel is gone once nobody can tell its status any more.
            let gone = status.has_changed().is_err();
            if gone {
                directory.remove(&id.to_string());
            }
            !gone
        });
        self.sets.iter().flat_map(|(id, set)| set.facts().into_iter().map(|fact| (*id, fact))).collect()
    }

    /// The events of which something else is wrong than was told last.
    pub fn news_of_health(&self) -> Vec<(Uuid, HealthView)> {
        let news = self.sets.iter().filter_map(|(id, set)| {
            let status = set.status.borrow();
            let same = status.findings.keys().copied().eq(set.findings.iter().map(String::as_str));
            (!same).then(|| (*id, HealthView::new(&status)))
        });
        news.collect()
    }

    /// What is wrong with an event was told.
    pub fn told_health(&mut self, id: Uuid, health: &HealthView) {
        if let Some(set) = self.sets.get_mut(&id) {
            set.findings = health.findings.iter().map(|finding| finding.code.clone()).collect();
        }
    }

    fn lock_running(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<Uuid, watch::Receiver<Status>>> {
        self.running.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Set {
    fn facts(&self) -> Vec<Fact> {
        let State::Running(run) = &self.event.state else { return Vec::new() };
        if self.status.has_changed().is_err() {
            return vec![Fact::Failed("its channel failed and could not be opened again".to_owned())];
        }
        let status = self.status.borrow();
        let mut facts = Vec::new();
        match (run.input, status.has_input()) {
            (Input::Absent { .. }, true) => facts.push(Fact::InputConnected),
            (Input::Connected { .. }, false) => facts.push(Fact::InputLost),
            _ => {}
        }
        if run.phase == Phase::Ready && status.playable && status.has_input() {
            facts.push(Fact::LadderUp);
        }
        facts
    }
}

fn access(event: &Event) -> Access {
    match event.offer {
        Some(Offer::Paid) => Access::Paid,
        Some(Offer::Free) | None => Access::Free,
    }
}
