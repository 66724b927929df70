//! SQLite's migrations: in one transaction, so that two processes that start at once run them once.

use std::sync::Arc;

use chrono::{SecondsFormat, Utc};
use sqlx::{Row, SqliteConnection};

use super::{Connections, Transaction};
use crate::{
    error::ConnectError,
    migrate::{Applied, Migration, migrations, missing, not_migrated},
};

/// Every migration, in order.
pub(crate) const MIGRATIONS: &[Migration] = migrations! { "sqlite":
    1 "0001_create_tables",
};

/// Runs what is missing, or says what is.
pub(super) async fn run(writer: &Arc<Connections>, migrate: bool, address: &str) -> Result<(), ConnectError> {
    let refused = |error| super::refused(address, "a migration", error);
    let mut transaction = Transaction::begin(writer).await.map_err(refused)?;
    let applied = applied(&mut transaction).await.map_err(refused)?;
    let missing = missing(MIGRATIONS, &applied, address)?;
    if missing.is_empty() {
        return transaction.commit().await.map_err(refused);
    }
    if !migrate {
        return Err(not_migrated(&missing, address));
    }
    for migration in missing {
        apply(&mut transaction, migration).await.map_err(refused)?;
        tracing::info!(migration = migration.name, "the tables were brought up to date");
    }
    transaction.commit().await.map_err(refused)
}

async fn applied(connection: &mut SqliteConnection) -> Result<Vec<Applied>, sqlx::Error> {
    let is_new =
        sqlx::query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'backup_schema_version'")
            .fetch_optional(&mut *connection)
            .await?
            .is_none();
    if is_new {
        return Ok(Vec::new());
    }
    let rows = sqlx::query("SELECT version, checksum FROM backup_schema_version ORDER BY version")
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| Ok(Applied { version: row.try_get("version")?, checksum: row.try_get("checksum")? }))
        .collect()
}

async fn apply(connection: &mut SqliteConnection, migration: &Migration) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        CREATE TABLE IF NOT EXISTS backup_schema_version (
            version    INTEGER NOT NULL PRIMARY KEY, -- the number of a migration
            name       TEXT NOT NULL,                -- its file
            checksum   TEXT NOT NULL,                -- of its text when it ran
            applied_at TEXT NOT NULL                 -- when it ran
        ) STRICT
        ",
    )
    .execute(&mut *connection)
    .await?;
    for statement in migration.statements() {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    sqlx::query(
        "
        INSERT INTO backup_schema_version (
            version,
            name,
            checksum,
            applied_at
        ) VALUES ($1, $2, $3, $4)
        ",
    )
    .bind(migration.version)
    .bind(migration.name)
    .bind(migration.checksum())
    .bind(now())
    .execute(connection)
    .await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "for people: nothing is decided by it")]
fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true)
}
