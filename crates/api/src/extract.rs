//! What requests hold, with refusals in our own form.

use std::future::Future;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::timeout;
use uuid::Uuid;

use crate::problem::Problem;

/// How long a body may take to come: connections are few, and who sends a byte now and then would keep one.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Waits for a body, but not for ever.
pub async fn in_time<T>(body: impl Future<Output = T>) -> Result<T, Problem> {
    let too_late = |_| {
        let sentence = format!("the body did not come within {} seconds", BODY_TIMEOUT.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", sentence)
    };
    timeout(BODY_TIMEOUT, body).await.map_err(too_late)
}

/// The body, which must be JSON and nothing but what is wanted.
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let sentence = "the body must be JSON, with `content-type: application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", sentence));
        }
        let bytes = in_time(Bytes::from_request(request, state)).await?.map_err(|rejection| {
            let status = rejection.status();
            Problem::new(status, "body", "the body is too long or did not come whole")
        })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            // Of some bodies that are JSON, serde says that they are none: `null` where a word is wanted.
            if serde_json::from_slice::<IgnoredAny>(&bytes).is_ok() {
                return Problem::invalid("fields", format!("the body is not what is wanted: {error}"));
            }
            Problem::new(StatusCode::BAD_REQUEST, "json", format!("the body is not JSON: {error}"))
        })
    }
}

/// The query.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let refused = |error: axum::extract::rejection::QueryRejection| {
            Problem::new(StatusCode::BAD_REQUEST, "query", error.body_text())
        };
        query.map(|query| Self(query.0)).map_err(refused)
    }
}

/// The id in the path. What is no id names nothing.
pub struct Id(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<Uuid>::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|_| Problem::not_found("thing"))
    }
}

/// The version that the client has seen (`If-Match: "7"`), if it says so.
pub struct IfMatch(pub Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let version = value.to_str().ok().map(|text| text.trim().trim_matches('"'));
        match version {
            Some("*") => Ok(Self(None)),
            Some(text) => match text.parse() {
                Ok(version) => Ok(Self(Some(version))),
                Err(_) => {
                    Err(Problem::new(StatusCode::BAD_REQUEST, "if_match", "If-Match must be a version, as \"7\""))
                }
            },
            None => Err(Problem::new(StatusCode::BAD_REQUEST, "if_match", "If-Match must be a version, as \"7\"")),
        }
    }
}
