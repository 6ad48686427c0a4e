//! Events as others are shown them: in answers of the API, in webhooks and in server-sent events.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_broadcast::Status;
use weir_events::{Event, Input, Source, State};

/// RFC 3339 in UTC, to the millisecond.
pub fn timestamp(ms: i64) -> String {
    let instant = Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX });
    format!("{instant:.3}")
}

/// An event. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub account: Uuid,
    /// For people.
    pub title: String,
    /// Where its pictures come from.
    pub source: SourceView,
    /// `draft`, `scheduled`, `ready`, `preview`, `live` or `ended`.
    #[schema(example = "preview")]
    pub state: String,
    /// Planned start.
    pub starts_at: Option<String>,
    /// Planned duration in seconds.
    pub duration_s: Option<i64>,
    /// Whether its operator has said that it is meant to happen.
    pub activated: bool,
    /// `free`, `paid`, or nothing yet.
    pub offer: Option<String>,
    /// What keeps a planned event from starting although its time has come.
    pub start_refused: Vec<String>,
    /// When it was started.
    pub started_at: Option<String>,
    /// When it ends by itself, once it is started.
    pub ends_at: Option<String>,
    /// When it went on air.
    pub aired_at: Option<String>,
    /// Whether its encoder is connected and sends.
    pub connected: bool,
    /// When it ended.
    pub ended_at: Option<String>,
    /// `stopped`, `duration`, `no_input` or `failed`.
    pub end_reason: Option<String>,
    /// What there is to say of the end beyond the reason.
    pub end_detail: Option<String>,
    /// Where players get it once it is on air. In a paid offer `/token/TOKEN` goes before `/live`.
    pub playback_url: String,
    /// The page that shows it.
    pub watch_url: String,
    /// When it was created.
    pub created_at: String,
    /// Counts its changes, from 1.
    pub version: u64,
}

/// Where an event's pictures come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceView {
    /// `rtmp`, `srt` or `hls`.
    pub kind: String,
    /// What the encoder is said to send: `1080p` or `720p`. Not for `hls`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The playlist that somebody else serves; for `hls` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl SourceView {
    fn new(source: &Source) -> Self {
        let (input, url) = match source {
            Source::Rtmp { input } | Source::Srt { input } => (Some(word(input)), None),
            Source::Hls { url } => (None, Some(url.clone())),
        };
        Self { kind: source.kind().to_owned(), input, url }
    }
}

/// The word that serde has for a value without fields.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

impl EventView {
    /// `event` as it is shown by a server that viewers reach at `playback_url`.
    pub fn new(event: &Event, playback_url: &str) -> Self {
        let (id, schedule) = (event.id, event.schedule);
        let mut view = Self {
            id,
            account: event.account,
            title: event.title.clone(),
            source: SourceView::new(&event.source),
            state: event.state.name().to_owned(),
            starts_at: schedule.map(|schedule| timestamp(schedule.start_ms)),
            duration_s: schedule.map(|schedule| schedule.duration_ms / 1000),
            activated: event.activated,
            offer: event.offer.as_ref().map(word),
            start_refused: Vec::new(),
            started_at: None,
            ends_at: None,
            aired_at: None,
            connected: false,
            ended_at: None,
            end_reason: None,
            end_detail: None,
            playback_url: match &event.source {
                Source::Hls { url } => url.clone(),
                Source::Rtmp { .. } | Source::Srt { .. } => format!("{playback_url}/live/{id}/index.m3u8"),
            },
            watch_url: format!("{playback_url}/watch/{id}"),
            created_at: timestamp(event.created_ms),
            version: event.version,
        };
        match &event.state {
            State::Draft => {}
            State::Scheduled { refused } => {
                view.start_refused = refused.iter().map(|gate| gate.name().to_owned()).collect();
            }
            State::Running(run) => {
                view.started_at = Some(timestamp(run.started_ms));
                view.ends_at = Some(timestamp(run.ends_ms));
                view.aired_at = run.aired_ms().map(timestamp);
                view.connected = matches!(run.input, Input::Connected { .. });
            }
            State::Ended(ended) => {
                view.started_at = ended.started_ms.map(timestamp);
                view.aired_at = ended.aired_ms.map(timestamp);
                view.ended_at = Some(timestamp(ended.at_ms));
                view.end_reason = Some(ended.why.name().to_owned());
                view.end_detail = ended.detail.clone();
            }
        }
        view
    }
}

/// How a running event is doing. All of it was seen or measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// The encoder that is connected.
    pub encoder: Option<EncoderView>,
    /// What it sends, once that was measured.
    pub input: Option<InputView>,
    /// What is wrong; empty when nothing is.
    pub findings: Vec<FindingView>,
}

/// A connected encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EncoderView {
    /// Where it connects from.
    pub address: String,
    /// `rtmp`, `rtmps` or `srt`.
    pub protocol: String,
    /// What it calls itself.
    pub name: String,
}

/// What an encoder sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InputView {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames a second, for example `30.000` or `29.970`.
    pub frame_rate: String,
    /// Codec, sample rate and channels of the sound.
    pub audio: Option<String>,
    /// The renditions that are made of it, best first.
    pub renditions: Vec<String>,
    /// The x264 preset they are encoded at.
    pub preset: String,
    /// Whether the best one is the encoder's own picture, not encoded again.
    pub copied: bool,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingView {
    /// For programs.
    pub code: String,
    /// For people.
    pub sentence: String,
}

impl HealthView {
    /// What a channel's status says.
    pub fn new(status: &Status) -> Self {
        let encoder = status.publisher.as_ref().map(|publisher| EncoderView {
            address: publisher.peer.to_string(),
            protocol: publisher.protocol.name().to_owned(),
            name: publisher.encoder.clone(),
        });
        let input = status.input.as_ref().map(|input| InputView {
            width: input.width,
            height: input.height,
            frame_rate: input.frame_rate.to_string(),
            audio: input.audio.clone(),
            renditions: input.rungs.clone(),
            preset: input.preset.clone(),
            copied: input.copied,
        });
        let finding = |(code, sentence): (&&'static str, &String)| FindingView {
            code: (*code).to_owned(),
            sentence: sentence.clone(),
        };
        Self { encoder, input, findings: status.findings.iter().map(finding).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_to_the_millisecond() {
        assert_eq!(timestamp(1_800_000_000_007), "2027-01-15T08:00:00.007Z");
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
    }
}
