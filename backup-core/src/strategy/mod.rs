//! How one kind of backup runs: the seam between the path and YBA.
//!
//! Two strategies come with this crate, [`FullBackup`] and [`IncrementalBackup`]; an embedder adds a third by
//! implementing [`BackupStrategy`] and registering it under its own name.

#![cfg_attr(
    any(test, feature = "testing"),
    expect(clippy::ref_option_ref, reason = "in the mock that mockall generates")
)]

mod full;
mod incremental;
mod unavailable;
mod yba;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;

pub use self::{
    full::FullBackup,
    incremental::IncrementalBackup,
    unavailable::{Unavailable, UnavailableKind},
    yba::{YbaInstances, YbaInstancesBuilder},
};
use crate::{
    failure::Failure,
    ids::{AttemptId, BackupId, TaskId, UniverseId},
    record::{Attempt, Plan},
    target::BackupTarget,
};

/// The name of the full strategy.
pub const FULL: &str = "full_backup";
/// The name of the incremental strategy.
pub const INCREMENTAL: &str = "incremental_backup";

/// How one kind of backup is planned, started, found again, watched and cancelled.
///
/// # Contract
///
/// * Every method may be called twice, by any replica, after a crash at any point. Only `start` has an effect that
///   must not happen twice, and it is called once per attempt: the attempt is committed before.
/// * `start` never repeats its request. When it cannot tell whether YBA acted, it says [`Start::Unknown`].
/// * `find` and `observe` change nothing. An `Err` means "no answer", never "not there".
/// * No method reads a store or a configuration.
#[async_trait]
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait BackupStrategy: Send + Sync + 'static {
    /// The name under which targets and plans refer to it.
    fn name(&self) -> &str;

    /// Decides what to post for this business date, and why. Nothing is started. The plan may name another strategy,
    /// which then does the rest.
    ///
    /// # Errors
    ///
    /// [`PlanError::Refused`] when it must not be posted; [`PlanError::Unavailable`] when nobody can say now, or when it is
    /// known that a request would not reach YBA: the batch waits, and no attempt is recorded.
    async fn plan(&self, target: &BackupTarget, business_date: NaiveDate) -> Result<Plan, PlanError>;

    /// Sends the one request of this attempt.
    async fn start(&self, target: &BackupTarget, plan: &Plan, attempt: &Attempt) -> Start;

    /// Looks for what any of these attempts may have started; the last is the one whose answer was lost.
    async fn find(&self, target: &BackupTarget, attempts: &[Attempt]) -> Result<Found, Unavailable>;

    /// Looks at the task and, once it ended, at its backup. `plan`: what was posted, so that only a backup of it is
    /// believed; `None` where it is not known any more.
    async fn observe(
        &self,
        target: &BackupTarget,
        plan: Option<&Plan>,
        task: &TaskId,
    ) -> Result<Observation, Unavailable>;

    /// Asks YBA to abort the task. `Ok` means that YBA understood, not that the task is over.
    async fn cancel(&self, target: &BackupTarget, task: &TaskId) -> Result<(), Unavailable>;

    /// The tasks that create backups, of every universe of the target's instance, since this time: one answer for all batches
    /// under audit there. Presence counts from any YBA; absence only together with [`leads`](Self::leads).
    async fn tasks_since(&self, target: &BackupTarget, since: DateTime<Utc>)
    -> Result<TaskList, Unavailable>;

    /// Whether the target's instance is the one whose "not there" counts. An `Err` says why not.
    async fn leads(&self, _target: &BackupTarget) -> Result<(), Unavailable> {
        Ok(())
    }

    /// Deletes a completed backup that is a surplus, unless an increment builds on it. Asked again until it answers
    /// [`Discard::Gone`].
    async fn discard(&self, _target: &BackupTarget, _backup: &BackupId) -> Result<Discard, Unavailable> {
        Ok(Discard::Refused("its strategy deletes no backups".to_owned()))
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// It must not be posted.
    Refused(Failure),
    /// What must be known cannot be learned now.
    Unavailable(Unavailable),
}

/// What became of the one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// YBA has a task for it.
    Accepted {
        /// The task.
        task: TaskId,
        /// YBA's answer.
        response: Value,
    },
    /// YBA understood and refused. Final.
    Rejected(Failure),
    /// The universe is locked by something else. Nothing was started.
    Busy {
        /// YBA's words, which name the holder where YBA does.
        text: String,
    },
    /// It did not reach a YBA that would act on it. Safe to send again.
    NotSent {
        /// Why.
        cause: Unavailable,
    },
    /// It may have been received. It must be looked up before anything else is sent.
    Unknown {
        /// Why.
        cause: String,
    },
}

/// What a look-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The attempts started these tasks: all that YBA shows, and at least one. One of them counts, the others are a surplus.
    Tasks(Vec<ListedTask>),
    /// None did, as far as the answering leader knows.
    Nothing,
    /// It cannot be decided: what would have to be checked by hand, in words.
    Undecidable(String),
}

impl Found {
    /// One open task. `attempt` is `None` where YBA does not show it, and the task was recognised by its backup row.
    pub fn task(task: impl Into<TaskId>, attempt: Option<AttemptId>) -> Self {
        Self::Tasks(vec![ListedTask::new(task, attempt, ListedState::Open)])
    }
}

/// A task that creates a backup, as YBA's task list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTask {
    /// The task.
    pub task: TaskId,
    /// The attempt that its marker names, if the marker is one as we send it.
    pub attempt: Option<AttemptId>,
    /// Whether YBA shows by a marker which request started it.
    pub is_marked: bool,
    /// Whether a schedule of YBA started it.
    pub is_scheduled: bool,
    /// The universe that it works on, where YBA shows it.
    pub universe: Option<UniverseId>,
    /// Where it stands.
    pub state: ListedState,
    /// When YBA accepted it, UTC.
    pub created: Option<DateTime<Utc>>,
}

impl ListedTask {
    /// A task of which no more is known.
    pub fn new(task: impl Into<TaskId>, attempt: Option<AttemptId>, state: ListedState) -> Self {
        let is_marked = attempt.is_some();
        Self {
            task: task.into(),
            attempt,
            is_marked,
            is_scheduled: false,
            universe: None,
            state,
            created: None,
        }
    }
}

/// Where a listed task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedState {
    /// Not over, or in a state that we do not know.
    Open,
    /// `Success`.
    Succeeded,
    /// `Failure` or `Aborted`.
    Over,
}

/// The answer to [`BackupStrategy::tasks_since`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskList {
    /// The tasks.
    pub tasks: Vec<ListedTask>,
    /// The list was cut: tasks that YBA accepted before this are not all in it, although they were asked for.
    pub complete_since: Option<DateTime<Utc>>,
    /// YBA shows no markers, so a task cannot be told to be ours.
    pub without_markers: bool,
}

/// The answer to [`BackupStrategy::discard`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discard {
    /// YBA accepted the deletion; whether it is carried out shows later.
    Asked,
    /// The backup is not there any more, or is being deleted.
    Gone,
    /// The backup stays, for this reason.
    Refused(String),
}

/// A task and its backup, as YBA shows them.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The task.
    pub task: TaskView,
    /// Its backup: looked at once the task has ended.
    pub backup: Option<BackupView>,
}

impl Observation {
    /// Whether the task has ended, as far as YBA knows.
    pub(crate) fn is_over(&self) -> bool {
        !matches!(self.task, TaskView::Open { .. })
    }
}

/// A task as YBA shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskView {
    /// Not over, or in a state that we do not know.
    Open {
        /// YBA's word for the state.
        state: String,
        /// 0 to 100: the share of subtasks that succeeded, a count of steps, not of bytes.
        percent: f64,
    },
    /// `Success`.
    Succeeded,
    /// `Failure`.
    Failed {
        /// The failed subtasks' text.
        cause: String,
        /// What kind of failure it is.
        kind: TaskFailure,
    },
    /// `Aborted`.
    Aborted {
        /// The subtasks' text, if any.
        cause: String,
    },
    /// What YBA shows as the task is not the one that was asked for.
    Foreign {
        /// How it differs.
        text: String,
    },
    /// YBA does not know the task (any more).
    Gone {
        /// YBA's words.
        text: String,
    },
}

/// Why a task failed, as far as it decides what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskFailure {
    /// A cause of its own: final.
    Own,
    /// YBA stopped or restarted under it: it may come back to life.
    Restart,
    /// It lost the race for the universe's lock and did nothing.
    LostRace,
}

/// A backup as YBA shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupView {
    /// The backup.
    pub id: BackupId,
    /// Whether it is there to be restored.
    pub state: BackupViewState,
    /// YBA's word for the state.
    pub word: String,
    /// YBA's answer.
    pub response: Value,
}

/// The states of a backup, as far as they decide what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupViewState {
    /// `Completed`.
    Completed,
    /// `InProgress`, `Stopping`, or a state that we do not know.
    Open,
    /// `Failed`, `Stopped`, `Skipped`, or on its way to deletion.
    Over,
    /// What YBA shows as the task's backup is not the one that was asked for; the view's `word` says how it differs.
    Foreign,
}
