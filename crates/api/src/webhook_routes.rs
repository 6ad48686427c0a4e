//! Who is told of what happens.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_director::{WEBHOOK_SECRET, random_text, timestamp};
use weir_outbound::parse_url;
use weir_store::{Delivery, DeliveryState, Webhook};

use crate::auth::Admin;
use crate::extract::{Id, Json};
use crate::problem::{Problem, Refusals};
use crate::state::ApiState;
use crate::token_routes::deed;

/// 160 bits.
const SECRET_CHARS: usize = 32;
/// What secrets of webhooks begin with.
const SECRET_PREFIX: &str = "whsec_";
/// Each of them costs every change of every event a delivery.
const WEBHOOKS_MAX: usize = 20;
/// Deliveries that are shown.
const DELIVERIES_SHOWN: u32 = 100;

/// A new webhook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// https:// or http://. Addresses inside the network need `[outbound] allow` in the configuration.
    #[schema(max_length = 2048)]
    url: String,
}

/// What of a webhook is to be something else.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookEdit {
    /// Whether messages are sent.
    active: bool,
}

/// A webhook, without its secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WebhookView {
    /// Its id.
    id: Uuid,
    /// Where messages go.
    url: String,
    /// Whether they do.
    active: bool,
    /// When it was made.
    created_at: String,
}

/// A webhook that was made just now.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeWebhook {
    /// What messages are signed with; it is shown only now.
    secret: String,
    /// What is kept of it.
    #[serde(flatten)]
    about: WebhookView,
}

/// A message on its way.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeliveryView {
    /// The message; the same in all attempts.
    id: Uuid,
    /// The event it is about.
    event: Uuid,
    /// Its name, for example `event.live`.
    kind: String,
    /// When it came about.
    created_at: String,
    /// How often it was tried.
    attempts: u32,
    /// `waiting`, `delivered` or `given_up`.
    state: String,
    /// When it was delivered, or is tried next.
    at: Option<String>,
    /// What went wrong last.
    error: Option<String>,
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        let Webhook { id, url, active, created_ms, .. } = webhook;
        Self { id, url, active, created_at: timestamp(created_ms) }
    }
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let (state, at) = match delivery.state {
            DeliveryState::Waiting { due_ms } => ("waiting", Some(due_ms)),
            DeliveryState::Delivered { at_ms } => ("delivered", Some(at_ms)),
            DeliveryState::GivenUp => ("given_up", None),
        };
        Self {
            id: delivery.outbox,
            event: delivery.event,
            kind: delivery.kind,
            created_at: timestamp(delivery.created_ms),
            attempts: delivery.attempts,
            state: state.to_owned(),
            at: at.map(timestamp),
            error: delivery.error,
        }
    }
}

/// Make a webhook. It hears of everything that happens from now on.
#[utoipa::path(post, path = "/webhooks", operation_id = "create_webhook", tag = "administration", request_body = NewWebhook,
    responses((status = 201, description = "Made; its secret is shown only now.", body = MadeWebhook), Refusals))]
pub async fn create(
    State(state): State<ApiState>,
    Admin(actor): Admin,
    Json(new): Json<NewWebhook>,
) -> Result<Response, Problem> {
    let url = parse_url(&new.url).map_err(|error| Problem::invalid(error.code(), error.to_string()))?;
    if state.store().webhooks().await?.len() >= WEBHOOKS_MAX {
        let sentence = format!("there are {WEBHOOKS_MAX} webhooks already, the most there can be");
        return Err(Problem::new(StatusCode::CONFLICT, "too_many_webhooks", sentence));
    }
    let (id, secret) = (Uuid::now_v7(), format!("{SECRET_PREFIX}{}", random_text(SECRET_CHARS)?));
    let sealed = state.seal().seal(WEBHOOK_SECRET, id, &secret)?;
    let webhook = Webhook { id, url: url.to_string(), secret: sealed, active: true, created_ms: state.now_ms() };
    let deed = deed(&state, &actor, "webhook.create", id, json!({ "host": url.host_str() }));
    state.store().create_webhook(&webhook, &deed).await?;
    let made = MadeWebhook { secret, about: webhook.into() };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Answer(made)).into_response())
}

/// List the webhooks.
#[utoipa::path(get, path = "/webhooks", operation_id = "list_webhooks", tag = "administration",
    responses((status = 200, description = "All webhooks.", body = Vec<WebhookView>), Refusals))]
pub async fn list(State(state): State<ApiState>, _: Admin) -> Result<Answer<Vec<WebhookView>>, Problem> {
    Ok(Answer(state.store().webhooks().await?.into_iter().map(WebhookView::from).collect()))
}

/// Switch a webhook on or off.
#[utoipa::path(patch, path = "/webhooks/{id}", operation_id = "edit_webhook", tag = "administration", request_body = WebhookEdit,
    params(("id" = Uuid, Path, description = "The webhook.")),
    responses((status = 200, description = "Switched.", body = WebhookView), Refusals))]
pub async fn edit(
    State(state): State<ApiState>,
    Admin(actor): Admin,
    Id(id): Id,
    Json(edit): Json<WebhookEdit>,
) -> Result<Answer<WebhookView>, Problem> {
    let deed = deed(&state, &actor, "webhook.switch", id, json!({ "active": edit.active }));
    state.store().set_webhook_active(id, edit.active, &deed).await?;
    let webhook = state.store().webhook(id).await?.ok_or_else(|| Problem::not_found("webhook"))?;
    Ok(Answer(webhook.into()))
}

/// Remove a webhook, and what waits for it.
#[utoipa::path(delete, path = "/webhooks/{id}", operation_id = "remove_webhook", tag = "administration",
    params(("id" = Uuid, Path, description = "The webhook.")),
    responses((status = 204, description = "Removed."), Refusals))]
pub async fn remove(State(state): State<ApiState>, Admin(actor): Admin, Id(id): Id) -> Result<StatusCode, Problem> {
    let deed = deed(&state, &actor, "webhook.remove", id, json!({}));
    state.store().delete_webhook(id, &deed).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The last messages to a webhook, newest first.
#[utoipa::path(get, path = "/webhooks/{id}/deliveries", operation_id = "list_deliveries", tag = "administration",
    params(("id" = Uuid, Path, description = "The webhook.")),
    responses((status = 200, description = "At most 100.", body = Vec<DeliveryView>), Refusals))]
pub async fn deliveries(
    State(state): State<ApiState>,
    _: Admin,
    Id(id): Id,
) -> Result<Answer<Vec<DeliveryView>>, Problem> {
    state.store().webhook(id).await?.ok_or_else(|| Problem::not_found("webhook"))?;
    let deliveries = state.store().deliveries(id, None, DELIVERIES_SHOWN).await?;
    Ok(Answer(deliveries.into_iter().map(DeliveryView::from).collect()))
}
