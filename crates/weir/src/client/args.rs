//! What can be said on the command line to a running daemon.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

/// Which daemon, and as whom.
#[derive(Debug, Args)]
pub struct Remote {
    /// The API of the daemon.
    #[arg(long, env = "WEIR_SERVER", default_value = "http://127.0.0.1:8090", value_name = "URL", global = true)]
    pub server: String,
    /// A file with the token; otherwise it is taken from WEIR_TOKEN in the environment.
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,
    /// Print what the API answers, as JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do with events.
#[derive(Debug, Subcommand)]
pub enum EventCommand {
    /// Create an event: a draft.
    Create {
        /// For people.
        title: String,
        /// Where its pictures come from.
        #[arg(long, default_value = "rtmp")]
        source: SourceKind,
        /// What the encoder sends.
        #[arg(long, default_value = "1080p", value_parser = ["1080p", "720p"])]
        input: String,
        /// The playlist that somebody else serves, with `--source hls`.
        #[arg(long, required_if_eq("source", "hls"))]
        url: Option<String>,
        /// Activate it too, and place it in this offer.
        #[arg(long)]
        offer: Option<OfferKind>,
    },
    /// List events, newest first.
    List {
        /// Only those in this state.
        #[arg(long, value_parser = ["draft", "scheduled", "ready", "preview", "live", "ended"])]
        state: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Show an event, and how it is doing.
    Show {
        /// Its id.
        id: Uuid,
    },
    /// Plan an event.
    Schedule {
        /// Its id.
        id: Uuid,
        /// When it begins, with a zone: 2027-03-01T18:00:00+01:00.
        #[arg(long, value_name = "TIME")]
        at: String,
        /// How long it lasts: 90m, 1h30m.
        #[arg(long, value_name = "TIME")]
        lasts: String,
    },
    /// Say that an event is meant to happen.
    Activate {
        /// Its id.
        id: Uuid,
    },
    /// Place an event in an offer.
    Offer {
        /// Its id.
        id: Uuid,
        /// How viewers come in.
        offer: OfferKind,
    },
    /// Start an event, and show what its encoder needs.
    Start {
        /// Its id.
        id: Uuid,
    },
    /// Show what the encoder of a started event needs.
    Credentials {
        /// Its id.
        id: Uuid,
    },
    /// Make a link for watching an event before it is on air.
    Preview {
        /// Its id.
        id: Uuid,
    },
    /// Go on air.
    Air {
        /// Its id.
        id: Uuid,
    },
    /// End an event for good.
    Stop {
        /// Its id.
        id: Uuid,
    },
    /// Look at the playlist of an external event: what it is, and whether viewers can play it.
    Check {
        /// The event's id, or a URL.
        what: String,
    },
    /// Print what happens, until interrupted.
    Watch {
        /// Only what happens to this event.
        id: Option<Uuid>,
    },
}

/// What to do with stream keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Put a new stream key in the place of an event's old one.
    Rotate {
        /// The event's id.
        id: Uuid,
    },
}

/// Where pictures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SourceKind {
    /// An encoder that pushes RTMP or RTMPS.
    Rtmp,
    /// An encoder that pushes SRT.
    Srt,
    /// A playlist that somebody else serves.
    Hls,
}

/// How viewers come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OfferKind {
    /// Playback is public.
    Free,
    /// Playback needs a signed token.
    Paid,
}

impl OfferKind {
    /// The word the API has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Paid => "paid",
        }
    }
}
