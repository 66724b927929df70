//! The store on PostgreSQL and YugabyteDB: for any number of replicas.
//!
//! Each method is one statement in autocommit, so one round trip; what belongs together is written by CTEs of that one
//! statement, for one batch or for all that wait (`group.rs`). Only a batch that fails before it is open takes two, in a transaction. There is no advisory lock, no notification and no server-side code: uniqueness is a primary key of a plain
//! table, ownership is an epoch that every write compares, and time is the database's.
//!
//! No CTE says `MATERIALIZED`: YugabyteDB 2024.2, built on PostgreSQL 11, does not know the word, and every newer version
//! computes ours once anyway: they write, lock rows, are used twice, or stand in an `ARRAY(..)`.

mod audit;
mod claim;
mod clean;
mod clock;
mod connect;
mod create;
mod follower;
mod group;
mod judge;
mod lease;
pub(crate) mod migrate;
mod nodes;
mod options;
mod partitions;
mod pool;
mod prune;
mod read;
mod reopen;
mod rows;
mod save;
mod session;
mod statement;
mod store;
mod types;

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use backup_core::Clock;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{Connection, PgConnection, Row, postgres::types::PgInterval};

pub use self::{audit::CLAIM as CLAIM_AUDITS, claim::ANY as CLAIM, prune::PRUNE};
use self::{
    clock::DatabaseClock,
    judge::{is_read_only, judge},
    nodes::Nodes,
    pool::{Lane, Pool},
};
use crate::{
    address::Server,
    config::StoreConfig,
    error::ConnectError,
    replay::{Replay, TryError, Verdict},
    write::Writes,
};

/// How often the partitions of the coming months are looked after.
const MAINTENANCE: Duration = Duration::from_hours(24);
/// The parts of the work, each with an order of its own in the index of due work.
pub(crate) const BUCKETS: i16 = 16;

/// The tracking store on PostgreSQL and YugabyteDB.
pub struct PostgresStore {
    access: Arc<Access>,
    writes: Writes,
    /// What the instants of records are measured by.
    clock: Arc<dyn Clock>,
    address: String,
}

/// The way to the database.
struct Access {
    pool: Arc<Pool>,
    clock: Option<Arc<dyn Clock>>,
    replay: Replay,
}

impl PostgresStore {
    /// Connects, brings the tables up to date, and makes the partitions of the coming months, now and daily.
    pub(crate) async fn open(server: Server, config: &StoreConfig) -> Result<Arc<Self>, ConnectError> {
        let address = crate::address::redacted(&config.url);
        let plan = options::Plan::new(&server, config, &address)?;
        let nodes = Nodes::new(&server, &plan.plain, &plan.search_path);
        let mut first = connect::first(&plan, nodes.as_ref(), &config.retry, &address).await?;
        migrate::run(&mut first, &plan.schema, config.migrate, &address).await?;
        let replay = Replay::new(config.retry.clone(), config.observer.clone())
            .with_limit(plan.acquire_timeout + plan.answer_timeout);
        let pool = Pool::new(&config.pool, plan, nodes);
        let access = Arc::new(Access { pool, clock: config.clock.clone(), replay });
        let writes = group::writes(&access);
        let database_clock = Arc::new(DatabaseClock::of_this_machine());
        database_clock
            .set(&mut first, &address)
            .await
            .map_err(|error| refused(&address, "a look at its clock", error))?;
        let clock = config.clock.clone().unwrap_or_else(|| Arc::clone(&database_clock) as _);
        let store = Arc::new(Self { access, writes, clock, address });
        tokio::spawn(keep_time(Arc::downgrade(&store), database_clock));
        if config.migrate {
            // Nothing depends on it: the default partition takes every row.
            note(store.maintain_on(&mut first).await);
            tokio::spawn(maintain_daily(Arc::downgrade(&store)));
        }
        // A connection that cannot be closed politely is closed anyway.
        let _ = first.close().await;
        Ok(store)
    }

    /// Makes the partitions of the coming months, unless another replica does. What cannot be made now is tried again
    /// at the next call; until then the default partition takes the rows.
    pub async fn maintain(&self) -> Result<(), ConnectError> {
        let mut lane = self.access.pool.acquire().await.map_err(|error| ConnectError::Refused {
            address: self.address.clone(),
            what: "a connection".to_owned(),
            source: error.into_source(),
        })?;
        // It is closed afterwards: it may hold a lock timeout of ours.
        self.maintain_on(&mut lane).await
    }

    /// Ends the connections.
    pub async fn close(&self) {
        self.access.pool.close().await;
    }

    async fn maintain_on(&self, connection: &mut PgConnection) -> Result<(), ConnectError> {
        let refused = |error| refused(&self.address, "the making of partitions", error);
        let today = self.today(connection).await.map_err(refused)?;
        partitions::make(connection, today, &self.address).await
    }

    async fn today(&self, connection: &mut PgConnection) -> Result<NaiveDate, sqlx::Error> {
        let row = sqlx::query("SELECT coalesce($1, now()) AS now")
            .bind(self.access.now())
            .fetch_one(connection)
            .await?;
        Ok(row.try_get::<DateTime<Utc>, _>("now")?.date_naive())
    }
}

impl Access {
    /// A test's time; without it, the database's clock rules.
    fn now(&self) -> Option<DateTime<Utc>> {
        self.clock.as_ref().map(|clock| clock.now())
    }

    async fn acquire(&self, operation: &'static str) -> Result<Lane, TryError> {
        let lane = self.pool.acquire().await?;
        self.replay.round_trip(operation);
        Ok(lane)
    }

    /// Keeps the connection, unless its error says that it is of no more use.
    fn hand_back<T>(&self, lane: Lane, outcome: Result<T, TryError>) -> Result<T, TryError> {
        match &outcome {
            Err(TryError::Database(error)) => match judge(error) {
                Verdict::Stale => self.pool.forget_idle(),
                Verdict::Lost => {
                    if is_read_only(error) {
                        // So are the other connections to this node.
                        self.pool.forget_idle();
                    }
                    self.pool.suspect();
                }
                _ => lane.keep(),
            },
            _ => lane.keep(),
        }
        outcome
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn maintain_daily(store: Weak<PostgresStore>) {
    loop {
        tokio::time::sleep(MAINTENANCE).await;
        let Some(store) = store.upgrade() else { return };
        note(store.maintain().await);
    }
}

async fn keep_time(store: Weak<PostgresStore>, clock: Arc<DatabaseClock>) {
    loop {
        tokio::time::sleep(clock::INTERVAL).await;
        let Some(store) = store.upgrade() else { return };
        let asked = async {
            let mut connection = store.access.acquire("clock").await?;
            let asked = clock.set(&mut connection, &store.address).await.map_err(TryError::Database);
            store.access.hand_back(connection, asked)
        };
        // Away for now: the difference that was last seen still holds.
        if let Err(error) = store.access.replay.limited(asked).await {
            tracing::debug!(?error, "the database was not asked for its time");
        }
    }
}

fn note(maintained: Result<(), ConnectError>) {
    if let Err(error) = maintained {
        tracing::warn!(error = %error, "the partitions of the coming months could not be made");
    }
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
