//! YBA's task list: what creates backups, since when, and whose request started it.
//!
//! `tasks_list` works with every YBA, has no filter but the universe, and is cut (2000 rows unless configured). Where the cut may
//! hide what is asked for, the list by pages follows, which newer releases have and which takes a range of time.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt;
use yba_client::{TaskQuery, TaskState, TaskSummary, UniverseId};

use super::{Instance, YbaInstances, no_answer};
use crate::{
    ids::AttemptId,
    strategy::{ListedState, ListedTask, TaskList, Unavailable},
    target::BackupTarget,
};

/// Rows of a page: few calls, and no answer that takes YBA long.
const PAGE: i32 = 500;
/// The page's range ends in YBA's future: its clock may be ahead of ours.
const AHEAD: TimeDelta = TimeDelta::days(1);

impl YbaInstances {
    /// The tasks of the instance that create backups, since this time.
    pub(in crate::strategy) async fn tasks_since(
        &self,
        target: &BackupTarget,
        since: DateTime<Utc>,
    ) -> Result<TaskList, Unavailable> {
        let instance = self.of(target)?;
        let (rows, complete_since) = instance.task_rows(None, since, self.clock.now()).await?;
        let recent = |row: &&TaskSummary| row.create_time.is_none_or(|at| at >= since);
        let tasks = rows.iter().filter(recent).filter(|row| creates_backup(row)).map(listed).collect();
        Ok(TaskList { tasks, complete_since, without_markers: !instance.shows_marker() })
    }
}

impl Instance {
    /// The rows of the task list, of one universe or of all; and since when they are complete, if they do not reach back to
    /// `since`.
    pub(super) async fn task_rows(
        &self,
        universe: Option<&UniverseId>,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(Vec<TaskSummary>, Option<DateTime<Utc>>), Unavailable> {
        let rows = self.client.tasks().list(universe).await.map_err(|error| no_answer(&error))?;
        let Some(oldest) = oldest(&rows).filter(|oldest| *oldest >= since) else { return Ok((rows, None)) };
        let mut query = TaskQuery::new().limit(PAGE).created_between(since, now + AHEAD);
        if let Some(universe) = universe {
            query = query.target(universe.as_str());
        }
        match self.client.tasks().stream(query).try_collect::<Vec<_>>().await {
            Ok(paged) => Ok((united(rows, paged), None)),
            // A release without pages.
            Err(error) if matches!(error.status(), Some(404 | 405)) => Ok((rows, Some(oldest))),
            Err(error) => Err(no_answer(&error)),
        }
    }
}

/// When the oldest task of a list was accepted. `None`: the list is empty, or does not say, and is taken to be whole.
fn oldest(rows: &[TaskSummary]) -> Option<DateTime<Utc>> {
    rows.iter().filter_map(|row| row.create_time).min()
}

/// Both lists: a task that began between the two calls is in one of them.
fn united(mut rows: Vec<TaskSummary>, paged: Vec<TaskSummary>) -> Vec<TaskSummary> {
    let known: std::collections::HashSet<_> = rows.iter().map(|row| row.id.clone()).collect();
    rows.extend(paged.into_iter().filter(|row| !known.contains(&row.id)));
    rows
}

/// Whether this is a task as our requests start them. What a row leaves out does not speak against it.
pub(super) fn creates_backup(row: &TaskSummary) -> bool {
    (row.type_.is_empty() || row.type_ == "Create") && (row.target.is_empty() || row.target == "Backup")
}

/// Whether a task may be of this universe.
pub(super) fn is_of_universe(row: &TaskSummary, universe: &str) -> bool {
    row.target_uuid.as_deref().is_none_or(|id| id == universe)
}

/// A row in our words.
pub(super) fn listed(row: &TaskSummary) -> ListedTask {
    ListedTask {
        task: row.id.as_str().into(),
        attempt: row.correlation_id.as_ref().and_then(|marker| AttemptId::of_marker(marker.as_str())),
        is_marked: row.correlation_id.is_some(),
        is_scheduled: !matches!(row.type_name.as_str(), "" | "Create"),
        universe: row.target_uuid.as_deref().map(Into::into),
        state: match row.status {
            TaskState::Success => ListedState::Succeeded,
            TaskState::Failure | TaskState::Aborted => ListedState::Over,
            _ => ListedState::Open,
        },
        created: row.create_time,
    }
}
