//! The store in one SQLite file: for one host, and any number of processes on it.
//!
//! WAL, so that readers and the writer do not wait for each other; `synchronous = FULL`, so that a backup once recorded
//! is recorded after a power failure too; one connection that writes, which queues fairly, in immediate transactions,
//! which never fail in the middle because of another process.

mod audit;
mod claim;
mod connections;
mod create;
mod file;
mod follower;
mod group;
mod identity;
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
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use backup_core::{Clock, SystemClock};
use sqlx::{
    Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use self::{
    connections::{Connections, Lane, Transaction},
    identity::Identity,
};
use crate::{
    config::StoreConfig,
    error::ConnectError,
    replay::{Replay, TryError, Verdict},
    write::Writes,
};

/// How long a writer waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const READERS: usize = 4;

/// The tracking store on SQLite.
#[derive(Clone)]
pub struct SqliteStore {
    writer: Arc<Connections>,
    reader: Arc<Connections>,
    clock: Arc<dyn Clock>,
    replay: Replay,
    writes: Arc<Writes>,
}

impl SqliteStore {
    /// Opens the file, makes it if it is not there, and brings its tables up to date. `None`: a store in memory.
    pub async fn open(path: Option<PathBuf>, config: &StoreConfig) -> Result<Self, ConnectError> {
        let (writer, reader, address) = match &path {
            Some(path) => Self::open_file(path, config).await?,
            None => Self::open_memory().await?,
        };
        migrate::run(&writer, config.migrate, &address).await?;
        let clock = config.clock.clone().unwrap_or_else(|| Arc::new(SystemClock::new()));
        let replay = Replay::new(config.retry.clone(), config.observer.clone());
        let share = Arc::new(group::writes(Arc::clone(&writer), Arc::clone(&clock), replay.clone()));
        Ok(Self { writer, reader, clock, replay, writes: share })
    }

    async fn open_file(path: &Path, config: &StoreConfig) -> Result<Opened, ConnectError> {
        let address = path.display().to_string();
        file::refuse_network(path)?;
        if config.create_file {
            file::make_private(path);
        } else {
            file::must_be_there(path)?;
        }
        file::warn_of_others(path);
        let options = options().filename(path);
        let write = options.clone().journal_mode(SqliteJournalMode::Wal);
        let refused = |error| refused(&address, "to open the file", error);
        let first = first_connection(&write.clone().create_if_missing(config.create_file)).await;
        let first = first.map_err(refused)?;
        let identity = Identity::of(path).map_err(|error| refused(error.into()))?;
        let identity = Some(Arc::new(identity));
        // A file that is gone is never made again by a later connection.
        let writer = Connections::new(write, identity.clone(), 1);
        writer.add(first);
        Ok((writer, Connections::new(options.read_only(true), identity, READERS), address))
    }

    async fn open_memory() -> Result<Opened, ConnectError> {
        let address = "sqlite::memory:".to_owned();
        let refused = |error| refused(&address, "to open a database in memory", error);
        // Its connections share it, and it lasts as long as one is open: an idle one is kept for that.
        let options: SqliteConnectOptions = "sqlite::memory:".parse().map_err(refused)?;
        let options = options.busy_timeout(BUSY_TIMEOUT).foreign_keys(true);
        let anchor = SqliteConnection::connect_with(&options).await.map_err(refused)?;
        let connections = Connections::new(options, None, 1).anchored_by(anchor);
        Ok((Arc::clone(&connections), connections, address))
    }

    /// Ends the connections; a checkpoint moves everything into the file.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    async fn begin(&self, operation: &'static str) -> Result<Transaction, TryError> {
        self.replay.round_trip(operation);
        Ok(Transaction::begin(&self.writer).await?)
    }

    async fn look(&self, operation: &'static str) -> Result<Lane, TryError> {
        self.replay.round_trip(operation);
        Ok(self.reader.acquire().await?)
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

/// What writes, what reads, and what it is called.
type Opened = (Arc<Connections>, Arc<Connections>, String);

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
}

/// The writer. To make a new file a WAL file, SQLite wants it for itself and answers "busy" at once, whatever the busy
/// timeout says: two processes that start together would refuse each other.
async fn first_connection(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let began = Instant::now();
    loop {
        match SqliteConnection::connect_with(options).await {
            Err(error) if judge(&error) == Verdict::Contention && began.elapsed() < BUSY_TIMEOUT => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            connected => return connected,
        }
    }
}

fn refused(address: &str, what: &str, error: sqlx::Error) -> ConnectError {
    ConnectError::Refused { address: address.to_owned(), what: what.to_owned(), source: Box::new(error) }
}

/// Sorts SQLite's errors.
fn judge(error: &sqlx::Error) -> Verdict {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or_default();
            // What follows the first byte says where it happened.
            match code & 0xff {
                // Busy, after the busy timeout: another process holds the file. Locked, by another connection of this one.
                5 | 6 => Verdict::Contention,
                // No memory, read only, interrupted, an I/O error, damaged, full, not to be opened, locked in an odd way, no
                // database any more: the file, its disk or this machine is in trouble, and may be mended.
                7 | 8 | 9 | 10 | 11 | 13 | 14 | 15 | 26 => Verdict::TimedOut,
                _ => Verdict::Refused,
            }
        }
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
