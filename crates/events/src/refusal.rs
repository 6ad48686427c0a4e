//! What the rules say no to.

use serde::{Deserialize, Serialize};

/// What must be there before an event may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The operator has to activate it.
    Activation,
    /// It has to be placed in an offer.
    Offer,
    /// The account's plan has to have live ingest.
    LiveIngest,
    /// The account has to have minutes of encoding left.
    EncodingCredit,
    /// The account has to have egress left.
    EgressCredit,
}

impl Gate {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Activation => "activation",
            Self::Offer => "offer",
            Self::LiveIngest => "live_ingest",
            Self::EncodingCredit => "encoding_credit",
            Self::EgressCredit => "egress_credit",
        }
    }

    /// What is missing, in words.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Activation => "it is not activated",
            Self::Offer => "it is in no offer, free or paid",
            Self::LiveIngest => "the account's plan has no live ingest",
            Self::EncodingCredit => "the account has no minutes of encoding left",
            Self::EgressCredit => "the account has no egress left",
        }
    }
}

/// Why a command was not carried out: one rule each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An end is final.
    #[error("the event has ended, and that is final; a new broadcast is a new event")]
    Ended,
    /// It has been started before.
    #[error("the event has been started already")]
    AlreadyStarted,
    /// It has to be started first.
    #[error("the event has not been started")]
    NotStarted,
    /// A start needs all gates.
    #[error("the event cannot start: {}", sentences(.0))]
    GatesMissing(Vec<Gate>),
    /// It would be over before its planned end.
    #[error("it is too early to start: the longest live would be over before the planned end")]
    TooEarly {
        /// The first moment at which it may start, in milliseconds since 1970.
        from_ms: i64,
    },
    /// Nothing can be watched yet.
    #[error("there is no picture to show yet: an encoder has to send one first")]
    NoPreview,
    /// Nothing comes from the encoder.
    #[error("the encoder is not connected at this moment")]
    NoInput,
    /// It is on air.
    #[error("the event is on air already")]
    AlreadyLive,
    /// The end of a started event does not move.
    #[error("the event has been started, and its end cannot be moved any more")]
    EndFixed,
    /// The source of a started event does not change.
    #[error("the event has been started, and its source and input cannot be changed any more")]
    SourceFixed,
    /// What viewers were told does not change.
    #[error("the event has been started, and its offer cannot be changed any more")]
    OfferFixed,
    /// Nobody can plan for yesterday.
    #[error("the planned start is in the past")]
    StartPast,
    /// Mistyped, most likely.
    #[error("the planned start is more than a year ahead")]
    StartFar,
    /// Too short or too long.
    #[error("the planned duration must be from {} to {} minutes", .min_ms / 60_000, .max_ms / 60_000)]
    DurationRange {
        /// The shortest, in milliseconds.
        min_ms: i64,
        /// The longest, in milliseconds.
        max_ms: i64,
    },
    /// Somebody else decides when an external stream begins.
    #[error("an external HLS stream cannot be scheduled: it is made and timed by somebody else")]
    ExternalSchedule,
    /// Whoever has the URL can watch.
    #[error("an external HLS stream cannot be in a paid offer: weir does not serve it and cannot guard it")]
    ExternalPaid,
    /// There is nothing to push.
    #[error("an external HLS stream has no ingest credentials")]
    ExternalCredentials,
    /// Not a URL.
    #[error(
        "the URL of an external playlist must begin with https:// or http://, have at most 2048 characters, and no blanks, user name or password"
    )]
    ExternalUrl,
    /// Empty or too long.
    #[error("the title must have 1 to {} characters, without line breaks", crate::TITLE_CHARS_MAX)]
    Title,
}

impl Refusal {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ended => "event_ended",
            Self::AlreadyStarted => "already_started",
            Self::NotStarted => "not_started",
            Self::GatesMissing(_) => "gates_missing",
            Self::TooEarly { .. } => "too_early",
            Self::NoPreview => "no_preview",
            Self::NoInput => "no_input",
            Self::AlreadyLive => "already_live",
            Self::EndFixed => "end_fixed",
            Self::SourceFixed => "source_fixed",
            Self::OfferFixed => "offer_fixed",
            Self::StartPast => "start_past",
            Self::StartFar => "start_far",
            Self::DurationRange { .. } => "duration_range",
            Self::ExternalSchedule => "external_schedule",
            Self::ExternalPaid => "external_paid",
            Self::ExternalCredentials => "external_credentials",
            Self::ExternalUrl => "external_url",
            Self::Title => "title",
        }
    }

    /// Whether what was given could never be right, whatever the state of the event.
    pub fn is_invalid_input(&self) -> bool {
        matches!(self, Self::StartPast | Self::StartFar | Self::DurationRange { .. } | Self::ExternalUrl | Self::Title)
    }
}

fn sentences(gates: &[Gate]) -> String {
    gates.iter().map(|gate| gate.sentence()).collect::<Vec<_>>().join("; ")
}
