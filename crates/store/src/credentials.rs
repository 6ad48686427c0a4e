//! The stream keys of events. They are written by [`commit`](Store::commit) alone.

use uuid::Uuid;

use crate::db::{Row, sql};
use crate::error::StoreError;
use crate::seal::{Digest, Sealed};
use crate::store::{Store, page};

/// What lets an event's encoder in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The event, which has no others.
    pub event: Uuid,
    /// By which the stream key is known when it comes.
    pub key_digest: Digest,
    /// The stream key for people, and what else belongs to it. Its row is the event.
    pub secret: Sealed,
    /// When they were issued, in milliseconds since 1970.
    pub issued_ms: i64,
}

impl Store {
    /// The credentials of an event, once they have been issued.
    ///
    /// # Errors
    /// The database fails.
    pub async fn credentials(&self, event: Uuid) -> Result<Option<Credentials>, StoreError> {
        let row = self.db.first(sql("SELECT * FROM credentials WHERE event = $1").bind(event)).await?;
        row.as_ref().map(credentials).transpose()
    }

    /// The credentials of all events that have not ended.
    ///
    /// # Errors
    /// The database fails.
    pub async fn credentials_of_unfinished(&self) -> Result<Vec<Credentials>, StoreError> {
        let query = sql("SELECT credentials.* FROM credentials JOIN events ON events.id = credentials.event \
             WHERE events.state <> 'ended' ORDER BY credentials.event");
        self.db.all(query).await?.iter().map(credentials).collect()
    }

    /// The credentials of past events, the newest event first, or those of events older than `after`; at most `limit`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn credentials_of_ended(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Credentials>, StoreError> {
        let query = sql("SELECT credentials.* FROM credentials JOIN events ON events.id = credentials.event \
             WHERE events.state = 'ended' AND credentials.event < $1 ORDER BY credentials.event DESC LIMIT $2");
        let query = query.bind(after.unwrap_or(Uuid::max())).bind(page(limit));
        self.db.all(query).await?.iter().map(credentials).collect()
    }

    /// The event that a stream key belongs to, also when it has ended. A key that was replaced belongs to none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn event_of_key(&self, key: &Digest) -> Result<Option<Uuid>, StoreError> {
        let row = self.db.first(sql("SELECT event FROM credentials WHERE key_digest = $1").bind(key)).await?;
        row.map(|row| row.uuid("event")).transpose()
    }
}

fn credentials(row: &Row) -> Result<Credentials, StoreError> {
    Ok(Credentials {
        event: row.uuid("event")?,
        key_digest: row.digest("key_digest")?,
        secret: row.sealed("secret")?,
        issued_ms: row.int("issued_ms")?,
    })
}
