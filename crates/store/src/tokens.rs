//! Tokens for the API. Only their digests are kept.

use uuid::Uuid;

use crate::audit::{self, AuditEntry};
use crate::db::{Row, sql};
use crate::error::StoreError;
use crate::seal::Digest;
use crate::store::Store;

/// How exactly the last use of a token is known: a write for each request would be too many.
const TOUCH_MS: i64 = 60_000;

/// A token for the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Its id.
    pub id: Uuid,
    /// For people.
    pub name: String,
    /// What it may do, in the words of the API.
    pub role: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it was last used, to the minute.
    pub last_used_ms: Option<i64>,
    /// When it was revoked, if it was.
    pub revoked_ms: Option<i64>,
}

impl Store {
    /// Makes a token that is known by `digest`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one with that id or digest, or the database fails.
    pub async fn create_token(&self, token: &ApiToken, digest: &Digest, deed: &AuditEntry) -> Result<(), StoreError> {
        let insert = sql("INSERT INTO api_tokens (id, name, role, created_ms, last_used_ms, revoked_ms, digest) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)");
        let ApiToken { id, name, role, created_ms, last_used_ms, revoked_ms } = token;
        let insert = insert.bind(*id).bind(name.as_str()).bind(role.as_str()).bind(*created_ms);
        let mut tx = self.db.begin().await?;
        tx.execute(insert.bind(*last_used_ms).bind(*revoked_ms).bind(digest)).await?;
        audit::append(&mut tx, deed).await?;
        tx.commit().await
    }

    /// All tokens, revoked ones too, newest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        self.db.all(sql("SELECT * FROM api_tokens ORDER BY id DESC")).await?.iter().map(token).collect()
    }

    /// The token with that digest, unless it has been revoked.
    ///
    /// # Errors
    /// The database fails.
    pub async fn token_by_digest(&self, digest: &Digest) -> Result<Option<ApiToken>, StoreError> {
        let query = sql("SELECT * FROM api_tokens WHERE digest = $1 AND revoked_ms IS NULL");
        self.db.first(query.bind(digest)).await?.as_ref().map(token).transpose()
    }

    /// Revokes a token for good. Once more does nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database fails.
    pub async fn revoke_token(&self, id: Uuid, now_ms: i64, deed: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let revoke = sql("UPDATE api_tokens SET revoked_ms = COALESCE(revoked_ms, $2) WHERE id = $1");
        if tx.execute(revoke.bind(id).bind(now_ms)).await? == 0 {
            return Err(StoreError::NotFound);
        }
        audit::append(&mut tx, deed).await?;
        tx.commit().await
    }

    /// Notes that a token was used, at most once a minute.
    ///
    /// # Errors
    /// The database fails.
    pub async fn touch_token(&self, token: &ApiToken, now_ms: i64) -> Result<(), StoreError> {
        let recent_ms = now_ms.saturating_sub(TOUCH_MS);
        // What was read is enough to know it mostly, without a write.
        if token.last_used_ms.is_some_and(|used_ms| used_ms > recent_ms) {
            return Ok(());
        }
        let touch = sql("UPDATE api_tokens SET last_used_ms = $2 \
             WHERE id = $1 AND (last_used_ms IS NULL OR last_used_ms <= $3)");
        self.db.execute(touch.bind(token.id).bind(now_ms).bind(recent_ms)).await?;
        Ok(())
    }
}

fn token(row: &Row) -> Result<ApiToken, StoreError> {
    Ok(ApiToken {
        id: row.uuid("id")?,
        name: row.text("name")?,
        role: row.text("role")?,
        created_ms: row.int("created_ms")?,
        last_used_ms: row.int_or_null("last_used_ms")?,
        revoked_ms: row.int_or_null("revoked_ms")?,
    })
}
