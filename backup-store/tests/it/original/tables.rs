//! A way to type statements into the tables, as an operator does: past the store, in its schema.

use std::sync::Arc;

use backup_core::{TrackingStore, testing::ManualClock};
use backup_store::{StoreConfig, connect};

/// A store, and the way past it.
pub(crate) struct Tables {
    pub(crate) store: Arc<dyn TrackingStore>,
    prompt: Prompt,
}

enum Prompt {
    #[cfg(feature = "postgres")]
    Postgres(pg_harness::Database),
    #[cfg(feature = "sqlite")]
    Sqlite { pool: sqlx::SqlitePool, _dir: tempfile::TempDir },
}

impl Tables {
    /// One for each engine that this machine has.
    pub(crate) async fn all(test: &str) -> Vec<Self> {
        let mut tables = Vec::new();
        #[cfg(feature = "sqlite")]
        tables.push(Self::sqlite().await);
        #[cfg(feature = "postgres")]
        tables.extend(Self::postgres(test).await);
        tables
    }

    #[cfg(feature = "sqlite")]
    async fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("backup.db").display());
        let store = connect(&config(&url)).await.unwrap();
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        Self { store, prompt: Prompt::Sqlite { pool, _dir: dir } }
    }

    #[cfg(feature = "postgres")]
    pub(crate) async fn postgres(test: &str) -> Option<Self> {
        let Some(server) = pg_harness::Server::shared() else {
            pg_harness::skip(&format!("original::{test}"), pg_harness::NOT_FOUND);
            return None;
        };
        let database = server.database();
        let store = connect(&config(&database.url())).await.unwrap();
        Some(Self { store, prompt: Prompt::Postgres(database) })
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        match &self.prompt {
            #[cfg(feature = "postgres")]
            Prompt::Postgres(_) => false,
            #[cfg(feature = "sqlite")]
            Prompt::Sqlite { .. } => true,
        }
    }

    /// Runs a statement after its named parameters were given values, and answers with the rows: a line each, columns
    /// between `|`. SQLite has neither the schema nor `now()`.
    pub(crate) async fn run(&self, statement: &str, values: &[(&str, &str)]) -> String {
        let mut statement = statement.to_owned();
        for (name, value) in values {
            statement = statement.replace(&format!(":{name}"), &format!("'{}'", value.replace('\'', "''")));
        }
        match &self.prompt {
            #[cfg(feature = "postgres")]
            Prompt::Postgres(database) => database.psql(&format!("SET search_path TO epricing; {statement}")),
            #[cfg(feature = "sqlite")]
            Prompt::Sqlite { pool, .. } => {
                let statement = statement.replace("epricing.", "").replace("now()", "datetime('now')");
                let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_all(pool).await.unwrap();
                rows.iter().map(line).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

#[cfg(feature = "sqlite")]
fn line(row: &sqlx::sqlite::SqliteRow) -> String {
    use sqlx::Row;
    let columns = (0..row.len()).map(|place| row.get::<Option<String>, _>(place).unwrap_or_default());
    columns.collect::<Vec<_>>().join("|")
}

fn config(url: &str) -> StoreConfig {
    let mut config = StoreConfig::new(url);
    config.clock = Some(Arc::new(ManualClock::new()));
    config
}
