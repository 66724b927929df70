//! A full backup: the head of a new chain.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use super::{
    BackupStrategy, Discard, FULL, Found, Observation, PlanError, Start, TaskList, Unavailable, YbaInstances,
    yba::create_backup,
};
use crate::{
    ids::{BackupId, TaskId},
    record::{Attempt, Plan},
    target::BackupTarget,
};

/// Takes full backups.
#[derive(Clone, Debug)]
pub struct FullBackup {
    yba: YbaInstances,
}

impl FullBackup {
    /// Full backups at these instances.
    pub fn new(yba: YbaInstances) -> Self {
        Self { yba }
    }
}

#[async_trait]
impl BackupStrategy for FullBackup {
    fn name(&self) -> &str {
        FULL
    }

    async fn plan(&self, target: &BackupTarget, _business_date: NaiveDate) -> Result<Plan, PlanError> {
        self.yba.must_be_in_reach(target).await.map_err(PlanError::Unavailable)?;
        Ok(Plan {
            strategy: FULL.to_owned(),
            base: None,
            reason: "the target asks for full backups".to_owned(),
        })
    }

    async fn start(&self, target: &BackupTarget, _plan: &Plan, attempt: &Attempt) -> Start {
        let url = target.legacy_urls.full_backup.as_deref();
        self.yba.start(target, create_backup(target), url, attempt).await
    }

    async fn find(&self, target: &BackupTarget, attempts: &[Attempt]) -> Result<Found, Unavailable> {
        self.yba.find(target, attempts).await
    }

    async fn observe(
        &self,
        target: &BackupTarget,
        plan: Option<&Plan>,
        task: &TaskId,
    ) -> Result<Observation, Unavailable> {
        self.yba.observe(target, plan, task).await
    }

    async fn cancel(&self, target: &BackupTarget, task: &TaskId) -> Result<(), Unavailable> {
        self.yba.cancel(target, task).await
    }

    async fn tasks_since(
        &self,
        target: &BackupTarget,
        since: DateTime<Utc>,
    ) -> Result<TaskList, Unavailable> {
        self.yba.tasks_since(target, since).await
    }

    async fn leads(&self, target: &BackupTarget) -> Result<(), Unavailable> {
        self.yba.leads(target).await
    }

    async fn discard(&self, target: &BackupTarget, backup: &BackupId) -> Result<Discard, Unavailable> {
        self.yba.discard(target, backup).await
    }
}
