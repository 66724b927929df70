//! Tasks: states, status answers, list rows, failed subtasks.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{lenient, open_enum};
use crate::{
    ids::{RequestId, TaskId},
    page::Envelope,
};

open_enum! {
    /// The state of a task.
    TaskState {
        /// Accepted, not running yet.
        Created = "Created",
        /// Accepted, being prepared.
        Initializing = "Initializing",
        /// Running.
        Running = "Running",
        /// Ended well.
        Success = "Success",
        /// Ended badly.
        Failure = "Failure",
        /// YBA's own word for a state it cannot tell; belongs to no group.
        Unknown = "Unknown",
        /// An abort was asked for; the task still runs.
        Abort = "Abort",
        /// Aborted. Around a restart of YBA it may come back to `Running` under the same id.
        Aborted = "Aborted",
    }
}

impl Default for TaskState {
    /// The state that YBA does not tell.
    fn default() -> Self {
        Self::Unknown
    }
}

impl TaskState {
    /// `Success`, `Failure` or `Aborted`.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Success | Self::Failure | Self::Aborted)
    }

    /// `Failure` or `Aborted`.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Failure | Self::Aborted)
    }
}

open_enum! {
    /// Why a subtask failed, as far as YBA classifies it.
    SubtaskErrorCode {
        /// Not classified.
        UnknownError = "UNKNOWN_ERROR",
        /// A fault of YBA.
        InternalError = "INTERNAL_ERROR",
        /// YBA was shutting down.
        PlatformShutdown = "PLATFORM_SHUTDOWN",
        /// YBA was restarted.
        PlatformRestarted = "PLATFORM_RESTARTED",
        /// Software could not be installed.
        InstallationError = "INSTALLATION_ERROR",
        /// A service did not start.
        ServiceStartError = "SERVICE_START_ERROR",
        /// A node could not be reached.
        ConnectionError = "CONNECTION_ERROR",
        /// It took too long.
        TimedOut = "TIMED_OUT",
    }
}

/// A task, as its own status call tells it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Task {
    /// Where it stands.
    pub status: TaskState,
    /// Share of subtasks done, 0 to 100. Counts steps, not bytes, and stays below 100 on failure.
    #[serde(default, deserialize_with = "lenient::percent")]
    pub percent: f64,
    /// `Creating Backup : name` while open, `Created Backup : name` once over, even if it failed.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub title: String,
    /// The **name** of what the task works on.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub target: String,
    /// The id of what the task works on: for a backup, its universe.
    #[serde(default, rename = "targetUUID", deserialize_with = "lenient::any_text")]
    pub target_uuid: Option<String>,
    /// `Create`, `Restore`, `Delete`, ...
    #[serde(default, rename = "type", deserialize_with = "lenient::lossy")]
    pub type_: String,
    /// When it was accepted.
    #[serde(default, deserialize_with = "lenient::date")]
    pub create_time: Option<DateTime<Utc>>,
    /// When it ended; newer servers only.
    #[serde(default, deserialize_with = "lenient::date")]
    pub completion_time: Option<DateTime<Utc>>,
    /// The `X-REQUEST-ID` of the call that started it; absent on old servers.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub correlation_id: Option<RequestId>,
    /// Who started it.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub user_email: Option<String>,
    /// An abort would be accepted.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub abortable: bool,
    /// YBA offers to run it again (never for a backup).
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub retryable: bool,
    /// The answer as it came.
    #[serde(skip)]
    pub raw: Value,
}

/// A task, as the task list tells it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TaskSummary {
    /// The task.
    pub id: TaskId,
    /// Where it stands.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub status: TaskState,
    /// `Creating Backup : name`, `Created Backup : name`.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub title: String,
    /// Share of subtasks done, 0 to 100.
    #[serde(default, deserialize_with = "lenient::percent")]
    pub percent_complete: f64,
    /// When it was accepted.
    #[serde(default, deserialize_with = "lenient::date")]
    pub create_time: Option<DateTime<Utc>>,
    /// When it ended. Absent while YBA may still resume it.
    #[serde(default, deserialize_with = "lenient::date")]
    pub completion_time: Option<DateTime<Utc>>,
    /// The **type** of what the task works on (`Backup`, `Universe`); [`Task::target`] holds a name.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub target: String,
    /// The id of what the task works on: for a backup, its universe.
    #[serde(default, rename = "targetUUID", deserialize_with = "lenient::any_text")]
    pub target_uuid: Option<String>,
    /// `Create`, `Restore`, `Delete`, ...
    #[serde(default, rename = "type", deserialize_with = "lenient::lossy")]
    pub type_: String,
    /// `Create`, or a schedule's name, or `Expired Backup Deletion`.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub type_name: String,
    /// The `X-REQUEST-ID` of the call that started it; absent on old servers.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub correlation_id: Option<RequestId>,
    /// Who started it.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub user_email: Option<String>,
    /// An abort would be accepted.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub abortable: bool,
    /// YBA offers to run it again.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub retryable: bool,
}

/// A subtask that failed, with YBA's explanation.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FailedSubtask {
    /// The subtask.
    #[serde(default, rename = "subTaskUUID", deserialize_with = "lenient::lossy")]
    pub sub_task_uuid: Option<TaskId>,
    /// Its type, such as `BackupTableYbc`.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub sub_task_type: String,
    /// Its state.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub sub_task_state: Option<TaskState>,
    /// Its group; `Preparation` when the task failed before any subtask ran.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub sub_task_group_type: String,
    /// When it was made.
    #[serde(default, deserialize_with = "lenient::date")]
    pub creation_time: Option<DateTime<Utc>>,
    /// The explanation, for people. YBA also sends the word "null" here; that is read as nothing.
    #[serde(default, deserialize_with = "error_string")]
    pub error_string: Option<String>,
    /// The explanation, for programs; newer servers only.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub error_code: Option<SubtaskErrorCode>,
}

impl FailedSubtask {
    /// The failure came from YBA stopping or starting, so the task may come back.
    pub fn is_platform_interruption(&self) -> bool {
        match &self.error_code {
            Some(SubtaskErrorCode::PlatformShutdown | SubtaskErrorCode::PlatformRestarted) => true,
            // Older servers have only the text.
            _ => self.error_string.as_deref().is_some_and(crate::error::texts::platform_interruption),
        }
    }

    /// The task found the universe locked by another operation and did nothing: the busy answer of servers
    /// without a queue per universe.
    pub fn is_lost_race(&self) -> bool {
        self.error_string.as_deref().is_some_and(crate::error::texts::lost_race)
    }
}

fn error_string<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(lenient::any_text(deserializer)?.filter(|text| text != "null"))
}

/// The envelope of the failed-subtasks answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FailedSubtasks {
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub(crate) failed_sub_tasks: Vec<FailedSubtask>,
}

/// What came of asking for an abort.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbortAnswer {
    /// The task is being aborted; it becomes `Aborted` later.
    Aborting,
    /// The task was not running (any more), so there was nothing to abort.
    NotRunning,
    /// Another message of YBA.
    Other(String),
}

impl AbortAnswer {
    pub(crate) fn of(message: &str) -> Self {
        if crate::error::texts::abort_not_running(message) {
            Self::NotRunning
        } else if crate::error::texts::abort_accepted(message) {
            Self::Aborting
        } else {
            Self::Other(message.to_owned())
        }
    }
}

/// A change that YBA accepted: it has become a task.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TaskAccepted {
    /// The task to follow.
    pub task: TaskId,
    /// The id of what the task makes, where YBA tells it (for backups it never does).
    pub resource: Option<String>,
    /// The answer carried our `X-REQUEST-ID`, so the task can be found again by it.
    pub request_id_echoed: bool,
    /// The answer as it came.
    pub body: Value,
}

/// Which tasks to list.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct TaskFilter {
    #[serde(rename = "targetUUIDList", skip_serializing_if = "Vec::is_empty")]
    targets: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    status: Vec<TaskState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_range_start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_range_end: Option<String>,
}

/// Which tasks to list, and how many at a time. There is no filter by request id.
pub type TaskQuery = Envelope<TaskFilter>;

impl TaskQuery {
    /// Only tasks that work on this (a universe, a backup); may be given several times.
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.filter.targets.push(target.into());
        self
    }

    /// Only tasks in this state; may be given several times.
    pub fn state(mut self, state: TaskState) -> Self {
        self.filter.status.push(state);
        self
    }

    /// Only tasks made in this range.
    pub fn created_between(mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        self.filter.date_range_start = Some(from.to_rfc3339_opts(SecondsFormat::Secs, true));
        self.filter.date_range_end = Some(to.to_rfc3339_opts(SecondsFormat::Secs, true));
        self
    }
}
