//! What the daemon's configuration says to the broadcasts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use weir_ladder::{DeclaredInput, Preset, RungSpec, WorkerCommand, WorkerLimits};
use weir_packager::Config as PackagerConfig;

use crate::capacity::Capacity;

/// What holds for every channel.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where sequence numbers and windows of standing channels are kept; made when missing.
    pub state_dir: PathBuf,
    /// Where those of events are kept, for as long as the event lasts; made when missing.
    pub events_dir: PathBuf,
    /// Rungs that a ladder may have, best first.
    pub rungs: Vec<RungSpec>,
    /// The x264 preset.
    pub preset: PresetChoice,
    /// Whether the best rung is the source's own frames, where those are fit for it.
    pub copy_best: bool,
    /// Window and segment length for the packager.
    pub packager: PackagerConfig,
    /// How long an encoder may stay away and still carry on its playlists.
    pub reconnect_window: Duration,
    /// What becomes of the playlists when the daemon stops.
    pub on_shutdown: OnShutdown,
    /// How the worker process is started.
    pub worker: WorkerCommand,
    /// What a worker may take.
    pub worker_limits: WorkerLimits,
}

/// Who chooses the x264 preset.
#[derive(Debug, Clone)]
pub enum PresetChoice {
    /// The operator did.
    Fixed(Preset),
    /// It follows from what the machine holds, for each broadcast anew.
    Auto(Arc<Capacity>),
}

/// What becomes of the playlists when the daemon stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnShutdown {
    /// They are kept on disk, and the next run goes on with them.
    Resume,
    /// They end with ENDLIST.
    End,
}

/// One channel.
#[derive(Debug, Clone)]
pub struct ChannelSpec {
    /// Its name in playback URLs, logs and metrics.
    pub name: String,
    /// What its encoder is said to send.
    pub input: DeclaredInput,
    /// How long there is a channel.
    pub lasting: Lasting,
}

/// How long there is a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// For good: it is on whenever its encoder is, for everybody, and its playlists end when that stays away.
    Standing,
    /// For one event: in private until that goes on air, and until somebody says that it is over.
    Event,
}
