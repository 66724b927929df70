//! What a story plays in: a store, a scripted YBA, a clock, and orchestrators (replicas) that share them.

use std::{sync::Arc, time::Duration};

use backup_core::{
    BackupRecord, BackupRequest, BackupStrategy, BackupTarget, BatchId, Clock, FixedTargets, Orchestrator,
    Settings,
    testing::{InMemoryStore, ManualClock, ScriptedStrategy, fixtures},
};

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<InMemoryStore>,
    pub(crate) yba: ScriptedStrategy,
    pub(crate) settings: Settings,
    targets: Vec<BackupTarget>,
}

impl World {
    pub(crate) fn new(yba: ScriptedStrategy) -> Self {
        let clock = Arc::new(ManualClock::new());
        let store = Arc::new(InMemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
        Self { clock, store, yba, settings: Settings::default(), targets: vec![fixtures::target()] }
    }

    pub(crate) fn with_targets(mut self, targets: impl IntoIterator<Item = BackupTarget>) -> Self {
        self.targets = targets.into_iter().collect();
        self
    }

    /// For stories of hours: fewer looks, heartbeats and claims.
    pub(crate) fn slowly(mut self) -> Self {
        self.settings.lease = Duration::from_hours(3);
        self.settings.claim_interval = Some(Duration::from_mins(10));
        self.settings.poll_max = Duration::from_mins(20);
        self.settings.retry_max = Duration::from_mins(20);
        self
    }

    /// Another replica.
    pub(crate) fn replica(&self) -> Orchestrator {
        self.replica_with(self.yba.clone())
    }

    /// Another replica, with its own way to YBA.
    pub(crate) fn replica_with(&self, strategy: impl BackupStrategy) -> Orchestrator {
        Orchestrator::builder()
            .resolver(FixedTargets::new(self.targets.clone(), []).expect("no clash"))
            .store(Arc::clone(&self.store) as _)
            .strategy(strategy)
            .clock(Arc::clone(&self.clock) as _)
            .settings(self.settings.clone())
            .start()
            .expect("it can be built")
    }

    /// The time since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Lets everything happen that happens without the passing of time.
    pub(crate) async fn quiet(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    /// Lets time pass, sleeper by sleeper, for `duration`.
    pub(crate) async fn pass(&self, duration: Duration) {
        let until = self.clock.elapsed() + duration;
        self.quiet().await;
        while self.clock.elapsed() < until && self.clock.advance_to_next_sleeper() {
            self.quiet().await;
        }
    }

    /// Lets time pass until the batch is over.
    pub(crate) async fn end_of(&self, batch: &BatchId) -> BackupRecord {
        self.until(batch, BackupRecord::is_done).await
    }

    /// Lets time pass until the record is as wanted.
    pub(crate) async fn until(
        &self,
        batch: &BatchId,
        wanted: impl Fn(&BackupRecord) -> bool,
    ) -> BackupRecord {
        for _ in 0..20_000 {
            self.quiet().await;
            let record = self.record(batch);
            if wanted(&record) {
                return record;
            }
            assert!(self.clock.advance_to_next_sleeper(), "nobody waits for anything, and {record:#?}");
        }
        panic!("it never came to pass: {:#?}", self.record(batch));
    }

    pub(crate) fn record(&self, batch: &BatchId) -> BackupRecord {
        self.store.records().into_iter().find(|record| record.batch == *batch).expect("the batch is recorded")
    }
}

pub(crate) fn request() -> BackupRequest {
    BackupRequest::new("db1", "20250325")
}
