//! What the store must be told: where the database is, and how patient to be with it.

use std::{fmt, sync::Arc, time::Duration};

use backup_core::Clock;
use secrecy::SecretString;

/// How to reach the tracking store. Its `Debug` text shows neither the password nor the query of the address.
#[derive(Clone)]
#[non_exhaustive]
pub struct StoreConfig {
    /// The address: `sqlite:`, `postgres:`, `postgresql:`, `jdbc:postgresql:` or `jdbc:yugabytedb:`.
    pub url: String,
    /// The role. It wins over one in the address.
    pub username: Option<String>,
    /// Its password. It wins over one in the address.
    pub password: Option<SecretString>,
    /// The schema; `None`: the address's `currentSchema`, else [`StoreConfig::DEFAULT_SCHEMA`]. SQLite has none.
    pub schema: Option<String>,
    /// The connections.
    pub pool: PoolConfig,
    /// Whether tables and partitions are made and brought up to date at start. Otherwise a start without the right
    /// tables fails, and somebody else makes the partitions.
    pub migrate: bool,
    /// Whether a SQLite file that is not there is made. PostgreSQL's databases are never made.
    pub create_file: bool,
    /// How often and how patiently database work is repeated.
    pub retry: RetryPolicy,
    /// The clock that leases are measured by; `None`: the database's own, and the system's for SQLite. For tests.
    pub clock: Option<Arc<dyn Clock>>,
    /// Is told what the store does, for counters.
    pub observer: Option<StoreObserver>,
}

impl StoreConfig {
    /// The schema of the original service.
    pub const DEFAULT_SCHEMA: &str = "epricing";

    /// A store at this address, with the defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            username: None,
            password: None,
            schema: None,
            pool: PoolConfig::default(),
            migrate: true,
            create_file: true,
            retry: RetryPolicy::default(),
            clock: None,
            observer: None,
        }
    }
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig")
            .field("url", &crate::address::redacted(&self.url))
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("schema", &self.schema)
            .field("pool", &self.pool)
            .field("migrate", &self.migrate)
            .field("create_file", &self.create_file)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// The connections of PostgreSQL. SQLite has one that writes and four that read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// At most this many connections.
    pub max_connections: u32,
    /// At least this many, also when idle.
    pub min_connections: u32,
    /// Time until a connection must be there.
    pub acquire_timeout: Duration,
    /// After this long without work a connection is closed.
    pub idle_timeout: Duration,
    /// After this long a connection is closed, whatever it does: new nodes come into use only by this.
    pub max_lifetime: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max_connections: 10,
            min_connections: 0,
            acquire_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(10),
            max_lifetime: Duration::from_mins(10),
        }
    }
}

/// How often and how patiently database work is repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Tries of a transaction that lost against another, at 5 to 200 ms with full jitter.
    pub contention_tries: u32,
    /// Tries over lost connections, the first at start included.
    pub connection_tries: u32,
    /// The pause after the first lost connection.
    pub first_delay: Duration,
    /// How many times longer each next pause is.
    pub multiplier: f64,
    /// The longest pause.
    pub max_delay: Duration,
}

impl RetryPolicy {
    /// The pause after this many lost connections.
    pub(crate) fn pause(&self, tries: u32) -> Duration {
        let factor = self.multiplier.powi(i32::try_from(tries.saturating_sub(1)).unwrap_or(i32::MAX));
        let grown = self.first_delay.as_secs_f64() * factor;
        Duration::try_from_secs_f64(grown).unwrap_or(self.max_delay).min(self.max_delay)
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            contention_tries: 10,
            connection_tries: 3,
            first_delay: Duration::from_secs(1),
            multiplier: 2.0,
            max_delay: Duration::from_secs(10),
        }
    }
}

/// Something that the store did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreEvent {
    /// It sent a statement (PostgreSQL) or began a transaction (SQLite): one round trip.
    RoundTrip {
        /// The method of the store.
        operation: &'static str,
    },
    /// It repeats an operation.
    Retry {
        /// The method of the store.
        operation: &'static str,
        /// `contention`, `connection` or `statement`.
        reason: &'static str,
    },
    /// It met a row that it cannot read, and left it alone.
    UnreadableRow {
        /// Its table.
        table: &'static str,
        /// The column that it cannot read.
        column: &'static str,
    },
}

/// Is told what the store does. It must not block.
pub type StoreObserver = Arc<dyn Fn(StoreEvent) + Send + Sync>;
