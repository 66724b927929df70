//! A strategy that answers what a test says.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;

use crate::{
    ids::{AttemptId, BackupId, InstanceName, TaskId},
    record::{Attempt, Plan},
    strategy::{
        BackupStrategy, BackupView, BackupViewState, Discard, FULL, Found, Observation, PlanError, Start,
        TaskList, TaskView, Unavailable,
    },
    target::BackupTarget,
};

/// A strategy without YBA: it answers from queues, and otherwise that all is well.
///
/// Unless told otherwise, a plan is a full backup, a start is accepted as the task `task-<attempt>`, a look-up
/// finds nothing, a task list is empty, a backup to be deleted is gone, and every task has succeeded with a completed backup. Clones share their script.
#[derive(Clone, Debug, Default)]
pub struct ScriptedStrategy {
    script: Arc<Mutex<Script>>,
    hangs_at: Option<InstanceName>,
}

#[derive(Debug, Default)]
struct Script {
    plans: VecDeque<Result<Plan, PlanError>>,
    starts: VecDeque<Start>,
    finds: VecDeque<Result<Found, Unavailable>>,
    looks: VecDeque<Result<Observation, Unavailable>>,
    posted: Vec<AttemptId>,
    lists: VecDeque<Result<TaskList, Unavailable>>,
    discards: VecDeque<Result<Discard, Unavailable>>,
    looked: usize,
    listed: usize,
    aborted: Vec<TaskId>,
    discarded: Vec<BackupId>,
}

impl ScriptedStrategy {
    /// All is well.
    pub fn new() -> Self {
        Self::default()
    }

    /// POSTs to this instance are never answered.
    #[must_use]
    pub fn hangs_at(mut self, instance: impl Into<InstanceName>) -> Self {
        self.hangs_at = Some(instance.into());
        self
    }

    /// The next plan.
    #[must_use]
    pub fn then_plan(self, plan: Result<Plan, PlanError>) -> Self {
        self.lock().plans.push_back(plan);
        self
    }

    /// The next answer to a POST.
    #[must_use]
    pub fn then_start(self, start: Start) -> Self {
        self.lock().starts.push_back(start);
        self
    }

    /// The next answer to a POST, of a strategy that is in use.
    pub fn start_next(&self, start: Start) {
        self.lock().starts.push_back(start);
    }

    /// The next answer to a look-up.
    #[must_use]
    pub fn then_find(self, found: Result<Found, Unavailable>) -> Self {
        self.lock().finds.push_back(found);
        self
    }

    /// The next answer to a look-up, of a strategy that is in use.
    pub fn find_next(&self, found: Result<Found, Unavailable>) {
        self.lock().finds.push_back(found);
    }

    /// The next `times` answers to a look at a task.
    #[must_use]
    pub fn then_look(self, seen: Result<Observation, Unavailable>, times: usize) -> Self {
        self.lock().looks.extend(std::iter::repeat_n(seen, times));
        self
    }

    /// The next `times` task lists.
    pub fn list_next(&self, list: &Result<TaskList, Unavailable>, times: usize) {
        self.lock().lists.extend(std::iter::repeat_n(list.clone(), times));
    }

    /// The next answer to a look at a task, of a strategy that is in use.
    pub fn look_next(&self, seen: Result<Observation, Unavailable>) {
        self.lock().looks.push_back(seen);
    }

    /// The next answer to a request to delete a backup.
    pub fn discard_next(&self, answer: Result<Discard, Unavailable>) {
        self.lock().discards.push_back(answer);
    }

    /// How often the tasks were listed.
    pub fn listed(&self) -> usize {
        self.lock().listed
    }

    /// The backups that were asked to be deleted.
    pub fn discarded(&self) -> Vec<BackupId> {
        self.lock().discarded.clone()
    }

    /// The attempts that were posted.
    pub fn posted(&self) -> Vec<AttemptId> {
        self.lock().posted.clone()
    }

    /// How often a task was looked at.
    pub fn looked(&self) -> usize {
        self.lock().looked
    }

    /// The tasks that were asked to be aborted.
    pub fn aborted(&self) -> Vec<TaskId> {
        self.lock().aborted.clone()
    }

    /// A task that is still open.
    pub fn open() -> Result<Observation, Unavailable> {
        Ok(Observation { task: TaskView::Open { state: "Running".to_owned(), percent: 50.0 }, backup: None })
    }

    /// A task that succeeded, with its completed backup.
    pub fn completed() -> Result<Observation, Unavailable> {
        Ok(Observation { task: TaskView::Succeeded, backup: Some(completed_backup()) })
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn completed_backup() -> BackupView {
    BackupView {
        id: "backup-1".into(),
        state: BackupViewState::Completed,
        word: "Completed".to_owned(),
        response: json!({ "backupUUID": "backup-1", "state": "Completed" }),
    }
}

#[async_trait]
impl BackupStrategy for ScriptedStrategy {
    fn name(&self) -> &str {
        FULL
    }

    async fn plan(&self, _target: &BackupTarget, _business_date: NaiveDate) -> Result<Plan, PlanError> {
        self.lock().plans.pop_front().unwrap_or_else(|| Ok(super::fixtures::plan()))
    }

    async fn start(&self, target: &BackupTarget, _plan: &Plan, attempt: &Attempt) -> Start {
        if self.hangs_at.as_ref() == Some(&target.instance) {
            std::future::pending::<()>().await;
        }
        let mut script = self.lock();
        script.posted.push(attempt.id);
        script.starts.pop_front().unwrap_or_else(|| {
            let task = format!("task-{}", attempt.id);
            Start::Accepted { response: json!({ "taskUUID": task }), task: task.into() }
        })
    }

    async fn find(&self, _target: &BackupTarget, _attempts: &[Attempt]) -> Result<Found, Unavailable> {
        self.lock().finds.pop_front().unwrap_or(Ok(Found::Nothing))
    }

    async fn observe(
        &self,
        _target: &BackupTarget,
        _plan: Option<&Plan>,
        _task: &TaskId,
    ) -> Result<Observation, Unavailable> {
        let mut script = self.lock();
        script.looked += 1;
        script.looks.pop_front().unwrap_or_else(Self::completed)
    }

    async fn cancel(&self, _target: &BackupTarget, task: &TaskId) -> Result<(), Unavailable> {
        self.lock().aborted.push(task.clone());
        Ok(())
    }

    async fn tasks_since(
        &self,
        _target: &BackupTarget,
        _since: DateTime<Utc>,
    ) -> Result<TaskList, Unavailable> {
        let mut script = self.lock();
        script.listed += 1;
        script.lists.pop_front().unwrap_or_else(|| Ok(TaskList::default()))
    }

    async fn discard(&self, _target: &BackupTarget, backup: &BackupId) -> Result<Discard, Unavailable> {
        let mut script = self.lock();
        script.discarded.push(backup.clone());
        script.discards.pop_front().unwrap_or(Ok(Discard::Gone))
    }
}
