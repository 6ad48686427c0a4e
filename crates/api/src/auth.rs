//! Who asks, and what they may do.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_director::{DirectorError, random_text};
use weir_origin::client_of;
use weir_store::{Digest, Seal};

use crate::problem::Problem;
use crate::session;
use crate::state::ApiState;

/// What every token begins with, so that it is known for one where it turns up.
const TOKEN_PREFIX: &str = "weir_";
/// 160 bits.
const TOKEN_CHARS: usize = 32;
/// What digests of tokens are for.
const PURPOSE: &str = "api-token";
/// Addresses that are remembered for their failures before those are forgotten that are forgiven.
const ADDRESSES_MAX: usize = 8192;
/// Longer than any token.
const TOKEN_BYTES_MAX: usize = 128;

/// What somebody may do; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look at events, their health and their figures.
    Viewer,
    /// Create and run events, and see their credentials.
    Operator,
    /// Everything: tokens, accounts, webhooks, the audit log.
    Admin,
}

impl Role {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Operator, Self::Admin].into_iter().find(|role| role.name() == name)
    }
}

/// A new token, and what it is known by. It is shown once; only the digest is kept.
///
/// # Errors
/// The system has no random bytes.
pub fn new_token(seal: &Seal) -> Result<(String, Digest), DirectorError> {
    let token = format!("{TOKEN_PREFIX}{}", random_text(TOKEN_CHARS)?);
    let digest = seal.digest(PURPOSE, &token);
    Ok((token, digest))
}

/// Somebody who was let in.
#[derive(Debug, Clone)]
pub struct Actor {
    /// For the audit log.
    pub name: String,
    pub role: Role,
    /// Whose idempotency keys these are. Tokens may share a name, and must not get each other's answers.
    pub scope: String,
}

/// Lets in who has a good token or session, and remembers who that is.
pub async fn admit(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let (headers, peer) = (request.headers().clone(), peer(&state, request.headers(), request.extensions()));
    match actor(&state, &headers, peer, safe).await {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn actor(state: &ApiState, headers: &HeaderMap, peer: IpAddr, safe: bool) -> Result<Actor, Problem> {
    if let Some(token) = bearer(headers) {
        return by_token(state, token, peer).await;
    }
    match session::of(state, headers, safe).await? {
        Some(actor) => Ok(actor),
        None => Err(unauthorized("a token is needed: `authorization: Bearer weir_…`")),
    }
}

async fn by_token(state: &ApiState, token: &str, peer: IpAddr) -> Result<Actor, Problem> {
    let now_ms = state.now_ms();
    let found = match token.len() <= TOKEN_BYTES_MAX {
        true => state.store().token_by_digest(&state.seal().digest(PURPOSE, token)).await?,
        false => None,
    };
    let good = found.filter(|token| token.revoked_ms.is_none());
    let Some((token, role)) = good.and_then(|token| Role::parse(&token.role).map(|role| (token, role))) else {
        note_failure(state, peer)?;
        return Err(unauthorized("the token is not known, or was revoked"));
    };
    state.store().touch_token(&token, now_ms).await?;
    Ok(Actor { name: format!("token:{}", token.name), role, scope: format!("token:{}", token.id) })
}

/// Counts a failed attempt to get in; refuses once there were too many.
pub fn note_failure(state: &ApiState, peer: IpAddr) -> Result<(), Problem> {
    let too_many = "too many failed attempts came from this address: wait a minute";
    let refused = |_| Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", too_many);
    if state.0.failures.len() >= ADDRESSES_MAX {
        state.0.failures.retain_recent();
    }
    state.0.failures.check_key(&client_of(peer)).map_err(refused)
}

pub fn unauthorized(sentence: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", sentence)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Where a request comes from. Behind a proxy that is what the proxy says last; what stands before it anybody may have said.
pub fn peer(state: &ApiState, headers: &HeaderMap, extensions: &axum::http::Extensions) -> IpAddr {
    let forwarded = || {
        let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
        last.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
    };
    if let Some(address) = state.0.behind_proxy.then(forwarded).flatten() {
        return address.to_canonical();
    }
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::from([0, 0, 0, 0]), |ConnectInfo(peer)| peer.ip().to_canonical())
}

/// Who may look.
pub struct Viewer(#[expect(dead_code, reason = "who looks is not written down")] pub Actor);
/// Who may run events.
pub struct Operator(pub Actor);
/// Who may do everything.
pub struct Admin(pub Actor);

fn with_role(parts: &Parts, wanted: Role) -> Result<Actor, Problem> {
    let actor = parts.extensions.get::<Actor>().ok_or_else(|| unauthorized("a token is needed"))?;
    if actor.role < wanted {
        let (has, needs) = (actor.role.name(), wanted.name());
        let sentence = format!("this needs the role {needs}, and the token has the role {has}");
        return Err(Problem::new(StatusCode::FORBIDDEN, "role", sentence));
    }
    Ok(actor.clone())
}

impl<S: Send + Sync> FromRequestParts<S> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        with_role(parts, Role::Viewer).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        with_role(parts, Role::Operator).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        with_role(parts, Role::Admin).map(Self)
    }
}
