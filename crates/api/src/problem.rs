//! What is answered when the answer is no (RFC 9457).

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::error;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};
use weir_director::{DirectorError, timestamp};
use weir_events::Refusal;
use weir_store::{SealError, StoreError};

/// Seconds after which to ask again when a limit was reached.
const RETRY_AFTER_S: u32 = 10;
const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// For programs; never changes.
    #[schema(example = "gates_missing")]
    pub code: String,
    /// For people: a sentence that says what was wrong and what was wanted.
    pub title: String,
    /// What is missing before an event can start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<String>,
    /// The first moment at which it would be possible, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub possible_from: Option<String>,
    /// The version that the event is at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl Problem {
    /// A problem without further figures.
    pub fn new(status: StatusCode, code: &str, title: impl Into<String>) -> Self {
        let (code, title) = (code.to_owned(), title.into());
        Self { status: status.as_u16(), code, title, gates: Vec::new(), possible_from: None, version: None }
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    pub fn invalid(code: &str, title: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, title)
    }

    /// A fault of ours: the log has it, the answer does not.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        error!(error = %cause, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed; its log says why")
    }

    pub fn busy(title: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", title)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER_S.into());
            }
            _ => {}
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.is_invalid_input() {
            true => StatusCode::UNPROCESSABLE_ENTITY,
            false => StatusCode::CONFLICT,
        };
        let mut problem = Self::new(status, refusal.code(), refusal.to_string());
        match refusal {
            Refusal::GatesMissing(gates) => {
                problem.gates = gates.iter().map(|gate| gate.name().to_owned()).collect();
            }
            Refusal::TooEarly { from_ms } => problem.possible_from = Some(timestamp(from_ms)),
            _ => {}
        }
        problem
    }
}

impl From<DirectorError> for Problem {
    fn from(error: DirectorError) -> Self {
        let sentence = error.to_string();
        match error {
            DirectorError::NotFound => Self::not_found("event"),
            DirectorError::NoAccount => Self::invalid("no_account", sentence),
            DirectorError::Refused(refusal) => refusal.into(),
            DirectorError::Changed { found } => {
                let problem = Self::new(StatusCode::PRECONDITION_FAILED, "event_changed", sentence);
                Self { version: Some(found), ..problem }
            }
            DirectorError::NoCredentials(_) => Self::new(StatusCode::CONFLICT, "no_credentials", sentence),
            DirectorError::NoListener(_) => Self::new(StatusCode::CONFLICT, "no_listener", sentence),
            DirectorError::Store(error) => error.into(),
            DirectorError::Seal(error) => error.into(),
            DirectorError::NoRandomness => Self::internal(&sentence),
            DirectorError::Stopping => Self::busy("the server is stopping"),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::new(
                StatusCode::CONFLICT,
                "changed_meanwhile",
                "it was changed meanwhile; look again and try again",
            ),
            StoreError::NotFound => Self::not_found("thing"),
            StoreError::Nul => Self::invalid("nul", "text must not hold the character U+0000"),
            StoreError::Unavailable(_) => {
                error!(%error, "the database does not answer");
                Self::busy("the database does not answer, try again")
            }
            other => Self::internal(&other),
        }
    }
}

impl From<SealError> for Problem {
    fn from(error: SealError) -> Self {
        Self::internal(&error)
    }
}

/// What every operation may answer besides its own.
pub struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let refusals = [
            (400, "The request is malformed."),
            (401, "There is no token or session, or it is not good."),
            (403, "The token's role does not allow it."),
            (404, "There is no such thing."),
            (405, "The method is not for this path."),
            (408, "The request took too long to come."),
            (409, "A rule forbids it; the code says which."),
            (412, "The event is at another version than If-Match says."),
            (413, "The body is too long."),
            (415, "The body is not application/json."),
            (422, "The body is JSON, and not what is wanted."),
            (429, "Too many failed attempts came from this address."),
            (500, "The server failed; its log says why."),
            (503, "The server is stopping, or its database does not answer."),
        ];
        let response = |(status, text): (u16, &str)| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            let response = ResponseBuilder::new().description(text).content(PROBLEM_JSON, content).build();
            (status.to_string(), RefOr::T(response))
        };
        refusals.map(response).into()
    }
}
