//! Who did what, and when. Rows are only ever added.

use serde_json::Value;
use uuid::Uuid;

use crate::db::{Row, Tx, sql};
use crate::error::StoreError;
use crate::store::{Store, page};

/// A deed that is to be remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who, for example the name of a token.
    pub actor: String,
    /// What, for example `event.stop`.
    pub action: String,
    /// To what, for example the id of an event.
    pub subject: String,
    /// What else there is to say; nothing secret.
    pub detail: Value,
}

/// A deed that is remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Its place in the list.
    pub id: Uuid,
    /// The deed.
    pub entry: AuditEntry,
}

impl Store {
    /// Remembers a deed that changed nothing else in the database.
    ///
    /// # Errors
    /// The database fails.
    pub async fn append_audit(&self, deed: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        append(&mut tx, deed).await?;
        tx.commit().await
    }

    /// The newest deeds, or those before `after`, newest first; at most `limit`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn audit(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let query = sql("SELECT * FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2");
        let rows = self.db.all(query.bind(after.unwrap_or(Uuid::max())).bind(page(limit))).await?;
        rows.iter().map(audit_row).collect()
    }
}

/// Remembers a deed together with what it changed.
pub async fn append(tx: &mut Tx, deed: &AuditEntry) -> Result<(), StoreError> {
    let insert = sql("INSERT INTO audit (id, at_ms, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(Uuid::now_v7())
        .bind(deed.at_ms)
        .bind(deed.actor.as_str())
        .bind(deed.action.as_str())
        .bind(deed.subject.as_str())
        .bind(&deed.detail);
    tx.execute(insert).await?;
    Ok(())
}

fn audit_row(row: &Row) -> Result<AuditRow, StoreError> {
    let entry = AuditEntry {
        at_ms: row.int("at_ms")?,
        actor: row.text("actor")?,
        action: row.text("action")?,
        subject: row.text("subject")?,
        detail: row.json("detail")?,
    };
    Ok(AuditRow { id: row.uuid("id")?, entry })
}
