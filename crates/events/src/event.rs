//! What an event is.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::refusal::Refusal;
use crate::state::State;
use crate::step::{Happening, Step};

/// The longest title; it stands in pages and lists.
pub const TITLE_CHARS_MAX: usize = 200;
/// The longest URL of an external playlist.
const URL_CHARS_MAX: usize = 2048;

/// One broadcast, from the first idea of it to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its id, which is also the name of its playlists.
    pub id: Uuid,
    /// Whose it is.
    pub account: Uuid,
    /// For people: 1 to [`TITLE_CHARS_MAX`] characters.
    pub title: String,
    /// Where its pictures come from.
    pub source: Source,
    /// When it is to be, if that is planned.
    pub schedule: Option<Schedule>,
    /// Whether the operator has said that it is meant to happen.
    pub activated: bool,
    /// How viewers come in, once that is decided.
    pub offer: Option<Offer>,
    /// Where it stands.
    pub state: State,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: i64,
    /// Counts its changes, from 1.
    pub version: u64,
}

/// Where an event's pictures come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// An encoder that pushes RTMP or RTMPS.
    Rtmp {
        /// What it is said to send.
        input: Quality,
    },
    /// An encoder that pushes SRT.
    Srt {
        /// What it is said to send.
        input: Quality,
    },
    /// A playlist that somebody else makes and serves: shown, never encoded, proxied or counted.
    Hls {
        /// Where it is.
        url: String,
    },
}

/// The input that the operator declares, which decides the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Quality {
    /// 1080p in; 1080p, 720p and 360p out.
    #[serde(rename = "1080p")]
    P1080,
    /// 720p in; 720p and 360p out.
    #[serde(rename = "720p")]
    P720,
}

/// How viewers come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offer {
    /// Playback is public.
    Free,
    /// Playback needs a signed token from the operator's platform.
    Paid,
}

/// When an event is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Planned start, in milliseconds since 1970.
    pub start_ms: i64,
    /// Planned duration in milliseconds.
    pub duration_ms: i64,
}

impl Schedule {
    /// The planned end.
    pub fn end_ms(&self) -> i64 {
        self.start_ms.saturating_add(self.duration_ms)
    }
}

impl Source {
    /// Whether weir receives and encodes it.
    pub fn is_ingested(&self) -> bool {
        !matches!(self, Self::Hls { .. })
    }

    /// The word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rtmp { .. } => "rtmp",
            Self::Srt { .. } => "srt",
            Self::Hls { .. } => "hls",
        }
    }

    fn checked(self) -> Result<Self, Refusal> {
        match &self {
            Self::Hls { url } if !is_public_url(url) => Err(Refusal::ExternalUrl),
            _ => Ok(self),
        }
    }
}

/// Whether a text may be a URL that stands on a public page: no blanks, no password, not endless. Whether there is a
/// playlist behind it is for a check to find out.
fn is_public_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    let plain = !url.contains(|c: char| c.is_control() || c.is_whitespace());
    plain
        && url.chars().count() <= URL_CHARS_MAX
        && authority.is_some_and(|host| !host.is_empty() && !host.contains('@'))
}

impl Event {
    /// A draft.
    ///
    /// # Errors
    /// The title is empty or too long, or the URL is none.
    pub fn create(id: Uuid, account: Uuid, title: &str, source: Source, now_ms: i64) -> Result<Step, Refusal> {
        let event = Self {
            id,
            account,
            title: title_checked(title)?,
            source: source.checked()?,
            schedule: None,
            activated: false,
            offer: None,
            state: State::Draft,
            created_ms: now_ms,
            version: 1,
        };
        Ok(Step { event, effects: Vec::new(), happened: vec![Happening::Created] })
    }

    /// The same with another title or source. Once started, credentials and ladder fit the source and it stays.
    pub(crate) fn edited(&self, title: Option<&str>, source: Option<&Source>) -> Result<Self, Refusal> {
        let mut event = self.clone();
        if let Some(title) = title {
            event.title = title_checked(title)?;
        }
        if let Some(source) = source.filter(|source| **source != self.source) {
            if self.is_started() {
                return Err(Refusal::SourceFixed);
            }
            let source = source.clone().checked()?;
            if !source.is_ingested() && self.schedule.is_some() {
                return Err(Refusal::ExternalSchedule);
            }
            if !source.is_ingested() && self.offer == Some(Offer::Paid) {
                return Err(Refusal::ExternalPaid);
            }
            event.source = source;
        }
        Ok(event)
    }

    /// Whether it has been started, and not ended.
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    /// Whether its end has come.
    pub fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    /// Whether it has ever been started.
    pub(crate) fn is_started(&self) -> bool {
        self.is_running() || self.is_ended()
    }
}

fn title_checked(title: &str) -> Result<String, Refusal> {
    let title = title.trim();
    let fits = (1..=TITLE_CHARS_MAX).contains(&title.chars().count()) && !title.contains(char::is_control);
    if fits { Ok(title.to_owned()) } else { Err(Refusal::Title) }
}
