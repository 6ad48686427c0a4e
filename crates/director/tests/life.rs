//! The life of events with a clock that only moves when it is told to, and an encoder that is played by the test.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;
use weir_broadcast::{ChannelsHandle, Gate, Opened, Order, Publisher, Status, Wish};
use weir_director::{Change, Clock, Config, Director, DirectorError, IngestUrls, Parts};
use weir_events::{Command, Event, Offer, Quality, Refusal, Rules, Schedule, Source};
use weir_ingest::{Protocol, StreamKey};
use weir_origin::Directory;
use weir_store::{DatabaseUrl, MasterKey, Seal, Store};

const START: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const BY: &str = "test";

/// What outlives a daemon.
struct Home {
    folder: TempDir,
    now_ms: Arc<AtomicI64>,
}

/// One run of a director, with everything around it played by the test.
struct World {
    director: Director,
    gate: Arc<Gate>,
    orders: mpsc::Receiver<Order>,
    changes: broadcast::Receiver<Change>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// The test's end of an open channel.
struct Channel {
    name: String,
    status: watch::Sender<Status>,
    wish: watch::Receiver<Wish>,
}

#[cfg(test)]
impl Home {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), now_ms: Arc::new(AtomicI64::new(START)) }
    }

    fn pass(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Starts a director, and plays the channels that it opens for events that run already.
    async fn start(&self) -> (World, Vec<Channel>) {
        let seal = Seal::open(&MasterKey::from_bytes([7; 32]));
        let store = Store::open(&DatabaseUrl::sqlite(&self.folder.path().join("weir.db"))).await.unwrap();
        let gate = Arc::new(Gate::new(&seal.derive("stream-key"), 1000));
        let (channels, mut orders) = ChannelsHandle::new();
        let (stop, stopped) = watch::channel(false);
        let now_ms = self.now_ms.clone();
        let clock = Clock::new(move || now_ms.load(Ordering::SeqCst));
        let config = Config {
            rules: Rules::default(),
            ingest: IngestUrls {
                rtmp: Some("rtmp://live.example/live".to_owned()),
                rtmps: None,
                srt: Some("srt://live.example:8890".to_owned()),
            },
            srt_latency: Duration::from_millis(120),
            playback_url: "https://live.example".to_owned(),
            events_dir: self.folder.path().join("events"),
        };
        let (directory, told) = (Directory::new(), Arc::new(Notify::new()));
        let parts = Parts { store, seal, channels, gate: gate.clone(), directory, clock, told };
        let mut starting = Box::pin(Director::start(config, parts, stopped));
        let mut open = Vec::new();
        let (director, task) = loop {
            tokio::select! {
                started = &mut starting => break started.unwrap(),
                Some(order) = orders.recv() => open.push(Channel::play(order)),
            }
        };
        drop(starting);
        let changes = director.changes();
        (World { director, gate, orders, changes, stop, task }, open)
    }
}

#[cfg(test)]
impl Channel {
    fn play(order: Order) -> Self {
        let (status, seen) = watch::channel(Status::default());
        let (wish, wished) = watch::channel(Wish::default());
        let (_, snapshots) = watch::channel(None);
        order.answer.send(Ok(Opened { snapshots, status: seen, wish })).unwrap();
        Self { name: order.spec.name, status, wish: wished }
    }

    fn connect(&self) {
        let publisher =
            Publisher { peer: "192.0.2.1:5000".parse().unwrap(), protocol: Protocol::Rtmp, encoder: String::new() };
        self.status.send_modify(|status| (status.publisher, status.pictures) = (Some(publisher), true));
    }

    fn disconnect(&self) {
        self.status.send_modify(|status| (status.publisher, status.pictures) = (None, false));
    }
}

#[cfg(test)]
impl World {
    async fn create(&self, source: Source) -> Event {
        let event = self.director.create(Uuid::nil(), "A talk".to_owned(), source, BY).await.unwrap();
        self.command(event.id, Command::Activate).await.unwrap();
        self.command(event.id, Command::Place(Offer::Free)).await.unwrap()
    }

    async fn command(&self, id: Uuid, command: Command) -> Result<Event, DirectorError> {
        self.director.command(id, command, None, BY).await
    }

    /// Carries out a command that opens a channel.
    async fn command_and_open(&mut self, id: Uuid, command: Command) -> (Event, Channel) {
        let director = self.director.clone();
        let commanded = tokio::spawn(async move { director.command(id, command, None, BY).await.unwrap() });
        let channel = self.opened().await;
        (commanded.await.unwrap(), channel)
    }

    async fn opened(&mut self) -> Channel {
        Channel::play(self.orders.recv().await.unwrap())
    }

    /// Waits for something to happen; what happens before it does not matter.
    async fn until(&mut self, kind: &str) -> Change {
        loop {
            let change = self.changes.recv().await.unwrap();
            if change.kind == kind {
                return change;
            }
        }
    }

    fn knock(&self, key: &str, protocol: Protocol) -> Result<String, String> {
        let found = self.gate.find(&StreamKey::new(key), PEER, protocol, Instant::now());
        found.map(|entrance| entrance.channel).map_err(|refusal| refusal.sentence().to_owned())
    }

    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
        drop(self.stop);
    }
}

#[cfg(test)]
fn rtmp() -> Source {
    Source::Rtmp { input: Quality::P1080 }
}

#[cfg(test)]
fn refused<T: std::fmt::Debug>(outcome: Result<T, DirectorError>) -> Refusal {
    match outcome {
        Err(DirectorError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_planned_event_lives_its_whole_life_by_the_clock() {
    let home = Home::new();
    let (mut world, _) = home.start().await;
    let id = world.create(rtmp()).await.id;
    let schedule = Schedule { start_ms: START + 60 * MINUTE, duration_ms: 90 * MINUTE };
    world.command(id, Command::Schedule(schedule)).await.unwrap();
    let error = world.director.credentials(id).await.unwrap_err().to_string();
    assert!(error.contains("no credentials yet"), "{error}");

    // A key made before the start is refused until then, with the reason.
    let event = world.command(id, Command::RotateKey).await.unwrap();
    let early = world.director.rotated(&event).await.unwrap().stream_key;
    assert_eq!(
        world.knock(&early, Protocol::Rtmp).unwrap_err(),
        "the event of this stream key has not been started yet"
    );

    // Five minutes before the planned start it is ready by itself, with that key.
    home.pass(55 * MINUTE);
    let channel = world.opened().await;
    assert_eq!(world.until("event.ready").await.event.state, "ready");
    assert_eq!(channel.name, id.to_string());
    let credentials = world.director.credentials(id).await.unwrap();
    assert_eq!(credentials.stream_key, early);
    assert_eq!(credentials.rtmp_url.as_deref(), Some("rtmp://live.example/live"));
    assert_eq!(world.knock(&early, Protocol::Rtmp), Ok(id.to_string()));
    assert!(world.knock(&early, Protocol::Srt).unwrap_err().contains("for RTMP"));
    assert_eq!(refused(world.command(id, Command::Air).await), Refusal::NoPreview);

    channel.connect();
    assert!(world.until("event.input_connected").await.event.connected);
    channel.status.send_modify(|status| status.playable = true);
    world.until("event.preview").await;
    assert!(!channel.wish.borrow().public, "a preview is private");
    home.pass(5 * MINUTE);
    world.command(id, Command::Air).await.unwrap();
    assert_eq!(*channel.wish.borrow(), Wish { public: true, over: false });

    // It drops and returns, and goes on.
    channel.disconnect();
    world.until("event.input_lost").await;
    home.pass(5 * MINUTE - 1);
    channel.connect();
    world.until("event.input_connected").await;
    // At the planned end it stops by itself.
    home.pass(85 * MINUTE + 1);
    let ended = world.until("event.ended").await.event;
    assert_eq!((ended.state.as_str(), ended.end_reason.as_deref()), ("ended", Some("duration")));
    assert!(channel.wish.borrow().over);
    assert_eq!(world.knock(&early, Protocol::Rtmp).unwrap_err(), "the event of this stream key has ended");
    assert!(world.director.credentials(id).await.unwrap_err().to_string().contains("has ended"));
    assert_eq!(refused(world.command(id, Command::Start).await), Refusal::Ended);

    let (audit, outbox) = (world.director.store().audit(None, 100).await.unwrap(), ended.version);
    let actions: Vec<&str> = audit.iter().rev().map(|row| row.entry.action.as_str()).collect();
    assert_eq!(actions.first(), Some(&"event.create"));
    assert_eq!(actions.last(), Some(&"event.clock"));
    assert_eq!(audit.len() as u64, outbox, "every version has its deed");
    assert!(audit.iter().all(|row| row.entry.actor == BY || row.entry.actor == "rule"));
}

#[tokio::test]
async fn an_event_that_nobody_feeds_ends_after_five_minutes() {
    let home = Home::new();
    let (mut world, _) = home.start().await;
    let id = world.create(rtmp()).await.id;
    let (event, channel) = world.command_and_open(id, Command::Start).await;
    assert_eq!(event.state.name(), "ready");
    home.pass(5 * MINUTE);
    assert_eq!(world.until("event.ended").await.event.end_reason.as_deref(), Some("no_input"));
    assert!(channel.wish.borrow().over);
}

#[tokio::test]
async fn a_daemon_that_was_killed_goes_on_where_it_was() {
    let home = Home::new();
    let (mut world, _) = home.start().await;
    let id = world.create(rtmp()).await.id;
    let (_, channel) = world.command_and_open(id, Command::Start).await;
    channel.connect();
    channel.status.send_modify(|status| status.playable = true);
    world.until("event.preview").await;
    world.command(id, Command::Air).await.unwrap();
    let before = world.director.credentials(id).await.unwrap();
    world.kill().await;

    home.pass(20 * MINUTE);
    let (mut world, channels) = home.start().await;
    let [channel] = &channels[..] else { panic!("{} channels are open", channels.len()) };
    assert_eq!((channel.name.clone(), *channel.wish.borrow()), (id.to_string(), Wish { public: true, over: false }));
    let event = world.director.store().event(id).await.unwrap().unwrap();
    assert_eq!(event.state.name(), "live");
    let after = world.director.credentials(id).await.unwrap();
    assert_eq!(after.stream_key, before.stream_key);
    assert_eq!(world.knock(&after.stream_key, Protocol::Rtmp), Ok(id.to_string()));

    // The wait for the encoder began anew with the daemon.
    home.pass(5 * MINUTE - 1);
    channel.connect();
    world.until("event.input_connected").await;
    channel.disconnect();
    world.until("event.input_lost").await;
    home.pass(5 * MINUTE);
    assert_eq!(world.until("event.ended").await.event.end_reason.as_deref(), Some("no_input"));
    world.kill().await;

    let (world, channels) = home.start().await;
    assert!(channels.is_empty(), "an ended event has no channel");
    assert_eq!(world.knock(&after.stream_key, Protocol::Rtmp).unwrap_err(), "the event of this stream key has ended");
}

#[tokio::test]
async fn a_key_that_was_replaced_is_wrong_at_once() {
    let home = Home::new();
    let (mut world, _) = home.start().await;
    let id = world.create(Source::Srt { input: Quality::P720 }).await.id;
    let (_, _channel) = world.command_and_open(id, Command::Start).await;
    let first = world.director.credentials(id).await.unwrap();
    let url = first.srt_url.unwrap();
    assert!(url.starts_with("srt://live.example:8890?streamid=") && url.contains("&passphrase="), "{}", url.len());
    let event = world.command(id, Command::RotateKey).await.unwrap();
    let second = world.director.rotated(&event).await.unwrap();
    assert_eq!(world.knock(&first.stream_key, Protocol::Srt).unwrap_err(), "the stream key is wrong");
    assert_eq!(world.knock(&second.stream_key, Protocol::Srt), Ok(id.to_string()));
}

#[tokio::test]
async fn a_change_decided_on_an_old_version_is_refused() {
    let home = Home::new();
    let (world, _) = home.start().await;
    let event = world.create(rtmp()).await;
    let outcome = world.director.command(event.id, Command::Stop, Some(event.version - 1), BY).await;
    assert!(matches!(outcome, Err(DirectorError::Changed { found }) if found == event.version), "{outcome:?}");
    world.director.command(event.id, Command::Stop, Some(event.version), BY).await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_with_the_input_is_told_when_it_changes() {
    let home = Home::new();
    let (mut world, _) = home.start().await;
    let id = world.create(rtmp()).await.id;
    let (_, channel) = world.command_and_open(id, Command::Start).await;
    channel.status.send_modify(|status| drop(status.findings.insert("silent", "nothing comes".to_owned())));
    world.until("event.health").await;
    let health = world.director.health(id).unwrap();
    assert_eq!(health.findings[0].code, "silent");
    channel.status.send_modify(|status| status.findings.clear());
    world.until("event.health").await;
    assert!(world.director.health(id).unwrap().findings.is_empty());
}
