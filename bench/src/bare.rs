//! The bare loop: the least that any program must do for a backup, with nothing to recover it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use sqlx::{
    PgPool, SqlitePool,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    Engine,
    cost::{Cost, Meter},
};

#[derive(Clone)]
enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// The loop, with its own table.
pub(crate) struct Bare {
    pool: Pool,
    http: reqwest::Client,
    yba: String,
}

impl Bare {
    /// Makes the table in an empty database.
    pub(crate) async fn open(engine: Engine, database: &str, yba: &str) -> anyhow::Result<Self> {
        Ok(Self {
            pool: open(engine, database).await?,
            http: reqwest::Client::builder().build()?,
            yba: yba.to_owned(),
        })
    }

    /// Runs `backups` backups, `in_flight` at once.
    pub(crate) async fn run(&self, in_flight: usize, backups: usize) -> anyhow::Result<Cost> {
        let next = Arc::new(AtomicUsize::new(0));
        let meter = Meter::start();
        let workers: Vec<_> = (0..in_flight)
            .map(|_| {
                let (pool, http, next, yba) =
                    (self.pool.clone(), self.http.clone(), Arc::clone(&next), self.yba.clone());
                tokio::spawn(async move {
                    while next.fetch_add(1, Ordering::Relaxed) < backups {
                        backup(&pool, &http, &yba).await?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for worker in workers {
            worker.await??;
        }
        Ok(meter.stop())
    }
}

async fn open(engine: Engine, url: &str) -> anyhow::Result<Pool> {
    let table = "CREATE TABLE bare (id TEXT PRIMARY KEY, status TEXT NOT NULL, task TEXT, answer TEXT)";
    match engine {
        Engine::Postgres => {
            // As many connections as the store's own pool has.
            let pool = PgPoolOptions::new().max_connections(10).connect(url).await?;
            sqlx::query(table).execute(&pool).await?;
            Ok(Pool::Postgres(pool))
        }
        Engine::Sqlite => {
            let options = url
                .parse::<SqliteConnectOptions>()?
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full);
            let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
            sqlx::query(table).execute(&pool).await?;
            Ok(Pool::Sqlite(pool))
        }
    }
}

async fn backup(pool: &Pool, http: &reqwest::Client, yba: &str) -> anyhow::Result<()> {
    let id = uuid::Uuid::now_v7().to_string();
    execute(pool, "INSERT INTO bare (id, status) VALUES ($1, 'IN_PROGRESS')", &[&id]).await?;
    let base = format!("{yba}/api/v1/customers/customer");
    let body = json!({
        "universeUUID": id,
        "storageConfigUUID": "storage",
        "backupType": "PGSQL_TABLE_TYPE",
        "timeBeforeDelete": 0,
        "expiryTimeUnit": "DAYS",
    });
    let accepted: Value = http
        .post(format!("{base}/backups"))
        .header("x-request-id", &id)
        .json(&body)
        .send()
        .await?
        .json()
        .await?;
    let task = accepted["taskUUID"].as_str().unwrap_or_default().to_owned();
    let state: Value = http.get(format!("{base}/tasks/{task}")).send().await?.json().await?;
    anyhow::ensure!(state["status"] == "Success", "the fake's tasks are done at the first look");
    let rows: Value =
        http.get(format!("{base}/universes/{id}/backups/tasks/{task}")).send().await?.json().await?;
    anyhow::ensure!(rows[0]["state"] == "Completed", "the fake's backups are completed");
    let done = "UPDATE bare SET status = 'SUCCESS', task = $2, answer = $3 WHERE id = $1";
    execute(pool, done, &[&id, &task, &rows.to_string()]).await
}

async fn execute(pool: &Pool, sql: &'static str, values: &[&str]) -> anyhow::Result<()> {
    match pool {
        Pool::Postgres(pool) => {
            values
                .iter()
                .fold(sqlx::query(sql), |query, value| query.bind((*value).to_owned()))
                .execute(pool)
                .await?;
        }
        Pool::Sqlite(pool) => {
            values
                .iter()
                .fold(sqlx::query(sql), |query, value| query.bind((*value).to_owned()))
                .execute(pool)
                .await?;
        }
    }
    Ok(())
}
