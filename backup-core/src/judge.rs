//! What a look at a task and its backup means. Pure: the one place that decides what is a success.

use crate::{
    failure::{ErrorCode, Failure},
    ids::TaskId,
    strategy::{BackupView, BackupViewState, Observation, TaskFailure, TaskView},
};

/// What an observation means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Keep looking.
    Open { percent: f64 },
    /// An end that may not last: this failure, when nothing changes within the settling time.
    Settle(Failure),
    /// Task `Success` **and** backup `Completed`.
    Succeeded(BackupView),
    /// Final.
    Failed(Failure),
    /// The task lost the race for the universe's lock; no backup was started.
    LostRace(String),
}

/// Judges what is seen of `task`. `cancelled`: we asked YBA to abort it.
pub(crate) fn judge(seen: Observation, task: &TaskId, cancelled: bool) -> Verdict {
    let Observation { task: view, backup } = seen;
    let is_in = |state| backup.as_ref().is_some_and(|backup: &BackupView| backup.state == state);
    let completed = is_in(BackupViewState::Completed);
    let has_none = backup.is_none() || is_in(BackupViewState::Foreign);
    match view {
        TaskView::Open { percent, .. } => Verdict::Open { percent },
        TaskView::Succeeded => match backup {
            Some(backup) if completed => Verdict::Succeeded(backup),
            other => Verdict::Settle(diverged(task, "Success", other.as_ref())),
        },
        TaskView::Failed { .. } if completed => Verdict::Settle(diverged(task, "Failure", backup.as_ref())),
        TaskView::Aborted { .. } if completed => Verdict::Settle(diverged(task, "Aborted", backup.as_ref())),
        TaskView::Failed { cause, .. } | TaskView::Aborted { cause } if cancelled => {
            Verdict::Failed(Failure::new(
                ErrorCode::Cancelled,
                format!("YBA ended the task {task} as asked. {cause}").trim_end(),
            ))
        }
        TaskView::Failed { cause, kind: TaskFailure::LostRace } if has_none => Verdict::LostRace(cause),
        TaskView::Failed { cause, kind: TaskFailure::Restart } => Verdict::Settle(
            Failure::new(
                ErrorCode::BackupFailed,
                format!("YBA stopped or restarted during the task {task}: {cause}"),
            )
            .with_advice("run the batch again"),
        ),
        TaskView::Failed { cause, .. } => Verdict::Failed(
            Failure::new(ErrorCode::BackupFailed, format!("YBA's task {task} failed: {cause}"))
                .with_advice("mend the cause at YBA, then run the batch again"),
        ),
        TaskView::Aborted { cause } => Verdict::Settle(
            Failure::new(
                ErrorCode::Aborted,
                format!("YBA's task {task} was aborted, and not by us. {cause}").trim_end(),
            )
            .with_advice("find out who aborted it (YBA's audit log), then run the batch again"),
        ),
        TaskView::Foreign { text } => Verdict::Settle(foreign(task, &text)),
        TaskView::Gone { text } => Verdict::Settle(task_lost(task, &text, backup.as_ref())),
    }
}

fn diverged(task: &TaskId, state: &str, backup: Option<&BackupView>) -> Failure {
    Failure::new(
        ErrorCode::Diverged,
        format!("YBA says {state} of the task {task}, and {}", of_backup(backup)),
    )
    .with_advice("compare task and backup in YBA; do not count on this backup before they agree")
}

fn foreign(task: &TaskId, text: &str) -> Failure {
    Failure::new(
        ErrorCode::Diverged,
        format!("what YBA shows as the task {task} is not the one that was asked for: {text}"),
    )
    .with_advice(
        "compare the task in YBA with the target, and see whether a proxy before YBA answers from a cache",
    )
}

fn task_lost(task: &TaskId, text: &str, backup: Option<&BackupView>) -> Failure {
    Failure::new(
        ErrorCode::TaskLost,
        format!("YBA does not know the task {task} any more (\"{text}\"), and {}", of_backup(backup)),
    )
    .with_advice(
        "after a failover this is expected; look at the universe's backups in YBA, then run the batch again",
    )
}

fn of_backup(backup: Option<&BackupView>) -> String {
    match backup {
        Some(BackupView { id, state: BackupViewState::Foreign, word, .. }) => {
            format!("the backup {id} that it shows for it is {word}")
        }
        Some(backup) => format!("its backup {} is {}", backup.id, backup.word),
        None => "there is no backup of it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::Value;

    use super::*;

    fn backup(state: BackupViewState, word: &str) -> BackupView {
        BackupView { id: "b1".into(), state, word: word.into(), response: Value::Null }
    }

    fn views() -> Vec<TaskView> {
        let failed = |kind| TaskView::Failed { cause: "disk full".into(), kind };
        vec![
            TaskView::Open { state: "Running".into(), percent: 10.0 },
            TaskView::Succeeded,
            failed(TaskFailure::Own),
            failed(TaskFailure::Restart),
            failed(TaskFailure::LostRace),
            TaskView::Aborted { cause: String::new() },
            TaskView::Foreign { text: "its universe is u2, not u1".into() },
            TaskView::Gone { text: "Invalid Customer Task UUID".into() },
        ]
    }

    #[test]
    fn only_success_with_a_completed_backup_is_a_success() {
        let states = [
            None,
            Some(backup(BackupViewState::Completed, "Completed")),
            Some(backup(BackupViewState::Open, "InProgress")),
            Some(backup(BackupViewState::Over, "Failed")),
            Some(backup(BackupViewState::Foreign, "not the one that was asked for")),
        ];
        for task in views() {
            for backup in states.clone() {
                for cancelled in [false, true] {
                    let good = task == TaskView::Succeeded
                        && backup.as_ref().is_some_and(|b| b.state == BackupViewState::Completed);
                    let seen = Observation { task: task.clone(), backup: backup.clone() };
                    let verdict = judge(seen, &"t1".into(), cancelled);
                    assert_eq!(matches!(verdict, Verdict::Succeeded(_)), good, "{task:?} {backup:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_ours_is_a_divergence_that_says_what_was_seen() {
        let task = TaskView::Foreign { text: "its universe is u2, not u1".into() };
        let not_ours =
            backup(BackupViewState::Foreign, "not the one that was asked for: its task is t2, not t1");
        for (seen, words) in [
            (Observation { task, backup: None }, "its universe is u2, not u1"),
            (Observation { task: TaskView::Succeeded, backup: Some(not_ours) }, "its task is t2, not t1"),
        ] {
            let Verdict::Settle(failure) = judge(seen, &"t1".into(), false) else { panic!("not settled") };
            assert!(failure.code == ErrorCode::Diverged && failure.message.contains(words), "{failure}");
        }
    }

    #[rstest]
    #[case::a_cause_of_its_own_is_final(TaskFailure::Own, false)]
    #[case::a_restart_may_come_back(TaskFailure::Restart, true)]
    fn a_failure_is_final_unless_yba_itself_stopped(#[case] kind: TaskFailure, #[case] settles: bool) {
        let task = TaskView::Failed { cause: "disk full".into(), kind };
        let verdict = judge(Observation { task, backup: None }, &"t1".into(), false);
        match verdict {
            Verdict::Settle(failure) => assert!(settles && failure.message.contains("disk full")),
            Verdict::Failed(failure) => assert!(!settles && failure.message.contains("disk full")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_abort_that_we_asked_for_is_a_cancellation() {
        let seen = || Observation { task: TaskView::Aborted { cause: String::new() }, backup: None };
        assert!(
            matches!(judge(seen(), &"t1".into(), true), Verdict::Failed(f) if f.code == ErrorCode::Cancelled)
        );
        assert!(
            matches!(judge(seen(), &"t1".into(), false), Verdict::Settle(f) if f.code == ErrorCode::Aborted)
        );
    }

    #[test]
    fn a_lost_race_that_left_a_backup_is_a_failure() {
        let task = TaskView::Failed { cause: "already being updated".into(), kind: TaskFailure::LostRace };
        let alone = Observation { task: task.clone(), backup: None };
        assert!(matches!(judge(alone, &"t1".into(), false), Verdict::LostRace(_)));
        let with_row = Observation { task, backup: Some(backup(BackupViewState::Over, "Failed")) };
        assert!(matches!(judge(with_row, &"t1".into(), false), Verdict::Failed(_)));
    }
}
