//! How do I keep the records in a store of my own, and prove that it is right?
//!
//! `TrackingStore` is a trait of a dozen methods. This store adds an audit line for every outcome to another one by wrapping
//! it; a store on another database implements the same methods. Either way the published contract tests say whether it
//! keeps its promises: see the foot of this file, and `cargo test -p examples --example custom_store`.

#![expect(clippy::print_stdout, reason = "an example talks")]

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use backup_core::{
    BackupRecord, BackupRequest, BackupTarget, BatchId, Clock, FixedTargets, IdempotencyKey, Orchestrator,
    Phase, Settings, StoreError, TaskId, TrackingStore,
    store::{
        AuditClaim, AuditReport, AuditWork, BackupFilter, BackupPage, Beat, Claim, Claimed, Created,
        Follower, Hold, Lease, Refusal, Saved,
    },
    strategy::{FullBackup, YbaInstances},
    testing::InMemoryStore,
};
use chrono::{DateTime, Utc};
use yba_client::simulator::Simulator;

/// A store that notes every outcome in an audit trail.
struct AuditedStore {
    inner: InMemoryStore,
    trail: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl TrackingStore for AuditedStore {
    async fn save(
        &self,
        lease: &Lease,
        record: &BackupRecord,
        from: Phase,
        retry_in: Duration,
    ) -> Result<Saved, StoreError> {
        let saved = self.inner.save(lease, record, from, retry_in).await?;
        if saved == Saved::Yes && record.is_done() {
            let line = format!(
                "{} of {} for {}: {}",
                record.batch,
                record.target,
                record.business_date,
                record.status()
            );
            self.trail.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
        Ok(saved)
    }

    async fn create(
        &self,
        record: &BackupRecord,
        key: Option<&IdempotencyKey>,
        hold: Hold,
    ) -> Result<Created, StoreError> {
        self.inner.create(record, key, hold).await
    }

    async fn reopen(&self, record: &BackupRecord, hold: Hold) -> Result<Created, StoreError> {
        self.inner.reopen(record, hold).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, StoreError> {
        self.inner.claim(claim).await
    }

    async fn heartbeat(&self, leases: &[Lease], hold: Hold) -> Result<Vec<Beat>, StoreError> {
        self.inner.heartbeat(leases, hold).await
    }

    async fn release(&self, leases: &[Lease], due_in: Duration) -> Result<(), StoreError> {
        self.inner.release(leases, due_in).await
    }

    async fn find(&self, batch: &BatchId) -> Result<Option<BackupRecord>, StoreError> {
        self.inner.find(batch).await
    }

    async fn follower(&self, batch: &BatchId) -> Result<Option<Follower>, StoreError> {
        self.inner.follower(batch).await
    }

    async fn list(&self, filter: &BackupFilter) -> Result<BackupPage, StoreError> {
        self.inner.list(filter).await
    }

    async fn request_cancel(&self, batch: &BatchId) -> Result<bool, StoreError> {
        self.inner.request_cancel(batch).await
    }

    async fn claim_audits(&self, lease: Duration, limit: u32) -> Result<Vec<AuditWork>, StoreError> {
        self.inner.claim_audits(lease, limit).await
    }

    async fn record_audits(&self, reports: &[AuditReport]) -> Result<Vec<Option<AuditClaim>>, StoreError> {
        self.inner.record_audits(reports).await
    }

    async fn doubt(&self, batch: &BatchId, audit_for: Duration) -> Result<(), StoreError> {
        self.inner.doubt(batch, audit_for).await
    }

    async fn counted(&self, tasks: &[TaskId]) -> Result<Vec<TaskId>, StoreError> {
        self.inner.counted(tasks).await
    }

    async fn refuse(&self, refusal: &Refusal) -> Result<(), StoreError> {
        self.inner.refuse(refusal).await
    }

    async fn prune(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.inner.prune(before, limit).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }

    fn clock(&self) -> Option<Arc<dyn Clock>> {
        self.inner.clock()
    }
}

/// A store, and the trail that it writes.
fn audited(clock: Arc<dyn Clock>) -> (Arc<dyn TrackingStore>, Arc<Mutex<Vec<String>>>) {
    let trail = Arc::new(Mutex::default());
    (Arc::new(AuditedStore { inner: InMemoryStore::new(clock), trail: Arc::clone(&trail) }), trail)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let simulator = Simulator::builder().task_duration(Duration::from_millis(500)).start().await;
    let target = BackupTarget::new(
        "orders",
        "yba",
        simulator.universe().as_str(),
        simulator.storage_config().as_str(),
    );
    let (store, trail) = audited(Arc::new(backup_core::SystemClock::new()));
    let mut settings = Settings::default();
    settings.poll_first = Duration::from_millis(100);
    let orchestrator = Orchestrator::builder()
        .resolver(FixedTargets::new([target], [])?)
        .store(store)
        .strategy(FullBackup::new(YbaInstances::one("yba", simulator.client())))
        .settings(settings)
        .start()?;
    orchestrator.run(BackupRequest::new("orders", "2025-03-25")).await?;
    orchestrator.shutdown().await;

    for line in trail.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        println!("audit: {line}");
    }
    Ok(())
}

#[cfg(test)]
mod contract {
    use std::future::{Ready, ready};

    use backup_core::testing::{ManualClock, conformance::Subject};

    use super::*;

    fn subject(_test: &str) -> Ready<Option<Subject>> {
        let clock = Arc::new(ManualClock::new());
        let (store, _) = audited(Arc::clone(&clock) as _);
        ready(Some(Subject::new(store, clock)))
    }

    backup_core::conformance_tests!(subject);
}
