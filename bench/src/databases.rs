//! The databases that are measured, with the durability of production.

use anyhow::Context;
use pg_harness::Server;
use tempfile::TempDir;

use crate::Engine;

/// A fresh database.
pub(crate) struct Database {
    pub(crate) url: String,
    _server: Option<Server>,
    _folder: Option<TempDir>,
}

impl Database {
    pub(crate) fn fresh(engine: Engine) -> anyhow::Result<Self> {
        match engine {
            Engine::Postgres => {
                let server = Server::start_durable().context("no PostgreSQL: install its server binaries")?;
                let url = server.database().url();
                Ok(Self { url, _server: Some(server), _folder: None })
            }
            Engine::Sqlite => {
                let folder = tempfile::tempdir()?;
                let url = format!("sqlite:{}", folder.path().join("bench.db").display());
                Ok(Self { url, _server: None, _folder: Some(folder) })
            }
        }
    }
}
