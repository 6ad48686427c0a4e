//! Where the database is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// A file of SQLite or a database of PostgreSQL. Printed, it has no password.
#[derive(Clone)]
pub struct DatabaseUrl(pub(crate) Place);

#[derive(Clone)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

/// Why a text is no URL of a database. It never repeats the text, which may have a password in it.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseUrlError {
    /// Neither of the two.
    #[error("the URL of the database must begin with sqlite: (and a path) or postgres://")]
    Scheme,
    /// SQLite without a file would forget everything.
    #[error("sqlite: must be followed by the path of a file, as in sqlite:/var/lib/weir/weir.db")]
    Path,
    /// Not what PostgreSQL understands.
    #[error("the URL of the PostgreSQL database cannot be read: {0}")]
    Postgres(String),
}

impl DatabaseUrl {
    /// Reads `sqlite:PATH` (also `sqlite://PATH`) or `postgres://user:password@host:port/database`.
    ///
    /// # Errors
    /// See [`DatabaseUrlError`].
    pub fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let in_memory = path.is_empty() || path.starts_with(':');
            return if in_memory { Err(DatabaseUrlError::Path) } else { Ok(Self::sqlite(Path::new(path))) };
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(DatabaseUrlError::Scheme);
        }
        let options = PgConnectOptions::from_str(text).map_err(|e| DatabaseUrlError::Postgres(e.to_string()))?;
        Ok(Self(Place::Postgres(Box::new(options))))
    }

    /// A file of SQLite. It is made when it is missing.
    pub fn sqlite(path: &Path) -> Self {
        Self(Place::Sqlite(path.to_owned()))
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        Self::parse(text)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Place::Postgres(options) => {
                let (user, host, port) = (options.get_username(), options.get_host(), options.get_port());
                write!(f, "postgres://{user}@{host}:{port}/{}", options.get_database().unwrap_or(user))
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_read_and_printed() {
        let printed = |text: &str| DatabaseUrl::parse(text).expect("a URL").to_string();
        assert_eq!(printed("sqlite:weir.db"), "sqlite:weir.db");
        assert_eq!(printed("sqlite:///var/lib/weir.db"), "sqlite:/var/lib/weir.db");
        assert_eq!(printed("postgres://weir@db.example/weir"), "postgres://weir@db.example:5432/weir");
        assert_eq!(printed("postgresql://weir@db.example:1/x"), "postgres://weir@db.example:1/x");
    }

    #[test]
    fn no_password_is_ever_printed() {
        for text in ["postgres://weir:hunter2@db.example/weir", "postgres://weir@db.example/weir?password=hunter2"] {
            let url = DatabaseUrl::parse(text).expect("a URL");
            assert!(!format!("{url} {url:?}").contains("hunter2"), "{url}");
        }
        for text in ["mysql://weir:hunter2@db.example", "postgres://weir:hunter2@db.example:port/weir"] {
            let error = DatabaseUrl::parse(text).expect_err("no URL");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_database_without_a_file_is_refused() {
        for text in ["sqlite:", "sqlite://", "sqlite::memory:", "weir.db", ""] {
            assert!(DatabaseUrl::parse(text).is_err(), "{text}");
        }
    }
}
