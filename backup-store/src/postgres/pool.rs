//! Connections, and nothing else: one per statement under way, kept for the next.
//!
//! sqlx's own pool tests each connection when it comes back, which is a second round trip and a task for every
//! statement, and it connects to one address. This one gives a connection back as it is, unless its statement failed or
//! was given up; tests one that was idle; and opens each new one at the node that has the fewest of ours.

use std::{
    collections::HashMap,
    io,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{nodes::Nodes, options};
use crate::{address::Host, config::PoolConfig, replay::TryError};

/// A connection that was idle for longer is tested before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// Pauses between attempts to reach a database that is away.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often idle connections are looked after.
const UPKEEP: Duration = Duration::from_secs(30);

/// The connections to a database.
pub(super) struct Pool {
    config: PoolConfig,
    plan: options::Plan,
    nodes: Option<Arc<Nodes>>,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Parked>>,
    open: Arc<Open>,
}

/// A connection that nobody uses.
struct Parked {
    connection: PgConnection,
    opened_at: Instant,
    idle_since: Instant,
    counted: Counted,
}

/// A connection in use. Dropped, it is closed: nobody knows what its statement came to.
pub(super) struct Lane {
    connection: PgConnection,
    opened_at: Instant,
    counted: Counted,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    /// No connection yet; the least number of them is opened in the background.
    pub(super) fn new(config: &PoolConfig, plan: options::Plan, nodes: Option<Arc<Nodes>>) -> Arc<Self> {
        let most = usize::try_from(config.max_connections.max(1)).unwrap_or(1);
        let pool = Arc::new(Self {
            config: config.clone(),
            plan,
            nodes,
            permits: Arc::new(Semaphore::new(most)),
            idle: Mutex::default(),
            open: Arc::default(),
        });
        tokio::spawn(look_after(Arc::downgrade(&pool)));
        pool
    }

    /// A connection, within the acquire timeout. The error is the last attempt's.
    pub(super) async fn acquire(self: &Arc<Self>) -> Result<Lane, TryError> {
        let mut last = None;
        let lane = tokio::time::timeout(self.plan.acquire_timeout, self.acquire_patiently(&mut last)).await;
        lane.unwrap_or_else(|_| Err(TryError::Unreachable(last.unwrap_or(sqlx::Error::PoolTimedOut))))
    }

    async fn acquire_patiently(self: &Arc<Self>, last: &mut Option<sqlx::Error>) -> Result<Lane, TryError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| TryError::Unreachable(sqlx::Error::PoolClosed))?;
        let parked = match self.reuse().await {
            Some(parked) => parked,
            None => self.connect(last).await?,
        };
        let Parked { connection, opened_at, counted, .. } = parked;
        Ok(Lane { connection, opened_at, counted, pool: Arc::clone(self), _permit: permit })
    }

    /// The connection that was used last, if it still works.
    async fn reuse(&self) -> Option<Parked> {
        loop {
            let mut parked = self.idle().pop()?;
            if parked.opened_at.elapsed() > self.config.max_lifetime {
                close(parked).await;
                continue;
            }
            if parked.idle_since.elapsed() <= TRUSTED_IDLE {
                return Some(parked);
            }
            match tokio::time::timeout(self.plan.connect_timeout, parked.connection.ping()).await {
                Ok(Ok(())) => return Some(parked),
                _ => self.suspect(),
            }
        }
    }

    /// Tries until it is told to stop: a database that is away comes back.
    async fn connect(&self, last: &mut Option<sqlx::Error>) -> Result<Parked, TryError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connect_once().await {
                Ok(parked) => return Ok(parked),
                Err(error) if is_passing(&error) => *last = Some(error),
                Err(error) => return Err(error.into()),
            }
            self.suspect();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn connect_once(&self) -> Result<Parked, sqlx::Error> {
        let hosts = self.nodes.as_ref().map(|nodes| nodes.live()).unwrap_or_default();
        let counted = self.open.least_used(&hosts);
        let options = match (&self.nodes, &counted.host) {
            (Some(nodes), Some(host)) => nodes.options(host),
            _ => self.plan.connect.clone(),
        };
        let connection = open(&options, &self.plan).await?;
        let now = Instant::now();
        Ok(Parked { connection, opened_at: now, idle_since: now, counted })
    }

    /// Something failed: if there are several nodes, find out which are alive.
    pub(super) fn suspect(&self) {
        if let Some(nodes) = &self.nodes {
            nodes.suspect();
        }
    }

    /// Closes what is idle: the statements it has prepared are out of date.
    pub(super) fn forget_idle(&self) {
        self.idle().clear();
    }

    /// Closes what is idle, and hands out nothing any more.
    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for parked in idle {
            close(parked).await;
        }
    }

    /// Closes what was idle for too long, and keeps the least number open.
    async fn upkeep(&self) {
        let least = usize::try_from(self.config.min_connections).unwrap_or_default();
        for parked in self.take_stale(least) {
            close(parked).await;
        }
        while !self.permits.is_closed() && self.open.count() < least {
            match self.connect_once().await {
                Ok(parked) => self.idle().insert(0, parked),
                Err(error) => {
                    tracing::debug!(error = %error, "no connection ahead of time");
                    return;
                }
            }
        }
    }

    fn take_stale(&self, least: usize) -> Vec<Parked> {
        let spare = self.open.count().saturating_sub(least);
        let mut idle = self.idle();
        let is_stale = |parked: &Parked| {
            parked.idle_since.elapsed() > self.config.idle_timeout
                || parked.opened_at.elapsed() > self.config.max_lifetime
        };
        // The one that was used least recently is the first.
        let stale = idle.iter().take(spare).take_while(|parked| is_stale(parked)).count();
        idle.drain(..stale).collect()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Parked>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    /// Its statement came to an end: the connection is good for another.
    pub(super) fn keep(self) {
        let Self { connection, opened_at, counted, pool, _permit } = self;
        if !pool.permits.is_closed() {
            pool.idle().push(Parked { connection, opened_at, idle_since: Instant::now(), counted });
        }
    }
}

impl Deref for Lane {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lane {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

/// How many connections are open to each node; one of a single address counts for nobody.
#[derive(Default)]
struct Open(Mutex<HashMap<Option<Host>, usize>>);

/// One of them, as long as it lives.
struct Counted {
    host: Option<Host>,
    open: Arc<Open>,
}

impl Open {
    /// Counts before it is opened, so that many opened at once are spread too.
    fn least_used(self: &Arc<Self>, hosts: &[Host]) -> Counted {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |host: &&Host| counts.get(&Some((*host).clone())).copied().unwrap_or_default();
        let host = hosts.iter().min_by_key(count).cloned();
        *counts.entry(host.clone()).or_default() += 1;
        Counted { host, open: Arc::clone(self) }
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.host) {
            *count = count.saturating_sub(1);
        }
    }
}

async fn look_after(pool: Weak<Pool>) {
    while let Some(pool) = pool.upgrade() {
        pool.upkeep().await;
        drop(pool);
        tokio::time::sleep(UPKEEP).await;
    }
}

/// Opens a session and makes it ready, if anything can be written in it.
pub(super) async fn open(
    options: &PgConnectOptions,
    plan: &options::Plan,
) -> Result<PgConnection, sqlx::Error> {
    let opening = async {
        let mut connection = PgConnection::connect_with(options).await?;
        options::prepare(&mut connection).await?.check(&plan.schema)?;
        Ok(connection)
    };
    let late =
        || sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the server did not answer in time"));
    tokio::time::timeout(plan.connect_timeout, opening).await.unwrap_or_else(|_| Err(late()))
}

async fn close(parked: Parked) {
    // It is closed by our going away, too.
    let _ = tokio::time::timeout(Duration::from_secs(1), parked.connection.close()).await;
}

/// The database is away, full, or starting.
fn is_passing(error: &sqlx::Error) -> bool {
    matches!(super::judge::judge(error), crate::replay::Verdict::Lost)
}
