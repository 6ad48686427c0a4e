//! Where events are changed: one task, one change after the other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tracing::{error, info, warn};
use uuid::Uuid;
use weir_broadcast::OpenError;
use weir_events::{Account, Command, Effect, Event, Fact, Source, Step};
use weir_store::{AuditEntry, Change as StoredChange, Credentials, Digest, Filter, PAGE_ROWS_MAX, Seal, Store, Told};

use crate::clock::Clock;
use crate::config::Config;
use crate::credentials::Secrets;
use crate::director::Change;
use crate::error::DirectorError;
use crate::stage::Stage;
use crate::view::{EventView, HealthView, timestamp};

/// How often the clock and the channels are looked at. Everything they decide is measured in seconds.
const TICK: Duration = Duration::from_millis(250);
/// Who did what nobody commanded.
const BY_RULE: &str = "rule";
/// So many pages of past events are known after a start: of older ones nobody asks, and their keys are wrong keys.
const PAST_PAGES: u32 = 20;

/// What the desk is asked for.
pub enum Request {
    Create { account: Uuid, title: String, source: Source, actor: String, reply: Reply },
    Command { id: Uuid, command: Command, version: Option<u64>, actor: String, reply: Reply },
    LookAgain,
}

type Reply = oneshot::Sender<Result<Event, DirectorError>>;

/// Who hears of what happens.
pub struct Ears {
    /// Whoever listens now.
    pub changes: broadcast::Sender<Change>,
    /// Who delivers to webhooks what was stored for them.
    pub told: Arc<Notify>,
}

/// The only one who changes events.
pub struct Desk {
    config: Arc<Config>,
    store: Store,
    seal: Seal,
    clock: Clock,
    stage: Stage,
    ears: Ears,
    stop: watch::Receiver<bool>,
    /// When the clock changes something, by event, in milliseconds since 1970.
    deadlines: HashMap<Uuid, i64>,
    /// Events that are stored and that the world could not be made to follow, because the store failed then.
    behind: HashSet<Uuid>,
}

impl Desk {
    pub fn new(
        config: Arc<Config>,
        store: Store,
        seal: Seal,
        clock: Clock,
        stage: Stage,
        ears: Ears,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let (deadlines, behind) = (HashMap::new(), HashSet::new());
        Self { config, store, seal, clock, stage, ears, stop, deadlines, behind }
    }

    /// Takes up all events where they were left.
    pub async fn take_up(&mut self) -> Result<(), DirectorError> {
        let unfinished = self.store.unfinished_events().await?;
        self.stage.remove_others(&unfinished);
        self.take_up_past().await?;
        for event in unfinished {
            info!(event = %event.id, state = event.state.name(), "event taken up");
            let restarted = self.realise(&event).await?.map_or_else(Fact::Failed, |()| Fact::Restarted);
            self.fact(event.id, &restarted).await?;
        }
        Ok(())
    }

    /// Past events have pages that say so, and keys that are refused for that.
    async fn take_up_past(&mut self) -> Result<(), DirectorError> {
        let (past, mut after) = (Filter { state: Some("ended"), account: None }, None);
        for _ in 0..PAST_PAGES {
            let page = self.store.events(past, after, PAGE_ROWS_MAX).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            page.iter().for_each(|event| self.stage.announce(event));
        }
        after = None;
        for _ in 0..PAST_PAGES {
            let page = self.store.credentials_of_ended(after, PAGE_ROWS_MAX).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.event);
            page.iter().for_each(|credentials| self.stage.close_key(&credentials.key_digest));
        }
        Ok(())
    }

    /// Works until `stop` turns true. Events go on in the next run.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = self.stop.clone();
        loop {
            tokio::select! {
                biased;
                _ = stop.changed() => return,
                Some(request) = requests.recv() => self.answer(request).await,
                _ = tick.tick() => self.look().await,
            }
        }
    }

    async fn answer(&mut self, request: Request) {
        // Whoever asked may have gone; what was done is done.
        match request {
            Request::Create { account, title, source, actor, reply } => {
                let _ = reply.send(self.create(account, &title, source, &actor).await);
            }
            Request::Command { id, command, version, actor, reply } => {
                let _ = reply.send(self.command(id, &command, version, &actor).await);
            }
            Request::LookAgain => {
                for id in self.deadlines.keys().copied().collect::<Vec<_>>() {
                    self.bring(id, &Fact::Clock).await;
                }
            }
        }
    }

    /// Looks at the clock and at the channels.
    async fn look(&mut self) {
        for id in self.behind.iter().copied().collect::<Vec<_>>() {
            if let Ok((event, _)) = self.load(id).await
                && let Err(why) = self.follow(&event).await
            {
                self.bring(id, &Fact::Failed(why)).await;
            }
        }
        let now_ms = self.clock.now_ms();
        let due = self.deadlines.iter().filter(|(_, due_ms)| **due_ms <= now_ms).map(|(id, _)| *id);
        for id in due.collect::<Vec<_>>() {
            self.bring(id, &Fact::Clock).await;
        }
        let facts = self.stage.facts();
        // Channels that end because the daemon does have not failed.
        if *self.stop.borrow() {
            return;
        }
        for (id, fact) in facts {
            self.bring(id, &fact).await;
        }
        for (id, health) in self.stage.news_of_health() {
            self.tell_health(id, &health).await;
        }
    }

    /// Takes in a fact. One that cannot be stored now comes again with the next look.
    async fn bring(&mut self, id: Uuid, fact: &Fact) {
        if let Err(error) = self.fact(id, fact).await {
            error!(event = %id, ?fact, %error, "what happened to an event cannot be stored; trying again");
        }
    }

    async fn create(
        &mut self,
        account: Uuid,
        title: &str,
        source: Source,
        actor: &str,
    ) -> Result<Event, DirectorError> {
        self.store.account(account).await?.ok_or(DirectorError::NoAccount)?;
        let step = Event::create(Uuid::now_v7(), account, title, source, self.clock.now_ms())?;
        self.take(0, step, actor, "create").await
    }

    async fn command(
        &mut self,
        id: Uuid,
        command: &Command,
        version: Option<u64>,
        actor: &str,
    ) -> Result<Event, DirectorError> {
        let (event, account) = self.load(id).await?;
        if version.is_some_and(|version| version != event.version) {
            return Err(DirectorError::Changed { found: event.version });
        }
        if matches!(command, Command::Start) {
            self.stage.check_listener(&event.source)?;
        }
        let step = event.command(command, &account, &self.config.rules, self.clock.now_ms())?;
        self.take(event.version, step, actor, action(command)).await
    }

    async fn fact(&mut self, id: Uuid, fact: &Fact) -> Result<(), DirectorError> {
        let (event, account) = self.load(id).await?;
        match event.fact(fact, &account, &self.config.rules, self.clock.now_ms()) {
            Some(step) => self.take(event.version, step, BY_RULE, fact_name(fact)).await.map(drop),
            None => {
                self.remember_deadline(&event);
                Ok(())
            }
        }
    }

    async fn load(&self, id: Uuid) -> Result<(Event, Account), DirectorError> {
        let event = self.store.event(id).await?.ok_or(DirectorError::NotFound)?;
        let account = self.store.account(event.account).await?.ok_or(DirectorError::NoAccount)?;
        Ok((event, account))
    }

    /// Stores a step as a whole, then makes the world follow it.
    async fn take(&mut self, before: u64, step: Step, actor: &str, action: &str) -> Result<Event, DirectorError> {
        let (event, now_ms) = (step.event, self.clock.now_ms());
        let (credentials, replaced) = self.issued(&event, &step.effects, now_ms).await?;
        let view = EventView::new(&event, &self.config.playback_url);
        let told = step.happened.iter().map(|happening| told(happening.name(), &view, now_ms, None)).collect();
        let deed = AuditEntry {
            at_ms: now_ms,
            actor: actor.to_owned(),
            action: format!("event.{action}"),
            subject: event.id.to_string(),
            detail: json!({ "state": event.state.name(), "version": event.version }),
        };
        let change =
            StoredChange { event: event.clone(), before, at_ms: now_ms, told, deed, credentials, answer: None };
        self.store.commit(&change).await?;
        if let Some(digest) = replaced {
            self.stage.forget_key(&digest);
        }
        let opened = self.follow(&event).await;
        // Whoever hears of it finds it done.
        for happening in &step.happened {
            info!(event = %event.id, happened = happening.name(), by = actor, state = event.state.name(), "event changed");
            // Nobody may be listening.
            let _ = self.ears.changes.send(Change { kind: happening.name(), event: view.clone() });
        }
        self.ears.told.notify_one();
        match opened {
            Ok(()) => Ok(event),
            Err(why) => {
                error!(event = %event.id, why, "an event cannot go on");
                // The end of an event opens nothing, so this goes no deeper.
                Box::pin(self.fact(event.id, &Fact::Failed(why))).await?;
                self.load(event.id).await.map(|(event, _)| event)
            }
        }
    }

    /// Makes the world be as a stored event says; where the store fails meanwhile, with the next look.
    async fn follow(&mut self, event: &Event) -> Result<(), String> {
        match self.realise(event).await {
            Ok(done) => {
                self.behind.remove(&event.id);
                done
            }
            Err(error) => {
                error!(event = %event.id, %error, "an event is stored, and what follows from it has to wait");
                self.behind.insert(event.id);
                Ok(())
            }
        }
    }

    /// The credentials that a step issues, if it does, and what the key was known by that they replace.
    async fn issued(
        &self,
        event: &Event,
        effects: &[Effect],
        now_ms: i64,
    ) -> Result<(Option<Credentials>, Option<Digest>), DirectorError> {
        let (rotates, opens) = (effects.contains(&Effect::RotateKey), effects.contains(&Effect::OpenBroadcast));
        if !rotates && !opens {
            return Ok((None, None));
        }
        let before = self.store.credentials(event.id).await?.map(|credentials| credentials.key_digest);
        if before.is_some() && !rotates {
            return Ok((None, None));
        }
        let secrets = Secrets::generate()?;
        let digest = Digest::from_bytes(self.stage.digest(&secrets.key));
        Ok((Some(secrets.sealed(&self.seal, event.id, digest, now_ms)?), before))
    }

    /// Makes the world be as the event says. The inner error is why that can never be.
    async fn realise(&mut self, event: &Event) -> Result<Result<(), String>, DirectorError> {
        self.remember_deadline(event);
        let stored = event.source.is_ingested().then_some(self.store.credentials(event.id).await?).flatten();
        let secrets = match stored.as_ref().map(|stored| Secrets::unsealed(&self.seal, stored)) {
            Some(Err(error)) if !event.is_ended() => return Ok(Err(error.to_string())),
            Some(Ok(secrets)) => Some(secrets),
            // Of a past event only the digest of its key is needed.
            Some(Err(_)) | None => None,
        };
        if let (Some(stored), None) = (&stored, &secrets) {
            self.stage.close_key(&stored.key_digest);
        }
        match self.stage.set(event, secrets.as_ref()).await {
            // The next run opens it.
            Ok(()) | Err(OpenError::Stopping) => Ok(Ok(())),
            Err(error) => Ok(Err(format!("its channel cannot be opened: {error}"))),
        }
    }

    fn remember_deadline(&mut self, event: &Event) {
        match event.deadline_ms(&self.config.rules) {
            Some(due_ms) => drop(self.deadlines.insert(event.id, due_ms)),
            None => drop(self.deadlines.remove(&event.id)),
        }
    }

    /// Tells that what is wrong with a running event is something else now.
    async fn tell_health(&mut self, id: Uuid, health: &HealthView) {
        let outcome = async {
            let (event, _) = self.load(id).await?;
            let (now_ms, view) = (self.clock.now_ms(), EventView::new(&event, &self.config.playback_url));
            let codes: Vec<&str> = health.findings.iter().map(|finding| finding.code.as_str()).collect();
            let deed = AuditEntry {
                at_ms: now_ms,
                actor: BY_RULE.to_owned(),
                action: HEALTH.to_owned(),
                subject: id.to_string(),
                detail: json!({ "findings": codes }),
            };
            // It is no change of the event, so its version stays.
            self.store.tell(id, &told(HEALTH, &view, now_ms, Some(health)), &deed).await?;
            self.stage.told_health(id, health);
            let _ = self.ears.changes.send(Change { kind: HEALTH, event: view });
            self.ears.told.notify_one();
            Ok::<_, DirectorError>(())
        };
        if let Err(error) = outcome.await {
            warn!(event = %id, %error, "a change of health cannot be told; trying again");
        }
    }
}

/// The name under which others are told that what is wrong with a running event has changed.
pub const HEALTH: &str = "event.health";

/// What webhooks are sent.
fn told(kind: &'static str, event: &EventView, at_ms: i64, health: Option<&HealthView>) -> Told {
    let mut body = json!({ "type": kind, "at": timestamp(at_ms), "event": event });
    if let Some(health) = health {
        body["health"] = json!(health);
    }
    Told { kind: kind.to_owned(), body }
}

fn action(command: &Command) -> &'static str {
    match command {
        Command::Edit { .. } => "edit",
        Command::Schedule(_) => "schedule",
        Command::Activate => "activate",
        Command::Place(_) => "place",
        Command::Start => "start",
        Command::Air => "air",
        Command::Stop => "stop",
        Command::RotateKey => "rotate_key",
    }
}

fn fact_name(fact: &Fact) -> &'static str {
    match fact {
        Fact::Clock => "clock",
        Fact::InputConnected => "input_connected",
        Fact::InputLost => "input_lost",
        Fact::LadderUp => "ladder_up",
        Fact::Restarted => "restarted",
        Fact::Failed(_) => "failed",
    }
}
