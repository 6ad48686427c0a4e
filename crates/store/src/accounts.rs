//! Accounts and what is left of their plans.

use uuid::Uuid;
use weir_events::Account;

use crate::audit::{self, AuditEntry};
use crate::db::{Row, sql};
use crate::error::StoreError;
use crate::store::Store;

impl Store {
    /// An account. That of [`Account::unlimited`] is there from the beginning.
    ///
    /// # Errors
    /// The database fails.
    pub async fn account(&self, id: Uuid) -> Result<Option<Account>, StoreError> {
        let row = self.db.first(sql("SELECT * FROM accounts WHERE id = $1").bind(id)).await?;
        row.as_ref().map(account).transpose()
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let rows = self.db.all(sql("SELECT * FROM accounts ORDER BY name, id")).await?;
        rows.iter().map(account).collect()
    }

    /// Makes the account, or replaces what was known of it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn put_account(&self, account: &Account, deed: &AuditEntry) -> Result<(), StoreError> {
        let upsert = sql("INSERT INTO accounts (id, name, live_ingest, encoding_minutes_left, egress_bytes_left) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
             live_ingest = excluded.live_ingest, encoding_minutes_left = excluded.encoding_minutes_left, \
             egress_bytes_left = excluded.egress_bytes_left");
        let values = upsert
            .bind(account.id)
            .bind(account.name.as_str())
            .bind(account.live_ingest)
            .bind(account.encoding_minutes_left)
            .bind(account.egress_bytes_left);
        let mut tx = self.db.begin().await?;
        tx.execute(values).await?;
        audit::append(&mut tx, deed).await?;
        tx.commit().await
    }
}

fn account(row: &Row) -> Result<Account, StoreError> {
    Ok(Account {
        id: row.uuid("id")?,
        name: row.text("name")?,
        live_ingest: row.truth("live_ingest")?,
        encoding_minutes_left: row.int_or_null("encoding_minutes_left")?,
        egress_bytes_left: row.int_or_null("egress_bytes_left")?,
    })
}
