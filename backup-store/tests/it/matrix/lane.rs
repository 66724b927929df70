//! Where cases are played one after the other: a store of one engine, a simulated YBA, and one clock for both.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use backup_core::{
    BatchId, Clock, FixedTargets, Orchestrator, Settings, TrackingStore,
    strategy::{FullBackup, IncrementalBackup, YbaInstances},
    testing::{InMemoryStore, ManualClock},
};
use backup_store::{StoreConfig, connect};
use yba_client::{Proxy, RetryPolicy, YbaClient, simulator::Simulator};

use super::{
    process::{Activity, ItsStore, ItsStrategy, Process},
    tables::Tables,
};

/// What keeps the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Memory,
    #[cfg(feature = "sqlite")]
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            #[cfg(feature = "sqlite")]
            Self::Sqlite => "SQLite",
            #[cfg(feature = "postgres")]
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// How long a backup takes.
pub(super) const TASK: Duration = Duration::from_secs(25);

pub(super) struct Lane {
    pub(super) yba: Simulator,
    client: YbaClient,
    pub(super) clock: Arc<ManualClock>,
    pub(super) activity: Activity,
    pub(super) tables: Tables,
    /// Two connections to the same records, as two hosts have them.
    stores: [Arc<dyn TrackingStore>; 2],
    /// Where the file is; it goes with the lane.
    _dir: tempfile::TempDir,
}

impl Lane {
    pub(super) async fn open(engine: Engine) -> Self {
        let yba =
            Simulator::builder().manual_clock().task_duration(TASK).record_requests(false).start().await;
        // The row is there as soon as the task is: what YBA interrupts, it resumes.
        yba.set_row_delay(Duration::ZERO);
        yba.set_resume_delay(Duration::from_secs(5));
        let client = YbaClient::builder(yba.url())
            .customer(yba.customer())
            .token(yba.token())
            .proxy(Proxy::None)
            // Every fault reaches the orchestrator.
            .retry(RetryPolicy::never())
            .build()
            .expect("a client");
        let clock = Arc::new(ManualClock::new());
        clock.advance((yba.now() - clock.now()).to_std().expect("YBA's clock starts later"));
        let dir = tempfile::tempdir().expect("a directory");
        let (stores, tables) = stores(engine, &clock, dir.path()).await;
        Self { yba, client, clock, activity: Activity::new(), tables, stores, _dir: dir }
    }

    /// A replica, all of whose steps pass through this process.
    pub(super) fn replica(
        &self,
        nth: usize,
        process: &Process,
        targets: FixedTargets,
        poll_first: Duration,
    ) -> Orchestrator {
        let yba =
            YbaInstances::builder().instance("yba", self.client.clone()).clock(self.clock.clone()).build();
        let its_store = ItsStore { process: process.clone(), store: Arc::clone(&self.stores[nth % 2]) };
        let mut settings = Settings::default();
        settings.claim_interval = Some(Duration::from_secs(10));
        settings.poll_first = poll_first;
        // Audits are a case's last act.
        settings.audit_interval = None;
        Orchestrator::builder()
            .resolver(targets)
            .store(Arc::new(its_store))
            .strategy(ItsStrategy { process: process.clone(), strategy: FullBackup::new(yba.clone()) })
            .strategy(ItsStrategy { process: process.clone(), strategy: IncrementalBackup::new(yba) })
            .clock(self.clock.clone())
            .settings(settings)
            .start()
            .expect("it can be built")
    }

    /// Lets everything happen that happens without the passing of time.
    pub(super) async fn quiet(&self) {
        self.activity.ends().await;
    }

    /// Moves the time to where the next sleeper wakes. `false`: nobody sleeps.
    pub(super) fn pass(&self) -> bool {
        let before = self.clock.elapsed();
        let moved = self.clock.advance_to_next_sleeper();
        self.yba.advance(self.clock.elapsed().saturating_sub(before));
        moved
    }

    /// The record, as another process reads it.
    pub(super) async fn record(&self, batch: &BatchId) -> backup_core::BackupRecord {
        self.stores[1].find(batch).await.expect("the store answers").expect("the batch is recorded")
    }
}

#[cfg_attr(not(feature = "sqlite"), expect(unused_variables, reason = "only SQLite needs a directory"))]
async fn stores(
    engine: Engine,
    clock: &Arc<ManualClock>,
    dir: &Path,
) -> ([Arc<dyn TrackingStore>; 2], Tables) {
    match engine {
        Engine::Memory => {
            let store = Arc::new(InMemoryStore::new(clock.clone()));
            ([store.clone(), store.clone()], Tables::Memory(store))
        }
        #[cfg(feature = "sqlite")]
        Engine::Sqlite => {
            let url = format!("sqlite:{}", dir.join("backup.db").display());
            let stores = [open(&url, clock).await, open(&url, clock).await];
            (stores, Tables::sqlite(&url).await)
        }
        #[cfg(feature = "postgres")]
        Engine::Postgres => {
            let database = pg_harness::Server::shared().expect("asked for before").database();
            let stores = [open(&database.url(), clock).await, open(&database.url(), clock).await];
            (stores, Tables::postgres(&database.url()).await)
        }
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
async fn open(url: &str, clock: &Arc<ManualClock>) -> Arc<dyn TrackingStore> {
    let mut config = StoreConfig::new(url);
    config.pool.max_connections = 4;
    config.clock = Some(clock.clone());
    connect(&config).await.expect("a store")
}
