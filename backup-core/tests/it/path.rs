//! One backup, and everything that YBA can answer on the way.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use backup_core::{
    BatchStatus, Completion, ErrorCode, Failure, OnUnknown, Phase, Plan, TrackerStatus,
    strategy::{Found, Observation, PlanError, Start, TaskFailure, TaskView, Unavailable, UnavailableKind},
    testing::{Moment, ScriptedStrategy, fixtures},
};
use serde_json::json;

use crate::world::{World, request};

fn failed(kind: TaskFailure) -> Observation {
    Observation { task: TaskView::Failed { cause: "disk full".into(), kind }, backup: None }
}

fn aborted() -> Observation {
    Observation { task: TaskView::Aborted { cause: String::new() }, backup: None }
}

#[tokio::test]
async fn a_backup_is_started_followed_and_recorded() {
    let world = World::new(ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 3));
    let orchestrator = world.replica();

    let accepted = orchestrator.submit(request()).await.unwrap();
    assert_eq!(accepted.phase, Phase::Submitting, "the intent is committed before the POST");

    let record = world.end_of(&accepted.batch).await;
    assert_eq!(record.batch_status(), BatchStatus::Completed);
    assert_eq!(record.backup.unwrap().as_str(), "backup-1");
    let response = record.response.unwrap();
    assert_eq!(response["backup"], json!({ "backupUUID": "backup-1", "state": "Completed" }));
    assert_eq!(response["taskUUID"], json!(format!("task-{}", record.attempts[0].id)));
    assert_eq!(world.yba.posted(), [record.attempts[0].id]);
    assert_eq!(world.yba.looked(), 4);
    assert_eq!(orchestrator.in_flight(), 0);
}

#[tokio::test]
async fn a_first_look_may_come_at_once() {
    let mut world = World::new(ScriptedStrategy::new());
    world.settings.poll_first = Duration::ZERO;
    let record = world.replica().run(request()).await.unwrap();
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!((world.yba.looked(), world.elapsed()), (1, Duration::ZERO));
}

#[tokio::test]
async fn a_first_look_at_once_outlives_a_store_that_is_away() {
    let mut world = World::new(ScriptedStrategy::new());
    world.settings.poll_first = Duration::ZERO;
    let orchestrator = world.replica();
    let writes = AtomicUsize::new(0);
    world.store.fail_when(move |operation, moment| {
        operation == "save" && moment == Moment::Before && writes.fetch_add(1, Ordering::Relaxed) == 0
    });
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let record = world.end_of(&batch).await;
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!(world.yba.posted().len(), 1);
    assert!(world.elapsed() > Duration::ZERO, "the record was waited for");
}

#[tokio::test]
async fn a_batch_that_waits_ends_at_its_deadline() {
    let busy = || Start::Busy { text: "currently in a locked state".into() };
    let yba = (0..1000).fold(ScriptedStrategy::new(), |yba, _| yba.then_start(busy()));
    let mut target = fixtures::target();
    target.deadline = Duration::from_mins(50);
    let mut world = World::new(yba).with_targets([target]).slowly();
    world.settings.claim_interval = Some(Duration::from_mins(1));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let record = world.end_of(&batch).await;
    let late = record.ended_at.unwrap() - record.deadline_at;
    assert!(late.num_seconds() >= 0 && late.num_minutes() <= 1, "it ended {late} after its deadline");
}

#[tokio::test]
async fn a_caller_who_waits_gets_the_end_and_one_in_a_hurry_gets_where_it_stands() {
    let world = World::new(ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 5));
    let orchestrator = world.replica();
    let accepted = orchestrator.submit(request()).await.unwrap();

    let hurried = tokio::spawn({
        let (orchestrator, batch) = (orchestrator.clone(), accepted.batch.clone());
        async move { orchestrator.wait(&batch, Some(Duration::from_secs(2))).await }
    });
    let patient = tokio::spawn({
        let (orchestrator, batch) = (orchestrator.clone(), accepted.batch.clone());
        async move { orchestrator.wait(&batch, None).await }
    });
    world.end_of(&accepted.batch).await;
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(hurried.await.unwrap().unwrap().phase, Phase::Running);
    assert_eq!(patient.await.unwrap().unwrap().status(), TrackerStatus::Success);
}

#[tokio::test]
async fn a_refusal_is_final_and_keeps_ybas_words() {
    let refusal =
        Failure::new(ErrorCode::YbaRejected, "YBA answered 400: Cannot take backups on YSQL tables");
    let world = World::new(ScriptedStrategy::new().then_start(Start::Rejected(refusal.clone())));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let record = world.end_of(&batch).await;
    assert_eq!(record.failure, Some(refusal));
    assert_eq!(world.yba.posted().len(), 1);
    assert_eq!(world.store.exceptions().len(), 1, "every failure leaves an exception");
}

#[tokio::test]
async fn a_busy_universe_is_waited_for() {
    let busy = || Start::Busy { text: "currently in a locked state".into() };
    let world = World::new(ScriptedStrategy::new().then_start(busy()).then_start(busy()));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let waiting = world.until(&batch, |record| record.phase == Phase::Waiting).await;
    assert!(waiting.note.unwrap().message.contains("currently in a locked state"));
    let record = world.end_of(&batch).await;
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!(world.yba.posted().len(), 3, "each try is an attempt of its own");
}

#[tokio::test]
async fn a_universe_that_stays_busy_fails_the_batch_and_names_the_holder() {
    let busy = || Start::Busy { text: "cannot be queued on existing task EditUniverse".into() };
    let yba = (0..1000).fold(ScriptedStrategy::new(), |yba, _| yba.then_start(busy()));
    let world = World::new(yba).slowly();
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let record = world.end_of(&batch).await;
    let failure = record.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::UniverseBusy);
    assert!(failure.message.contains("EditUniverse"), "{failure}");
}

#[tokio::test]
async fn a_yba_that_cannot_be_reached_is_waited_for() {
    let world = World::new(
        ScriptedStrategy::new()
            .then_start(Start::NotSent { cause: Unavailable::unreachable("connection refused") }),
    );
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    assert_eq!(world.end_of(&batch).await.status(), TrackerStatus::Success);
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_before_anything_is_repeated() {
    let world = World::new(
        ScriptedStrategy::new()
            .then_start(Start::Unknown { cause: "timeout".into() })
            .then_find(Ok(Found::Nothing))
            .then_find(Err(Unavailable::unreachable("standby")))
            .then_find(Ok(Found::task("task-7", None))),
    );
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let record = world.end_of(&batch).await;
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!(record.task.unwrap().as_str(), "task-7");
    assert_eq!(world.yba.posted().len(), 1, "the lost request was not repeated");
}

#[tokio::test]
async fn an_attempt_that_stays_lost_is_posted_again_as_a_new_recorded_attempt() {
    let world = World::new(ScriptedStrategy::new().then_start(Start::Unknown { cause: "reset".into() }));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;

    world.pass(Duration::from_secs(55)).await;
    assert_eq!(world.yba.posted().len(), 1, "not before the settling time");
    let record = world.end_of(&batch).await;
    assert_eq!(record.status(), TrackerStatus::Success);
    let ids: Vec<_> = record.attempts.iter().map(|attempt| attempt.id).collect();
    assert_eq!(world.yba.posted(), ids);
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn answers_that_are_lost_every_time_end_the_batch() {
    let lost = || Start::Unknown { cause: "reset".into() };
    let yba = (0..20).fold(ScriptedStrategy::new(), |yba, _| yba.then_start(lost()));
    let world = World::new(yba);
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let failure = world.end_of(&batch).await.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::YbaUnreachable);
    assert_eq!(world.yba.posted().len(), 5);
}

#[tokio::test]
async fn what_nobody_can_decide_fails_rather_than_risk_a_second_backup() {
    let undecidable = || Ok(Found::Undecidable("these tasks began at that time: t1, t2".into()));
    let yba = (0..200)
        .fold(ScriptedStrategy::new().then_start(Start::Unknown { cause: "reset".into() }), |yba, _| {
            yba.then_find(undecidable())
        });
    let world = World::new(yba);
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let failure = world.end_of(&batch).await.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::TaskLost);
    assert!(failure.message.contains("t1, t2"), "what to check by hand is named: {failure}");
    assert_eq!(world.yba.posted().len(), 1);
}

#[tokio::test]
async fn what_nobody_can_decide_is_posted_again_where_the_policy_says_so() {
    let undecidable = || Ok(Found::Undecidable("t1".into()));
    let yba = (0..60)
        .fold(ScriptedStrategy::new().then_start(Start::Unknown { cause: "reset".into() }), |yba, _| {
            yba.then_find(undecidable())
        });
    let mut target = fixtures::target();
    target.on_unknown = OnUnknown::Repost;
    let world = World::new(yba).with_targets([target]);
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    assert_eq!(world.end_of(&batch).await.status(), TrackerStatus::Success);
    assert_eq!(world.yba.posted().len(), 2);
}

#[tokio::test]
async fn a_task_that_fails_for_its_own_reason_is_final_at_once() {
    let world = World::new(ScriptedStrategy::new().then_look(Ok(failed(TaskFailure::Own)), 1));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let failure = world.end_of(&batch).await.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::BackupFailed);
    assert!(failure.message.contains("disk full"));
    assert_eq!(world.yba.looked(), 1);
}

#[tokio::test]
async fn a_restarted_yba_brings_its_task_back_to_life() {
    let yba = ScriptedStrategy::new()
        .then_look(Ok(aborted()), 3)
        .then_look(Ok(failed(TaskFailure::Restart)), 2)
        .then_look(ScriptedStrategy::open(), 2);
    let world = World::new(yba);
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    world.until(&batch, |record| record.phase == Phase::Settling).await;
    assert_eq!(world.end_of(&batch).await.status(), TrackerStatus::Success);
    assert_eq!(world.yba.posted().len(), 1);
}

#[tokio::test]
async fn an_abort_that_stays_is_believed_after_the_settling_time() {
    let world = World::new(ScriptedStrategy::new().then_look(Ok(aborted()), 1000));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    world.until(&batch, |record| record.phase == Phase::Settling).await;
    world.pass(Duration::from_secs(55)).await;
    assert_eq!(world.record(&batch).phase, Phase::Settling);
    let failure = world.end_of(&batch).await.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::Aborted);
}

#[tokio::test]
async fn a_task_and_a_backup_that_disagree_are_never_a_success() {
    let seen = Observation { task: TaskView::Succeeded, backup: None };
    let world = World::new(ScriptedStrategy::new().then_look(Ok(seen), 1000));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    assert_eq!(world.end_of(&batch).await.failure.unwrap().code, ErrorCode::Diverged);
}

#[tokio::test]
async fn a_backup_row_that_comes_late_is_waited_for() {
    let seen = Observation { task: TaskView::Succeeded, backup: None };
    let world = World::new(ScriptedStrategy::new().then_look(Ok(seen), 3));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    assert_eq!(world.end_of(&batch).await.status(), TrackerStatus::Success);
}

#[tokio::test]
async fn a_lost_race_for_the_universe_is_a_wait_and_not_a_failure() {
    let world = World::new(ScriptedStrategy::new().then_look(Ok(failed(TaskFailure::LostRace)), 1));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let record = world.end_of(&batch).await;
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!(record.attempts.len(), 2);
}

#[tokio::test]
async fn a_task_that_hangs_ends_at_the_deadline() {
    let world = World::new(ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 100_000)).slowly();
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let record = world.end_of(&batch).await;
    assert_eq!(record.failure.as_ref().unwrap().code, ErrorCode::DeadlineExceeded);
    let hours = (record.ended_at.unwrap() - record.started_at).num_hours();
    assert_eq!(hours, 24);
}

#[tokio::test]
async fn an_unreachable_yba_while_polling_is_tolerated() {
    let world = World::new(
        ScriptedStrategy::new().then_look(Err(Unavailable::unreachable("connection refused")), 50),
    );
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    assert_eq!(world.end_of(&batch).await.status(), TrackerStatus::Success);
}

#[tokio::test]
async fn an_increment_without_a_base_is_recorded_and_never_posted() {
    let refused =
        Failure::new(ErrorCode::NoBaseBackup, "the universe has no full backup yet; nothing was posted");
    let world = World::new(ScriptedStrategy::new().then_plan(Err(PlanError::Refused(refused.clone()))));
    let orchestrator = world.replica();
    let record = orchestrator.submit(request()).await.unwrap();
    assert_eq!(record.failure, Some(refused));
    assert_eq!(world.record(&record.batch), record);
    assert!(world.yba.posted().is_empty());
}

#[tokio::test]
async fn a_plan_that_cannot_be_made_now_is_made_later() {
    let world = World::new(
        ScriptedStrategy::new().then_plan(Err(PlanError::Unavailable(Unavailable::unreachable("503")))),
    );
    let orchestrator = world.replica();
    let record = orchestrator.submit(request()).await.unwrap();
    assert_eq!(record.phase, Phase::Waiting);
    assert_eq!(world.end_of(&record.batch).await.status(), TrackerStatus::Success);
}

#[tokio::test]
async fn a_token_that_is_refused_while_planning_is_told_at_once() {
    let refused = Unavailable::new(UnavailableKind::Unauthorized, "YBA answered 401: no such token");
    let world = World::new(ScriptedStrategy::new().then_plan(Err(PlanError::Unavailable(refused))));
    let orchestrator = world.replica();
    let failure = orchestrator.submit(request()).await.unwrap().failure.unwrap();
    assert_eq!(failure.code, ErrorCode::YbaUnauthorized);
    assert_eq!(failure.message, "YBA answered 401: no such token");
    assert!(world.yba.posted().is_empty());
}

#[tokio::test]
async fn what_stands_in_the_way_is_named_while_it_is_waited_for() {
    for (kind, words) in [
        (UnavailableKind::NotYba, "something other than YBA answered"),
        (UnavailableKind::Standby, "YBA could not be reached"),
        (UnavailableKind::Unreachable, "YBA could not be reached"),
    ] {
        let cause = Unavailable::new(kind, "302 to https://login.example.com");
        let world = World::new(ScriptedStrategy::new().then_start(Start::NotSent { cause }));
        let orchestrator = world.replica();
        let batch = orchestrator.submit(request()).await.unwrap().batch;
        let record = world.until(&batch, |record| record.note.is_some()).await;
        let note = record.note.unwrap();
        assert_eq!(note.code, ErrorCode::YbaUnreachable);
        assert!(note.message.starts_with(words) && note.message.ends_with("login.example.com"), "{note}");
        let record = world.end_of(&batch).await;
        assert_eq!((record.status(), record.attempts.len()), (TrackerStatus::Success, 2));
    }
}

#[tokio::test]
async fn a_target_that_asks_for_acceptance_only_ends_with_the_post() {
    let mut target = fixtures::target();
    target.completion = Completion::Accepted;
    let world = World::new(ScriptedStrategy::new()).with_targets([target]);
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let record = world.end_of(&batch).await;
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!((world.yba.looked(), record.backup), (0, None));
}

#[tokio::test]
async fn a_strategy_that_is_not_registered_is_an_internal_failure() {
    let plan = Plan { strategy: "SNAPSHOT".into(), ..fixtures::plan() };
    let world = World::new(ScriptedStrategy::new().then_plan(Ok(plan)));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    assert_eq!(world.end_of(&batch).await.failure.unwrap().code, ErrorCode::Internal);
}
