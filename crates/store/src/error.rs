//! What can go wrong with a database.

use sqlx::migrate::MigrateError;

/// Why something could not be read or stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else was quicker: read again, decide again.
    #[error("it has been changed by somebody else meanwhile")]
    Conflict,
    /// There is no such row.
    #[error("there is no such thing in the database")]
    NotFound,
    /// PostgreSQL has no place for it, and SQLite would cut it off in many tools.
    #[error("text with a NUL character cannot be stored")]
    Nul,
    /// The database cannot be reached, or did not do what it was asked to. Nothing was stored.
    #[error("the database failed: {0}")]
    Unavailable(sqlx::Error),
    /// The file of the database cannot be used.
    #[error("the database cannot be opened at {path}")]
    File {
        /// Which file or folder.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A later weir has changed the schema.
    #[error(
        "the database is of a newer weir than this one (it has migration {version}): run that version, or restore a backup"
    )]
    NewerSchema {
        /// A migration that this program does not know.
        version: i64,
    },
    /// The schema cannot be brought up to date.
    #[error("the schema of the database cannot be brought up to date")]
    Migration(#[source] MigrateError),
    /// A value is not what was once written.
    #[error("the database holds something that cannot be read: {what}")]
    Corrupt {
        /// Which column, and what is wrong.
        what: String,
    },
    /// What is sealed in this database was sealed by another key.
    #[error(
        "the secrets in this database were sealed with another master key: give weir the key file that belongs to it"
    )]
    OtherMasterKey,
}

impl StoreError {
    pub(crate) fn corrupt(column: &str, why: impl std::fmt::Display) -> Self {
        Self::Corrupt { what: format!("{column}: {why}") }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            // Two wanted the same place.
            sqlx::Error::Database(database) if database.is_unique_violation() => Self::Conflict,
            _ => Self::Unavailable(error),
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::NewerSchema { version },
            other => Self::Migration(other),
        }
    }
}
