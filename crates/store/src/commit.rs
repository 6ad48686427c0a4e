//! The one way in which an event changes: with all that follows from it, or not at all.

use serde_json::Value;
use uuid::Uuid;
use weir_events::Event;

use crate::audit::{self, AuditEntry};
use crate::credentials::Credentials;
use crate::db::{Tx, sql};
use crate::error::StoreError;
use crate::idempotency::{self, Answer};
use crate::store::Store;

/// A change of one event.
#[derive(Debug, Clone)]
pub struct Change {
    /// The event as it is to be.
    pub event: Event,
    /// The version that the change was decided on; 0 for an event that is new.
    pub before: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What is told to all webhooks, in this order.
    pub told: Vec<Told>,
    /// Who did it.
    pub deed: AuditEntry,
    /// Credentials that are issued, in the place of any that were.
    pub credentials: Option<Credentials>,
    /// The answer to the request that this was, for when it is asked again.
    pub answer: Option<Answer>,
}

/// Something to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Its name, for example `event.live`.
    pub kind: String,
    /// What is sent; nothing secret.
    pub body: Value,
}

impl Store {
    /// Stores a change, durably and as a whole.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the event is not at the version that the change was decided on, when the stream
    /// key is in use, or when the request has been taken over by another; or the database fails. Nothing was stored
    /// then.
    pub async fn commit(&self, change: &Change) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        put_event(&mut tx, &change.event, change.before).await?;
        for told in &change.told {
            tell(&mut tx, change.event.id, told, change.at_ms).await?;
        }
        audit::append(&mut tx, &change.deed).await?;
        if let Some(credentials) = &change.credentials {
            put_credentials(&mut tx, credentials).await?;
        }
        if let Some(answer) = &change.answer {
            idempotency::finish(&mut tx, answer).await?;
        }
        tx.commit().await
    }
}

impl Store {
    /// Stores something to be told of an event that changes nothing in it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn tell(&self, event: Uuid, told: &Told, deed: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tell(&mut tx, event, told, deed.at_ms).await?;
        audit::append(&mut tx, deed).await?;
        tx.commit().await
    }
}

async fn put_event(tx: &mut Tx, event: &Event, before: u64) -> Result<(), StoreError> {
    let number = |version: u64| i64::try_from(version).map_err(|e| StoreError::corrupt("version", e));
    let doc = serde_json::to_value(event).map_err(|e| StoreError::corrupt("doc", e))?;
    let statement = match before {
        0 => sql("INSERT INTO events (id, account, state, start_ms, version, doc, created_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)"),
        _ => sql("UPDATE events SET account = $2, state = $3, start_ms = $4, version = $5, doc = $6 \
             WHERE id = $1 AND version = $7"),
    };
    let last = if before == 0 { event.created_ms } else { number(before)? };
    let statement = statement
        .bind(event.id)
        .bind(event.account)
        .bind(event.state.name())
        .bind(event.schedule.map(|schedule| schedule.start_ms))
        .bind(number(event.version)?)
        .bind(&doc)
        .bind(last);
    if tx.execute(statement).await? == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

async fn tell(tx: &mut Tx, event: Uuid, told: &Told, at_ms: i64) -> Result<(), StoreError> {
    let id = Uuid::now_v7();
    let insert = sql("INSERT INTO outbox (id, event, kind, body, created_ms) VALUES ($1, $2, $3, $4, $5)");
    tx.execute(insert.bind(id).bind(event).bind(told.kind.as_str()).bind(&told.body).bind(at_ms)).await?;
    let deliveries = sql("INSERT INTO deliveries (webhook, outbox, attempts, due_ms) \
         SELECT id, $1, 0, $2 FROM webhooks WHERE active = 1");
    tx.execute(deliveries.bind(id).bind(at_ms)).await?;
    Ok(())
}

async fn put_credentials(tx: &mut Tx, credentials: &Credentials) -> Result<(), StoreError> {
    let upsert = sql("INSERT INTO credentials (event, key_digest, secret, issued_ms) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (event) DO UPDATE SET key_digest = excluded.key_digest, secret = excluded.secret, \
         issued_ms = excluded.issued_ms");
    let Credentials { event, key_digest, secret, issued_ms } = credentials;
    tx.execute(upsert.bind(*event).bind(key_digest).bind(secret).bind(*issued_ms)).await?;
    Ok(())
}
