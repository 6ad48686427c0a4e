//! Requests that are sent again: the header `idempotency-key` sees to it that they are carried out once.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use weir_store::{Answer, Reservation};

use crate::auth::Actor;
use crate::extract::in_time;
use crate::problem::Problem;
use crate::state::ApiState;

const HEADER: &str = "idempotency-key";
/// Says that an answer is that of an earlier request.
const REPLAYED: &str = "idempotency-replayed";
const KEY_CHARS_MAX: usize = 128;
/// The longest body of a request; the largest real one is some kilobytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The longest answer that is kept; commands answer with one event.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// What fingerprints are for, and what answers are sealed for.
const PURPOSE: &str = "idempotency";

/// What is kept of an answer besides its status.
#[derive(Serialize, Deserialize)]
struct Kept {
    etag: Option<String>,
    body: String,
}

/// Carries a request with a key out once, and answers all that follow with the same.
pub async fn once(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let changes = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    let key = request.headers().get(HEADER).filter(|_| changes).cloned();
    let actor = request.extensions().get::<Actor>().cloned();
    match (key, actor) {
        (Some(key), Some(actor)) => {
            with_key(&state, &key, &actor, request, next).await.unwrap_or_else(IntoResponse::into_response)
        }
        _ => next.run(request).await,
    }
}

async fn with_key(
    state: &ApiState,
    key: &HeaderValue,
    actor: &Actor,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let good = key.to_str().ok().filter(|key| (1..=KEY_CHARS_MAX).contains(&key.len()));
    let key = good.ok_or_else(|| {
        let sentence = format!("{HEADER} must be 1 to {KEY_CHARS_MAX} printable ASCII characters");
        Problem::new(StatusCode::BAD_REQUEST, "idempotency_key", sentence)
    })?;
    let (head, body) = request.into_parts();
    let body = in_time(http_body_util::Limited::new(body, BODY_BYTES_MAX).collect()).await?;
    let body = body.map_err(|_| too_long())?.to_bytes();
    let what = [head.method.as_str().as_bytes(), b" ", head.uri.path().as_bytes(), b"\n", &body].concat();
    let fingerprint = state.seal().digest(PURPOSE, what);
    match state.store().reserve_request(&actor.scope, key, &fingerprint, state.now_ms()).await? {
        Reservation::New(id) => {
            let state = state.clone();
            // A task of its own: who hangs up in the middle must find the answer when they ask again.
            let carried_out = tokio::spawn(async move {
                let response = next.run(Request::from_parts(head, Body::from(body))).await;
                keep(&state, id, response).await
            });
            carried_out.await.map_err(|error| Problem::internal(&error))?
        }
        Reservation::Done(answer) => replay(state, &answer),
        Reservation::Running => {
            let sentence = "a request with this idempotency key is being carried out";
            Err(Problem::new(StatusCode::CONFLICT, "idempotency_running", sentence))
        }
        Reservation::OtherRequest => {
            let sentence = "this idempotency key was used for another request";
            Err(Problem::invalid("idempotency_key_reused", sentence))
        }
    }
}

/// Keeps the answer for those who ask again, unless it was our own fault.
async fn keep(state: &ApiState, id: Uuid, response: Response) -> Result<Response, Problem> {
    let (head, body) = response.into_parts();
    let body = http_body_util::Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| Problem::internal(&error))?.to_bytes();
    if head.status.is_server_error() {
        state.store().give_up_request(id).await?;
    } else {
        let etag = head.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let kept = Kept { etag, body: String::from_utf8_lossy(&body).into_owned() };
        let text = serde_json::to_string(&kept).map_err(|error| Problem::internal(&error))?;
        let sealed = state.seal().seal(PURPOSE, id, &text)?;
        state.store().finish_request(&Answer { id, status: head.status.as_u16(), body: sealed }).await?;
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

fn replay(state: &ApiState, answer: &Answer) -> Result<Response, Problem> {
    let text = state.seal().unseal(PURPOSE, answer.id, &answer.body)?;
    let Kept { etag, body } = serde_json::from_str(&text).map_err(|error| Problem::internal(&error))?;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let is_refusal = status.is_client_error();
    let content_type = if is_refusal { "application/problem+json" } else { "application/json" };
    let has_body = !body.is_empty();
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    match has_body {
        true => headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        false => headers.remove(header::CONTENT_TYPE),
    };
    if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(&etag).ok()) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

fn too_long() -> Problem {
    let sentence = format!("the body must have at most {BODY_BYTES_MAX} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body", sentence)
}
