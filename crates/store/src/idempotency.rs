//! Requests that are sent again, and must not be carried out again.

use uuid::Uuid;

use crate::db::{Tx, sql};
use crate::error::StoreError;
use crate::seal::{Digest, Sealed};
use crate::store::Store;

/// How long a request may run. One that has not been finished by then died with its process, and the next may run in
/// its place.
const RUNNING_MS_MAX: i64 = 60_000;
/// How long answers are kept: a day. Nobody tries for longer.
pub(crate) const KEPT_MS: i64 = 24 * 3_600_000;

/// What to do with a request that has a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// Carry it out under this id, and finish it or give it up.
    New(Uuid),
    /// It is being carried out: ask again later.
    Running,
    /// It has been carried out, and this was the answer.
    Done(Answer),
    /// The key was used for another request.
    OtherRequest,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The id under which the request was carried out.
    pub id: Uuid,
    /// The HTTP status.
    pub status: u16,
    /// The body, which may have secrets in it that are shown only once. Its row is `id`.
    pub body: Sealed,
}

impl Store {
    /// Finds out whether `actor` has sent the request with this key before, and takes its place if not. `fingerprint`
    /// is that of method, path and body.
    ///
    /// # Errors
    /// The database fails.
    pub async fn reserve_request(
        &self,
        actor: &str,
        key: &str,
        fingerprint: &Digest,
        now_ms: i64,
    ) -> Result<Reservation, StoreError> {
        let id = Uuid::now_v7();
        let take = sql("INSERT INTO idempotency (actor, request_key, id, fingerprint, created_ms) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (actor, request_key) DO UPDATE SET id = excluded.id, \
             fingerprint = excluded.fingerprint, created_ms = excluded.created_ms, status = NULL, body = NULL \
             WHERE idempotency.created_ms <= $6 OR (idempotency.status IS NULL AND idempotency.created_ms <= $7)");
        let take = take.bind(actor).bind(key).bind(id).bind(fingerprint).bind(now_ms);
        let take = take.bind(now_ms.saturating_sub(KEPT_MS)).bind(now_ms.saturating_sub(RUNNING_MS_MAX));
        if self.db.execute(take).await? == 1 {
            return Ok(Reservation::New(id));
        }
        let query = sql("SELECT id, fingerprint, status, body FROM idempotency WHERE actor = $1 AND request_key = $2");
        // Given up at this very moment: to ask again is right then, too.
        let Some(row) = self.db.first(query.bind(actor).bind(key)).await? else { return Ok(Reservation::Running) };
        if row.digest("fingerprint")? != *fingerprint {
            return Ok(Reservation::OtherRequest);
        }
        let Some(status) = row.int_or_null("status")? else { return Ok(Reservation::Running) };
        let status = u16::try_from(status).map_err(|e| StoreError::corrupt("status", e))?;
        Ok(Reservation::Done(Answer { id: row.uuid("id")?, status, body: row.sealed("body")? }))
    }

    /// Stores the answer to a request that did not change an event; otherwise it goes along with the
    /// [change](crate::Change::answer).
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the request took so long that another runs in its place, or the database fails.
    pub async fn finish_request(&self, answer: &Answer) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        finish(&mut tx, answer).await?;
        tx.commit().await
    }

    /// Gives up a request that has not been carried out: the next with its key is a new one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn give_up_request(&self, id: Uuid) -> Result<(), StoreError> {
        self.db.execute(sql("DELETE FROM idempotency WHERE id = $1 AND status IS NULL").bind(id)).await?;
        Ok(())
    }
}

/// Stores the answer together with what the request changed.
pub async fn finish(tx: &mut Tx, answer: &Answer) -> Result<(), StoreError> {
    let update = sql("UPDATE idempotency SET status = $2, body = $3 WHERE id = $1 AND status IS NULL");
    let update = update.bind(answer.id).bind(i64::from(answer.status)).bind(&answer.body);
    if tx.execute(update).await? == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}
