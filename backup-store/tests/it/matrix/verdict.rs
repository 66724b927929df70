//! What must be true once a case is over, from every side: the records, the tables, and YBA.

use std::{collections::BTreeSet, ops::RangeInclusive};

use backup_core::{BackupId, BackupRecord, Surplus, SurplusState, TaskId, TrackerStatus};
use yba_client::{BackupState, TaskState, simulator::Endpoint};

use super::{case::Trouble, lane::TASK, play::Play, story::Story};

/// How a case may end.
struct Expected {
    /// `None`: either way, as long as record and YBA agree.
    end: Option<TrackerStatus>,
    /// Backups that YBA starts.
    started: RangeInclusive<usize>,
    /// Exceptions of each batch.
    exceptions: Option<usize>,
}

impl Play<'_> {
    fn expected(&self) -> Expected {
        let story = self.case.story;
        let (one, all) = (Some(story.end()), story.backups());
        let mut expected = Expected { end: one, started: all..=all, exceptions: Some(story.exceptions()) };
        match &self.case.trouble {
            Trouble::Fault { endpoint: Endpoint::CreateBackup, fault, .. } if fault.is_refusal() => {
                match story {
                    // The fault comes too late: the POST has its answer.
                    Story::LostAnswer | Story::Refusal => {}
                    Story::LateRequest | Story::RunAgain | Story::Queue => {
                        expected = Expected { end: None, started: 0..=all, exceptions: None };
                    }
                    _ => {
                        let end = Some(TrackerStatus::Failed);
                        expected = Expected { end, started: 0..=0, exceptions: Some(1) };
                    }
                }
            }
            // A token that is refused ends a plan at once.
            Trouble::Fault { endpoint: Endpoint::PageBackups, fault, .. } if fault.is_unauthorized() => {
                let end = Some(TrackerStatus::Failed);
                expected = Expected { end, started: 0..=0, exceptions: Some(1) };
            }
            // The second run may meet what the late POST of the first has started, while that is being aborted.
            _ if story == Story::RunAgain && self.late_posts() > 0 => {
                (expected.end, expected.exceptions) = (None, None);
            }
            _ => {}
        }
        expected
    }
}

/// Names the first thing that is not as it must be.
pub(super) async fn judge(play: &Play<'_>) -> Result<(), String> {
    let (lane, expected) = (play.lane, play.expected());
    // What a process that woke too late did at YBA is undone by now.
    lane.clock.advance(TASK);
    lane.yba.advance(TASK);
    play.audit().await?;
    let mut attempts = BTreeSet::new();
    let mut records = Vec::new();
    for batch in &play.batches {
        let record = lane.record(batch).await;
        let complain = |what: String| Err(format!("{what}: {record:#?}"));
        if expected.end.is_some_and(|end| end != record.status()) {
            return complain(format!("it ended as {}", record.status()));
        }
        if let Err(lie) = agrees_with_yba(play, &record) {
            return complain(lie);
        }
        records.push(record.clone());
        attempts.extend(record.attempts.iter().map(|attempt| attempt.id.to_string()));
        let exceptions = lane.tables.exceptions(batch).await;
        if expected.exceptions.is_some_and(|expected| expected != exceptions) {
            return complain(format!("it left {exceptions} exceptions"));
        }
    }
    let started = lane.yba.backups_started(&play.universe) - play.case.story.bases();
    // Between the look at its lease and the POST a process can be stopped like anywhere else.
    if started < *expected.started.start() || started > *expected.started.end() + play.late_posts() {
        return Err(format!("YBA started {started} backups instead of {:?}", expected.started));
    }
    let mut ours = lane.yba.tasks();
    ours.retain(|task| task.correlation_id.as_ref().is_some_and(|id| attempts.contains(id.as_str())));
    if ours.len() != started {
        return Err(format!(
            "of {started} backups that YBA started, {} bear the mark of an attempt",
            ours.len()
        ));
    }
    for task in &ours {
        let is_known = records.iter().any(|record| {
            let on_record =
                |surplus: &Surplus| surplus.task.as_str() == task.id.as_str() && !surplus.is_open();
            record.task.as_ref().is_some_and(|own| own.as_str() == task.id.as_str())
                || record.surplus.iter().any(on_record)
        });
        let left_nothing = matches!(task.state, TaskState::Aborted | TaskState::Failure);
        if !is_known && !left_nothing {
            return Err(format!("a silent surplus: {task:#?} {records:#?}"));
        }
    }
    match lane.tables.disagreements().await.as_slice() {
        [] => Ok(()),
        some => Err(format!("the tables disagree: {some:?}")),
    }
}

/// A success has one completed backup, the one that the record names; a failure has none.
fn agrees_with_yba(play: &Play<'_>, record: &BackupRecord) -> Result<(), String> {
    let is_ours = |id: &str| record.attempts.iter().any(|attempt| attempt.id.to_string() == id);
    let tasks = play.lane.yba.tasks();
    let of_us = |task: &yba_client::TaskId| {
        tasks
            .iter()
            .any(|one| one.id == *task && one.correlation_id.as_ref().is_some_and(|id| is_ours(id.as_str())))
    };
    let mut rows = play.lane.yba.backups();
    // What an audit found and kept is on record, and does not count.
    let is_kept = |task: &yba_client::TaskId| {
        record.surplus.iter().any(|one| one.task.as_str() == task.as_str() && one.state == SurplusState::Kept)
    };
    rows.retain(|row| of_us(&row.task) && row.state == BackupState::Completed && !is_kept(&row.task));
    match (record.status(), rows.as_slice()) {
        (TrackerStatus::Success, [row]) => {
            let named =
                (record.task.as_ref().map(TaskId::as_str), record.backup.as_ref().map(BackupId::as_str));
            if named == (Some(row.task.as_str()), Some(row.id.as_str())) {
                Ok(())
            } else {
                Err(format!("it names {named:?}, and YBA completed {row:?}"))
            }
        }
        (TrackerStatus::Failed, []) => Ok(()),
        (status, rows) => Err(format!("it is {status}, and YBA completed {rows:?}")),
    }
}
