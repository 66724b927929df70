//! What a request may be: new, joined, read again, run again, cancelled, refused.

use std::time::Duration;

use backup_core::{
    BackupRequest, BackupTarget, Error, ErrorCode, Failure, Phase, TrackerStatus,
    strategy::{Found, Observation, PlanError, Start, TaskView},
    testing::{ScriptedStrategy, fixtures},
};

use crate::world::{World, request};

#[tokio::test]
async fn a_completed_batch_is_answered_again_and_nothing_is_started() {
    let world = World::new(ScriptedStrategy::new());
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let first = world.end_of(&batch).await;
    let again = orchestrator.submit(request().with_batch(batch.as_str())).await.unwrap();
    assert_eq!(again, first);
    assert_eq!(world.yba.posted().len(), 1);
}

#[tokio::test]
async fn an_open_batch_is_joined() {
    let world = World::new(ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 5));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    world.until(&batch, |record| record.phase == Phase::Running).await;
    let joined = orchestrator.submit(request().with_batch(batch.as_str())).await.unwrap();
    assert_eq!((joined.batch, joined.phase), (batch, Phase::Running));
    assert_eq!(world.yba.posted().len(), 1);
}

#[tokio::test]
async fn a_failed_batch_is_run_again_as_a_further_attempt() {
    let refusal = Start::Rejected(Failure::new(ErrorCode::YbaRejected, "no"));
    let world = World::new(ScriptedStrategy::new().then_start(refusal));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    assert_eq!(world.end_of(&batch).await.status(), TrackerStatus::Failed);

    let again = orchestrator.submit(request().with_batch(batch.as_str())).await.unwrap();
    assert_eq!((&again.batch, again.status()), (&batch, TrackerStatus::InProgress));
    let record = world.end_of(&batch).await;
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!(record.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn an_unknown_batch_and_one_of_another_request_are_refused() {
    let world = World::new(ScriptedStrategy::new());
    let orchestrator = world.replica();
    let unknown = orchestrator.submit(request().with_batch("nope")).await.unwrap_err();
    assert!(matches!(unknown, Error::UnknownBatch(_)));

    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let other = BackupRequest::new("db1", "20250326").with_batch(batch.as_str());
    assert!(matches!(orchestrator.submit(other).await.unwrap_err(), Error::Conflict(_)));
}

#[tokio::test]
async fn twenty_callers_with_one_key_start_one_backup() {
    let world = World::new(ScriptedStrategy::new());
    let orchestrator = world.replica();
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let orchestrator = orchestrator.clone();
            tokio::spawn(async move {
                orchestrator.submit(request().with_idempotency_key("k1")).await.unwrap().batch
            })
        })
        .collect();
    let mut batches = Vec::new();
    for caller in callers {
        batches.push(caller.await.unwrap());
    }
    batches.dedup();
    assert_eq!(batches.len(), 1);
    world.end_of(&batches[0]).await;
    assert_eq!(world.yba.posted().len(), 1);
}

#[tokio::test]
async fn refused_requests_leave_an_exception_and_no_batch() {
    let world = World::new(ScriptedStrategy::new());
    let orchestrator = world.replica();
    let faults = orchestrator.submit(BackupRequest::default()).await.unwrap_err();
    assert_eq!(faults.code(), ErrorCode::InvalidRequest);
    let unknown = orchestrator.submit(BackupRequest::new("nope", "20250325")).await.unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::UnknownCategory);
    assert!(unknown.to_string().contains("known: HWA_EPR_DB_BACKUP_FULL, db1"), "{unknown}");
    assert!(world.store.records().is_empty());
    assert_eq!(world.store.exceptions().len(), 2);
}

#[tokio::test]
async fn one_universe_runs_one_backup_at_a_time_and_the_oldest_goes_next() {
    let world = World::new(ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 3));
    let orchestrator = world.replica();
    let mut batches = Vec::new();
    for _ in 0..3 {
        batches.push(orchestrator.submit(request()).await.unwrap().batch);
        world.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(world.record(&batches[1]).phase, Phase::Waiting);
    for batch in &batches {
        world.end_of(batch).await;
    }
    let ends: Vec<_> = batches.iter().map(|batch| world.record(batch).ended_at.unwrap()).collect();
    assert!(ends.is_sorted(), "{ends:?}");
    assert_eq!(world.yba.posted().len(), 3);
}

#[tokio::test]
async fn fifty_backups_on_fifty_universes_all_complete() {
    let targets = (0..50).map(|n| BackupTarget::new(format!("db{n}"), "yba", format!("u{n}"), "s"));
    let world =
        World::new(ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 100)).with_targets(targets);
    let orchestrator = world.replica();
    let mut batches = Vec::new();
    for n in 0..50 {
        let request = BackupRequest::new(format!("db{n}"), "20250325");
        batches.push(orchestrator.submit(request).await.unwrap().batch);
    }
    for batch in &batches {
        assert_eq!(world.end_of(batch).await.status(), TrackerStatus::Success);
    }
    assert_eq!(world.yba.posted().len(), 50);
}

#[tokio::test]
async fn a_cancelled_batch_is_aborted_at_yba_and_ends_as_cancelled() {
    let aborted = Observation { task: TaskView::Aborted { cause: String::new() }, backup: None };
    let world = World::new(
        ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 2).then_look(Ok(aborted), 100),
    );
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let running = world.until(&batch, |record| record.phase == Phase::Running).await;
    assert!(orchestrator.cancel(&batch).await.unwrap());
    let record = world.end_of(&batch).await;
    assert_eq!(record.failure.unwrap().code, ErrorCode::Cancelled);
    assert_eq!(world.yba.aborted(), [running.task.unwrap()]);
    assert!(!orchestrator.cancel(&batch).await.unwrap(), "it is over");
}

#[tokio::test]
async fn a_cancel_that_comes_too_late_tells_the_truth() {
    let world = World::new(ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 1));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    world.until(&batch, |record| record.phase == Phase::Running).await;
    orchestrator.cancel(&batch).await.unwrap();
    assert_eq!(world.end_of(&batch).await.status(), TrackerStatus::Success);
}

#[tokio::test]
async fn a_cancel_before_the_post_prevents_it() {
    let world = World::new(ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 5));
    let orchestrator = world.replica();
    let first = orchestrator.submit(request()).await.unwrap().batch;
    let second = orchestrator.submit(request()).await.unwrap();
    assert_eq!(second.phase, Phase::Waiting, "the universe is taken");
    orchestrator.cancel(&second.batch).await.unwrap();
    let record = world.end_of(&second.batch).await;
    assert_eq!(record.failure.unwrap().code, ErrorCode::Cancelled);
    world.end_of(&first).await;
    assert_eq!(world.yba.posted().len(), 1);
}

#[tokio::test]
async fn a_batch_whose_target_was_renamed_stays_open_and_says_so() {
    let world = World::new(ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 1000));
    let first = world.replica();
    let batch = first.submit(request()).await.unwrap().batch;
    world.until(&batch, |record| record.phase == Phase::Running).await;
    first.shutdown().await;

    let mut renamed = fixtures::target();
    renamed.key = "db9".into();
    let world = world.with_targets([renamed]);
    let _second = world.replica();
    world.pass(Duration::from_secs(300)).await;
    assert_eq!(world.record(&batch).phase, Phase::Running);
}

#[tokio::test]
async fn a_rerun_that_is_refused_again_stays_failed() {
    let refused = || Err(PlanError::Refused(Failure::new(ErrorCode::NoBaseBackup, "no base")));
    let world = World::new(ScriptedStrategy::new().then_plan(refused()).then_plan(refused()));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let again = orchestrator.submit(request().with_batch(batch.as_str())).await.unwrap();
    assert_eq!((again.batch.clone(), again.status()), (batch.clone(), TrackerStatus::Failed));
    assert_eq!(world.record(&batch).failure.unwrap().code, ErrorCode::NoBaseBackup);
    assert_eq!(world.store.exceptions().len(), 2, "every failure leaves an exception");
    assert_eq!(orchestrator.in_flight(), 0);

    let third = orchestrator.submit(request().with_batch(batch.as_str())).await.unwrap();
    assert_eq!(world.end_of(&third.batch).await.status(), TrackerStatus::Success);
}

#[tokio::test]
async fn a_rerun_adopts_what_a_lost_attempt_started_after_all() {
    let undecidable = || Ok(Found::Undecidable("t1".into()));
    let lost = ScriptedStrategy::new().then_start(Start::Unknown { cause: "reset".into() });
    let world = World::new((0..60).fold(lost, |yba, _| yba.then_find(undecidable())));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    assert_eq!(world.end_of(&batch).await.failure.unwrap().code, ErrorCode::TaskLost);

    let found = ScriptedStrategy::new().then_find(Ok(Found::task("task-1", None)));
    let second = world.replica_with(found.clone());
    let again = second.submit(request().with_batch(batch.as_str())).await.unwrap();
    assert_eq!(again.phase, Phase::Running);
    let record = world.end_of(&batch).await;
    assert_eq!((record.status(), record.task), (TrackerStatus::Success, Some("task-1".into())));
    assert!(found.posted().is_empty(), "nothing was posted again");
}

#[tokio::test]
async fn attempts_that_were_answered_busy_do_not_count_as_lost() {
    let busy = || Start::Busy { text: "locked".into() };
    let yba = (0..8).fold(ScriptedStrategy::new(), |yba, _| yba.then_start(busy()));
    let world = World::new(yba.then_start(Start::Unknown { cause: "reset".into() }));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let record = world.end_of(&batch).await;
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!(record.attempts.len(), 10);
}

#[tokio::test]
async fn twenty_callers_who_run_a_failed_batch_again_run_it_once() {
    let refusal = Start::Rejected(Failure::new(ErrorCode::YbaRejected, "no"));
    let world = World::new(ScriptedStrategy::new().then_start(refusal));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    world.end_of(&batch).await;

    let callers: Vec<_> = (0..20)
        .map(|_| {
            let (orchestrator, batch) = (orchestrator.clone(), batch.clone());
            tokio::spawn(async move { orchestrator.submit(request().with_batch(batch.as_str())).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap().batch, batch);
    }
    assert_eq!(world.end_of(&batch).await.status(), TrackerStatus::Success);
    assert_eq!(world.yba.posted().len(), 2);
}
