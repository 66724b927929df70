//! PostgreSQL's migrations: one statement at a time in autocommit, on one connection, under a named lease.
//!
//! There is no transaction around them, because on YugabyteDB DDL commits by itself; and no advisory lock, because older
//! YugabyteDB has none. Two replicas that start at once may collide on the very first tables, before there is a lease:
//! whoever loses tries again, and finds them.

use std::time::Duration;

use rand::RngExt;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use uuid::Uuid;

use crate::{
    error::ConnectError,
    migrate::{Applied, Migration, migrations, missing, not_migrated},
};

/// Every migration, in order.
pub(crate) const MIGRATIONS: &[Migration] = migrations! { "postgres":
    1 "0001_create_tables",
};

const LEASE: &str = "migrations";
const LEASE_SECONDS: f64 = 30.0;
/// How long we wait for another process that migrates.
const PATIENCE: Duration = Duration::from_mins(3);
const POLL: Duration = Duration::from_millis(100);
/// Tries of a statement that another replica runs at the same moment.
const TRIES: u32 = 10;

/// Runs what is missing, or says what is. Tables that are up to date cost one round trip.
pub(super) async fn run(
    connection: &mut PgConnection,
    schema: &str,
    migrate: bool,
    address: &str,
) -> Result<(), ConnectError> {
    let missing = self::missing_now(connection, address).await?;
    if missing.is_empty() {
        return Ok(());
    }
    if !migrate {
        return Err(not_migrated(&missing, address));
    }
    let refused = |error| super::refused(address, "the making of the first tables", error);
    bootstrap(connection, schema).await.map_err(refused)?;
    let owner = Uuid::new_v4();
    acquire(connection, owner, address).await?;
    // Somebody else may have done it while we waited.
    for migration in missing_now(connection, address).await? {
        let refused = |error| super::refused(address, &format!("migration {}", migration.name), error);
        apply(connection, migration, owner).await.map_err(refused)?;
        tracing::info!(address, migration = migration.name, "the tables were brought up to date");
    }
    release(connection, owner).await.map_err(refused)
}

async fn missing_now(
    connection: &mut PgConnection,
    address: &str,
) -> Result<Vec<&'static Migration>, ConnectError> {
    let refused = |error| super::refused(address, "a look at the tables", error);
    missing(MIGRATIONS, &applied(connection).await.map_err(refused)?, address)
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<Applied>, sqlx::Error> {
    let outcome = sqlx::query(
        "
        SELECT
            version,
            checksum
        FROM backup_schema_version
        ORDER BY version
        ",
    )
    .persistent(false)
    .fetch_all(connection)
    .await;
    let rows = match outcome {
        // There is no such table yet.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => {
            return Ok(Vec::new());
        }
        other => other?,
    };
    rows.iter()
        .map(|row| Ok(Applied { version: row.try_get("version")?, checksum: row.try_get("checksum")? }))
        .collect()
}

/// What must be there before there can be a lease.
async fn bootstrap(connection: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    let is_there = sqlx::query("SELECT FROM pg_namespace WHERE nspname = $1")
        .bind(schema)
        .persistent(false)
        .fetch_optional(&mut *connection)
        .await?
        .is_some();
    // Asked first: whoever may not create schemas may not even say IF NOT EXISTS.
    if !is_there {
        execute(connection, &format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"")).await?;
    }
    for statement in BOOTSTRAP {
        execute(connection, statement).await?;
    }
    Ok(())
}

const BOOTSTRAP: &[&str] = &[
    "
    CREATE TABLE IF NOT EXISTS backup_lease (
        name  text NOT NULL PRIMARY KEY,
        owner uuid NOT NULL,
        epoch bigint NOT NULL,
        until timestamptz NOT NULL
    )
    ",
    "
    CREATE TABLE IF NOT EXISTS backup_schema_version (
        version    integer NOT NULL PRIMARY KEY,
        name       text NOT NULL,
        checksum   text NOT NULL,
        applied_at timestamptz NOT NULL
    )
    ",
    "COMMENT ON TABLE backup_lease IS 'Upkeep that one process does at a time'",
    "COMMENT ON COLUMN backup_lease.name IS 'What is done'",
    "COMMENT ON COLUMN backup_lease.owner IS 'The process that does it'",
    "COMMENT ON COLUMN backup_lease.epoch IS 'One more for each new ownership'",
    "COMMENT ON COLUMN backup_lease.until IS 'When others may take it'",
    "COMMENT ON TABLE backup_schema_version IS 'The migrations that ran'",
    "COMMENT ON COLUMN backup_schema_version.version IS 'The number of a migration'",
    "COMMENT ON COLUMN backup_schema_version.name IS 'Its file'",
    "COMMENT ON COLUMN backup_schema_version.checksum IS 'Of its text when it ran'",
    "COMMENT ON COLUMN backup_schema_version.applied_at IS 'When it ran'",
];

async fn apply(connection: &mut PgConnection, migration: &Migration, owner: Uuid) -> Result<(), sqlx::Error> {
    for statement in migration.statements() {
        renew(connection, LEASE, owner).await?;
        execute(connection, statement).await?;
    }
    sqlx::query(
        "
        INSERT INTO backup_schema_version (
            version,
            name,
            checksum,
            applied_at
        ) VALUES ($1, $2, $3, now())
        ON CONFLICT (version) DO NOTHING
        ",
    )
    .bind(migration.version)
    .bind(migration.name)
    .bind(migration.checksum())
    .persistent(false)
    .execute(connection)
    .await?;
    Ok(())
}

/// Runs one statement of DDL, again if another replica runs it at the same moment.
pub(super) async fn execute(connection: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
    for _ in 1..TRIES {
        match once(connection, statement).await {
            Err(sqlx::Error::Database(error)) if is_collision(error.code().as_deref(), error.message()) => {
                let pause = rand::rng().random_range(5..100);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            outcome => return outcome,
        }
    }
    once(connection, statement).await
}

/// Ours to the last character: files of this crate, and names made of a plain identifier or of numbers.
async fn once(connection: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(statement.to_owned())).persistent(false).execute(connection).await?;
    Ok(())
}

/// `IF NOT EXISTS` looks before it leaps, and somebody else may leap in between.
fn is_collision(state: Option<&str>, message: &str) -> bool {
    match state {
        // Duplicate schema, table, type, key; aborted transactions.
        Some("42P06" | "42P07" | "42710" | "23505" | "40001" | "40P01") => true,
        Some("XX000") => message.contains("tuple concurrently") || message.contains("version mismatch"),
        _ => false,
    }
}

async fn acquire(connection: &mut PgConnection, owner: Uuid, address: &str) -> Result<(), ConnectError> {
    let refused = |error| super::refused(address, "the lease of the migrations", error);
    let mut waited = Duration::ZERO;
    while !renew(connection, LEASE, owner).await.map_err(refused)? {
        if waited >= PATIENCE {
            let (address, waited_s) = (address.to_owned(), waited.as_secs());
            return Err(ConnectError::LeaseHeld { address, lease: LEASE, waited_s });
        }
        tokio::time::sleep(POLL).await;
        waited += POLL;
    }
    Ok(())
}

/// Takes or keeps a named lease; `false`: somebody else has it.
pub(super) async fn renew(
    connection: &mut PgConnection,
    name: &'static str,
    owner: Uuid,
) -> Result<bool, sqlx::Error> {
    let row = sqlx::query(
        "
        INSERT INTO backup_lease AS lease (
            name,
            owner,
            epoch,
            until
        ) VALUES ($1, $2, 1, now() + make_interval(secs => $3))
        ON CONFLICT (name) DO UPDATE
        SET
            owner = excluded.owner,
            epoch = CASE WHEN lease.owner = excluded.owner THEN lease.epoch ELSE lease.epoch + 1 END,
            until = excluded.until
        WHERE lease.owner = excluded.owner
            OR lease.until <= now()
        RETURNING epoch
        ",
    )
    .bind(name)
    .bind(owner)
    .bind(LEASE_SECONDS)
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

async fn release(connection: &mut PgConnection, owner: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE backup_lease SET until = now() WHERE name = $1 AND owner = $2")
        .bind(LEASE)
        .bind(owner)
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}
