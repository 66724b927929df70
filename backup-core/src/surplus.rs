//! A surplus: a task of ours that is not the one its batch counts. What is recorded of it, and the rule that tells which of
//! several tasks counts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    failure::{ErrorCode, Failure},
    ids::{AttemptId, BackupId, TaskId},
    record::BackupRecord,
    state::TrackerStatus,
    strategy::{Found, ListedState, ListedTask},
};

/// A task of a batch that is not the one the batch counts, as it is recorded with the batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surplus {
    /// The task.
    pub task: TaskId,
    /// The attempt that started it; `None` where YBA does not show whose a task is.
    pub attempt: Option<AttemptId>,
    /// What is known of it.
    pub state: SurplusState,
    /// Its backup, once one was seen.
    pub backup: Option<BackupId>,
    /// When it was found, UTC.
    pub found_at: DateTime<Utc>,
}

/// What is known of a surplus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SurplusState {
    /// It was seen, and its end was not: YBA is asked to abort it.
    Found,
    /// YBA aborted it; there is no backup of it.
    Aborted,
    /// It completed, and its backup is kept.
    Kept,
    /// It completed, and its backup was deleted, as `on-surplus: delete` says.
    Deleted,
    /// It failed by itself; there is no backup of it.
    Ended,
    /// YBA knows neither the task nor a backup of it any more.
    Gone,
    /// A task of the universe that may be of this batch: YBA does not show whose it is, and a person has to look. It is never
    /// aborted.
    Possible,
}

impl SurplusState {
    /// The word in answers, in tables and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Found => "FOUND",
            Self::Aborted => "ABORTED",
            Self::Kept => "KEPT",
            Self::Deleted => "DELETED",
            Self::Ended => "ENDED",
            Self::Gone => "GONE",
            Self::Possible => "POSSIBLE",
        }
    }
}

impl std::fmt::Display for SurplusState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Surplus {
    /// A surplus that was just seen in YBA's task list.
    pub(crate) fn found(task: &ListedTask, now: DateTime<Utc>) -> Self {
        Self {
            task: task.task.clone(),
            attempt: task.attempt,
            state: SurplusState::Found,
            backup: None,
            found_at: now,
        }
    }

    /// Whether its end is still to be seen.
    pub fn is_open(&self) -> bool {
        self.state == SurplusState::Found
    }
}

impl Surplus {
    /// What a person has to know of this surplus of `record`, and do.
    pub fn describe(&self, record: &BackupRecord) -> Failure {
        let (task, has_failed) = (&self.task, record.status() == TrackerStatus::Failed);
        let backup =
            self.backup.as_ref().map_or_else(|| "its backup".to_owned(), |id| format!("its backup {id}"));
        let own = record.task.as_ref().map_or_else(|| "none".to_owned(), |own| format!("the task {own}"));
        let (text, advice) = match self.state {
            SurplusState::Found => (
                format!(
                    "YBA's task {task} is a surplus: this batch started it and counts {own}; YBA is asked to abort it"
                ),
                "nothing now: the batch shows how the task ended",
            ),
            SurplusState::Aborted => {
                (format!("the surplus task {task} was aborted; there is no backup of it"), "nothing")
            }
            SurplusState::Kept if has_failed => (
                format!("the surplus task {task} completed after the batch had failed; {backup} is kept"),
                "run the batch again: it counts this backup instead of taking another",
            ),
            SurplusState::Kept => (
                format!(
                    "the surplus task {task} completed: {backup} is a second backup of this batch, which counts {own}; it is kept"
                ),
                "leave it to expire, or delete it in YBA if nothing builds on it (on-surplus: delete does that)",
            ),
            SurplusState::Deleted => (
                format!("the surplus task {task} completed, and {backup} was deleted, as on-surplus says"),
                "nothing",
            ),
            SurplusState::Ended => {
                (format!("the surplus task {task} failed by itself; there is no backup of it"), "nothing")
            }
            SurplusState::Gone => {
                (format!("YBA knows neither the surplus task {task} nor a backup of it any more"), "nothing")
            }
            SurplusState::Possible => (
                format!(
                    "YBA's task {task} may be a surplus of this batch: it began after an attempt whose answer was lost, no batch counts it, and YBA does not show who started it"
                ),
                "ask who started it; if nobody did, delete its backup in YBA",
            ),
        };
        Failure::new(ErrorCode::Surplus, text).with_advice(advice)
    }

    /// Logs and counts a change of what is known.
    pub(crate) fn report(&self, record: &BackupRecord) {
        let what = self.describe(record);
        let (batch, task, backup) = (&record.batch, &self.task, self.backup.as_ref().map(BackupId::as_str));
        let advice = what.advice.unwrap_or_default();
        match self.state {
            SurplusState::Kept | SurplusState::Possible => {
                tracing::error!(batch_id = %batch, task_id = %task, backup_id = backup, advice, "{}", what.message);
            }
            _ => {
                tracing::warn!(batch_id = %batch, task_id = %task, backup_id = backup, advice, "{}", what.message);
            }
        }
        let outcome = self.state.as_str().to_ascii_lowercase();
        metrics::counter!("backup_surplus_total", "target" => record.target.to_string(), "outcome" => outcome)
            .increment(1);
    }
}

/// Which of several tasks of one batch counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The one that counts.
    pub(crate) kept: ListedTask,
    /// The others.
    pub(crate) others: Vec<ListedTask>,
}

impl Choice {
    /// All of them.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &ListedTask> {
        std::iter::once(&self.kept).chain(&self.others)
    }
}

/// What a look-up means: as [`Found`], and which task counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// There are tasks; one counts.
    Tasks(Choice),
    /// There is none.
    Nothing,
    /// What would have to be checked by hand.
    Undecidable(String),
}

impl From<Found> for Lookup {
    fn from(found: Found) -> Self {
        match found {
            Found::Tasks(tasks) => choose(tasks).map_or(Self::Nothing, Self::Tasks),
            Found::Nothing => Self::Nothing,
            Found::Undecidable(what) => Self::Undecidable(what),
        }
    }
}

/// Keeps the task that has completed, else one that runs, else one that failed; of several such the oldest. `None` without a task.
///
/// A task that failed never counts before one that runs: to keep it would fail the batch and abort the backup that is
/// being taken.
pub(crate) fn choose(mut tasks: Vec<ListedTask>) -> Option<Choice> {
    let rank = |task: &ListedTask| match task.state {
        ListedState::Succeeded => 0,
        ListedState::Open => 1,
        ListedState::Over => 2,
    };
    let order =
        |task: &ListedTask| (rank(task), task.created.unwrap_or(DateTime::<Utc>::MAX_UTC), task.task.clone());
    tasks.sort_by_key(order);
    let mut tasks = tasks.into_iter();
    let kept = tasks.next()?;
    Some(Choice { kept, others: tasks.collect() })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn task(id: u8, state: ListedState, age: Option<i64>) -> ListedTask {
        let created = age.map(|age| DateTime::UNIX_EPOCH - TimeDelta::minutes(age));
        ListedTask { created, ..ListedTask::new(format!("t{id}").as_str(), None, state) }
    }

    use ListedState::{Open, Over, Succeeded};

    #[rstest]
    #[case::the_completed_before_an_older_one_that_runs(&[(Open, 9), (Succeeded, 1)], 1)]
    #[case::the_oldest_of_two_that_run(&[(Open, 1), (Open, 9)], 1)]
    #[case::the_oldest_of_two_that_completed(&[(Succeeded, 9), (Succeeded, 1)], 0)]
    #[case::one_that_runs_before_an_older_one_that_failed(&[(Over, 9), (Open, 1)], 1)]
    #[case::the_oldest_of_two_that_failed(&[(Over, 1), (Over, 9)], 1)]
    fn one_of_several_tasks_counts(#[case] seen: &[(ListedState, i64)], #[case] kept: usize) {
        let tasks: Vec<ListedTask> =
            (0u8..).zip(seen).map(|(id, (state, age))| task(id, *state, Some(*age))).collect();
        assert_eq!(choose(tasks.clone()).unwrap().kept, tasks[kept]);
    }

    #[test]
    fn no_task_is_no_choice() {
        assert_eq!(choose(Vec::new()), None);
    }

    proptest! {
        /// Two replicas that see the same tasks in any order keep the same one, and lose none.
        #[test]
        fn the_choice_does_not_depend_on_the_order(
            seen in proptest::collection::vec((0u8..3, proptest::option::of(0i64..3)), 1..6),
            turn in 0usize..6,
        ) {
            let states = [Open, Succeeded, Over];
            let mut tasks: Vec<ListedTask> =
                (0u8..).zip(seen).map(|(id, (state, age))| task(id, states[usize::from(state)], age)).collect();
            let one = choose(tasks.clone()).unwrap();
            let places = tasks.len();
            tasks.rotate_left(turn % places);
            let other = choose(tasks).unwrap();
            prop_assert_eq!(&one, &other);
            prop_assert_eq!(one.others.len() + 1, places);
        }
    }
}
