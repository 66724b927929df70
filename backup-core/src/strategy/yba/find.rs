//! What a POST may have started whose answer was lost.
//!
//! First by the marker: YBA keeps our `X-REQUEST-ID` as the task's `correlationId`. Where YBA does not show it (an old
//! release, a proxy that rewrites it), by backup rows of the same universe, storage config and time. Absence counts
//! only from a YBA that leads.

use chrono::{DateTime, TimeDelta, Utc};
use yba_client::{BackupQuery, TaskSummary};

use super::{Instance, YbaInstances, no_answer};
use crate::{
    record::Attempt,
    strategy::{Found, Unavailable},
    target::BackupTarget,
};

/// How far YBA's clock and ours may be apart when tasks are compared with an attempt by time.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);

impl YbaInstances {
    /// Looks for the task of any of these attempts.
    pub(in crate::strategy) async fn find(
        &self,
        target: &BackupTarget,
        attempts: &[Attempt],
    ) -> Result<Found, Unavailable> {
        let instance = self.of(target)?;
        let universe = target.universe.as_str().into();
        let tasks = instance.client.tasks().list(Some(&universe)).await.map_err(|error| no_answer(&error))?;
        for task in &tasks {
            if let Some(attempt) = marked_by(task, attempts) {
                return Ok(Found::Task { task: task.id.as_str().into(), attempt: Some(attempt.id) });
            }
        }
        // Before the negative conclusion; the list itself may have come from a standby.
        instance.must_lead().await?;
        let since = attempts.last().map_or(DateTime::<Utc>::MIN_UTC, |attempt| attempt.at - CLOCK_SKEW);
        let suspects: Vec<&TaskSummary> = tasks
            .iter()
            .filter(|task| creates_backup(task, target) && task.create_time.is_none_or(|at| at >= since))
            .filter(|task| task.correlation_id.is_none() || !instance.shows_marker())
            .collect();
        if suspects.is_empty() {
            return Ok(Found::Nothing);
        }
        instance.find_by_rows(target, since, &suspects).await
    }
}

impl Instance {
    fn shows_marker(&self) -> bool {
        !self.marker_lost.load(std::sync::atomic::Ordering::Acquire)
    }

    /// Exactly one backup of ours in the window is ours; anything else is for a person to decide.
    async fn find_by_rows(
        &self,
        target: &BackupTarget,
        since: DateTime<Utc>,
        suspects: &[&TaskSummary],
    ) -> Result<Found, Unavailable> {
        let query = BackupQuery::new()
            .universe(target.universe.as_str())
            .storage_config(target.storage_config.as_str())
            .created_between(since, since + TimeDelta::days(2))
            .limit(20);
        let page = self.client.backups().page(&query).await.map_err(|error| no_answer(&error))?;
        let rows: Vec<_> = page
            .entities
            .iter()
            .filter(|row| {
                row.on_demand && row.backup_type.as_ref().is_none_or(|t| t.as_str() == target.table_type)
            })
            .filter_map(|row| row.common_backup_info.task_uuid.as_ref())
            .filter(|task| suspects.iter().any(|suspect| suspect.id == **task))
            .collect();
        match rows.as_slice() {
            [task] if suspects.len() == 1 => Ok(Found::Task { task: task.as_str().into(), attempt: None }),
            _ => {
                let ids: Vec<&str> = suspects.iter().map(|task| task.id.as_str()).collect();
                Ok(Found::Undecidable(format!(
                    "YBA does not show which request started a task, and these tasks of the universe began at that time: {}",
                    ids.join(", "),
                )))
            }
        }
    }
}

fn marked_by<'a>(task: &TaskSummary, attempts: &'a [Attempt]) -> Option<&'a Attempt> {
    let marker = task.correlation_id.as_ref()?;
    attempts.iter().find(|attempt| attempt.id.to_string() == marker.as_str())
}

fn creates_backup(task: &TaskSummary, target: &BackupTarget) -> bool {
    task.type_ == "Create"
        && (task.target.is_empty() || task.target == "Backup")
        && task.target_uuid.as_deref().is_none_or(|id| id == target.universe.as_str())
}
