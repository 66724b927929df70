//! What an audit decides, from what it saw: pure.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    failure::{ErrorCode, Failure},
    ids::{AttemptId, BackupId, TaskId},
    record::{Attempt, BackupRecord},
    state::TrackerStatus,
    store::AuditNext,
    strategy::{BackupViewState, ListedState, ListedTask, Observation, TaskList, TaskView},
    surplus::{Surplus, SurplusState},
};

/// How far YBA's clock and ours may be apart.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);
/// The task of a batch under way may not be on record yet while it is younger.
const YOUNG: TimeDelta = TimeDelta::minutes(10);
/// Looks are never further apart.
const LONGEST: Duration = Duration::from_hours(1);

/// The attempts whose tasks the audit may still find: not those of a run so long ago that its own audit had ended.
fn attempts_in_question(record: &BackupRecord, audit_for: Duration) -> impl Iterator<Item = &Attempt> {
    let runs_before = TimeDelta::from_std(audit_for.saturating_mul(2)).unwrap_or(TimeDelta::MAX);
    let from = record.started_at.checked_sub_signed(runs_before).unwrap_or(DateTime::<Utc>::MIN_UTC);
    record.attempts.iter().filter(move |attempt| attempt.at >= from || record.lost.contains(&attempt.id))
}

/// Since when YBA's tasks are to be looked at.
pub(super) fn since(record: &BackupRecord, audit_for: Duration) -> DateTime<Utc> {
    let first = attempts_in_question(record, audit_for).map(|attempt| attempt.at).min();
    let first = first.unwrap_or(record.started_at);
    first.checked_sub_signed(CLOCK_SKEW).unwrap_or(first)
}

/// Whether an attempt of this batch started the task. The marker alone does not say so: a proxy may rewrite it.
fn is_ours(record: &BackupRecord, task: &ListedTask) -> bool {
    task.attempt.is_some_and(|id| record.attempts.iter().any(|attempt| attempt.id == id))
        && is_of_its_universe(record, task)
}

fn is_of_its_universe(record: &BackupRecord, task: &ListedTask) -> bool {
    let locks = |universe: &str| record.slot.strip_suffix(universe).is_some_and(|rest| rest.ends_with('/'));
    task.universe.as_ref().is_none_or(|universe| locks(universe.as_str()))
}

/// The tasks that are a surplus and not on record as one, and those that came back to life: each as it is to be recorded.
pub(super) fn discoveries(record: &BackupRecord, list: &TaskList, now: DateTime<Utc>) -> Vec<Surplus> {
    let others = list.tasks.iter().filter(|task| record.task.as_ref() != Some(&task.task));
    let is_discovery = |task: &&ListedTask| {
        is_ours(record, task)
            && match record.surplus.iter().find(|surplus| surplus.task == task.task) {
                None => task.state != ListedState::Over,
                Some(known) => is_alive_again(known.state, task.state),
            }
    };
    others.filter(is_discovery).map(|task| Surplus::found(task, now)).collect()
}

/// A task that YBA stopped or restarted under may run on, under the same id.
fn is_alive_again(known: SurplusState, seen: ListedState) -> bool {
    use SurplusState::{Aborted, Ended, Gone};
    match seen {
        ListedState::Open => matches!(known, Aborted | Ended | Gone),
        ListedState::Succeeded => matches!(known, Aborted | Ended),
        ListedState::Over => false,
    }
}

/// The tasks of which nobody can say whose they are, and that may be of this batch.
pub(super) fn suspects<'a>(
    record: &'a BackupRecord,
    list: &'a TaskList,
    audit_for: Duration,
    now: DateTime<Utc>,
) -> impl Iterator<Item = &'a ListedTask> {
    let (from, to) = (since(record, audit_for), now.checked_sub_signed(YOUNG).unwrap_or(now));
    let is_known = |task: &ListedTask| {
        record.task.as_ref() == Some(&task.task) || record.surplus.iter().any(|known| known.task == task.task)
    };
    list.tasks.iter().filter(move |task| {
        record.in_doubt
            && (list.without_markers || !task.is_marked)
            && !task.is_scheduled
            && task.universe.is_some()
            && is_of_its_universe(record, task)
            && task.created.is_some_and(|at| from <= at && at <= to)
            && task.state != ListedState::Over
            && !is_known(task)
            && !is_ours(record, task)
    })
}

/// As [`suspects`], without those that a batch counts: for a person to look at.
pub(super) fn possible(
    record: &BackupRecord,
    list: &TaskList,
    counted: &HashSet<TaskId>,
    audit_for: Duration,
    now: DateTime<Utc>,
) -> Vec<Surplus> {
    suspects(record, list, audit_for, now)
        .filter(|task| !counted.contains(&task.task))
        .map(|task| Surplus { state: SurplusState::Possible, attempt: None, ..Surplus::found(task, now) })
        .collect()
}

/// Puts discoveries on record, each in place of what was known of the task.
pub(super) fn record_surplus(record: &mut BackupRecord, found: &[Surplus]) {
    for surplus in found {
        record.surplus.retain(|known| known.task != surplus.task);
        record.surplus.push(surplus.clone());
    }
}

/// The attempts that a further run of the batch has to look for: not those whose tasks were found, unless one completed after the
/// batch had failed. Such a backup is there: the run counts it instead of taking another.
pub(super) fn still_lost(record: &BackupRecord, list: Option<&TaskList>) -> Vec<AttemptId> {
    let has_failed = record.status() == TrackerStatus::Failed;
    let counts = |surplus: &&Surplus| has_failed && surplus.state == SurplusState::Kept;
    let of_surplus = |id: AttemptId| record.surplus.iter().find(|surplus| surplus.attempt == Some(id));
    let has_failed_task = |id: AttemptId| {
        let mut tasks = list.into_iter().flat_map(|list| &list.tasks);
        tasks.any(|task| task.attempt == Some(id) && task.state == ListedState::Over && is_ours(record, task))
    };
    let is_lost = |id: AttemptId| record.lost.contains(&id) && !has_failed_task(id);
    let ids = record.attempts.iter().map(|attempt| attempt.id);
    ids.filter(|id| of_surplus(*id).map_or_else(|| is_lost(*id), |surplus| counts(&surplus))).collect()
}

/// What remains lost when the audit ends: only what completed after all.
pub(super) fn lost_for_good(record: &BackupRecord) -> Vec<AttemptId> {
    let nothing_found = BackupRecord { lost: Vec::new(), ..record.clone() };
    still_lost(&nothing_found, None)
}

/// How a surplus ended, by a look at its task; `None` as long as it has not, or YBA has not made up its mind.
pub(super) fn end(seen: &Observation) -> Option<(SurplusState, Option<BackupId>)> {
    let backup = seen.backup.as_ref();
    let id = backup.map(|backup| backup.id.clone());
    let state = match (&seen.task, backup.map(|backup| backup.state)) {
        (TaskView::Open { .. }, _) | (_, Some(BackupViewState::Open)) | (TaskView::Succeeded, None) => {
            return None;
        }
        // Not what we asked for, after all: for a person to look at.
        (TaskView::Foreign { .. }, _) | (_, Some(BackupViewState::Foreign)) => SurplusState::Possible,
        (_, Some(BackupViewState::Completed)) => SurplusState::Kept,
        (TaskView::Succeeded | TaskView::Gone { .. }, _) => SurplusState::Gone,
        (TaskView::Failed { .. }, _) => SurplusState::Ended,
        (TaskView::Aborted { .. }, _) => SurplusState::Aborted,
    };
    Some((state, id))
}

/// What follows a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Another one.
    Next(AuditNext),
    /// Nothing: the time is over, and everything that was found has ended.
    Complete,
    /// Nothing, although YBA did not answer, or a surplus has not ended: it was waited for long enough.
    GaveUp,
}

/// What is known when an audit decides what follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// YBA answered, and as a leader where the audit is to end.
    pub(super) answered: bool,
    /// Something was asked of YBA whose end was not seen.
    pub(super) pending: bool,
}

/// What follows. Where the time is over and something is missing, the audit goes on for as long again.
pub(super) fn ending(
    record: &BackupRecord,
    progress: Progress,
    (interval, audit_for): (Duration, Duration),
    now: DateTime<Utc>,
) -> Ending {
    let until = record.audit_until.unwrap_or(now);
    let longest = TimeDelta::from_std(audit_for).ok().and_then(|more| until.checked_add_signed(more));
    if now >= until && progress.answered && !progress.pending {
        return Ending::Complete;
    }
    if longest.is_some_and(|longest| now >= longest) {
        return Ending::GaveUp;
    }
    let step = if progress.pending { interval } else { step(age(record, now), interval) };
    let pause = to_the_next(step, now);
    let left = (until - now).to_std().ok().filter(|left| !left.is_zero());
    Ending::Next(AuditNext::In(left.map_or(pause, |left| pause.min(left))))
}

fn age(record: &BackupRecord, now: DateTime<Utc>) -> Duration {
    record.ended_at.and_then(|ended| (now - ended).to_std().ok()).unwrap_or_default()
}

/// The time to the next look: twice as long whenever the batch has been over for twice as long.
fn step(age: Duration, interval: Duration) -> Duration {
    let longest = LONGEST.max(interval);
    let mut step = interval;
    while step.saturating_mul(2) <= age && step < longest {
        step = step.saturating_mul(2);
    }
    step.min(longest)
}

/// The time to the next multiple of a step: audits with the same step are due together, and share a list.
fn to_the_next(step: Duration, now: DateTime<Utc>) -> Duration {
    let step = u64::try_from(step.as_millis()).unwrap_or(u64::MAX).max(1);
    let past = u64::try_from(now.timestamp_millis()).unwrap_or_default() % step;
    Duration::from_millis(step - past)
}

/// What people have to know of an audit that could not see everything.
pub(super) fn blind_spot(
    record: &BackupRecord,
    ending: Ending,
    list: Option<&TaskList>,
    since: DateTime<Utc>,
) -> Option<Failure> {
    let look = format!("look in YBA at the tasks of this universe since {}", utc(since));
    let cut = list.and_then(|list| list.complete_since);
    let text = match (ending, cut) {
        (Ending::Next(_), _) | (Ending::Complete, None) => return None,
        (Ending::Complete, Some(cut)) => format!(
            "YBA's task list is cut: the audit of this batch may have missed tasks that began between {} and {}",
            utc(since),
            utc(cut)
        ),
        (Ending::GaveUp, _) if record.surplus.iter().any(Surplus::is_open) => {
            "the audit of this batch ended before a surplus task did".to_owned()
        }
        (Ending::GaveUp, _) => "the audit of this batch ended without an answer of YBA".to_owned(),
    };
    Some(Failure::new(ErrorCode::Surplus, format!("{text}; a second backup may be there")).with_advice(look))
}

fn utc(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::Value;

    use super::*;
    use crate::{
        strategy::{BackupView, TaskFailure},
        testing::fixtures,
    };

    const MINUTE: Duration = Duration::from_mins(1);
    const DAY: Duration = Duration::from_hours(25);

    fn ended() -> (BackupRecord, DateTime<Utc>) {
        let (mut record, _, now) = fixtures::planned();
        record.submit(now).unwrap();
        record.lose_attempt();
        record.fail(Failure::new(ErrorCode::YbaUnreachable, "lost"), now).unwrap();
        record.begin_audit(DAY);
        (record, now)
    }

    fn answered(pending: bool) -> Progress {
        Progress { answered: true, pending }
    }

    #[test]
    fn looks_are_ever_further_apart_and_at_times_that_audits_share() {
        let (record, start) = ended();
        let (mut now, mut pauses) = (start, Vec::new());
        loop {
            match ending(&record, answered(false), (MINUTE, DAY), now) {
                Ending::Next(AuditNext::In(pause)) => {
                    pauses.push(pause);
                    now += pause;
                }
                Ending::Complete => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(Some(now), record.audit_until);
        assert_eq!(pauses[0], MINUTE);
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_hours(1)), "{pauses:?}");
        assert!(pauses.len() < 40, "{} looks", pauses.len());
        // A batch that ended a few seconds later is looked at together with the first, but for the first hour.
        let later = BackupRecord { ended_at: record.ended_at.map(|at| at + TimeDelta::seconds(7)), ..record };
        let at = start + TimeDelta::hours(5) + TimeDelta::seconds(11);
        let next = |record| ending(record, answered(false), (MINUTE, DAY), at);
        assert_eq!(
            next(&later),
            Ending::Next(AuditNext::In(Duration::from_hours(1) - Duration::from_secs(11)))
        );
    }

    #[rstest]
    #[case::all_is_seen(true, false, Ending::Complete)]
    #[case::a_surplus_has_not_ended(true, true, Ending::Next(AuditNext::In(MINUTE)))]
    #[case::nobody_answered(false, false, Ending::Next(AuditNext::In(Duration::from_hours(1))))]
    fn an_audit_ends_only_when_everything_was_seen(
        #[case] answered: bool,
        #[case] pending: bool,
        #[case] expected: Ending,
    ) {
        let (record, start) = ended();
        let progress = Progress { answered, pending };
        let over = start + DAY;
        assert_eq!(ending(&record, progress, (MINUTE, DAY), over), expected);
        let long_over = start + DAY + DAY;
        let in_the_end = if expected == Ending::Complete { expected } else { Ending::GaveUp };
        assert_eq!(ending(&record, progress, (MINUTE, DAY), long_over), in_the_end);
    }

    fn backup(state: BackupViewState) -> BackupView {
        BackupView { id: "b".into(), state, word: format!("{state:?}"), response: Value::Null }
    }

    #[test]
    fn what_completed_is_kept_whatever_the_task_says() {
        let cause = || String::from("why");
        let views = [
            TaskView::Succeeded,
            TaskView::Failed { cause: cause(), kind: TaskFailure::Own },
            TaskView::Aborted { cause: cause() },
            TaskView::Gone { text: cause() },
        ];
        for task in views {
            let seen = |backup| Observation { task: task.clone(), backup };
            let completed = end(&seen(Some(backup(BackupViewState::Completed))));
            assert_eq!(completed, Some((SurplusState::Kept, Some("b".into()))), "{task:?}");
            assert_eq!(end(&seen(Some(backup(BackupViewState::Open)))), None, "{task:?}");
            let over = end(&seen(Some(backup(BackupViewState::Over)))).map(|(state, _)| state);
            assert!(over.is_some_and(|state| state != SurplusState::Kept), "{task:?}");
        }
        let open = TaskView::Open { state: "Running".into(), percent: 1.0 };
        assert_eq!(end(&Observation { task: open, backup: None }), None);
        let unsettled = Observation { task: TaskView::Succeeded, backup: None };
        assert_eq!(end(&unsettled), None, "its row may follow");
    }

    #[test]
    fn a_run_looks_for_lost_attempts_and_for_what_completed_after_all() {
        let (mut record, _) = ended();
        let attempt = record.attempts[0].id;
        assert_eq!(still_lost(&record, None), [attempt]);
        let listed = |state| TaskList {
            tasks: vec![ListedTask::new("t", Some(attempt), state)],
            ..TaskList::default()
        };
        assert!(still_lost(&record, Some(&listed(ListedState::Over))).is_empty(), "it failed");
        let found = Surplus::found(&listed(ListedState::Open).tasks[0], record.created_at);
        for (state, lost) in [(SurplusState::Found, 0), (SurplusState::Aborted, 0), (SurplusState::Kept, 1)] {
            record.surplus = vec![Surplus { state, ..found.clone() }];
            assert_eq!(still_lost(&record, None).len(), lost, "{state}");
            assert_eq!(lost_for_good(&record).len(), lost, "{state}");
        }
        record.surplus.clear();
        assert!(lost_for_good(&record).is_empty(), "nothing was found for so long");
    }

    #[test]
    fn attempts_of_long_ago_are_not_looked_for_for_ever() {
        let (mut record, start) = ended();
        record.lost.clear();
        record.started_at = start + TimeDelta::days(90);
        record.ended_at = Some(record.started_at);
        assert_eq!(since(&record, DAY), record.started_at - CLOCK_SKEW);
        record.lost = vec![record.attempts[0].id];
        assert_eq!(since(&record, DAY), start - CLOCK_SKEW);
    }
}
