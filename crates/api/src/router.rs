//! All routes, and the description of them.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth;
use crate::idempotency::{self, BODY_BYTES_MAX};
use crate::problem::Problem;
use crate::state::ApiState;
use crate::{
    account_routes, audit_routes, check_routes, command_routes, event_routes, playback_routes, session, stream_routes,
    token_routes, webhook_routes,
};

/// Where everything begins.
const BASE: &str = "/api/v1";

#[derive(OpenApi)]
#[openapi(
    info(title = "weir", description = "Events: create, plan, check in private, put on air, stop. Times are RFC 3339. \
        Requests that change something may carry `idempotency-key`. Refusals are `application/problem+json`."),
    components(schemas(Problem, event_routes::EventState)),
    security(("token" = []), ("session" = []))
)]
struct Description;

/// The whole API.
pub fn router(state: ApiState) -> Router {
    let guarded = OpenApiRouter::new()
        .routes(routes!(event_routes::create, event_routes::list))
        .routes(routes!(event_routes::show, event_routes::edit))
        .routes(routes!(event_routes::credentials))
        .routes(routes!(event_routes::health))
        .routes(routes!(command_routes::schedule))
        .routes(routes!(command_routes::activate))
        .routes(routes!(command_routes::place))
        .routes(routes!(command_routes::start))
        .routes(routes!(command_routes::air))
        .routes(routes!(command_routes::stop))
        .routes(routes!(command_routes::rotate_key))
        .routes(routes!(playback_routes::preview))
        .routes(routes!(playback_routes::playback))
        .routes(routes!(playback_routes::key))
        .routes(routes!(check_routes::check_url))
        .routes(routes!(check_routes::check_event))
        .routes(routes!(stream_routes::all))
        .routes(routes!(stream_routes::one))
        .routes(routes!(token_routes::create, token_routes::list))
        .routes(routes!(token_routes::revoke))
        .routes(routes!(token_routes::password))
        .routes(routes!(webhook_routes::create, webhook_routes::list))
        .routes(routes!(webhook_routes::edit, webhook_routes::remove))
        .routes(routes!(webhook_routes::deliveries))
        .routes(routes!(account_routes::list))
        .routes(routes!(account_routes::put))
        .routes(routes!(audit_routes::list))
        .layer(from_fn_with_state(state.clone(), idempotency::once))
        .layer(from_fn_with_state(state.clone(), auth::admit));
    let open = OpenApiRouter::new().routes(routes!(session::begin, session::end));
    let described = OpenApiRouter::with_openapi(Description::openapi()).nest(BASE, guarded.merge(open));
    let (routes, mut description) = described.split_for_parts();
    describe_ways_in(&mut description);
    let text = description.to_json().unwrap_or_default();
    let openapi = move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text) }
    };
    routes
        .route("/api/v1/openapi.json", get(openapi))
        .fallback(|| async { Problem::not_found("path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "the method is not for this path")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(harden))
        .with_state(state)
}

/// The ways in, for those who read the description.
fn describe_ways_in(description: &mut utoipa::openapi::OpenApi) {
    let components = description.components.get_or_insert_with(Default::default);
    let token =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("From `weir token create`.")).build();
    components.add_security_scheme("token", SecurityScheme::Http(token));
    let session = ApiKey::Cookie(ApiKeyValue::new("weir_session"));
    components.add_security_scheme("session", SecurityScheme::ApiKey(session));
}

/// What every answer carries. Nothing of the API is to be kept, framed or guessed at.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await.into_response();
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
