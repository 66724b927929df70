//! One backup of a target per business date: whoever asks again, and however the category is spelt.

use backup_core::{
    BackupRequest, BackupTarget, Error, ErrorCode, Failure, Repeat, TrackerStatus,
    strategy::Start,
    testing::{ScriptedStrategy, fixtures},
};

use crate::world::{World, request};

/// The same target by its other name.
fn spelt_otherwise() -> BackupRequest {
    BackupRequest::new("hwa_epr_db_backup_full", "2025-03-25")
}

#[tokio::test]
async fn what_is_open_is_joined_also_when_it_was_asked_for_without_once() {
    let world = World::new(ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 3));
    let orchestrator = world.replica();
    let open = orchestrator.submit(request()).await.unwrap();
    let joined = orchestrator.submit(spelt_otherwise().once_per_date()).await.unwrap();
    assert_eq!(joined.batch, open.batch);
    // Without "once" it is a batch of its own, as ever.
    let other = orchestrator.submit(spelt_otherwise()).await.unwrap();
    assert_ne!(other.batch, open.batch);
}

#[tokio::test]
async fn what_completed_is_the_answer_whatever_failed_after_it() {
    let world = World::new(ScriptedStrategy::new());
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let completed = world.end_of(&batch).await;
    world.yba.start_next(Start::Rejected(Failure::new(ErrorCode::YbaRejected, "no")));
    let failed = orchestrator.submit(request()).await.unwrap().batch;
    assert_eq!(world.end_of(&failed).await.status(), TrackerStatus::Failed);
    let answered = orchestrator.submit(spelt_otherwise().once_per_date()).await.unwrap();
    assert_eq!(answered, completed);
    assert_eq!(world.yba.posted().len(), 2);
}

#[tokio::test]
async fn what_failed_is_run_again_as_the_same_batch() {
    let refusal = Start::Rejected(Failure::new(ErrorCode::YbaRejected, "no"));
    let world = World::new(ScriptedStrategy::new().then_start(refusal));
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request().once_per_date()).await.unwrap().batch;
    assert_eq!(world.end_of(&batch).await.status(), TrackerStatus::Failed);
    let again = orchestrator.submit(spelt_otherwise().once_per_date()).await.unwrap();
    assert_eq!((&again.batch, again.status()), (&batch, TrackerStatus::InProgress));
    assert_eq!(world.end_of(&batch).await.attempts.len(), 2);
}

#[tokio::test]
async fn a_target_may_want_it_of_every_request() {
    let mut target = fixtures::target();
    target.repeat = Repeat::Join;
    let world = World::new(ScriptedStrategy::new()).with_targets([target]);
    let orchestrator = world.replica();
    let first = orchestrator.submit(request()).await.unwrap();
    world.end_of(&first.batch).await;
    assert_eq!(orchestrator.submit(spelt_otherwise()).await.unwrap().batch, first.batch);
    let next_day = orchestrator.submit(BackupRequest::new("db1", "20250326")).await.unwrap();
    assert_ne!(next_day.batch, first.batch, "another date is another backup");
}

#[tokio::test]
async fn another_target_of_the_same_date_is_another_backup() {
    let targets = ["db1", "db2"].map(|key| BackupTarget::new(key, "yba", format!("u-{key}"), "s"));
    let world = World::new(ScriptedStrategy::new()).with_targets(targets);
    let orchestrator = world.replica();
    let [one, two] = ["db1", "db2"].map(|key| BackupRequest::new(key, "20250325").once_per_date());
    let (one, two) = (orchestrator.submit(one).await.unwrap(), orchestrator.submit(two).await.unwrap());
    assert_ne!(one.batch, two.batch);
}

#[tokio::test]
async fn of_many_requests_at_once_on_two_replicas_there_is_one_batch() {
    let world = World::new(ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 50));
    let replicas = [world.replica(), world.replica()];
    let callers: Vec<_> = (0..20)
        .map(|n| {
            let orchestrator = replicas[n % 2].clone();
            let request = if n % 3 == 0 { request() } else { spelt_otherwise() };
            // Some bring keys of their own, which are theirs alone.
            let request = if n % 4 == 0 { request.with_idempotency_key(format!("k{n}")) } else { request };
            tokio::spawn(async move { orchestrator.submit(request.once_per_date()).await.unwrap().batch })
        })
        .collect();
    let mut batches = Vec::new();
    for caller in callers {
        batches.push(caller.await.unwrap());
    }
    batches.dedup();
    assert_eq!(batches.len(), 1);
    assert_eq!(world.store.records().len(), 1);
    world.end_of(&batches[0]).await;
    assert_eq!(world.yba.posted().len(), 1);
}

#[tokio::test]
async fn a_key_that_named_another_request_is_a_conflict() {
    let world = World::new(ScriptedStrategy::new());
    let orchestrator = world.replica();
    orchestrator.submit(request().with_idempotency_key("k").once_per_date()).await.unwrap();
    let other = BackupRequest::new("db1", "20250326").with_idempotency_key("k").once_per_date();
    assert!(matches!(orchestrator.submit(other).await.unwrap_err(), Error::Conflict(_)));
}
