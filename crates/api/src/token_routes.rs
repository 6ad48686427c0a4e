//! Tokens for the API, and the console's password.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_director::timestamp;
use weir_store::{ApiToken, AuditEntry};

use crate::auth::{Actor, Admin, Role, new_token};
use crate::extract::{Id, Json};
use crate::password::hash_password;
use crate::problem::{Problem, Refusals};
use crate::state::ApiState;

/// A new token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Whose it is, for the audit log: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it may do.
    role: Role,
}

/// A token, without its secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TokenView {
    /// Its id.
    id: Uuid,
    /// Whose it is.
    name: String,
    /// What it may do: `viewer`, `operator` or `admin`.
    role: String,
    /// When it was made.
    created_at: String,
    /// When it was last used, to the minute.
    last_used_at: Option<String>,
    /// When it was revoked.
    revoked_at: Option<String>,
}

/// A token that was made just now.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeToken {
    /// The token itself; it is shown only now.
    token: String,
    /// What is kept of it.
    #[serde(flatten)]
    about: TokenView,
}

/// A password for the console.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// At least 10 characters.
    #[schema(min_length = 10, max_length = 1024)]
    password: String,
}

impl From<ApiToken> for TokenView {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id,
            name: token.name,
            role: token.role,
            created_at: timestamp(token.created_ms),
            last_used_at: token.last_used_ms.map(timestamp),
            revoked_at: token.revoked_ms.map(timestamp),
        }
    }
}

/// Something that an actor does, for the audit log.
pub fn deed(
    state: &ApiState,
    actor: &Actor,
    action: &str,
    subject: impl ToString,
    detail: serde_json::Value,
) -> AuditEntry {
    AuditEntry {
        at_ms: state.now_ms(),
        actor: actor.name.clone(),
        action: action.to_owned(),
        subject: subject.to_string(),
        detail,
    }
}

/// Make a token for the API.
#[utoipa::path(post, path = "/tokens", operation_id = "create_token", tag = "administration", request_body = NewToken,
    responses((status = 201, description = "Made; it is shown only now.", body = MadeToken), Refusals))]
pub async fn create(
    State(state): State<ApiState>,
    Admin(actor): Admin,
    Json(new): Json<NewToken>,
) -> Result<Response, Problem> {
    let name = new.name.trim();
    if !(1..=100).contains(&name.chars().count()) || name.contains(char::is_control) {
        return Err(Problem::invalid("name", "name must have 1 to 100 characters, without line breaks"));
    }
    let (token, digest) = new_token(state.seal())?;
    let (id, role) = (Uuid::now_v7(), new.role.name().to_owned());
    let kept =
        ApiToken { id, name: name.to_owned(), role, created_ms: state.now_ms(), last_used_ms: None, revoked_ms: None };
    let deed = deed(&state, &actor, "token.create", id, json!({ "name": kept.name, "role": kept.role }));
    state.store().create_token(&kept, &digest, &deed).await?;
    let made = MadeToken { token, about: kept.into() };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Answer(made)).into_response())
}

/// List the tokens.
#[utoipa::path(get, path = "/tokens", operation_id = "list_tokens", tag = "administration",
    responses((status = 200, description = "All tokens.", body = Vec<TokenView>), Refusals))]
pub async fn list(State(state): State<ApiState>, _: Admin) -> Result<Answer<Vec<TokenView>>, Problem> {
    Ok(Answer(state.store().tokens().await?.into_iter().map(TokenView::from).collect()))
}

/// Revoke a token.
#[utoipa::path(delete, path = "/tokens/{id}", operation_id = "revoke_token", tag = "administration",
    params(("id" = Uuid, Path, description = "The token.")),
    responses((status = 204, description = "Revoked."), Refusals))]
pub async fn revoke(State(state): State<ApiState>, Admin(actor): Admin, Id(id): Id) -> Result<StatusCode, Problem> {
    let deed = deed(&state, &actor, "token.revoke", id, json!({}));
    state.store().revoke_token(id, state.now_ms(), &deed).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Set the console's password.
#[utoipa::path(put, path = "/password", operation_id = "set_password", tag = "administration", request_body = NewPassword,
    responses((status = 204, description = "Set."), Refusals))]
pub async fn password(
    State(state): State<ApiState>,
    Admin(actor): Admin,
    Json(new): Json<NewPassword>,
) -> Result<StatusCode, Problem> {
    let hash = {
        let _place = state.0.passwords.acquire().await.map_err(|e| Problem::internal(&e))?;
        let hashing = tokio::task::spawn_blocking(move || hash_password(&new.password));
        hashing.await.map_err(|e| Problem::internal(&e))?.map_err(|fault| Problem::invalid("password", fault))?
    };
    let deed = deed(&state, &actor, "password.set", "console", json!({}));
    state.store().set_password_hash(&hash, &deed).await?;
    Ok(StatusCode::NO_CONTENT)
}
