//! A failed batch is run again, by one caller.

use std::{sync::Arc, time::Duration};

use super::{Subject, assert_lost, assert_same, hold, lease_of, new_record, succeeded};
use crate::{
    clock::Clock,
    record::BackupRecord,
    state::Phase,
    store::{Created, Lease, StoreError, queued},
    testing::fixtures,
};

/// It is owned under a larger epoch, its attempts stay, and the owner of the run before changes nothing.
pub async fn a_failed_batch_is_opened_again(subject: &Subject) {
    for phase in [Phase::Planned, Phase::Waiting, Phase::Submitting] {
        let (failed, old) = failed(subject, "u1").await;
        let again = run_again(subject, &failed, phase);
        let created = subject.store.reopen(&again, hold()).await.expect("opened");
        assert_same(new_record(&created), &again);
        assert_same(&subject.stored(&failed).await, &again);
        let lease = if phase == Phase::Waiting {
            assert!(matches!(created, Created::New { lease: None, .. }), "{created:?}");
            subject.claim_only(&again).await.expect("due at once").lease
        } else {
            lease_of(created)
        };
        assert!(lease.epoch > old.epoch, "{lease:?} after {old:?}");
        let mut late = again.clone();
        late.fail(super::failure(), subject.clock.now()).expect("open");
        assert_lost(&subject.save(&old, &late, phase).await);
        subject.finish(&lease, &again).await;
    }
}

/// Whoever sends the reopening of an attempt again, because the answer was lost, still owns it.
pub async fn a_repeated_reopening_answers_the_same_lease(subject: &Subject) {
    let (failed, _) = failed(subject, "u1").await;
    let again = run_again(subject, &failed, Phase::Submitting);
    let hold = hold();
    let first = subject.store.reopen(&again, hold).await.expect("opened");
    let repeat = subject.store.reopen(&again, hold).await.expect("answered");
    assert_eq!(lease_of(first), lease_of(repeat));
}

/// Only a failed batch can be opened.
pub async fn an_open_or_successful_batch_is_not_opened(subject: &Subject) {
    let (failed, _) = failed(subject, "u1").await;
    let mut absent = run_again(subject, &failed, Phase::Submitting);
    absent.batch = "absent".into();
    let outcome = subject.store.reopen(&absent, hold()).await;
    assert!(matches!(outcome, Err(StoreError::NotFound { .. })), "{outcome:?}");

    let mut record = subject.submitting("u2");
    let lease = subject.own(&record).await;
    let mut other = run_again(subject, &failed, Phase::Submitting);
    other.batch = record.batch.clone();
    assert_conflict(&subject.store.reopen(&other, hold()).await);
    record.run("task-1".into(), None, subject.clock.now()).expect("submitting");
    subject.save(&lease, &record, Phase::Submitting).await.expect("saved");
    let done = succeeded(&record, subject.clock.now());
    subject.save(&lease, &done, Phase::Running).await.expect("saved");
    assert_conflict(&subject.store.reopen(&other, hold()).await);
    assert_same(&subject.stored(&record).await, &done);
}

/// However many open a failed batch at once, one does.
pub async fn of_many_reopenings_one_wins(subject: &Subject) {
    let (failed, _) = failed(subject, "u1").await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&subject.store);
            let again = run_again(subject, &failed, Phase::Submitting);
            tokio::spawn(async move { store.reopen(&again, hold()).await })
        })
        .collect();
    let mut opened = Vec::new();
    for task in tasks {
        match task.await.expect("no panic") {
            Ok(created) => opened.push(lease_of(created)),
            other => assert_conflict(&other),
        }
    }
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert_eq!(subject.stored(&failed).await.attempts.len(), 2);
}

/// A reopened batch whose slot is taken waits as a new one does.
pub async fn a_reopened_batch_queues_for_its_slot(subject: &Subject) {
    let (failed, _) = failed(subject, "u1").await;
    let holder = subject.submitting("u1");
    let lease = subject.own(&holder).await;
    let again = run_again(subject, &failed, Phase::Submitting);
    let created = subject.store.reopen(&again, hold()).await.expect("opened");
    assert!(matches!(created, Created::New { lease: None, .. }), "{created:?}");
    assert_same(new_record(&created), &queued(&again));
    assert_same(&subject.stored(&failed).await, &queued(&again));
    assert!(subject.claim(10).await.is_empty(), "the slot is taken");
    subject.finish(&lease, &holder).await;
    assert!(subject.claim_only(&failed).await.is_some(), "the slot is free");
}

/// A batch that failed, and the lease it failed under.
async fn failed(subject: &Subject, universe: &str) -> (BackupRecord, Lease) {
    let record = subject.submitting(universe);
    let lease = subject.own(&record).await;
    subject.finish(&lease, &record).await;
    (subject.stored(&record).await, lease)
}

fn run_again(subject: &Subject, failed: &BackupRecord, phase: Phase) -> BackupRecord {
    let mut again = failed.clone();
    let slot = again.slot.clone();
    subject.clock.advance(Duration::from_secs(1));
    let now = subject.clock.now();
    again.run_again(&fixtures::target(), now).expect("failed");
    again.slot = slot;
    again.set_plan(fixtures::plan());
    match phase {
        Phase::Waiting => again.wait(super::busy(), now).expect("planned"),
        Phase::Submitting => again.submit(now).expect("planned"),
        _ => {}
    }
    again
}

#[track_caller]
fn assert_conflict(outcome: &Result<Created, StoreError>) {
    assert!(matches!(outcome, Err(StoreError::Conflict { .. })), "a conflict was expected: {outcome:?}");
}
