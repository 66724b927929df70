//! The store in one SQLite file: for one host, and any number of processes on it.
//!
//! WAL, so that readers and the writer do not wait for each other; `synchronous = FULL`, so that a backup once recorded
//! is recorded after a power failure too; one connection that writes, which queues fairly, in immediate transactions,
//! which never fail in the middle because of another process.

mod claim;
mod create;
mod file;
mod group;
mod input;
pub(crate) mod migrate;
mod prune;
mod read;
mod reopen;
mod rows;
mod save;
mod store;
mod transaction;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use backup_core::{Clock, SystemClock};
use sqlx::{
    Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    config::StoreConfig,
    error::ConnectError,
    replay::{Replay, TryError, Verdict},
    write::Writes,
};

/// How long a writer waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const READERS: u32 = 4;

/// The tracking store on SQLite.
#[derive(Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    reader: SqlitePool,
    clock: Arc<dyn Clock>,
    replay: Replay,
    writes: Arc<Writes>,
}

impl SqliteStore {
    /// Opens the file, makes it if it is not there, and brings its tables up to date. `None`: a store in memory.
    pub async fn open(path: Option<PathBuf>, config: &StoreConfig) -> Result<Self, ConnectError> {
        let address = path.as_ref().map_or("sqlite::memory:".to_owned(), |path| path.display().to_string());
        if let Some(path) = &path {
            if !config.create_file {
                file::must_be_there(path)?;
            }
            file::refuse_network(path)?;
        }
        let refused = |error| refused(&address, "to open the file", error);
        let options = options(path.as_ref()).create_if_missing(config.create_file);
        let write = options.clone().journal_mode(SqliteJournalMode::Wal);
        let writer = first_connection(&write).await.map_err(refused)?;
        let reader = match path {
            // Every connection to `:memory:` is a database of its own.
            None => writer.clone(),
            Some(_) => pool(READERS).connect_lazy_with(options.read_only(true)),
        };
        migrate::run(&writer, config.migrate, &address).await?;
        let clock = config.clock.clone().unwrap_or_else(|| Arc::new(SystemClock::new()));
        let replay = Replay::new(config.retry.clone(), config.observer.clone());
        let share = Arc::new(group::writes(writer.clone(), Arc::clone(&clock), replay.clone()));
        Ok(Self { writer, reader, clock, replay, writes: share })
    }

    /// Ends the connections; a checkpoint moves everything into the file.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    async fn begin(&self, operation: &'static str) -> Result<Transaction<'static, Sqlite>, TryError> {
        self.replay.round_trip(operation);
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Milliseconds, UTC: leases are compared between processes, so by the wall clock of their host.
    fn now(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("clock", &self.clock).finish_non_exhaustive()
    }
}

fn options(path: Option<&PathBuf>) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT);
    match path {
        Some(path) => options.filename(path),
        None => options.in_memory(true),
    }
}

/// The writer. To make a new file a WAL file, SQLite wants it for itself and answers "busy" at once, whatever the busy
/// timeout says: two processes that start together would refuse each other.
async fn first_connection(options: &SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let began = Instant::now();
    loop {
        match pool(1).connect_with(options.clone()).await {
            Err(error) if judge(&error) == Verdict::Contention && began.elapsed() < BUSY_TIMEOUT => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            connected => return connected,
        }
    }
}

/// Connections stay open: opening a file costs more than keeping it, and memory would be lost.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

fn refused(address: &str, what: &str, error: sqlx::Error) -> ConnectError {
    ConnectError::Refused { address: address.to_owned(), what: what.to_owned(), source: Box::new(error) }
}

/// Sorts SQLite's errors.
fn judge(error: &sqlx::Error) -> Verdict {
    match error {
        sqlx::Error::Database(error) => match error.code().as_deref().unwrap_or_default() {
            // Busy, after the busy timeout: another process holds the file. Busy recovery, busy snapshot, locked.
            "5" | "261" | "517" | "6" | "262" => Verdict::Contention,
            // The disk: full, or failing.
            code if code == "13" || code.parse::<i32>().is_ok_and(|code| code & 0xff == 10) => {
                Verdict::TimedOut
            }
            _ => Verdict::Refused,
        },
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Io(_) => Verdict::TimedOut,
        _ => Verdict::Refused,
    }
}

/// Milliseconds of a duration, as a column holds them.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
