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
use chrono::NaiveDate;
use serde_json::Value;

pub use self::{
    full::FullBackup,
    incremental::IncrementalBackup,
    unavailable::{Unavailable, UnavailableKind},
    yba::{YbaInstances, YbaInstancesBuilder},
};
use crate::{
    failure::Failure,
    ids::{AttemptId, BackupId, TaskId},
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
    /// One of the attempts started this task.
    Task {
        /// The task.
        task: TaskId,
        /// The attempt; `None` where YBA does not show it, and the task was recognised by its backup row.
        attempt: Option<AttemptId>,
    },
    /// None did, as far as the answering leader knows.
    Nothing,
    /// It cannot be decided: what would have to be checked by hand, in words.
    Undecidable(String),
}

/// A task and its backup, as YBA shows them.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The task.
    pub task: TaskView,
    /// Its backup: looked at once the task has ended.
    pub backup: Option<BackupView>,
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
