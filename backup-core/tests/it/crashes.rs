//! Crashes, lost leases and a database that fails: nothing is lost, nothing is done twice.

use std::time::Duration;

use backup_core::{
    BackupRequest, BackupTarget, Phase, TrackerStatus,
    strategy::Found,
    testing::{Moment, ScriptedStrategy},
};

use crate::world::{World, request};

#[tokio::test]
async fn a_replica_that_dies_while_polling_is_followed_by_another() {
    let world = World::new(ScriptedStrategy::new().look(ScriptedStrategy::open(), 10));
    let first = world.replica();
    let batch = first.submit(request()).await.unwrap().batch;
    world.until(&batch, |record| record.phase == Phase::Running).await;
    let died_at = world.elapsed();
    first.kill();

    let _second = world.replica();
    let looked = world.yba.looked();
    while world.yba.looked() == looked {
        world.pass(Duration::from_millis(100)).await;
    }
    let delay = world.elapsed().saturating_sub(died_at);
    assert!(delay <= Duration::from_secs(32), "taken over within one lease, not after {delay:?}");
    assert_eq!(world.end_of(&batch).await.status(), TrackerStatus::Success);
    assert_eq!(world.yba.posted().len(), 1);
}

#[tokio::test]
async fn a_replica_that_dies_after_the_post_leaves_an_attempt_that_is_found_again() {
    let world = World::new(ScriptedStrategy::new().find(Ok(Found::Task("task-1".into()))));
    let first = world.replica();
    // The answer of the POST never reaches the store: every write after the intent fails.
    world.store.fail_when(|operation, _| operation == "save");
    let batch = first.submit(request()).await.unwrap().batch;
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(world.yba.posted().len(), 1);
    first.kill();
    world.store.heal();

    let _second = world.replica();
    let record = world.end_of(&batch).await;
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!(record.task.unwrap().as_str(), "task-1");
    assert_eq!(world.yba.posted().len(), 1);
}

#[tokio::test]
async fn a_shutdown_leaves_open_batches_to_the_next_start_at_once() {
    let world = World::new(ScriptedStrategy::new().look(ScriptedStrategy::open(), 5));
    let first = world.replica();
    let batch = first.submit(request()).await.unwrap().batch;
    world.until(&batch, |record| record.phase == Phase::Running).await;
    first.shutdown().await;
    assert_eq!(world.record(&batch).phase, Phase::Running, "it stays recorded");

    let second = world.replica();
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(second.in_flight(), 1, "no lease has to expire");
    assert_eq!(world.end_of(&batch).await.status(), TrackerStatus::Success);
    assert_eq!(world.yba.posted().len(), 1);
}

#[tokio::test]
async fn a_database_that_fails_after_any_write_loses_and_doubles_nothing() {
    for failing in 1..8 {
        for moment in [Moment::Before, Moment::After] {
            let world = World::new(ScriptedStrategy::new().look(ScriptedStrategy::open(), 2));
            let orchestrator = world.replica();
            world.quiet().await;
            let batch = orchestrator.submit(request()).await.unwrap().batch;
            world.store.fail_next(failing, moment);
            let record = world.end_of(&batch).await;
            assert_eq!(record.status(), TrackerStatus::Success, "{failing} failures {moment:?} the write");
            assert_eq!(world.yba.posted().len(), 1, "{failing} failures {moment:?} the write");
        }
    }
}

#[tokio::test]
async fn a_replica_that_slept_past_its_lease_changes_nothing() {
    let world = World::new(ScriptedStrategy::new().look(ScriptedStrategy::open(), 40));
    let sleeper = world.replica();
    let batch = sleeper.submit(request()).await.unwrap().batch;
    world.until(&batch, |record| record.phase == Phase::Running).await;
    // An hour in one step: no heartbeat in between, as for a stopped process.
    world.clock.advance(Duration::from_hours(1));
    let _other = world.replica();
    let record = world.end_of(&batch).await;
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!(world.yba.posted().len(), 1);
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(sleeper.in_flight(), 0);
}

#[tokio::test]
async fn three_replicas_share_the_work_and_start_each_backup_once() {
    let world = World::new(ScriptedStrategy::new());
    let replicas = [world.replica(), world.replica(), world.replica()];
    let mut batches = Vec::new();
    for n in 0..30 {
        batches.push(replicas[n % 3].submit(request()).await.unwrap().batch);
    }
    for batch in &batches {
        assert_eq!(world.end_of(batch).await.status(), TrackerStatus::Success);
    }
    assert_eq!(world.yba.posted().len(), 30);
}

#[tokio::test]
async fn a_shutdown_before_the_request_is_sent_needs_no_look_up() {
    let mut world = World::new(ScriptedStrategy::new());
    world.settings.concurrency = 0;
    let first = world.replica();
    let batch = first.submit(request()).await.unwrap().batch;
    world.quiet().await;
    first.shutdown().await;
    assert_eq!(world.record(&batch).phase, Phase::Waiting);

    world.settings.concurrency = 64;
    let _second = world.replica();
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(
        world.record(&batch).status(),
        TrackerStatus::Success,
        "without waiting for the settling time"
    );
}

#[tokio::test]
async fn a_yba_that_hangs_does_not_hold_up_another() {
    let targets = ["slow", "quick"].into_iter().flat_map(|yba| {
        (0..10).map(move |n| BackupTarget::new(format!("{yba}{n}"), yba, format!("u{n}"), "s"))
    });
    let mut world = World::new(ScriptedStrategy::new().hangs_at("slow")).with_targets(targets);
    world.settings.concurrency_per_instance = 3;
    world.settings.concurrency = 6;
    let orchestrator = world.replica();
    let mut quick = Vec::new();
    for yba in ["slow", "quick"] {
        for n in 0..10 {
            let request = BackupRequest::new(format!("{yba}{n}"), "20250325");
            let batch = orchestrator.submit(request).await.unwrap().batch;
            if yba == "quick" {
                quick.push(batch);
            }
        }
    }
    for batch in &quick {
        assert_eq!(world.end_of(batch).await.status(), TrackerStatus::Success);
    }
    assert_eq!(world.yba.posted().len(), 10, "what hangs was never answered");
}
