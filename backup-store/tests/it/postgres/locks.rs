//! Statements of many rows, in every order at once, never deadlock: a deadlock costs a second.

use std::{sync::Arc, time::Duration};

use backup_core::{
    ErrorCode, Failure, IdempotencyKey, Phase, TrackingStore,
    store::{Beat, Created, Saved},
    testing::fixtures,
};
use backup_store::connect;
use tokio::task::JoinSet;

use super::{at, config, database, hold, own, submitting};

const BATCHES: usize = 60;
const ROUNDS: usize = 15;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_and_steps_of_the_same_batches_do_not_deadlock() {
    let test = "postgres::locks::heartbeats_and_steps_of_the_same_batches_do_not_deadlock";
    let Some(database) = database(test) else { return };
    let store = connect(&config(&database)).await.unwrap();
    let mut work = Vec::new();
    for n in 0..BATCHES {
        let mut record = submitting(&format!("u{n}"));
        let lease = own(&*store, &record).await;
        record.run("task-1".into(), None, at()).unwrap();
        store.save(&lease, &record, Phase::Submitting, Duration::ZERO).await.unwrap();
        work.push((lease, record));
    }
    let mut tasks = JoinSet::new();
    let mut leases: Vec<_> = work.iter().map(|(lease, _)| lease.clone()).collect();
    for turn in 0..2 {
        leases.rotate_left(turn * BATCHES / 3);
        leases.reverse();
        let (store, leases) = (Arc::clone(&store), leases.clone());
        tasks.spawn(async move {
            for _ in 0..ROUNDS * 3 {
                let beats = store.heartbeat(&leases, hold()).await.unwrap();
                assert!(beats.iter().all(|beat| matches!(beat, Beat::Kept { .. })));
            }
        });
    }
    for (lease, record) in work {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for _ in 0..ROUNDS {
                let saved = store.save(&lease, &record, Phase::Running, Duration::ZERO).await.unwrap();
                assert_eq!(saved, Saved::Yes);
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(deadlocks(store, &database).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_change_places_on_few_slots_do_not_deadlock() {
    let test = "postgres::locks::batches_that_change_places_on_few_slots_do_not_deadlock";
    let Some(database) = database(test) else { return };
    let store = connect(&config(&database)).await.unwrap();
    let mut tasks = JoinSet::new();
    for n in 0..BATCHES {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for round in 0..ROUNDS {
                let record = submitting(&format!("u{}", (n * 7 + round) % 5));
                finish(&*store, &record).await;
            }
        });
    }
    tasks.join_all().await;
    // Whoever waits is woken by whoever ends, down to the last.
    loop {
        let claim = backup_core::store::Claim { hold: hold(), limit: 20, only: None };
        let claimed = store.claim(&claim).await.unwrap();
        if claimed.is_empty() {
            break;
        }
        for one in claimed {
            let mut record = one.record;
            record.submit(at()).unwrap();
            if store.save(&one.lease, &record, Phase::Waiting, Duration::ZERO).await.unwrap() == Saved::Yes {
                record
                    .fail(backup_core::Failure::new(backup_core::ErrorCode::Aborted, "enough"), at())
                    .unwrap();
                store.save(&one.lease, &record, Phase::Submitting, Duration::ZERO).await.unwrap();
            } else {
                store.release(&[one.lease], Duration::ZERO).await.unwrap();
            }
        }
    }
    let open = database.psql("SELECT count(*) FROM epricing.backup_work WHERE is_open");
    assert_eq!(open, "0");
    assert_eq!(database.psql("SELECT count(*) FROM epricing.universe_slot"), "0");
    assert_eq!(deadlocks(store, &database).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletions_beside_whoever_comes_back_to_a_batch_do_not_deadlock() {
    let test = "postgres::locks::deletions_beside_whoever_comes_back_to_a_batch_do_not_deadlock";
    let Some(database) = database(test) else { return };
    let store = connect(&config(&database)).await.unwrap();
    let mut tasks = JoinSet::new();
    for n in 0..BATCHES {
        let (mut record, key) = (submitting(&format!("u{n}")), IdempotencyKey::new(format!("key-{n}")));
        let created = store.create(&record, Some(&key), hold()).await.unwrap();
        let Created::New { lease: Some(lease), .. } = created else { panic!("{created:?}") };
        record.fail(Failure::new(ErrorCode::Aborted, "enough"), at()).unwrap();
        store.save(&lease, &record, Phase::Submitting, Duration::ZERO).await.unwrap();
        let mut again = record;
        again.run_again(&fixtures::target(), at()).unwrap();
        let (opens, asks, repeats) = (Arc::clone(&store), Arc::clone(&store), Arc::clone(&store));
        let (batch, new) = (again.batch.clone(), submitting(&format!("new-{n}")));
        tasks.spawn(async move { drop(opens.reopen(&again, hold()).await) });
        tasks.spawn(async move { drop(asks.request_cancel(&batch).await) });
        tasks.spawn(async move { drop(repeats.create(&new, Some(&key), hold()).await.unwrap()) });
    }
    for _ in 0..4 {
        let store = Arc::clone(&store);
        tasks
            .spawn(async move { while store.prune(at() + Duration::from_hours(1), 3).await.unwrap() > 0 {} });
    }
    tasks.join_all().await;
    let lone =
        "SELECT count(*) FROM epricing.backup_work FULL JOIN epricing.backup_batch AS batch USING (batch_id)
                FULL JOIN epricing.batch_db_schedule_event_tracker AS tracker USING (batch_id)
                WHERE backup_work.phase IS NULL OR batch.target IS NULL OR tracker.backup_status IS NULL";
    assert_eq!(database.psql(lone), "0", "a batch is there as a whole, or not at all");
    assert_eq!(deadlocks(store, &database).await, 0);
}

/// Creates a batch; if it gets its slot, ends it.
async fn finish(store: &dyn TrackingStore, record: &backup_core::BackupRecord) {
    let created = store.create(record, None, hold()).await.unwrap();
    if let backup_core::store::Created::New { lease: Some(lease), mut record } = created {
        record.fail(backup_core::Failure::new(backup_core::ErrorCode::Aborted, "enough"), at()).unwrap();
        let saved = store.save(&lease, &record, Phase::Submitting, Duration::ZERO).await.unwrap();
        assert_eq!(saved, Saved::Yes);
    }
}

/// As the server counts them; a session tells the server when it ends.
async fn deadlocks(store: Arc<dyn TrackingStore>, database: &pg_harness::Database) -> u64 {
    drop(store);
    for _ in 0..50 {
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()";
        if database.psql(sessions) == "1" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    database.psql(count).parse().unwrap()
}
