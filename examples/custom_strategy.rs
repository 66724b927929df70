//! How do I add a kind of backup of my own?
//!
//! A strategy decides what is posted. This one takes a full backup on Sundays and increments in between: it only plans,
//! and names the strategy that does the rest.

#![expect(clippy::print_stdout, reason = "an example talks")]

use std::time::Duration;

use async_trait::async_trait;
use backup_core::{
    Attempt, BackupRequest, BackupStrategy, BackupTarget, FixedTargets, Orchestrator, Plan, Settings, TaskId,
    strategy::{
        Found, FullBackup, IncrementalBackup, Observation, PlanError, Start, TaskList, Unavailable,
        YbaInstances,
    },
};
use backup_store::StoreConfig;
use chrono::{DateTime, Datelike, NaiveDate, Utc, Weekday};
use yba_client::simulator::Simulator;

/// A full backup on Sundays, increments on the other days.
struct SundayFull {
    full: FullBackup,
    increment: IncrementalBackup,
}

#[async_trait]
impl BackupStrategy for SundayFull {
    fn name(&self) -> &'static str {
        "sunday_full"
    }

    async fn plan(&self, target: &BackupTarget, business_date: NaiveDate) -> Result<Plan, PlanError> {
        if business_date.weekday() == Weekday::Sun {
            let plan = self.full.plan(target, business_date).await?;
            return Ok(Plan { reason: "it is Sunday".to_owned(), ..plan });
        }
        self.increment.plan(target, business_date).await
    }

    // The plans above name `full_backup` or `incremental_backup`, which are registered too: these are never called for them. A strategy with
    // its own kind of request would build it in `start`.
    async fn start(&self, target: &BackupTarget, plan: &Plan, attempt: &Attempt) -> Start {
        self.full.start(target, plan, attempt).await
    }

    async fn find(&self, target: &BackupTarget, attempts: &[Attempt]) -> Result<Found, Unavailable> {
        self.full.find(target, attempts).await
    }

    async fn observe(
        &self,
        target: &BackupTarget,
        plan: Option<&Plan>,
        task: &TaskId,
    ) -> Result<Observation, Unavailable> {
        self.full.observe(target, plan, task).await
    }

    async fn cancel(&self, target: &BackupTarget, task: &TaskId) -> Result<(), Unavailable> {
        self.full.cancel(target, task).await
    }

    async fn tasks_since(
        &self,
        target: &BackupTarget,
        since: DateTime<Utc>,
    ) -> Result<TaskList, Unavailable> {
        self.full.tasks_since(target, since).await
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let simulator = Simulator::builder().task_duration(Duration::from_millis(500)).start().await;
    let (universe, storage) = (simulator.universe(), simulator.storage_config());
    let yba = YbaInstances::one("yba", simulator.client());
    let (full, increment) = (FullBackup::new(yba.clone()), IncrementalBackup::new(yba));

    let target =
        BackupTarget::new("orders", "yba", universe.as_str(), storage.as_str()).with_strategy("sunday_full");
    let mut settings = Settings::default();
    settings.poll_first = Duration::from_millis(100);
    let orchestrator = Orchestrator::builder()
        .resolver(FixedTargets::new([target], [])?)
        .store(backup_store::connect(&StoreConfig::new("sqlite::memory:")).await?)
        .strategy(SundayFull { full: full.clone(), increment: increment.clone() })
        .strategy(full)
        .strategy(increment)
        .settings(settings)
        .start()?;

    for date in ["2025-03-23", "2025-03-24", "2025-03-25"] {
        let record = orchestrator.run(BackupRequest::new("orders", date)).await?;
        let plan = record.plan.clone().unwrap_or_else(|| Plan {
            strategy: "none".to_owned(),
            base: None,
            reason: "it was never planned".to_owned(),
        });
        println!("{date}: {} {}, because {}", plan.strategy, record.batch_status(), plan.reason);
    }

    orchestrator.shutdown().await;
    Ok(())
}
