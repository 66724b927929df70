//! What a POST may have started whose answer was lost.
//!
//! First by the marker: YBA keeps our `X-REQUEST-ID` as the task's `correlationId`. Where YBA does not show it (an old
//! release, a proxy that rewrites it), by backup rows of the same universe, storage config and time. Absence counts
//! only from a YBA that leads.

use chrono::{DateTime, TimeDelta, Utc};
use yba_client::{BackupQuery, TaskSummary};

use super::{
    Instance, YbaInstances, no_answer,
    tasks::{creates_backup, is_of_universe, listed},
};
use crate::{
    record::Attempt,
    strategy::{Found, ListedTask, Unavailable},
    target::BackupTarget,
};

/// How far YBA's clock and ours may be apart when tasks are compared with an attempt by time.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);
/// A list with fewer rows is not cut, whatever its oldest row: no YBA is configured to show so few.
const LEAST_CUT: usize = 100;

impl YbaInstances {
    /// Looks for the task of any of these attempts.
    pub(in crate::strategy) async fn find(
        &self,
        target: &BackupTarget,
        attempts: &[Attempt],
    ) -> Result<Found, Unavailable> {
        let instance = self.of(target)?;
        let universe = target.universe.as_str().into();
        // All of them: a lost attempt of an earlier run may have started something long ago.
        let first = attempts.iter().map(|attempt| attempt.at).min().unwrap_or(DateTime::<Utc>::MAX_UTC);
        let (rows, complete_since) =
            instance.task_rows(Some(&universe), first - CLOCK_SKEW, self.clock.now()).await?;
        let ours = |row: &&TaskSummary| {
            marked_by(row, attempts) && creates_backup(row) && is_of_universe(row, universe.as_str())
        };
        let found: Vec<ListedTask> = rows.iter().filter(ours).map(listed).collect();
        if !found.is_empty() {
            return Ok(Found::Tasks(found));
        }
        // Before the negative conclusion; the list itself may have come from a standby.
        instance.must_lead().await?;
        if let Some(since) = complete_since.filter(|_| rows.len() >= LEAST_CUT) {
            return Ok(Found::Undecidable(format!(
                "YBA's task list is cut: it shows none of the tasks of this universe before {since}"
            )));
        }
        let since = attempts.last().map_or(DateTime::<Utc>::MIN_UTC, |attempt| attempt.at - CLOCK_SKEW);
        let suspects: Vec<&TaskSummary> = rows
            .iter()
            .filter(|row| creates_backup(row) && is_of_universe(row, universe.as_str()))
            .filter(|row| row.create_time.is_none_or(|at| at >= since))
            .filter(|row| row.correlation_id.is_none() || !instance.shows_marker())
            .collect();
        if suspects.is_empty() {
            return Ok(Found::Nothing);
        }
        instance.find_by_rows(target, since, &suspects).await
    }
}

impl Instance {
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
            [task] if suspects.len() == 1 => {
                let found = suspects.iter().filter(|suspect| suspect.id == **task).map(|row| listed(row));
                Ok(Found::Tasks(found.map(|task| ListedTask { attempt: None, ..task }).collect()))
            }
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

fn marked_by(row: &TaskSummary, attempts: &[Attempt]) -> bool {
    let marker = row.correlation_id.as_ref();
    marker.is_some_and(|marker| attempts.iter().any(|attempt| attempt.id.to_string() == marker.as_str()))
}
