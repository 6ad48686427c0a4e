//! Who is told of what happens.

use uuid::Uuid;

use crate::audit::{self, AuditEntry};
use crate::db::{Row, sql};
use crate::error::StoreError;
use crate::seal::Sealed;
use crate::store::Store;

/// Somebody who is told of everything that happens to events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: Uuid,
    /// Where messages are sent to.
    pub url: String,
    /// What they are signed with. Its row is the webhook.
    pub secret: Sealed,
    /// Whether messages are made and sent. Those that wait when it is switched off are sent when it is switched on
    /// again.
    pub active: bool,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
}

impl Store {
    /// Makes a webhook, which hears of what happens from now on.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one with that id, or the database fails.
    pub async fn create_webhook(&self, webhook: &Webhook, deed: &AuditEntry) -> Result<(), StoreError> {
        let insert = sql("INSERT INTO webhooks (id, url, secret, active, created_ms) VALUES ($1, $2, $3, $4, $5)");
        let Webhook { id, url, secret, active, created_ms } = webhook;
        let insert = insert.bind(*id).bind(url.as_str()).bind(secret).bind(*active).bind(*created_ms);
        let mut tx = self.db.begin().await?;
        tx.execute(insert).await?;
        audit::append(&mut tx, deed).await?;
        tx.commit().await
    }

    /// A webhook.
    ///
    /// # Errors
    /// The database fails.
    pub async fn webhook(&self, id: Uuid) -> Result<Option<Webhook>, StoreError> {
        let row = self.db.first(sql("SELECT * FROM webhooks WHERE id = $1").bind(id)).await?;
        row.as_ref().map(webhook).transpose()
    }

    /// All webhooks, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        self.db.all(sql("SELECT * FROM webhooks ORDER BY id")).await?.iter().map(webhook).collect()
    }

    /// Switches a webhook on or off.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database fails.
    pub async fn set_webhook_active(&self, id: Uuid, active: bool, deed: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let update = sql("UPDATE webhooks SET active = $2 WHERE id = $1").bind(id).bind(active);
        if tx.execute(update).await? == 0 {
            return Err(StoreError::NotFound);
        }
        audit::append(&mut tx, deed).await?;
        tx.commit().await
    }

    /// Deletes a webhook with all that waits for it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database fails.
    pub async fn delete_webhook(&self, id: Uuid, deed: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        if tx.execute(sql("DELETE FROM webhooks WHERE id = $1").bind(id)).await? == 0 {
            return Err(StoreError::NotFound);
        }
        tx.execute(sql("DELETE FROM deliveries WHERE webhook = $1").bind(id)).await?;
        audit::append(&mut tx, deed).await?;
        tx.commit().await
    }
}

fn webhook(row: &Row) -> Result<Webhook, StoreError> {
    Ok(Webhook {
        id: row.uuid("id")?,
        url: row.text("url")?,
        secret: row.sealed("secret")?,
        active: row.truth("active")?,
        created_ms: row.int("created_ms")?,
    })
}
