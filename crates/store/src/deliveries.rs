//! What is to be told to whom, and how that went.

use serde_json::Value;
use uuid::Uuid;

use crate::db::{Row, sql};
use crate::error::StoreError;
use crate::seal::Sealed;
use crate::store::{Store, page};

/// The longest error that is kept of an attempt, in characters: it is for people.
const ERROR_CHARS_MAX: usize = 500;

/// A delivery that this process alone may try until `until_ms`.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// To whom.
    pub webhook: Uuid,
    /// The message, whose id stays the same in all attempts.
    pub outbox: Uuid,
    /// When others may try it, in milliseconds since 1970.
    pub until_ms: i64,
    /// The number of this attempt, from 1.
    pub number: u32,
    /// Where to.
    pub url: String,
    /// What to sign with. Its row is the webhook.
    pub secret: Sealed,
    /// The event it is about.
    pub event: Uuid,
    /// Its name, for example `event.live`.
    pub kind: String,
    /// What to send.
    pub body: Value,
    /// When it came about, in milliseconds since 1970.
    pub created_ms: i64,
}

/// A delivery as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The message.
    pub outbox: Uuid,
    /// The event it is about.
    pub event: Uuid,
    /// Its name, for example `event.live`.
    pub kind: String,
    /// When it came about, in milliseconds since 1970.
    pub created_ms: i64,
    /// How often it has been tried.
    pub attempts: u32,
    /// How far it has come.
    pub state: DeliveryState,
    /// What went wrong last.
    pub error: Option<String>,
}

/// How far a delivery has come. Times are milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It waits for its next attempt, or one is under way and the next would follow then.
    Waiting {
        /// When the next is due.
        due_ms: i64,
    },
    /// It has been delivered.
    Delivered {
        /// When.
        at_ms: i64,
    },
    /// It has failed too often.
    GivenUp,
}

impl Store {
    /// Takes at most `limit` deliveries that are due, oldest first. Nobody else gets them until `until_ms`; until then
    /// each has to be reported as [`delivered`](Self::delivered) or [`failed`](Self::delivery_failed), or is due again.
    ///
    /// # Errors
    /// The database fails.
    pub async fn take_due_deliveries(
        &self,
        now_ms: i64,
        until_ms: i64,
        limit: u32,
    ) -> Result<Vec<Attempt>, StoreError> {
        let due = sql("SELECT d.webhook, d.outbox, d.attempts, d.due_ms, w.url, w.secret, o.event, o.kind, o.body, \
             o.created_ms FROM deliveries d JOIN webhooks w ON w.id = d.webhook JOIN outbox o ON o.id = d.outbox \
             WHERE d.due_ms <= $1 AND w.active = 1 ORDER BY d.due_ms, d.outbox, d.webhook LIMIT $2");
        let mut due = self
            .db
            .all(due.bind(now_ms).bind(page(limit)))
            .await?
            .iter()
            .map(candidate)
            .collect::<Result<Vec<_>, _>>()?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        // Everybody locks rows in the same order, so that none waits for another in a circle.
        due.sort_by_key(|(_, attempt)| (attempt.outbox, attempt.webhook));
        let mut taken = Vec::with_capacity(due.len());
        let mut tx = self.db.begin().await?;
        for (due_ms, mut attempt) in due {
            attempt.until_ms = until_ms;
            let take = sql(
                "UPDATE deliveries SET due_ms = $4, attempts = $5 WHERE webhook = $1 AND outbox = $2 AND due_ms = $3",
            );
            let take = take.bind(attempt.webhook).bind(attempt.outbox).bind(due_ms);
            if tx.execute(take.bind(until_ms).bind(i64::from(attempt.number))).await? == 1 {
                taken.push(attempt);
            }
        }
        tx.commit().await?;
        Ok(taken)
    }

    /// When the next delivery is due, in milliseconds since 1970.
    ///
    /// # Errors
    /// The database fails.
    pub async fn next_delivery_ms(&self) -> Result<Option<i64>, StoreError> {
        let query = sql("SELECT MIN(d.due_ms) AS due_ms FROM deliveries d JOIN webhooks w ON w.id = d.webhook \
             WHERE d.due_ms IS NOT NULL AND w.active = 1");
        self.db.first(query).await?.map_or(Ok(None), |row| row.int_or_null("due_ms"))
    }

    /// Notes that an attempt succeeded, also when it took too long: it will not be tried again.
    ///
    /// # Errors
    /// The database fails.
    pub async fn delivered(&self, attempt: &Attempt, now_ms: i64) -> Result<(), StoreError> {
        let update = sql("UPDATE deliveries SET due_ms = NULL, delivered_ms = $3, error = NULL \
             WHERE webhook = $1 AND outbox = $2 AND delivered_ms IS NULL");
        self.db.execute(update.bind(attempt.webhook).bind(attempt.outbox).bind(now_ms)).await?;
        Ok(())
    }

    /// Notes that an attempt failed, why, and when to try again; `None` gives up. Has no effect when others may try it
    /// already.
    ///
    /// # Errors
    /// The database fails.
    pub async fn delivery_failed(
        &self,
        attempt: &Attempt,
        error: &str,
        next_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        let error: String = error.chars().filter(|c| *c != '\0').take(ERROR_CHARS_MAX).collect();
        let update = sql("UPDATE deliveries SET due_ms = $4, error = $5 WHERE webhook = $1 AND outbox = $2 \
             AND due_ms = $3 AND attempts = $6");
        let update = update.bind(attempt.webhook).bind(attempt.outbox).bind(attempt.until_ms);
        self.db.execute(update.bind(next_ms).bind(error.as_str()).bind(i64::from(attempt.number))).await?;
        Ok(())
    }

    /// What was told to a webhook, or is to be, newest first and before `after`; at most `limit`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn deliveries(
        &self,
        webhook: Uuid,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let query =
            sql("SELECT d.outbox, d.attempts, d.due_ms, d.delivered_ms, d.error, o.event, o.kind, o.created_ms \
             FROM deliveries d JOIN outbox o ON o.id = d.outbox WHERE d.webhook = $1 AND d.outbox < $2 \
             ORDER BY d.outbox DESC LIMIT $3");
        let query = query.bind(webhook).bind(after.unwrap_or(Uuid::max())).bind(page(limit));
        self.db.all(query).await?.iter().map(delivery).collect()
    }
}

fn attempts(row: &Row) -> Result<u32, StoreError> {
    u32::try_from(row.int("attempts")?).map_err(|e| StoreError::corrupt("attempts", e))
}

/// A delivery that may be taken, and since when it has been due.
fn candidate(row: &Row) -> Result<(i64, Attempt), StoreError> {
    let due_ms = row.int("due_ms")?;
    let attempt = Attempt {
        webhook: row.uuid("webhook")?,
        outbox: row.uuid("outbox")?,
        until_ms: due_ms,
        number: attempts(row)?.saturating_add(1),
        url: row.text("url")?,
        secret: row.sealed("secret")?,
        event: row.uuid("event")?,
        kind: row.text("kind")?,
        body: row.json("body")?,
        created_ms: row.int("created_ms")?,
    };
    Ok((due_ms, attempt))
}

fn delivery(row: &Row) -> Result<Delivery, StoreError> {
    let state = match (row.int_or_null("delivered_ms")?, row.int_or_null("due_ms")?) {
        (Some(at_ms), _) => DeliveryState::Delivered { at_ms },
        (None, Some(due_ms)) => DeliveryState::Waiting { due_ms },
        (None, None) => DeliveryState::GivenUp,
    };
    Ok(Delivery {
        outbox: row.uuid("outbox")?,
        event: row.uuid("event")?,
        kind: row.text("kind")?,
        created_ms: row.int("created_ms")?,
        attempts: attempts(row)?,
        state,
        error: row.text_or_null("error")?,
    })
}
