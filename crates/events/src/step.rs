//! What a command or a fact brings about.

use crate::event::Event;

/// One step of an event's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The event as it is now.
    pub event: Event,
    /// What has to be done, in this order, once the event is stored.
    pub effects: Vec<Effect>,
    /// What there is to tell, in the order in which it came about.
    pub happened: Vec<Happening>,
}

/// Something to be done. Doing it twice does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Let the event's encoder in, and show in private what it sends.
    OpenBroadcast,
    /// Show to the public what comes from now on.
    GoPublic,
    /// Turn the encoder away for good, end the playlists.
    CloseBroadcast,
    /// Put another stream key in the place of the one there is.
    RotateKey,
}

/// Something that happened to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Happening {
    /// It was created.
    Created,
    /// Its title, source or gates changed.
    Edited,
    /// It was planned.
    Scheduled,
    /// Its time came, and it could not be started.
    StartRefused,
    /// It was started.
    Ready,
    /// It can be watched in private.
    Preview,
    /// It is on air.
    Live,
    /// It is over.
    Ended,
    /// Its encoder is there.
    InputConnected,
    /// Its encoder is gone.
    InputLost,
    /// It has another stream key.
    KeyRotated,
}

impl Happening {
    /// The name under which others are told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "event.created",
            Self::Edited => "event.edited",
            Self::Scheduled => "event.scheduled",
            Self::StartRefused => "event.start_refused",
            Self::Ready => "event.ready",
            Self::Preview => "event.preview",
            Self::Live => "event.live",
            Self::Ended => "event.ended",
            Self::InputConnected => "event.input_connected",
            Self::InputLost => "event.input_lost",
            Self::KeyRotated => "event.key_rotated",
        }
    }
}
