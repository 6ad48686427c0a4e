//! All channels of a daemon.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use metrics::{counter, describe_counter, describe_gauge};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{self, JoinSet};
use tracing::{error, warn};
use weir_ingest::{PublishRequest, Refusal};
use weir_packager::Snapshot;

use crate::channel::{Channel, Outside};
use crate::files::ChannelFiles;
use crate::gate::Gate;
use crate::settings::{ChannelSpec, Lasting, Settings};
use crate::status::Status;
use crate::{ledger, link, stages};

pub use crate::channel::Wish;

/// Publishers that may wait for a channel's answer. One sends, one may knock; more only while under attack.
const WAITING_MAX: usize = 16;
/// Channels that may wait to be opened; each is opened at once.
const ORDERS_MAX: usize = 64;

/// A channel could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The daemon is stopping; its next run can open it.
    #[error("the daemon is stopping")]
    Stopping,
    /// A channel has one task.
    #[error("channel {0} is open already")]
    IsOpen(String),
    /// Its files cannot be used.
    #[error("channel {channel}: {source}")]
    Files {
        /// Its name.
        channel: String,
        /// What went wrong.
        source: io::Error,
    },
}

/// The channels of a daemon, each in a task of its own.
pub struct Channels {
    settings: Arc<Settings>,
    gate: Arc<Gate>,
    slots: HashMap<String, Slot>,
    tasks: JoinSet<bool>,
    stop: watch::Receiver<bool>,
    orders: mpsc::Receiver<Order>,
}

/// Opens channels of events while the others run. Clones stand for the same channels.
#[derive(Debug, Clone)]
pub struct ChannelsHandle {
    orders: mpsc::Sender<Order>,
}

/// A channel as those see it who opened it.
#[derive(Debug)]
pub struct Opened {
    /// What players are to see.
    pub snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    /// How it is doing.
    pub status: watch::Receiver<Status>,
    /// What is wanted of it.
    pub wish: watch::Sender<Wish>,
}

/// A channel that is to be opened while the others run.
#[derive(Debug)]
pub struct Order {
    /// Which.
    pub spec: ChannelSpec,
    /// How it was done.
    pub answer: oneshot::Sender<Result<Opened, OpenError>>,
}

/// What outlives a channel's task.
struct Slot {
    spec: ChannelSpec,
    outside: Outside,
    door: mpsc::Sender<PublishRequest>,
    task: task::Id,
}

impl ChannelsHandle {
    /// A handle, and where its orders arrive.
    pub fn new() -> (Self, mpsc::Receiver<Order>) {
        let (sender, orders) = mpsc::channel(ORDERS_MAX);
        (Self { orders: sender }, orders)
    }

    /// Opens the channel of an event, going on with what an earlier run left of it.
    ///
    /// # Errors
    /// Its files cannot be used, or the daemon is stopping.
    pub async fn open(&self, spec: ChannelSpec) -> Result<Opened, OpenError> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order { spec, answer }).await.map_err(|_| OpenError::Stopping)?;
        answered.await.unwrap_or(Err(OpenError::Stopping))
    }
}

impl Channels {
    /// Opens the standing channels and starts their tasks. The tasks end when `stop` turns true.
    ///
    /// # Errors
    /// A channel's files cannot be used.
    pub fn open(
        settings: Arc<Settings>,
        gate: Arc<Gate>,
        specs: Vec<ChannelSpec>,
        stop: &watch::Receiver<bool>,
    ) -> Result<(Self, ChannelsHandle), OpenError> {
        let (handle, orders) = ChannelsHandle::new();
        let (slots, tasks) = (HashMap::new(), JoinSet::new());
        let mut channels = Self { settings, gate, slots, tasks, stop: stop.clone(), orders };
        for spec in specs {
            channels.add(spec)?;
        }
        Ok((channels, handle))
    }

    /// What each channel shows, by its name.
    pub fn snapshots(&self) -> impl Iterator<Item = (&str, watch::Receiver<Option<Arc<Snapshot>>>)> {
        self.slots.iter().map(|(name, slot)| (name.as_str(), slot.outside.snapshots.subscribe()))
    }

    /// Leads publishers to their channels, and opens more, until it is told to stop and every channel has closed.
    pub async fn run(mut self, mut requests: mpsc::Receiver<PublishRequest>) {
        let mut stop = self.stop.clone();
        loop {
            let stopping = *stop.borrow();
            tokio::select! {
                Some(request) = requests.recv() => self.admit(request),
                Some(order) = self.orders.recv(), if !stopping => {
                    // Whoever asked may have gone; the channel is there for whoever asks again.
                    let _ = order.answer.send(self.add(order.spec));
                }
                Some(ended) = self.tasks.join_next_with_id() => match ended {
                    Ok((id, over)) => self.ended(id, over),
                    Err(panic) => self.restart(&panic),
                },
                _ = stop.changed(), if !stopping => {}
                else => return,
            }
            if *stop.borrow() && self.tasks.is_empty() {
                return;
            }
        }
    }

    fn add(&mut self, spec: ChannelSpec) -> Result<Opened, OpenError> {
        if self.slots.contains_key(&spec.name) {
            return Err(OpenError::IsOpen(spec.name));
        }
        let (wish, wished) = watch::channel(Wish::default());
        let (snapshots, status) = (Arc::new(watch::Sender::new(None)), Arc::new(watch::Sender::new(Status::default())));
        let opened = Opened { snapshots: snapshots.subscribe(), status: status.subscribe(), wish };
        let outside = Outside { snapshots, status, wish: wished };
        let (door, task) = self.start(&spec, &outside)?;
        self.slots.insert(spec.name.clone(), Slot { spec, outside, door, task });
        Ok(opened)
    }

    fn start(
        &mut self,
        spec: &ChannelSpec,
        outside: &Outside,
    ) -> Result<(mpsc::Sender<PublishRequest>, task::Id), OpenError> {
        let channel = Channel::open(spec.clone(), self.settings.clone(), outside.clone())
            .map_err(|source| OpenError::Files { channel: spec.name.clone(), source })?;
        let (door, requests) = mpsc::channel(WAITING_MAX);
        let task = self.tasks.spawn(channel.run(requests, self.stop.clone()));
        Ok((door, task.id()))
    }

    /// A channel's task came to its end; where the channel is over for good, nothing of it is kept.
    fn ended(&mut self, id: task::Id, over: bool) {
        if !over {
            return;
        }
        let Some(name) = self.name_of(id) else { return };
        self.slots.remove(&name);
        if let Err(error) = remove_files(&self.settings.events_dir, &name) {
            warn!(channel = name, %error, "the files of a past event cannot be removed");
        }
    }

    /// A fault of ours ended a channel's task: its encoder has to connect again, the channel goes on.
    fn restart(&mut self, panic: &task::JoinError) {
        let Some(name) = self.name_of(panic.id()) else { return };
        let Some(Slot { spec, outside, .. }) = self.slots.get(&name) else { return };
        let (spec, outside) = (spec.clone(), outside.clone());
        error!(channel = name, error = %panic, "the channel's task failed and is started again");
        counter!("weir_channel_failures_total", "channel" => name.clone()).increment(1);
        match self.start(&spec, &outside) {
            Ok((door, task)) => drop(self.slots.insert(name, Slot { spec, outside, door, task })),
            Err(e) => {
                error!(channel = name, error = %e, "the channel cannot be opened again");
                // Whoever watches over an event is told by the end of its status.
                if spec.lasting == Lasting::Event {
                    self.slots.remove(&name);
                }
            }
        }
    }

    fn name_of(&self, id: task::Id) -> Option<String> {
        self.slots.iter().find(|(_, slot)| slot.task == id).map(|(name, _)| name.clone())
    }

    fn admit(&self, request: PublishRequest) {
        let found = self.gate.find(&request.key, request.peer.ip(), request.protocol, Instant::now());
        // The ingest logs and counts refusals, with the peer's address.
        let entrance = match found {
            Ok(entrance) => entrance,
            Err(refusal) => return request.refuse(refusal),
        };
        let unavailable = || Refusal::Unavailable("the channel is closing or overrun, try again".to_owned());
        let Some(slot) = self.slots.get(&entrance.channel) else { return request.refuse(unavailable()) };
        if let Err(full) = slot.door.try_send(request) {
            warn!(channel = entrance.channel, "the channel does not answer a publisher");
            full.into_inner().refuse(unavailable());
        }
    }
}

/// Nothing of a past event is needed again, not even its numbers.
fn remove_files(events_dir: &Path, name: &str) -> io::Result<()> {
    ChannelFiles::open(events_dir, name)?.remove()
}

/// Removes what is left of events other than `running`, by their names: their end was missed.
///
/// # Errors
/// The folder cannot be read, or something in it not be removed.
pub fn remove_past_events(events_dir: &Path, running: &HashSet<String>) -> io::Result<()> {
    let entries = match std::fs::read_dir(events_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name();
        if let Some(name) = name.to_str().filter(|name| !running.contains(*name)) {
            remove_files(events_dir, name)?;
        }
    }
    Ok(())
}

/// Describes the metrics of this crate.
pub fn describe_metrics() {
    ledger::describe_metrics();
    stages::describe_metrics();
    link::describe_metrics();
    describe_counter!("weir_publishers_total", "Publishers accepted, by channel.");
    describe_counter!("weir_channel_failures_total", "Faults that ended a channel's task, by channel.");
    describe_counter!("weir_timestamp_jumps_total", "Source timestamps that jumped, by channel.");
    describe_counter!("weir_ladder_failures_total", "Ladder workers that failed, by channel and reason.");
    describe_counter!("weir_drops_total", "Frames dropped, by stage and reason.");
    describe_counter!("weir_ladder_refusals_total", "Publishers refused because the machine is full, by channel.");
    describe_counter!("weir_ladder_changes_total", "Ladders changed in mid-broadcast to keep up, by channel.");
    describe_gauge!("weir_ladder_copied", "1 while the best rendition is the encoder's own picture, by channel.");
    describe_gauge!("weir_channel_publishing", "1 while a publisher is connected, by channel.");
    describe_gauge!("weir_segments", "Segments published in the running presentation, by channel.");
    describe_gauge!("weir_parts_dropped", "Parts of one rendition dropped because another had none, by channel.");
    describe_gauge!("weir_playlist_age_seconds", "Seconds since the playlists last changed, by channel.");
}
