//! What weir remembers: events, credentials, tokens and what is to be told, in SQLite or PostgreSQL.
//!
//! A [`Store`] is a database with one group of methods for each thing that is kept. An event, what is told of it and
//! who did it are stored by one [`commit`](Store::commit): all of it or nothing. Both engines run the same SQL; only
//! `db` and what opens it know that there are two. Secrets come [sealed](Seal) or as keyed [digests](Digest), so that
//! whoever gets hold of the database alone has none of them.

mod accounts;
mod audit;
mod commit;
mod console;
mod credentials;
mod database_url;
mod db;
mod deliveries;
mod error;
mod events;
mod idempotency;
mod master_key;
mod prune;
mod seal;
mod store;
mod tokens;
mod webhooks;

pub use audit::{AuditEntry, AuditRow};
pub use commit::{Change, Told};
pub use console::Session;
pub use credentials::Credentials;
pub use database_url::{DatabaseUrl, DatabaseUrlError};
pub use deliveries::{Attempt, Delivery, DeliveryState};
pub use error::StoreError;
pub use events::Filter;
pub use idempotency::{Answer, Reservation};
pub use master_key::{MasterKey, MasterKeyError};
pub use seal::{Digest, Seal, SealError, Sealed};
pub use store::{PAGE_ROWS_MAX, Store};
pub use tokens::ApiToken;
pub use webhooks::Webhook;
