//! The real orchestrator on the real store, with nothing changed but the patience: the first look comes at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use backup_core::{
    BackupRequest, BackupTarget, ConfigResolver, Orchestrator, ResolveError, Settings, TrackerStatus,
    strategy::{FullBackup, YbaInstances},
};
use backup_store::{StoreConfig, StoreEvent};
use yba_client::{SecretString, YbaClient};

use crate::cost::{Cost, Meter};

/// Every category is a universe of its own.
struct AnyUniverse;

#[async_trait]
impl ConfigResolver for AnyUniverse {
    async fn resolve(&self, category: &str) -> Result<Arc<BackupTarget>, ResolveError> {
        Ok(Arc::new(BackupTarget::new(category, "yba", category, "storage")))
    }
}

/// An orchestrator and what its store was asked.
pub(crate) struct Ours {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) round_trips: Arc<AtomicU64>,
}

impl Ours {
    /// Opens the store at `database` and starts an orchestrator on it.
    pub(crate) async fn start(
        database: &str,
        yba: &str,
        adjust: impl FnOnce(&mut Settings),
    ) -> anyhow::Result<Self> {
        let round_trips = Arc::new(AtomicU64::new(0));
        let mut config = StoreConfig::new(database);
        let counted = Arc::clone(&round_trips);
        config.observer = Some(Arc::new(move |event| {
            if matches!(event, StoreEvent::RoundTrip { .. }) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        }));
        let client =
            YbaClient::builder(yba).customer("customer").token(SecretString::from("token")).build()?;
        let mut settings = Settings::default();
        settings.poll_first = Duration::ZERO;
        adjust(&mut settings);
        let orchestrator = Orchestrator::builder()
            .resolver(AnyUniverse)
            .store(backup_store::connect(&config).await?)
            .strategy(FullBackup::new(YbaInstances::one("yba", client)))
            .settings(settings)
            .start()?;
        Ok(Self { orchestrator, round_trips })
    }

    /// Runs `backups` backups, `in_flight` at once.
    pub(crate) async fn run(&self, in_flight: usize, backups: usize) -> anyhow::Result<Cost> {
        let next = Arc::new(AtomicUsize::new(0));
        let meter = Meter::start();
        let callers: Vec<_> = (0..in_flight)
            .map(|_| {
                let (orchestrator, next) = (self.orchestrator.clone(), Arc::clone(&next));
                tokio::spawn(async move {
                    while next.fetch_add(1, Ordering::Relaxed) < backups {
                        let universe = uuid::Uuid::now_v7().to_string();
                        let record = orchestrator.run(BackupRequest::new(universe, "2025-03-25")).await?;
                        anyhow::ensure!(record.status() == TrackerStatus::Success, "{:?}", record.failure);
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for caller in callers {
            caller.await??;
        }
        Ok(meter.stop())
    }
}
