//! Events: making, finding, changing and looking at them.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_director::{EventView, HealthView, IssuedCredentials};
use weir_events::{Account, Command, Event, Quality, Source};
use weir_store::Filter;

use crate::auth::{Operator, Viewer};
use crate::extract::{Id, IfMatch, Json, Query};
use crate::page::{Page, wanted};
use crate::problem::{Problem, Refusals};
use crate::state::ApiState;

/// Where an event's pictures come from.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SourceInput {
    /// An encoder that pushes RTMP or RTMPS.
    Rtmp {
        /// What it sends.
        input: InputQuality,
    },
    /// An encoder that pushes SRT.
    Srt {
        /// What it sends.
        input: InputQuality,
    },
    /// A playlist that somebody else makes and serves.
    Hls {
        /// Where it is; https:// or http://, at most 2048 characters.
        #[schema(max_length = 2048)]
        url: String,
    },
}

/// What an encoder sends.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
pub enum InputQuality {
    /// Made into 1080p, 720p and 360p.
    #[serde(rename = "1080p")]
    P1080,
    /// Made into 720p and 360p.
    #[serde(rename = "720p")]
    P720,
}

impl From<SourceInput> for Source {
    fn from(input: SourceInput) -> Self {
        let quality = |input| match input {
            InputQuality::P1080 => Quality::P1080,
            InputQuality::P720 => Quality::P720,
        };
        match input {
            SourceInput::Rtmp { input } => Self::Rtmp { input: quality(input) },
            SourceInput::Srt { input } => Self::Srt { input: quality(input) },
            SourceInput::Hls { url } => Self::Hls { url },
        }
    }
}

/// A new event.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEvent {
    /// For people: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// Where its pictures come from.
    source: SourceInput,
    /// Whose it is; the default account where there are no others.
    account: Option<Uuid>,
}

/// What of an event is to be something else. What is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventEdit {
    /// 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
    /// Only before the start.
    source: Option<SourceInput>,
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventQuery {
    /// Only those in this state.
    state: Option<EventState>,
    /// Only those of this account.
    account: Option<Uuid>,
    /// What the page before gave as `next`.
    cursor: Option<Uuid>,
    /// How many: 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// The states of events.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    Draft,
    Scheduled,
    Ready,
    Preview,
    Live,
    Ended,
}

impl EventState {
    fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Preview => "preview",
            Self::Live => "live",
            Self::Ended => "ended",
        }
    }
}

/// An event with its version as entity tag, for `If-Match`.
pub fn shown(state: &ApiState, status: StatusCode, event: &Event) -> Response {
    let view = state.director().view(event);
    let tag = HeaderValue::from_str(&format!("\"{}\"", view.version)).unwrap_or(HeaderValue::from_static("\"0\""));
    (status, [(header::ETAG, tag), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Answer(view))
        .into_response()
}

/// Create an event: a draft.
#[utoipa::path(post, path = "/events", operation_id = "create_event", tag = "events", request_body = NewEvent,
    responses((status = 201, description = "Created.", body = EventView), Refusals))]
pub async fn create(
    State(state): State<ApiState>,
    Operator(actor): Operator,
    Json(new): Json<NewEvent>,
) -> Result<Response, Problem> {
    let account = new.account.unwrap_or(Account::unlimited().id);
    let event = state.director().create(account, new.title, new.source.into(), &actor.name).await?;
    Ok(shown(&state, StatusCode::CREATED, &event))
}

/// List events, newest first.
#[utoipa::path(get, path = "/events", operation_id = "list_events", tag = "events", params(EventQuery),
    responses((status = 200, description = "A page of events.", body = Page<EventView>), Refusals))]
pub async fn list(
    State(state): State<ApiState>,
    _: Viewer,
    Query(query): Query<EventQuery>,
) -> Result<Answer<Page<EventView>>, Problem> {
    let wanted = wanted(query.limit);
    let filter = Filter { state: query.state.map(EventState::name), account: query.account };
    let events = state.store().events(filter, query.cursor, wanted).await?;
    let views = events.iter().map(|event| state.director().view(event)).collect();
    Ok(Answer(Page::new(views, wanted, |view: &EventView| view.id)))
}

/// Look at an event.
#[utoipa::path(get, path = "/events/{id}", operation_id = "show_event", tag = "events", params(("id" = Uuid, Path, description = "The event.")),
    responses((status = 200, description = "The event; its entity tag is its version.", body = EventView), Refusals))]
pub async fn show(State(state): State<ApiState>, _: Viewer, Id(id): Id) -> Result<Response, Problem> {
    let event = state.store().event(id).await?.ok_or_else(|| Problem::not_found("event"))?;
    Ok(shown(&state, StatusCode::OK, &event))
}

/// Change an event's title or, before its start, its source.
#[utoipa::path(patch, path = "/events/{id}", operation_id = "edit_event", tag = "events", request_body = EventEdit,
    params(("id" = Uuid, Path, description = "The event."), ("if-match" = Option<String>, Header, description = "Only at this version.")),
    responses((status = 200, description = "Changed.", body = EventView), Refusals))]
pub async fn edit(
    State(state): State<ApiState>,
    Operator(actor): Operator,
    Id(id): Id,
    IfMatch(version): IfMatch,
    Json(edit): Json<EventEdit>,
) -> Result<Response, Problem> {
    let command = Command::Edit { title: edit.title, source: edit.source.map(Source::from) };
    let event = state.director().command(id, command, version, &actor.name).await?;
    Ok(shown(&state, StatusCode::OK, &event))
}

/// What the event's encoder needs, from its start to its end.
#[utoipa::path(get, path = "/events/{id}/credentials", operation_id = "show_credentials", tag = "events",
    params(("id" = Uuid, Path, description = "The event.")),
    responses((status = 200, description = "Ready to paste into an encoder.", body = IssuedCredentials), Refusals))]
pub async fn credentials(State(state): State<ApiState>, _: Operator, Id(id): Id) -> Result<Response, Problem> {
    let credentials = state.director().credentials(id).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Answer(credentials)).into_response())
}

/// How a running event is doing.
#[utoipa::path(get, path = "/events/{id}/health", operation_id = "show_health", tag = "events",
    params(("id" = Uuid, Path, description = "The event.")),
    responses((status = 200, description = "What was seen and measured.", body = HealthView), Refusals))]
pub async fn health(State(state): State<ApiState>, _: Viewer, Id(id): Id) -> Result<Answer<HealthView>, Problem> {
    if let Some(health) = state.director().health(id) {
        return Ok(Answer(health));
    }
    state.store().event(id).await?.ok_or_else(|| Problem::not_found("event"))?;
    let sentence = "the event is not running, so there is nothing to measure";
    Err(Problem::new(StatusCode::CONFLICT, "not_running", sentence))
}
