//! Looking at playlists that somebody else serves.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use weir_events::Source;
use weir_outbound::{HlsReport, check};

use crate::auth::Operator;
use crate::extract::{Id, Json};
use crate::problem::{Problem, Refusals};
use crate::state::ApiState;

/// A playlist to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCheck {
    /// https:// or http://, at most 2048 characters.
    #[schema(max_length = 2048)]
    url: String,
}

/// Look at an HLS playlist: what it is, and whether viewers can play it.
#[utoipa::path(post, path = "/checks", operation_id = "check_url", tag = "external HLS", request_body = NewCheck,
    responses((status = 200, description = "What it is.", body = HlsReport), Refusals))]
pub async fn check_url(
    State(state): State<ApiState>,
    _: Operator,
    Json(new): Json<NewCheck>,
) -> Result<Answer<HlsReport>, Problem> {
    look_at(&state, &new.url).await
}

/// Look at the playlist of an external event.
#[utoipa::path(post, path = "/events/{id}/check", operation_id = "check_event", tag = "external HLS",
    params(("id" = Uuid, Path, description = "The event.")),
    responses((status = 200, description = "What it is.", body = HlsReport), Refusals))]
pub async fn check_event(State(state): State<ApiState>, _: Operator, Id(id): Id) -> Result<Answer<HlsReport>, Problem> {
    let event = state.store().event(id).await?.ok_or_else(|| Problem::not_found("event"))?;
    match &event.source {
        Source::Hls { url } => look_at(&state, url).await,
        Source::Rtmp { .. } | Source::Srt { .. } => {
            let sentence = "only external HLS streams are checked; what an encoder sends is under health";
            Err(Problem::new(StatusCode::CONFLICT, "not_external", sentence))
        }
    }
}

async fn look_at(state: &ApiState, url: &str) -> Result<Answer<HlsReport>, Problem> {
    let busy = || Problem::busy("too many checks are under way, try again");
    let _place = state.0.checks.try_acquire().map_err(|_| busy())?;
    let report = check(&state.0.client, url).await;
    // Whatever is wrong with what was asked for is not our fault.
    report.map(Answer).map_err(|error| Problem::invalid(error.code(), error.to_string()))
}
