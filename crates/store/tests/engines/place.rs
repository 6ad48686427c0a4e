//! Where a test has its database.

use std::path::Path;

use sqlx::Connection as _;
use weir_store::{DatabaseUrl, MasterKey, Seal, Store};

use crate::cluster::Cluster;

/// An empty database.
pub struct Place {
    url: String,
}

impl Place {
    pub fn sqlite(folder: &Path) -> Self {
        Self { url: format!("sqlite:{}", folder.join("data/weir.db").display()) }
    }

    pub async fn postgres(cluster: &Cluster, name: &str) -> Self {
        Self { url: cluster.place(name).await }
    }

    pub fn url(&self) -> DatabaseUrl {
        DatabaseUrl::parse(&self.url).expect("a URL")
    }

    pub async fn open(&self) -> Store {
        Store::open(&self.url()).await.expect("opened")
    }

    /// Does behind the store's back what no store would do.
    pub async fn tamper(&self, statement: &'static str) {
        match self.url.strip_prefix("sqlite:") {
            Some(path) => {
                let mut connection = sqlx::SqliteConnection::connect(path).await.expect("connected");
                sqlx::raw_sql(statement).execute(&mut connection).await.expect("done");
                connection.close().await.expect("closed");
            }
            None => {
                let mut connection = sqlx::PgConnection::connect(&self.url).await.expect("connected");
                sqlx::raw_sql(statement).execute(&mut connection).await.expect("done");
                connection.close().await.expect("closed");
            }
        }
    }
}

pub fn seal() -> Seal {
    Seal::open(&MasterKey::from_bytes([7; 32]))
}
