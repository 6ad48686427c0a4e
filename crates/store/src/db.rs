//! Two engines behind one set of calls: the only place that knows which of them it is.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{PgPool, Postgres, Row as _, Sqlite, SqlitePool, Transaction};
use uuid::Uuid;

use crate::error::StoreError;
use crate::seal::{Digest, Sealed};

/// Takes the write lock of SQLite at once. A transaction that reads first and asks for it later is refused when another
/// process has written in between, however long it would wait.
const SQLITE_BEGIN: &str = "BEGIN IMMEDIATE";

/// The connections to a database.
#[derive(Debug, Clone)]
pub enum Db {
    /// One connection writes, in turn, so that tasks of this process wait in a fair queue and not for a file lock.
    Sqlite { reader: SqlitePool, writer: SqlitePool },
    /// All connections are alike.
    Postgres(PgPool),
}

/// A transaction that writes. Dropped without [`commit`](Tx::commit), it has never been.
pub enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// One row of an answer.
pub enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// A statement with its values, `$1` first.
pub struct Sql {
    text: &'static str,
    values: Vec<Value>,
}

/// The two types of column there are.
pub enum Value {
    Int(Option<i64>),
    Text(Option<String>),
}

pub fn sql(text: &'static str) -> Sql {
    Sql { text, values: Vec::new() }
}

impl Sql {
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// What one engine would not store is refused on both.
    fn checked(self) -> Result<Self, StoreError> {
        let has_nul = |value: &Value| matches!(value, Value::Text(Some(text)) if text.contains('\0'));
        if self.values.iter().any(has_nul) { Err(StoreError::Nul) } else { Ok(self) }
    }
}

/// The statement as a query of the engine that it is then given to.
macro_rules! query {
    ($sql:expr) => {
        $sql.values.into_iter().fold(sqlx::query($sql.text), |query, value| match value {
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
        })
    };
}

impl Db {
    /// Writes by one statement, and says how many rows that concerned.
    pub async fn execute(&self, sql: Sql) -> Result<u64, StoreError> {
        let sql = sql.checked()?;
        Ok(match self {
            Self::Sqlite { writer, .. } => query!(sql).execute(writer).await?.rows_affected(),
            Self::Postgres(pool) => query!(sql).execute(pool).await?.rows_affected(),
        })
    }

    pub async fn all(&self, sql: Sql) -> Result<Vec<Row>, StoreError> {
        let sql = sql.checked()?;
        Ok(match self {
            Self::Sqlite { reader, .. } => sqlite_rows(query!(sql).fetch_all(reader).await?),
            Self::Postgres(pool) => postgres_rows(query!(sql).fetch_all(pool).await?),
        })
    }

    pub async fn first(&self, sql: Sql) -> Result<Option<Row>, StoreError> {
        Ok(self.all(sql).await?.into_iter().next())
    }

    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with(SQLITE_BEGIN).await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite { reader, writer } => {
                reader.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    pub async fn execute(&mut self, sql: Sql) -> Result<u64, StoreError> {
        let sql = sql.checked()?;
        Ok(match self {
            Self::Sqlite(tx) => query!(sql).execute(&mut **tx).await?.rows_affected(),
            Self::Postgres(tx) => query!(sql).execute(&mut **tx).await?.rows_affected(),
        })
    }

    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

fn sqlite_rows(rows: Vec<SqliteRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Sqlite).collect()
}

fn postgres_rows(rows: Vec<PgRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Postgres).collect()
}

/// Each of these fails when the column holds something else.
impl Row {
    pub fn int_or_null(&self, column: &str) -> Result<Option<i64>, StoreError> {
        let value = match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        };
        value.map_err(|e| StoreError::corrupt(column, e))
    }

    pub fn text_or_null(&self, column: &str) -> Result<Option<String>, StoreError> {
        let value = match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        };
        value.map_err(|e| StoreError::corrupt(column, e))
    }

    pub fn int(&self, column: &str) -> Result<i64, StoreError> {
        self.int_or_null(column)?.ok_or_else(|| StoreError::corrupt(column, "nothing where there must be a number"))
    }

    pub fn text(&self, column: &str) -> Result<String, StoreError> {
        self.text_or_null(column)?.ok_or_else(|| StoreError::corrupt(column, "nothing where there must be a text"))
    }

    pub fn truth(&self, column: &str) -> Result<bool, StoreError> {
        match self.int(column)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(StoreError::corrupt(column, format!("{other} where there must be 0 or 1"))),
        }
    }

    pub fn uuid(&self, column: &str) -> Result<Uuid, StoreError> {
        Uuid::try_parse(&self.text(column)?).map_err(|e| StoreError::corrupt(column, e))
    }

    pub fn digest(&self, column: &str) -> Result<Digest, StoreError> {
        Digest::from_hex(self.text(column)?).ok_or_else(|| StoreError::corrupt(column, "not a digest"))
    }

    pub fn sealed(&self, column: &str) -> Result<Sealed, StoreError> {
        Ok(Sealed::stored(self.text(column)?))
    }

    /// A column with JSON in it.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|e| StoreError::corrupt(column, e))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Uuid> for Value {
    fn from(value: Uuid) -> Self {
        Self::Text(Some(value.to_string()))
    }
}

impl From<&Digest> for Value {
    fn from(value: &Digest) -> Self {
        value.as_hex().into()
    }
}

impl From<&Sealed> for Value {
    fn from(value: &Sealed) -> Self {
        value.as_base64().into()
    }
}

impl From<&serde_json::Value> for Value {
    fn from(value: &serde_json::Value) -> Self {
        Self::Text(Some(value.to_string()))
    }
}
