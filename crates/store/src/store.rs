//! Opening a database, with its schema as this program needs it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::database_url::{DatabaseUrl, Place};
use crate::db::{Db, sql};
use crate::error::StoreError;
use crate::seal::Seal;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The most rows that one list answers with; who wants more asks again behind the last.
pub const PAGE_ROWS_MAX: u32 = 500;
/// Connections that read a SQLite file at the same time. A page is read in less than a millisecond.
const SQLITE_READERS_MAX: u32 = 4;
/// Connections to PostgreSQL, which allows a hundred to all its users together.
const POSTGRES_CONNECTIONS_MAX: u32 = 10;
/// How long to wait for a connection, or for the lock of another process on a file. Far longer than any transaction
/// here takes; who waits longer is told that the database is unavailable.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// What weir remembers. A clone is a handle on the same connections.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) db: Db,
}

impl Store {
    /// Opens the database, makes it where there is none (a file of SQLite; not in PostgreSQL), and brings its schema up
    /// to date. Several processes may do so at once.
    ///
    /// # Errors
    /// It cannot be reached, its schema is of a newer weir, or cannot be changed.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let db = match &url.0 {
            Place::Sqlite(path) => open_sqlite(path).await?,
            Place::Postgres(options) => open_postgres(options).await?,
        };
        Ok(Self { db })
    }

    /// Makes sure that `seal` is the one whose secrets are in this database. The first that asks is it.
    ///
    /// # Errors
    /// [`StoreError::OtherMasterKey`], or the database fails.
    pub async fn check_seal(&self, seal: &Seal) -> Result<(), StoreError> {
        const MARK: &str = "master_key_mark";
        let mark = seal.digest(MARK, "");
        let insert = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        self.db.execute(sql(insert).bind(MARK).bind(&mark)).await?;
        let row = self.db.first(sql("SELECT value FROM settings WHERE name = $1").bind(MARK)).await?;
        let stored = row.ok_or(StoreError::NotFound)?.digest("value")?;
        if stored == mark { Ok(()) } else { Err(StoreError::OtherMasterKey) }
    }

    /// Ends all connections, once those that use one are done with it.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

/// How many rows a list may have.
pub(crate) fn page(limit: u32) -> i64 {
    i64::from(limit.min(PAGE_ROWS_MAX))
}

async fn open_sqlite(path: &Path) -> Result<Db, StoreError> {
    let _turn = turn(path.to_owned()).await?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(WAIT_MAX)
        // Who was told that an event has ended, or was given a key, must find it so after a power cut. At a few changes
        // a minute the disk can be waited for.
        .synchronous(SqliteSynchronous::Full);
    let writing = options.clone().journal_mode(SqliteJournalMode::Wal);
    let pool = || SqlitePoolOptions::new().acquire_timeout(WAIT_MAX);
    let writer = pool().max_connections(1).connect_with(writing).await?;
    MIGRATIONS.run(&writer).await?;
    let reading = options.pragma("query_only", "ON");
    let reader = pool().max_connections(SQLITE_READERS_MAX).connect_with(reading).await?;
    Ok(Db::Sqlite { reader, writer })
}

async fn open_postgres(options: &PgConnectOptions) -> Result<Db, StoreError> {
    let options = options.clone().application_name("weir");
    let pool = PgPoolOptions::new().max_connections(POSTGRES_CONNECTIONS_MAX).acquire_timeout(WAIT_MAX);
    let pool = pool.connect_with(options).await?;
    // These take turns by a lock in the database.
    MIGRATIONS.run(&pool).await?;
    Ok(Db::Postgres(pool))
}

/// Waits for the turn to open the file at `path`, until what is returned is dropped: turning a new file to WAL and
/// making its tables are no matter for two at a time. Makes what is missing, so that only its owner can read it.
async fn turn(path: PathBuf) -> Result<File, StoreError> {
    let named = path.display().to_string();
    let take = move || {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let turn = File::open(folder)?;
        turn.lock()?;
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
            _ => Ok(turn),
        }
    };
    let taken = tokio::task::spawn_blocking(take).await.map_err(io::Error::other).flatten();
    taken.map_err(|source| StoreError::File { path: named, source })
}
