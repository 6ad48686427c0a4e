//! Where an event stands.

use serde::{Deserialize, Serialize};

use crate::refusal::Gate;

/// The states of an event. Each holds what only it knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not planned, not started.
    Draft,
    /// It has a planned start and waits for it.
    Scheduled {
        /// What kept it from being made ready when its time had come.
        refused: Vec<Gate>,
    },
    /// It has been started: `ready`, `preview` or `live`.
    Running(Run),
    /// It is over for good.
    Ended(Ended),
}

/// A started event. Its end does not move any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it was started, in milliseconds since 1970.
    pub started_ms: i64,
    /// When it ends by itself.
    pub ends_ms: i64,
    /// How far it has come.
    pub phase: Phase,
    /// What comes from its encoder.
    pub input: Input,
}

/// How far a started event has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its credentials work.
    Ready,
    /// Its ladder can be watched in private.
    Preview,
    /// It is on air.
    Live {
        /// Since when, in milliseconds since 1970.
        aired_ms: i64,
    },
}

/// What comes from an event's encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Nothing.
    Absent {
        /// Since when, in milliseconds since 1970.
        since_ms: i64,
    },
    /// It is connected.
    Connected {
        /// Since when, in milliseconds since 1970.
        since_ms: i64,
    },
    /// It goes from somebody else straight to the viewers.
    External,
}

/// A past event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When it ended, in milliseconds since 1970.
    pub at_ms: i64,
    /// Why.
    pub why: EndReason,
    /// What there is to say of it beyond the reason.
    pub detail: Option<String>,
    /// When it had been started, if it was.
    pub started_ms: Option<i64>,
    /// When it went on air, if it did.
    pub aired_ms: Option<i64>,
}

/// Why an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// By its operator's hand.
    Stopped,
    /// Its time was up.
    Duration,
    /// Nothing came from the encoder for too long.
    NoInput,
    /// It could not go on, or not begin.
    Failed,
}

impl State {
    /// One of `draft`, `scheduled`, `ready`, `preview`, `live` and `ended`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled { .. } => "scheduled",
            Self::Running(run) => match run.phase {
                Phase::Ready => "ready",
                Phase::Preview => "preview",
                Phase::Live { .. } => "live",
            },
            Self::Ended(_) => "ended",
        }
    }
}

impl EndReason {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Duration => "duration",
            Self::NoInput => "no_input",
            Self::Failed => "failed",
        }
    }
}

impl Run {
    /// When it went on air, if it did.
    pub fn aired_ms(&self) -> Option<i64> {
        match self.phase {
            Phase::Live { aired_ms } => Some(aired_ms),
            Phase::Ready | Phase::Preview => None,
        }
    }
}
