//! What an operator wants of an event.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_director::{EventView, IssuedCredentials};
use weir_events::{Command, Offer, Schedule};

use crate::auth::{Actor, Operator};
use crate::event_routes::shown;
use crate::extract::{Id, IfMatch, Json};
use crate::problem::{Problem, Refusals};
use crate::state::ApiState;

/// When an event is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSchedule {
    /// RFC 3339 with a zone, in the future.
    #[schema(format = DateTime, example = "2027-03-01T18:00:00+01:00")]
    starts_at: String,
    /// In seconds; at most what the server allows (three hours, where it does not say otherwise).
    #[schema(minimum = 1, maximum = 31_536_000)]
    duration_s: u32,
}

/// How viewers come in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOffer {
    /// `free` is public, `paid` needs a signed token.
    offer: OfferName,
}

/// How viewers come in.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OfferName {
    Free,
    Paid,
}

async fn command(
    state: &ApiState,
    actor: &Actor,
    id: Uuid,
    version: Option<u64>,
    command: Command,
) -> Result<Response, Problem> {
    let event = state.director().command(id, command, version, &actor.name).await?;
    Ok(shown(state, StatusCode::OK, &event))
}

/// Plan an event, or plan it anew. Not once it has been started.
#[utoipa::path(put, path = "/events/{id}/schedule", operation_id = "schedule_event", tag = "commands", request_body = NewSchedule,
    params(("id" = Uuid, Path, description = "The event."), ("if-match" = Option<String>, Header, description = "Only at this version.")),
    responses((status = 200, description = "Planned.", body = EventView), Refusals))]
pub async fn schedule(
    State(state): State<ApiState>,
    Operator(actor): Operator,
    Id(id): Id,
    IfMatch(version): IfMatch,
    Json(new): Json<NewSchedule>,
) -> Result<Response, Problem> {
    let start: Timestamp = new.starts_at.parse().map_err(|_| {
        let sentence = "starts_at must be a date and time with a zone, as 2027-03-01T18:00:00+01:00";
        Problem::invalid("starts_at", sentence)
    })?;
    let schedule = Schedule { start_ms: start.as_millisecond(), duration_ms: i64::from(new.duration_s) * 1000 };
    command(&state, &actor, id, version, Command::Schedule(schedule)).await
}

/// Say that an event is meant to happen.
#[utoipa::path(post, path = "/events/{id}/activate", operation_id = "activate_event", tag = "commands",
    params(("id" = Uuid, Path, description = "The event."), ("if-match" = Option<String>, Header, description = "Only at this version.")),
    responses((status = 200, description = "Activated.", body = EventView), Refusals))]
pub async fn activate(
    State(state): State<ApiState>,
    Operator(actor): Operator,
    Id(id): Id,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    command(&state, &actor, id, version, Command::Activate).await
}

/// Place an event in an offer. Not once it has been started.
#[utoipa::path(put, path = "/events/{id}/offer", operation_id = "place_event", tag = "commands", request_body = NewOffer,
    params(("id" = Uuid, Path, description = "The event."), ("if-match" = Option<String>, Header, description = "Only at this version.")),
    responses((status = 200, description = "Placed.", body = EventView), Refusals))]
pub async fn place(
    State(state): State<ApiState>,
    Operator(actor): Operator,
    Id(id): Id,
    IfMatch(version): IfMatch,
    Json(new): Json<NewOffer>,
) -> Result<Response, Problem> {
    let offer = match new.offer {
        OfferName::Free => Offer::Free,
        OfferName::Paid => Offer::Paid,
    };
    command(&state, &actor, id, version, Command::Place(offer)).await
}

/// Start an event: its credentials are issued and work. An external stream is on air then.
#[utoipa::path(post, path = "/events/{id}/start", operation_id = "start_event", tag = "commands",
    params(("id" = Uuid, Path, description = "The event."), ("if-match" = Option<String>, Header, description = "Only at this version.")),
    responses((status = 200, description = "Started.", body = EventView), Refusals))]
pub async fn start(
    State(state): State<ApiState>,
    Operator(actor): Operator,
    Id(id): Id,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    command(&state, &actor, id, version, Command::Start).await
}

/// Go on air: what was private so far is shown to the public from now on.
#[utoipa::path(post, path = "/events/{id}/air", operation_id = "air_event", tag = "commands",
    params(("id" = Uuid, Path, description = "The event."), ("if-match" = Option<String>, Header, description = "Only at this version.")),
    responses((status = 200, description = "On air.", body = EventView), Refusals))]
pub async fn air(
    State(state): State<ApiState>,
    Operator(actor): Operator,
    Id(id): Id,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    command(&state, &actor, id, version, Command::Air).await
}

/// End an event, for good. One that was only planned is called off.
#[utoipa::path(post, path = "/events/{id}/stop", operation_id = "stop_event", tag = "commands",
    params(("id" = Uuid, Path, description = "The event."), ("if-match" = Option<String>, Header, description = "Only at this version.")),
    responses((status = 200, description = "Ended.", body = EventView), Refusals))]
pub async fn stop(
    State(state): State<ApiState>,
    Operator(actor): Operator,
    Id(id): Id,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    command(&state, &actor, id, version, Command::Stop).await
}

/// Put a new stream key in the place of the old one, which is wrong from now on. An encoder that is connected stays.
/// Before the start the new key is known, and works from the start on.
#[utoipa::path(post, path = "/events/{id}/rotate-key", operation_id = "rotate_key", tag = "commands",
    params(("id" = Uuid, Path, description = "The event."), ("if-match" = Option<String>, Header, description = "Only at this version.")),
    responses((status = 200, description = "The new credentials.", body = IssuedCredentials), Refusals))]
pub async fn rotate_key(
    State(state): State<ApiState>,
    Operator(actor): Operator,
    Id(id): Id,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    let event = state.director().command(id, Command::RotateKey, version, &actor.name).await?;
    let credentials = state.director().rotated(&event).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Answer(credentials)).into_response())
}
