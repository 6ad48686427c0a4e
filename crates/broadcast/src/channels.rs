//! All channels of a daemon.

use std::io;
use std::sync::Arc;

use metrics::{counter, describe_counter, describe_gauge};
use tokio::sync::{mpsc, watch};
use tokio::task::{self, JoinSet};
use tracing::{error, warn};
use weir_ingest::{PublishRequest, Refusal};
use weir_packager::Snapshot;

use crate::channel::Channel;
use crate::gate::Gate;
use crate::settings::{ChannelSpec, Settings};
use crate::{ledger, link, stages};

/// Publishers that may wait for a channel's answer. One sends, one may knock; more only while under attack.
const WAITING_MAX: usize = 16;

/// A channel could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("channel {channel}: {source}")]
pub struct OpenError {
    /// Its name.
    pub channel: String,
    /// What went wrong with its files.
    pub source: io::Error,
}

/// The channels of a daemon, each in a task of its own.
pub struct Channels {
    settings: Arc<Settings>,
    gate: Gate,
    slots: Vec<Slot>,
    tasks: JoinSet<()>,
    stop: watch::Receiver<bool>,
}

/// What outlives a channel's task.
struct Slot {
    spec: ChannelSpec,
    snapshots: Arc<watch::Sender<Option<Arc<Snapshot>>>>,
    door: mpsc::Sender<PublishRequest>,
    task: task::Id,
}

impl Channels {
    /// Opens every channel and starts its task. The tasks end when `stop` turns true.
    pub fn open(
        settings: Arc<Settings>,
        specs: Vec<ChannelSpec>,
        stop: &watch::Receiver<bool>,
    ) -> Result<Self, OpenError> {
        let gate = Gate::new(specs.iter().map(|spec| spec.key.clone()).collect());
        let mut channels = Self { settings, gate, slots: Vec::new(), tasks: JoinSet::new(), stop: stop.clone() };
        for spec in specs {
            let snapshots = Arc::new(watch::Sender::new(None));
            let (door, task) = channels.start(&spec, &snapshots)?;
            channels.slots.push(Slot { spec, snapshots, door, task });
        }
        Ok(channels)
    }

    /// What each channel shows, by its name.
    pub fn snapshots(&self) -> impl Iterator<Item = (&str, watch::Receiver<Option<Arc<Snapshot>>>)> {
        self.slots.iter().map(|slot| (slot.spec.name.as_str(), slot.snapshots.subscribe()))
    }

    /// Leads publishers to their channels until every channel has closed.
    pub async fn run(mut self, mut requests: mpsc::Receiver<PublishRequest>) {
        loop {
            tokio::select! {
                Some(request) = requests.recv() => self.admit(request),
                ended = self.tasks.join_next() => match ended {
                    Some(Ok(())) => {}
                    Some(Err(panic)) => self.restart(&panic),
                    None => return,
                },
            }
        }
    }

    fn start(
        &mut self,
        spec: &ChannelSpec,
        snapshots: &Arc<watch::Sender<Option<Arc<Snapshot>>>>,
    ) -> Result<(mpsc::Sender<PublishRequest>, task::Id), OpenError> {
        let channel = Channel::open(spec.clone(), self.settings.clone(), snapshots.clone())
            .map_err(|source| OpenError { channel: spec.name.clone(), source })?;
        let (door, requests) = mpsc::channel(WAITING_MAX);
        let task = self.tasks.spawn(channel.run(requests, self.stop.clone()));
        Ok((door, task.id()))
    }

    /// A fault of ours ended a channel's task: its encoder has to connect again, the channel goes on.
    fn restart(&mut self, panic: &task::JoinError) {
        let Some(index) = self.slots.iter().position(|slot| slot.task == panic.id()) else { return };
        let (spec, snapshots) = (self.slots[index].spec.clone(), self.slots[index].snapshots.clone());
        error!(channel = spec.name, error = %panic, "the channel's task failed and is started again");
        counter!("weir_channel_failures_total", "channel" => spec.name.clone()).increment(1);
        match self.start(&spec, &snapshots) {
            Ok((door, task)) => (self.slots[index].door, self.slots[index].task) = (door, task),
            Err(e) => error!(channel = spec.name, error = %e, "the channel cannot be opened again"),
        }
    }

    fn admit(&self, request: PublishRequest) {
        let Some(slot) = self.gate.channel(request.key.as_bytes()).and_then(|index| self.slots.get(index)) else {
            // The ingest logs and counts refusals, with the peer's address.
            return request.refuse(Refusal::WrongKey);
        };
        if let Err(full) = slot.door.try_send(request) {
            warn!(channel = slot.spec.name, "the channel does not answer a publisher");
            full.into_inner().refuse(Refusal::Unavailable("the channel is closing or overrun, try again".to_owned()));
        }
    }
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
    describe_gauge!("weir_channel_publishing", "1 while a publisher is connected, by channel.");
    describe_gauge!("weir_segments", "Segments published in the running presentation, by channel.");
    describe_gauge!("weir_parts_dropped", "Parts of one rendition dropped because another had none, by channel.");
    describe_gauge!("weir_playlist_age_seconds", "Seconds since the playlists last changed, by channel.");
}
