//! How do I run a backup from my own service?
//!
//! A store, the targets, the strategies: then three lines run a backup and tell how it ended.

#![expect(clippy::print_stdout, reason = "an example talks")]

use std::time::Duration;

use backup_core::{
    BackupRequest, BackupTarget, FixedTargets, Orchestrator, Settings,
    strategy::{self, FullBackup, IncrementalBackup, YbaInstances},
};
use backup_store::StoreConfig;
use yba_client::simulator::Simulator;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // In place of the simulator: YbaClient::builder("https://yba.example.com").customer(..).token(..).build()?
    let simulator = Simulator::builder().task_duration(Duration::from_secs(2)).start().await;
    let (universe, storage) = (simulator.universe(), simulator.storage_config());
    let yba = YbaInstances::one("yba", simulator.client());

    // What can be backed up; the second builds on the first.
    let full = BackupTarget::new("orders", "yba", universe.as_str(), storage.as_str());
    let increment = BackupTarget::new("orders-increment", "yba", universe.as_str(), storage.as_str())
        .with_strategy(strategy::INCREMENTAL);

    // Where the records live: here in memory; `sqlite:backups.db` or `postgres://..` in a service.
    let store = backup_store::connect(&StoreConfig::new("sqlite::memory:")).await?;

    let mut settings = Settings::default();
    settings.poll_first = Duration::from_millis(200);
    let orchestrator = Orchestrator::builder()
        .resolver(FixedTargets::new([full, increment], [])?)
        .store(store)
        .strategy(FullBackup::new(yba.clone()))
        .strategy(IncrementalBackup::new(yba))
        .settings(settings)
        .start()?;

    for category in ["orders", "orders-increment"] {
        let record = orchestrator.run(BackupRequest::new(category, "2025-03-25")).await?;
        match &record.failure {
            None => println!("{category}: {} ({:?})", record.batch_status(), record.backup),
            Some(failure) => println!("{category}: {} because {failure}", record.batch_status()),
        }
    }

    orchestrator.shutdown().await;
    Ok(())
}
