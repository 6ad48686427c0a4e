//! Tokens of those who watch.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_director::timestamp;
use weir_origin::{Audience, Claims, TokenKey};

use crate::auth::{Admin, Operator};
use crate::extract::{Id, Json};
use crate::problem::{Problem, Refusals};
use crate::state::ApiState;

/// How long a preview token is good when nobody says so.
const PREVIEW_S: u32 = 3600;
/// Longer than any event.
const TOKEN_S_MAX: u32 = 24 * 3600;

/// A token for those who check the signal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPreviewToken {
    /// For how many seconds it is good: 1 to 86400; an hour when absent.
    #[schema(minimum = 1, maximum = 86_400)]
    expires_in_s: Option<u32>,
}

/// A token for one viewer of a paid event.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlaybackToken {
    /// The viewer's id on your platform: 1 to 128 characters.
    #[schema(min_length = 1, max_length = 128)]
    viewer: String,
    /// For how many seconds it is good: 1 to 86400.
    #[schema(minimum = 1, maximum = 86_400)]
    expires_in_s: u32,
}

/// A token and what it opens.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlaybackToken {
    /// The token itself.
    token: String,
    /// The playlist for players.
    playback_url: String,
    /// The page that plays it. The token stands behind `#`, which browsers send to nobody.
    watch_url: String,
    /// Until when it is good.
    expires_at: String,
}

/// What signs the tokens of viewers.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlaybackKeyView {
    /// The secret, as the bytes of this text (HMAC-SHA256, `alg` HS256).
    key: String,
    /// Always `HS256`.
    algorithm: String,
}

/// Make a token for watching an event in private, before it goes on air.
#[utoipa::path(post, path = "/events/{id}/preview-tokens", operation_id = "create_preview_token", tag = "playback", request_body = NewPreviewToken,
    params(("id" = Uuid, Path, description = "The event.")),
    responses((status = 201, description = "Made.", body = PlaybackToken), Refusals))]
pub async fn preview(
    State(state): State<ApiState>,
    Operator(actor): Operator,
    Id(id): Id,
    Json(new): Json<NewPreviewToken>,
) -> Result<Response, Problem> {
    let expires_in_s = checked(new.expires_in_s.unwrap_or(PREVIEW_S))?;
    make(&state, id, Audience::Preview, &actor.name, expires_in_s).await
}

/// Make a token for one viewer of a paid event. A platform with the playback key makes them itself.
#[utoipa::path(post, path = "/events/{id}/playback-tokens", operation_id = "create_playback_token", tag = "playback", request_body = NewPlaybackToken,
    params(("id" = Uuid, Path, description = "The event.")),
    responses((status = 201, description = "Made.", body = PlaybackToken), Refusals))]
pub async fn playback(
    State(state): State<ApiState>,
    _: Operator,
    Id(id): Id,
    Json(new): Json<NewPlaybackToken>,
) -> Result<Response, Problem> {
    let expires_in_s = checked(new.expires_in_s)?;
    // Control characters take six bytes each in a token, which could then be longer than the origin reads.
    if !(1..=128).contains(&new.viewer.chars().count()) || new.viewer.contains(char::is_control) {
        return Err(Problem::invalid("viewer", "viewer must have 1 to 128 characters, without line breaks"));
    }
    make(&state, id, Audience::Playback, &new.viewer, expires_in_s).await
}

/// The key that signs tokens of viewers, for the platform's backend.
#[utoipa::path(get, path = "/playback-key", operation_id = "show_playback_key", tag = "playback",
    responses((status = 200, description = "Keep it secret.", body = PlaybackKeyView), Refusals))]
pub async fn key(State(state): State<ApiState>, _: Admin) -> Response {
    let view = PlaybackKeyView { key: state.0.playback.playback.clone(), algorithm: "HS256".to_owned() };
    ([(header::CACHE_CONTROL, "no-store")], Answer(view)).into_response()
}

fn checked(expires_in_s: u32) -> Result<u32, Problem> {
    let good = (1..=TOKEN_S_MAX).contains(&expires_in_s).then_some(expires_in_s);
    good.ok_or_else(|| Problem::invalid("expires_in_s", format!("expires_in_s must be from 1 to {TOKEN_S_MAX}")))
}

async fn make(
    state: &ApiState,
    id: Uuid,
    audience: Audience,
    subject: &str,
    expires_in_s: u32,
) -> Result<Response, Problem> {
    let event = state.store().event(id).await?.ok_or_else(|| Problem::not_found("event"))?;
    if event.is_ended() {
        return Err(weir_events::Refusal::Ended.into());
    }
    if !event.source.is_ingested() {
        let sentence = "an external HLS stream is served by somebody else and needs no token";
        return Err(Problem::new(StatusCode::CONFLICT, "external_token", sentence));
    }
    let expires_s = state.now_ms() / 1000 + i64::from(expires_in_s);
    let claims =
        Claims { audience, event: id.to_string(), viewer: Some(subject.to_owned()), expires_s, not_before_s: None };
    let key: TokenKey = match audience {
        Audience::Preview => state.0.playback.preview.clone(),
        Audience::Playback => state.0.playback.playback_key(),
    };
    let token = key.mint(&claims);
    let base = &state.0.playback_url;
    let view = PlaybackToken {
        playback_url: format!("{base}/token/{token}/live/{id}/index.m3u8"),
        watch_url: format!("{base}/watch/{id}#token={token}"),
        expires_at: timestamp(expires_s * 1000),
        token,
    };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Answer(view)).into_response())
}
