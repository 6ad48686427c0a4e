//! The HTTP API for operators and their programs, under `/api/v1`.
//!
//! A request is let in by a bearer token or by the console's session (`auth`, `session`), may carry an idempotency key
//! (`idempotency`), and is answered by a handler that asks the [`weir_director::Director`] or the store. Every refusal is
//! `application/problem+json` with a code for programs and a sentence for people (`problem`). The handlers describe
//! themselves; `/api/v1/openapi.json` is collected from them.

mod account_routes;
mod audit_routes;
mod auth;
mod check_routes;
mod command_routes;
mod event_routes;
mod extract;
mod idempotency;
mod page;
mod password;
mod playback_routes;
mod problem;
mod router;
mod server;
mod session;
mod state;
mod stream_routes;
mod token_routes;
mod webhook_routes;

pub use auth::{Role, new_token};
pub use password::hash_password;
pub use router::router;
pub use server::{Api, BindError};
pub use state::{ApiState, PlaybackKeys};
