//! The handle that everybody else has.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;
use weir_broadcast::{ChannelsHandle, Gate, Status};
use weir_events::{Command, Event, Source};
use weir_origin::Directory;
use weir_store::{Seal, Store};

use crate::clock::Clock;
use crate::config::Config;
use crate::credentials::{IssuedCredentials, Secrets};
use crate::desk::{Desk, Ears, Request};
use crate::error::DirectorError;
use crate::stage::Stage;
use crate::view::{EventView, HealthView};

/// Requests that may wait. Each takes some milliseconds.
const REQUESTS_MAX: usize = 256;
/// Changes that a listener may be behind; one that is further behind is told so and looks anew.
const CHANGES_MAX: usize = 1024;

/// How the running events are doing, by their id.
pub type Running = Arc<RwLock<HashMap<Uuid, watch::Receiver<Status>>>>;

/// Something that happened to an event.
#[derive(Debug, Clone)]
pub struct Change {
    /// What, for example `event.live`.
    pub kind: &'static str,
    /// The event as it is now.
    pub event: EventView,
}

/// Runs events. Clones stand for the same.
#[derive(Clone)]
pub struct Director {
    requests: mpsc::Sender<Request>,
    changes: broadcast::Sender<Change>,
    running: Running,
    store: Store,
    seal: Seal,
    clock: Clock,
    config: Arc<Config>,
}

/// What a director works with.
pub struct Parts {
    /// Where events are kept.
    pub store: Store,
    /// What their secrets are sealed with.
    pub seal: Seal,
    /// Where channels are opened.
    pub channels: ChannelsHandle,
    /// Where stream keys lead.
    pub gate: Arc<Gate>,
    /// What the public finds.
    pub directory: Directory,
    /// The time.
    pub clock: Clock,
    /// Woken when there is something to be told to webhooks.
    pub told: Arc<Notify>,
}

impl Director {
    /// Takes up all events where an earlier run left them, then runs them until `stop` turns true.
    ///
    /// # Errors
    /// The store fails, or what is left of past events cannot be removed.
    pub async fn start(
        config: Config,
        parts: Parts,
        stop: watch::Receiver<bool>,
    ) -> Result<(Self, JoinHandle<()>), DirectorError> {
        let (config, running) = (Arc::new(config), Running::default());
        let (requests, received) = mpsc::channel(REQUESTS_MAX);
        let changes = broadcast::Sender::new(CHANGES_MAX);
        let director = Self {
            requests,
            changes: changes.clone(),
            running: running.clone(),
            store: parts.store.clone(),
            seal: parts.seal.clone(),
            clock: parts.clock.clone(),
            config: config.clone(),
        };
        let stage = Stage::new(config.clone(), parts.channels, parts.gate, parts.directory, running);
        let (store, seal, clock, told) = (parts.store, parts.seal, parts.clock, parts.told);
        let mut desk = Desk::new(config, store, seal, clock, stage, Ears { changes, told }, stop);
        desk.take_up().await?;
        Ok((director, tokio::spawn(desk.run(received))))
    }

    /// Creates a draft.
    ///
    /// # Errors
    /// The rules or the store say no.
    pub async fn create(
        &self,
        account: Uuid,
        title: String,
        source: Source,
        actor: &str,
    ) -> Result<Event, DirectorError> {
        let actor = actor.to_owned();
        self.ask(|reply| Request::Create { account, title, source, actor, reply }).await
    }

    /// Carries out a command. With `version` only if the event is at that.
    ///
    /// # Errors
    /// The rules or the store say no, or the event is at another version.
    pub async fn command(
        &self,
        id: Uuid,
        command: Command,
        version: Option<u64>,
        actor: &str,
    ) -> Result<Event, DirectorError> {
        let actor = actor.to_owned();
        self.ask(|reply| Request::Command { id, command, version, actor, reply }).await
    }

    /// Looks again at what may have become possible: an account has changed.
    pub async fn look_again(&self) {
        // A director that stops has nothing to look at.
        let _ = self.requests.send(Request::LookAgain).await;
    }

    async fn ask(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<Event, DirectorError>>) -> Request,
    ) -> Result<Event, DirectorError> {
        let (reply, answered) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| DirectorError::Stopping)?;
        answered.await.unwrap_or(Err(DirectorError::Stopping))
    }

    /// What the event's encoder needs, from its start to its end.
    ///
    /// # Errors
    /// There is no such event, or it has no credentials at this time.
    pub async fn credentials(&self, id: Uuid) -> Result<IssuedCredentials, DirectorError> {
        let event = self.store.event(id).await?.ok_or(DirectorError::NotFound)?;
        if !event.source.is_ingested() {
            return Err(weir_events::Refusal::ExternalCredentials.into());
        }
        if event.is_ended() {
            return Err(DirectorError::NoCredentials("the event has ended, and its credentials with it"));
        }
        if !event.is_running() {
            return Err(DirectorError::NoCredentials("the event has no credentials yet: it has to be started first"));
        }
        self.secrets(&event).await
    }

    /// The credentials of an event whose key was changed just now, started or not.
    ///
    /// # Errors
    /// There are none.
    pub async fn rotated(&self, event: &Event) -> Result<IssuedCredentials, DirectorError> {
        self.secrets(event).await
    }

    async fn secrets(&self, event: &Event) -> Result<IssuedCredentials, DirectorError> {
        let stored = self.store.credentials(event.id).await?;
        let stored = stored.ok_or(DirectorError::NoCredentials("the event has no credentials"))?;
        Ok(IssuedCredentials::new(event, Secrets::unsealed(&self.seal, &stored)?, &self.config.ingest))
    }

    /// How a running event is doing; `None` for one that does not run here.
    pub fn health(&self, id: Uuid) -> Option<HealthView> {
        let running = self.running.read().unwrap_or_else(PoisonError::into_inner);
        running.get(&id).map(|status| HealthView::new(&status.borrow()))
    }

    /// Everything that happens from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// An event as it is shown.
    pub fn view(&self, event: &Event) -> EventView {
        EventView::new(event, &self.config.playback_url)
    }

    /// What is stored.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What secrets are sealed with.
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// The time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The figures of the rules.
    pub fn config(&self) -> &Config {
        &self.config
    }
}
