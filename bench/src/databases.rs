//! The databases that are measured, with the durability of production.

use std::time::Duration;

use anyhow::Context;
use pg_harness::Server;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

use crate::{Engine, cost::cpu_of_family};

/// A fresh database.
pub(crate) struct Database {
    pub(crate) url: String,
    server: Option<Server>,
    _folder: Option<TempDir>,
}

impl Database {
    /// On a server of its own, or on the one at this address.
    pub(crate) async fn fresh(engine: Engine, server: Option<&str>) -> anyhow::Result<Self> {
        match (engine, server) {
            (Engine::Postgres, Some(address)) => {
                Ok(Self { url: create(address).await?, server: None, _folder: None })
            }
            (Engine::Postgres, None) => {
                let server = Server::start_durable().context("no PostgreSQL: install its server binaries")?;
                let url = server.database().url();
                Ok(Self { url, server: Some(server), _folder: None })
            }
            (Engine::Sqlite, _) => {
                let folder = tempfile::tempdir()?;
                let url = format!("sqlite:{}", folder.path().join("bench.db").display());
                Ok(Self { url, server: None, _folder: Some(folder) })
            }
        }
    }

    /// CPU time of a server of our own so far; none for SQLite, which works in our process.
    pub(crate) fn cpu(&self) -> Duration {
        self.server.as_ref().and_then(Server::pid).map_or(Duration::ZERO, cpu_of_family)
    }
}

/// A database of its own on a server that is there. It stays, for whoever wants to look at it.
async fn create(address: &str) -> anyhow::Result<String> {
    let name = format!("backup_bench_{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(address).await.context(address.to_owned())?;
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
    let mut url: reqwest::Url = address.parse()?;
    url.set_path(&name);
    Ok(url.to_string())
}
