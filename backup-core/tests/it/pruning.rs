//! Records of finished batches are deleted when they are old, and nothing waits for that.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use backup_core::{
    BatchId, Clock, ErrorCode, Failure, Orchestrator, OwnerId, TrackerStatus, TrackingStore,
    store::Hold,
    testing::{Moment, ScriptedStrategy, fixtures},
};

use crate::world::{World, request};

const DAY: Duration = Duration::from_hours(24);

fn keeping(keep: Option<Duration>) -> World {
    let mut world = World::new(ScriptedStrategy::new()).slowly();
    world.settings.keep_finished = keep;
    world
}

/// Runs a batch to its end.
async fn finish(world: &World, replica: &Orchestrator) -> BatchId {
    let batch = replica.submit(request()).await.expect("recorded").batch;
    assert_eq!(world.end_of(&batch).await.status(), TrackerStatus::Success);
    batch
}

fn is_there(world: &World, batch: &BatchId) -> bool {
    world.store.records().iter().any(|record| record.batch == *batch)
}

/// Counts the calls of one operation that reach the store.
fn count(world: &World, operation: &'static str) -> Arc<AtomicUsize> {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    world.store.fail_when(move |called, moment| {
        let is_it = called == operation && moment == Moment::Before;
        counted.fetch_add(usize::from(is_it), Ordering::SeqCst);
        false
    });
    calls
}

#[tokio::test]
async fn a_finished_batch_is_forgotten_when_it_is_old_enough() {
    let world = keeping(Some(DAY * 2));
    let replica = world.replica();
    let batch = finish(&world, &replica).await;
    world.pass(DAY + DAY / 2).await;
    assert!(is_there(&world, &batch));
    let young = finish(&world, &replica).await;
    world.pass(DAY).await;
    assert!(!is_there(&world, &batch), "within the hour after its two days");
    assert!(is_there(&world, &young));
    assert!(replica.find(&batch).await.is_err());
    assert_eq!(replica.find(&young).await.expect("there").batch, young);
}

#[tokio::test]
async fn everything_is_kept_unless_a_limit_is_set() {
    let world = keeping(None);
    let prunes = count(&world, "prune");
    let replica = world.replica();
    let batch = finish(&world, &replica).await;
    world.pass(DAY * 3).await;
    assert!(is_there(&world, &batch));
    assert_eq!(prunes.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn old_records_are_looked_for_soon_after_the_start_and_then_hourly() {
    let world = keeping(Some(DAY));
    let prunes = count(&world, "prune");
    let _replica = world.replica();
    world.quiet().await;
    assert_eq!(prunes.load(Ordering::SeqCst), 0, "not at the very start");
    world.pass(Duration::from_mins(3)).await;
    assert_eq!(prunes.load(Ordering::SeqCst), 1);
    world.pass(DAY).await;
    let turns = prunes.load(Ordering::SeqCst);
    assert!((24..=32).contains(&turns), "{turns} turns in a day");
}

#[tokio::test]
async fn a_store_that_is_away_is_asked_again_at_the_next_turn() {
    let world = keeping(Some(DAY));
    let replica = world.replica();
    let batch = finish(&world, &replica).await;
    world.store.fail_when(|operation, moment| operation == "prune" && moment == Moment::Before);
    world.pass(DAY * 2).await;
    assert!(is_there(&world, &batch));
    let another = finish(&world, &replica).await;
    assert!(is_there(&world, &another), "backups go on meanwhile");
    world.store.heal();
    world.pass(Duration::from_mins(70)).await;
    assert!(!is_there(&world, &batch));
    assert!(is_there(&world, &another));
}

#[tokio::test]
async fn a_backup_is_not_held_up_by_a_long_deletion() {
    let world = keeping(Some(DAY));
    for n in 0..2_500 {
        let now = world.clock.now();
        let mut record = fixtures::record_on(&format!("u{n}"), now);
        record.fail(Failure::new(ErrorCode::Aborted, "enough"), now).expect("planned");
        let hold = Hold { owner: OwnerId::generate(), lease: DAY };
        world.store.create(&record, None, hold).await.expect("created");
    }
    world.clock.advance(DAY * 2);
    let replica = world.replica();
    let prunes = count(&world, "prune");
    // Until the first portion is deleted.
    while world.store.records().len() == 2_500 {
        world.quiet().await;
        assert!(world.clock.advance_to_next_sleeper());
        world.quiet().await;
    }
    assert_eq!((prunes.load(Ordering::SeqCst), world.store.records().len()), (1, 1_500));
    let batch = replica.submit(request()).await.expect("recorded").batch;
    world.quiet().await;
    assert_eq!(world.yba.posted().len(), 1, "it was sent between two portions");
    world.end_of(&batch).await;
    world.pass(Duration::from_secs(5)).await;
    assert_eq!((prunes.load(Ordering::SeqCst), world.store.records().len()), (3, 1));
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_deletion() {
    let world = keeping(Some(DAY));
    let replica = world.replica();
    world.quiet().await;
    replica.shutdown().await;
    let prunes = count(&world, "prune");
    world.pass(DAY).await;
    assert_eq!(prunes.load(Ordering::SeqCst), 0);
}
