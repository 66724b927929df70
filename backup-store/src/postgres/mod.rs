//! The store on PostgreSQL and YugabyteDB: for any number of replicas.
//!
//! Each method is one statement in autocommit, so one round trip; what belongs together is written by CTEs of that one
//! statement. There is no advisory lock, no notification and no server-side code: uniqueness is a primary key of a plain
//! table, ownership is an epoch that every write compares, and time is the database's.

mod claim;
mod clean;
mod create;
mod judge;
mod lease;
pub(crate) mod migrate;
mod options;
mod partitions;
mod read;
mod reopen;
mod rows;
mod save;
mod store;

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use backup_core::Clock;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{
    Connection, PgConnection, PgPool, Postgres, Row,
    pool::PoolConnection,
    postgres::{PgPoolOptions, types::PgInterval},
};

pub use self::claim::ANY as CLAIM;
use self::judge::judge;
use crate::{
    address::Server,
    config::{PoolConfig, StoreConfig},
    error::ConnectError,
    replay::{Replay, TryError, Verdict},
};

/// A connection that was idle for longer is tested before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// How often the partitions of the coming months are looked after.
const MAINTENANCE: Duration = Duration::from_hours(24);
/// The parts of the work, each with an order of its own in the index of due work.
pub(crate) const BUCKETS: i16 = 16;

/// The tracking store on PostgreSQL and YugabyteDB.
pub struct PostgresStore {
    pool: PgPool,
    clock: Option<Arc<dyn Clock>>,
    replay: Replay,
    address: String,
}

impl PostgresStore {
    /// Connects, brings the tables up to date, and makes the partitions of the coming months, now and daily.
    pub(crate) async fn open(server: Server, config: &StoreConfig) -> Result<Arc<Self>, ConnectError> {
        let address = crate::address::redacted(&config.url);
        let plan = options::Plan::new(&server, config, &address)?;
        let mut first = first_connection(&plan, config, &address).await?;
        migrate::run(&mut first, &plan.schema, config.migrate, &address).await?;
        let store = Arc::new(Self {
            pool: pool(&config.pool, &plan).connect_lazy_with(plan.connect.clone()),
            clock: config.clock.clone(),
            replay: Replay::new(config.retry.clone(), config.observer.clone()),
            address,
        });
        if config.migrate {
            store.maintain_on(&mut first).await?;
            tokio::spawn(maintain_daily(Arc::downgrade(&store)));
        }
        // A connection that cannot be closed politely is closed anyway.
        let _ = first.close().await;
        Ok(store)
    }

    /// Makes the partitions of the coming months, unless another replica does. What cannot be made now is tried again
    /// at the next call; until then the default partition takes the rows.
    pub async fn maintain(&self) -> Result<(), ConnectError> {
        let refused = |error| refused(&self.address, "the making of partitions", error);
        let mut connection = self.pool.acquire().await.map_err(refused)?;
        let outcome = self.maintain_on(&mut connection).await;
        // It may hold a lock timeout of ours.
        connection.close_on_drop();
        outcome
    }

    /// Ends the connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn maintain_on(&self, connection: &mut PgConnection) -> Result<(), ConnectError> {
        let refused = |error| refused(&self.address, "the making of partitions", error);
        let today = self.today(connection).await.map_err(refused)?;
        partitions::make(connection, today, &self.address).await
    }

    async fn today(&self, connection: &mut PgConnection) -> Result<NaiveDate, sqlx::Error> {
        let row =
            sqlx::query("SELECT coalesce($1, now()) AS now").bind(self.now()).fetch_one(connection).await?;
        Ok(row.try_get::<DateTime<Utc>, _>("now")?.date_naive())
    }

    /// A test's time; without it, the database's clock rules.
    fn now(&self) -> Option<DateTime<Utc>> {
        self.clock.as_ref().map(|clock| clock.now())
    }

    async fn acquire(&self, operation: &'static str) -> Result<PoolConnection<Postgres>, TryError> {
        let connection = self.pool.acquire().await?;
        self.replay.round_trip(operation);
        Ok(connection)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Gives the connection back, unless its error says that it is of no more use.
fn hand_back<T>(
    mut connection: PoolConnection<Postgres>,
    outcome: Result<T, TryError>,
) -> Result<T, TryError> {
    if let Err(TryError::Database(error)) = &outcome
        && matches!(judge(error), Verdict::Stale | Verdict::Lost)
    {
        connection.close_on_drop();
    }
    outcome
}

async fn maintain_daily(store: Weak<PostgresStore>) {
    loop {
        tokio::time::sleep(MAINTENANCE).await;
        let Some(store) = store.upgrade() else { return };
        if let Err(error) = store.maintain().await {
            tracing::warn!(error = %error, "the partitions of the coming months could not be made");
        }
    }
}

/// The first connection, over and over: the pool would try for its whole timeout and then not say why.
async fn first_connection(
    plan: &options::Plan,
    config: &StoreConfig,
    address: &str,
) -> Result<PgConnection, ConnectError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let error = match connect_once(plan).await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        if judge(&error) == Verdict::Refused {
            return Err(refused(address, "the connection", error));
        }
        if tries >= config.retry.connection_tries {
            let (address, source) = (address.to_owned(), Box::new(error));
            return Err(ConnectError::Unreachable { address, tries, source });
        }
        let pause = config.retry.pause(tries);
        let pause_ms = pause.as_millis();
        tracing::warn!(address, tries, pause_ms, error = %error, "the database cannot be reached; trying again");
        tokio::time::sleep(pause).await;
    }
}

async fn connect_once(plan: &options::Plan) -> Result<PgConnection, sqlx::Error> {
    let mut connection =
        tokio::time::timeout(plan.connect_timeout, PgConnection::connect_with(&plan.connect))
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
    options::prepare(&mut connection).await?;
    Ok(connection)
}

fn pool(pool: &PoolConfig, plan: &options::Plan) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(pool.max_connections)
        .min_connections(pool.min_connections)
        .acquire_timeout(plan.acquire_timeout)
        .idle_timeout(pool.idle_timeout)
        .max_lifetime(pool.max_lifetime)
        // A test before each use would double the round trips. One that was just used is trusted: if it broke since,
        // the statement is repeated.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(|connection, _| Box::pin(options::prepare(connection)))
}

fn refused(address: &str, what: &str, error: sqlx::Error) -> ConnectError {
    ConnectError::Refused { address: address.to_owned(), what: what.to_owned(), source: Box::new(error) }
}

/// A duration as the database adds it to an instant; a century at most.
fn interval(duration: Duration) -> PgInterval {
    const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
    let microseconds = i64::try_from(duration.min(CENTURY).as_micros()).unwrap_or_default();
    PgInterval { months: 0, days: 0, microseconds }
}

/// The part of the work that a batch belongs to.
fn bucket(batch: &str) -> i16 {
    let hash = crate::migrate::fnv1a(batch.as_bytes());
    i16::try_from(hash % u64::from(BUCKETS.unsigned_abs())).unwrap_or_default()
}
