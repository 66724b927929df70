//! Connections to the file, and nothing else: one that writes, and four that read.
//!
//! SQLite ends a transaction by itself on a full disk, an I/O error, an interrupt or a lack of memory, and a library that counts
//! transactions does not notice. So a connection is handed back only by work that came to its end; after anything else it
//! is closed, and the next one opens the file anew.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::identity::Identity;
use crate::replay::TryError;

/// The connections of one kind.
pub(super) struct Connections {
    options: SqliteConnectOptions,
    /// `None`: the database is in memory.
    identity: Option<Arc<Identity>>,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<SqliteConnection>>,
    /// Keeps a database in memory, and does nothing else.
    anchor: Mutex<Option<SqliteConnection>>,
}

impl Connections {
    /// None is open yet.
    pub(super) fn new(
        options: SqliteConnectOptions,
        identity: Option<Arc<Identity>>,
        most: usize,
    ) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(most));
        Arc::new(Self { options, identity, permits, idle: Mutex::default(), anchor: Mutex::default() })
    }

    /// Adds a connection that was opened before.
    pub(super) fn add(&self, connection: SqliteConnection) {
        self.idle().push(connection);
    }

    /// Keeps a connection open for as long as there is anybody who may want another.
    pub(super) fn anchored_by(self: Arc<Self>, connection: SqliteConnection) -> Arc<Self> {
        *self.anchor.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        self
    }

    /// A connection to the file that was opened first, and not to another one that is at its path by now.
    pub(super) async fn acquire(self: &Arc<Self>) -> Result<Lane, sqlx::Error> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| sqlx::Error::PoolClosed)?;
        if let Some(identity) = &self.identity {
            identity.check()?;
        }
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => SqliteConnection::connect_with(&self.options).await?,
        };
        Ok(Lane { connection, connections: Arc::clone(self), _permit: permit })
    }

    /// Closes what is idle, and hands out nothing any more.
    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            // It is closed by going away, too.
            let _ = connection.close().await;
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. Dropped, it is closed: nobody knows what its statement came to.
pub(super) struct Lane {
    connection: SqliteConnection,
    connections: Arc<Connections>,
    _permit: OwnedSemaphorePermit,
}

impl Lane {
    /// Keeps the connection for others if the work succeeded.
    pub(super) fn hand_back<T>(self, outcome: Result<T, TryError>) -> Result<T, TryError> {
        if outcome.is_ok() {
            self.keep();
        }
        outcome
    }

    fn keep(self) {
        if !self.connections.permits.is_closed() {
            self.connections.idle().push(self.connection);
        }
    }
}

impl Deref for Lane {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Lane {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// A transaction that writes from its begin on. Dropped, it is rolled back, and its connection closed.
pub(super) struct Transaction(Lane);

impl Transaction {
    pub(super) async fn begin(connections: &Arc<Connections>) -> Result<Self, sqlx::Error> {
        let mut lane = connections.acquire().await?;
        lane.execute("BEGIN IMMEDIATE").await?;
        Ok(Self(lane))
    }

    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.0.execute("COMMIT").await?;
        self.0.keep();
        Ok(())
    }

    /// Commits what succeeded. What the contract refuses is rolled back, and the connection kept.
    pub(super) async fn end<T>(mut self, outcome: Result<T, TryError>) -> Result<T, TryError> {
        match outcome {
            Ok(answer) => {
                self.commit().await?;
                Ok(answer)
            }
            Err(error @ (TryError::Contract(_) | TryError::Raced)) => {
                if self.0.execute("ROLLBACK").await.is_ok() {
                    self.0.keep();
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }
}

impl Deref for Transaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn connections(file: &Path) -> Arc<Connections> {
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
        Connections::new(options, None, 1)
    }

    async fn write(connections: &Arc<Connections>) -> Result<(), TryError> {
        let mut transaction = Transaction::begin(connections).await?;
        let written = insert(&mut transaction, 100).await;
        transaction.end(written).await
    }

    async fn insert(connection: &mut SqliteConnection, bytes: u32) -> Result<(), TryError> {
        let statement = sqlx::query("INSERT INTO t (x) VALUES (zeroblob($1))");
        Ok(statement.bind(bytes).execute(connection).await.map(drop)?)
    }

    /// Statements that make the engine end a transaction by itself: the disk is full, or somebody interrupts it.
    #[derive(Clone, Copy, Debug)]
    enum Trouble {
        Full,
        Interrupt,
    }

    impl Trouble {
        async fn befall(self, connection: &mut SqliteConnection) -> Result<(), TryError> {
            match self {
                Self::Full => {
                    connection.execute("PRAGMA max_page_count = 10").await?;
                }
                Self::Interrupt => {
                    connection.lock_handle().await?.set_progress_handler(1, || false);
                }
            }
            insert(connection, 1_000_000).await
        }

        fn code(self) -> &'static str {
            match self {
                Self::Full => "13",
                Self::Interrupt => "9",
            }
        }
    }

    #[tokio::test]
    async fn a_connection_whose_transaction_the_engine_ended_is_thrown_away() {
        let dir = tempfile::tempdir().unwrap();
        let connections = connections(&dir.path().join("t.db"));
        let mut lane = connections.acquire().await.unwrap();
        lane.execute("CREATE TABLE t (x)").await.unwrap();
        lane.keep();
        for trouble in [Trouble::Full, Trouble::Interrupt] {
            let mut transaction = Transaction::begin(&connections).await.unwrap();
            insert(&mut transaction, 10).await.unwrap();
            let befallen = trouble.befall(&mut transaction).await;
            let Err(TryError::Database(sqlx::Error::Database(error))) = transaction.end(befallen).await
            else {
                panic!("{trouble:?} is no error");
            };
            assert_eq!(error.code().as_deref(), Some(trouble.code()));
            assert!(connections.idle().is_empty(), "{trouble:?}");
            write(&connections).await.unwrap();
        }
        let mut lane = connections.acquire().await.unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&mut *lane).await.unwrap();
        assert_eq!(rows, 2, "what was in a broken transaction is not there");
    }

    #[tokio::test]
    async fn whoever_goes_away_in_the_middle_leaves_no_transaction_open() {
        let dir = tempfile::tempdir().unwrap();
        let connections = connections(&dir.path().join("t.db"));
        let mut lane = connections.acquire().await.unwrap();
        lane.execute("CREATE TABLE t (x)").await.unwrap();
        lane.keep();
        drop(Transaction::begin(&connections).await.unwrap());
        write(&connections).await.unwrap();
        let refused =
            Transaction::begin(&connections).await.unwrap().end(Err::<(), _>(TryError::Raced)).await;
        assert!(matches!(refused, Err(TryError::Raced)));
        assert_eq!(connections.idle().len(), 1, "what was refused in good order keeps its connection");
        write(&connections).await.unwrap();
    }
}
