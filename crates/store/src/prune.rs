//! What is forgotten.

use crate::db::sql;
use crate::error::StoreError;
use crate::idempotency;
use crate::store::Store;

impl Store {
    /// Forgets messages older than `before_ms` with their deliveries, answers older than a day, and sessions that are
    /// over at `now_ms`; all in milliseconds since 1970. Returns how many rows that were, without those of deliveries.
    ///
    /// # Errors
    /// The database fails.
    pub async fn prune(&self, now_ms: i64, before_ms: i64) -> Result<u64, StoreError> {
        let answers = sql("DELETE FROM idempotency WHERE created_ms <= $1");
        let statements = [
            sql("DELETE FROM outbox WHERE created_ms < $1").bind(before_ms),
            answers.bind(now_ms.saturating_sub(idempotency::KEPT_MS)),
            sql("DELETE FROM sessions WHERE expires_ms <= $1").bind(now_ms),
        ];
        // One by one: none needs the others, and each lets writers in between.
        let mut rows = 0;
        for statement in statements {
            rows += self.db.execute(statement).await?;
        }
        Ok(rows)
    }
}
