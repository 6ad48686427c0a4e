//! Reading events. They are written by [`commit`](Store::commit) alone.

use uuid::Uuid;
use weir_events::Event;

use crate::db::{Row, sql};
use crate::error::StoreError;
use crate::store::{Store, page};

/// Which events a list has. What is `None` does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Only those whose state has this name (see [`weir_events::State::name`]).
    pub state: Option<&'a str>,
    /// Only those of this account.
    pub account: Option<Uuid>,
}

impl Store {
    /// An event.
    ///
    /// # Errors
    /// The database fails.
    pub async fn event(&self, id: Uuid) -> Result<Option<Event>, StoreError> {
        let row = self.db.first(sql("SELECT id, version, doc FROM events WHERE id = $1").bind(id)).await?;
        row.as_ref().map(event).transpose()
    }

    /// The newest events, or those older than `after`, newest first; at most `limit`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn events(&self, filter: Filter<'_>, after: Option<Uuid>, limit: u32) -> Result<Vec<Event>, StoreError> {
        // Two texts, so that each finds its index.
        let query = match filter.state {
            None => sql("SELECT id, version, doc FROM events WHERE id < $1 AND ($2 IS NULL OR account = $2) \
                 ORDER BY id DESC LIMIT $3"),
            Some(_) => sql("SELECT id, version, doc FROM events WHERE id < $1 AND ($2 IS NULL OR account = $2) \
                 AND state = $4 ORDER BY id DESC LIMIT $3"),
        };
        let account = filter.account.map(|id| id.to_string());
        let query = query.bind(after.unwrap_or(Uuid::max())).bind(account).bind(page(limit));
        let query = match filter.state {
            None => query,
            Some(state) => query.bind(state),
        };
        self.db.all(query).await?.iter().map(event).collect()
    }

    /// All events that have not ended, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn unfinished_events(&self) -> Result<Vec<Event>, StoreError> {
        let query = sql("SELECT id, version, doc FROM events WHERE state <> 'ended' ORDER BY id");
        self.db.all(query).await?.iter().map(event).collect()
    }
}

fn event(row: &Row) -> Result<Event, StoreError> {
    let (id, version) = (row.uuid("id")?, row.int("version")?);
    let event: Event = row.json("doc")?;
    if event.id != id || i64::try_from(event.version) != Ok(version) {
        return Err(StoreError::corrupt("doc", format!("event {id} differs from its columns")));
    }
    Ok(event)
}
