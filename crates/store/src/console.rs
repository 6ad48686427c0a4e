//! Who may use the console: its password, and who has given it.

use crate::audit::{self, AuditEntry};
use crate::db::sql;
use crate::error::StoreError;
use crate::seal::Digest;
use crate::store::Store;

/// The name of the password in the settings.
const PASSWORD: &str = "password_hash";

/// Somebody who has given the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Of the secret in their cookie.
    pub digest: Digest,
    /// Of the secret that their forms must have.
    pub csrf: Digest,
    /// Since when, in milliseconds since 1970.
    pub created_ms: i64,
    /// Until when.
    pub expires_ms: i64,
}

impl Store {
    /// The hash of the console's password, once there is one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn password_hash(&self) -> Result<Option<String>, StoreError> {
        let row = self.db.first(sql("SELECT value FROM settings WHERE name = $1").bind(PASSWORD)).await?;
        row.map(|row| row.text("value")).transpose()
    }

    /// Sets the password. Whoever gave the one before has to give this one: all sessions end.
    ///
    /// # Errors
    /// The database fails.
    pub async fn set_password_hash(&self, hash: &str, deed: &AuditEntry) -> Result<(), StoreError> {
        let upsert = sql("INSERT INTO settings (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value");
        let mut tx = self.db.begin().await?;
        tx.execute(upsert.bind(PASSWORD).bind(hash)).await?;
        tx.execute(sql("DELETE FROM sessions")).await?;
        audit::append(&mut tx, deed).await?;
        tx.commit().await
    }

    /// Begins a session.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one with that digest, or the database fails.
    pub async fn create_session(&self, session: &Session) -> Result<(), StoreError> {
        let insert = sql("INSERT INTO sessions (digest, csrf, created_ms, expires_ms) VALUES ($1, $2, $3, $4)");
        let Session { digest, csrf, created_ms, expires_ms } = session;
        self.db.execute(insert.bind(digest).bind(csrf).bind(*created_ms).bind(*expires_ms)).await?;
        Ok(())
    }

    /// The session with that digest, unless it is over.
    ///
    /// # Errors
    /// The database fails.
    pub async fn session(&self, digest: &Digest, now_ms: i64) -> Result<Option<Session>, StoreError> {
        let query = sql("SELECT * FROM sessions WHERE digest = $1 AND expires_ms > $2");
        let Some(row) = self.db.first(query.bind(digest).bind(now_ms)).await? else { return Ok(None) };
        Ok(Some(Session {
            digest: row.digest("digest")?,
            csrf: row.digest("csrf")?,
            created_ms: row.int("created_ms")?,
            expires_ms: row.int("expires_ms")?,
        }))
    }

    /// Ends a session, if there is one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn delete_session(&self, digest: &Digest) -> Result<(), StoreError> {
        self.db.execute(sql("DELETE FROM sessions WHERE digest = $1").bind(digest)).await?;
        Ok(())
    }
}
