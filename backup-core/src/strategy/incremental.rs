//! An incremental backup: builds on the newest completed member of a chain, named by the chain's full backup.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use super::{
    BackupStrategy, Discard, FULL, Found, INCREMENTAL, Observation, PlanError, Start, TaskList, Unavailable,
    YbaInstances, yba::create_backup,
};
use crate::{
    failure::{ErrorCode, Failure},
    ids::{BackupId, TaskId},
    record::{Attempt, Plan},
    target::{BackupTarget, OnMissingBase},
};

/// Takes incremental backups.
#[derive(Clone, Debug)]
pub struct IncrementalBackup {
    yba: YbaInstances,
}

impl IncrementalBackup {
    /// Incremental backups at these instances.
    pub fn new(yba: YbaInstances) -> Self {
        Self { yba }
    }
}

#[async_trait]
impl BackupStrategy for IncrementalBackup {
    fn name(&self) -> &str {
        INCREMENTAL
    }

    /// The base is looked for right before each POST: what was completed an hour ago may be gone.
    async fn plan(&self, target: &BackupTarget, _business_date: NaiveDate) -> Result<Plan, PlanError> {
        match self.yba.base(target).await.map_err(PlanError::Unavailable)? {
            Ok(base) => Ok(Plan {
                strategy: INCREMENTAL.to_owned(),
                reason: format!("builds on the full backup {base}"),
                base: Some(base),
            }),
            Err(why) => match target.on_missing_base {
                OnMissingBase::Full => Ok(Plan {
                    strategy: FULL.to_owned(),
                    base: None,
                    reason: format!("promoted to a full backup: {why}"),
                }),
                OnMissingBase::Fail => Err(PlanError::Refused(
                    Failure::new(
                        ErrorCode::NoBaseBackup,
                        format!("an incremental backup needs a full backup to build on, and {why}; nothing was posted"),
                    )
                    .with_advice("take a full backup of this universe first, or set on-missing-base: full"),
                )),
            },
        }
    }

    async fn start(&self, target: &BackupTarget, plan: &Plan, attempt: &Attempt) -> Start {
        let Some(base) = &plan.base else {
            return Start::Rejected(Failure::new(
                ErrorCode::Internal,
                "an increment was planned without a base",
            ));
        };
        let url = target.legacy_urls.incremental_backup.as_deref();
        self.yba.start(target, create_backup(target).base(base.as_str()), url, attempt).await
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
