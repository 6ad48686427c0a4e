//! The console's way in: a password once, a cookie from then on.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_director::{random_text, timestamp};
use weir_store::Session;

use crate::auth::{Actor, Role, note_failure, peer, unauthorized};
use crate::extract::Json;
use crate::password;
use crate::problem::{Problem, Refusals};
use crate::state::ApiState;

/// How long a session lasts: a working day, and some.
const SESSION_MS: i64 = 12 * 3_600_000;
const COOKIE: &str = "weir_session";
/// What requests that change something must carry: only pages of our own can read it, so no other site can have sent them.
const CSRF_HEADER: &str = "x-csrf-token";
/// 160 bits.
const SECRET_CHARS: usize = 32;
const SESSION_PURPOSE: &str = "session";
const CSRF_PURPOSE: &str = "csrf";

/// The console's password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// As it was set with `weir password`.
    password: String,
}

/// A session that was begun.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    /// What requests that change something must carry in the header `x-csrf-token`.
    csrf_token: String,
    /// Until when it lasts.
    expires_at: String,
}

/// Begin a session with the console's password.
#[utoipa::path(post, path = "/session", operation_id = "begin_session", tag = "session", request_body = Login, security(),
    responses((status = 201, description = "Begun; the cookie stands for it.", body = SessionView), Refusals))]
pub async fn begin(State(state): State<ApiState>, request: Request) -> Result<Response, Problem> {
    let peer = peer(&state, request.headers(), request.extensions());
    let Json(login) = <Json<Login> as axum::extract::FromRequest<()>>::from_request(request, &()).await?;
    // Each attempt counts, so that nobody can try many at once.
    note_failure(&state, peer)?;
    let hash =
        state.store().password_hash().await?.ok_or_else(|| unauthorized("no password was set for the console"))?;
    let right = {
        let _place = state.0.passwords.acquire().await.map_err(|e| Problem::internal(&e))?;
        let check = move || password::is_right(&login.password, &hash);
        tokio::task::spawn_blocking(check).await.map_err(|e| Problem::internal(&e))?
    };
    if !right {
        tracing::warn!(%peer, "a wrong password was given for the console");
        return Err(unauthorized("the password is wrong"));
    }
    let (secret, csrf_token) = (random_text(SECRET_CHARS)?, random_text(SECRET_CHARS)?);
    let now_ms = state.now_ms();
    let session = Session {
        digest: state.seal().digest(SESSION_PURPOSE, &secret),
        csrf: state.seal().digest(CSRF_PURPOSE, &csrf_token),
        created_ms: now_ms,
        expires_ms: now_ms + SESSION_MS,
    };
    state.store().create_session(&session).await?;
    tracing::info!(%peer, "a session of the console began");
    let expires_at = timestamp(session.expires_ms);
    let cookie = cookie(&state, &secret, SESSION_MS / 1000)?;
    Ok((StatusCode::CREATED, [(header::SET_COOKIE, cookie)], axum::Json(SessionView { csrf_token, expires_at }))
        .into_response())
}

/// End the session.
#[utoipa::path(delete, path = "/session", operation_id = "end_session", tag = "session", security(),
    responses((status = 204, description = "Ended."), Refusals))]
pub async fn end(State(state): State<ApiState>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(secret) = secret(&headers) {
        state.store().delete_session(&state.seal().digest(SESSION_PURPOSE, secret)).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie(&state, "", 0)?)]).into_response())
}

/// Who has the session of a request, if there is one. Only `safe` requests may come without the CSRF token.
///
/// # Errors
/// The token is missing or wrong, or the store fails.
pub async fn of(state: &ApiState, headers: &HeaderMap, safe: bool) -> Result<Option<Actor>, Problem> {
    let Some(secret) = secret(headers) else { return Ok(None) };
    let digest = state.seal().digest(SESSION_PURPOSE, secret);
    let Some(session) = state.store().session(&digest, state.now_ms()).await? else { return Ok(None) };
    if !safe {
        let token = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // Digests under a secret key: how long their comparison takes tells nothing.
        if state.seal().digest(CSRF_PURPOSE, token) != session.csrf {
            let sentence = "the header x-csrf-token must hold what the session began with";
            return Err(Problem::new(StatusCode::FORBIDDEN, "csrf", sentence));
        }
    }
    Ok(Some(Actor { name: "console".to_owned(), role: Role::Admin, scope: "console".to_owned() }))
}

fn secret(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// No script reads it, no other site's request carries it.
fn cookie(state: &ApiState, secret: &str, max_age_s: i64) -> Result<HeaderValue, Problem> {
    let secure = if state.0.behind_proxy { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={secret}; Path=/api; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{secure}");
    HeaderValue::from_str(&cookie).map_err(|error| Problem::internal(&error))
}
