//! One batch per slot is under way, and the oldest that waits for it is next.

use std::{sync::Arc, time::Duration};

use super::{LEASE, Subject, assert_same, busy, creating::race, hold, lease_of, new_record, succeeded};
use crate::{
    clock::Clock,
    state::Phase,
    store::{Claimed, Created, Saved, queued},
};

/// The second batch of a universe is written as one that waits, without its attempt; another universe is free.
pub async fn a_second_batch_of_a_slot_waits(subject: &Subject) {
    subject.own(&subject.submitting("u1")).await;
    let second = subject.submitting("u1");
    let created = subject.create(&second).await;
    assert!(matches!(created, Created::New { lease: None, .. }), "{created:?}");
    let written = new_record(&created);
    assert_eq!((written.phase, written.attempts.len()), (Phase::Waiting, 0));
    assert!(written.waiting_since.is_some() && written.note.is_some(), "{written:?}");
    assert_same(written, &queued(&second));
    assert_same(&subject.stored(&second).await, written);
    assert!(subject.claim(10).await.is_empty(), "it is not due: the slot is taken");
    subject.own(&subject.submitting("u2")).await;
    // Planning takes no slot.
    subject.own(&subject.planned("u1")).await;
}

/// The end of a batch makes the oldest waiter of its slot due at once, and no other.
pub async fn a_freed_slot_makes_the_oldest_waiter_due(subject: &Subject) {
    let first = subject.submitting("u1");
    let lease = subject.own(&first).await;
    let (oldest, younger) = (subject.submitting("u1"), subject.submitting("u1"));
    subject.create(&younger).await;
    subject.create(&oldest).await;
    subject.finish(&lease, &first).await;
    let claimed = subject.claim(10).await;
    let batches: Vec<_> = claimed.iter().map(|one| &one.record.batch).collect();
    assert_eq!(batches, [&oldest.batch]);
    submit(subject, &claimed[0], Saved::Yes).await;
}

/// A running batch that goes back to waiting frees its slot, and does not wake itself.
pub async fn a_slot_is_freed_by_waiting_again(subject: &Subject) {
    let mut first = subject.submitting("u1");
    let lease = subject.own(&first).await;
    let second = subject.submitting("u1");
    subject.create(&second).await;
    first.wait(busy(), subject.clock.now()).expect("submitting");
    let saved = subject.store.save(&lease, &first, Phase::Submitting, LEASE * 10).await.expect("saved");
    assert_eq!(saved, Saved::Yes);
    let claimed = subject.claim(10).await;
    let batches: Vec<_> = claimed.iter().map(|one| &one.record.batch).collect();
    assert_eq!(batches, [&second.batch]);
    submit(subject, &claimed[0], Saved::Yes).await;
}

/// A waiter that nobody woke is due when a lease's time has passed: a slot freed at the very moment it queued.
pub async fn a_missed_wake_up_costs_one_lease(subject: &Subject) {
    subject.own(&subject.submitting("u1")).await;
    let second = subject.submitting("u1");
    subject.create(&second).await;
    subject.expire();
    assert!(subject.claim_only(&second).await.is_some());
}

/// From submitting to the end, through every phase between, the slot is the batch's; also while it has no owner.
pub async fn a_slot_is_kept_from_phase_to_phase(subject: &Subject) {
    let mut record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    let waiter = subject.waiting("u1");
    subject.create(&waiter).await;
    let waiter = subject.claim_only(&waiter).await.expect("due");
    record.run("task-1".into(), None, subject.clock.now()).expect("submitting");
    subject.save(&lease, &record, Phase::Submitting).await.expect("saved");
    submit(subject, &waiter, Saved::SlotTaken { by: record.batch.clone() }).await;
    record.settle(busy(), subject.clock.now()).expect("running");
    subject.save(&lease, &record, Phase::Running).await.expect("saved");
    submit(subject, &waiter, Saved::SlotTaken { by: record.batch.clone() }).await;
    subject.store.release(std::slice::from_ref(&lease), Duration::ZERO).await.expect("released");
    submit(subject, &waiter, Saved::SlotTaken { by: record.batch.clone() }).await;
    let lease = subject.claim_only(&record).await.expect("released").lease;
    record.resume(subject.clock.now()).expect("settling");
    subject.save(&lease, &record, Phase::Settling).await.expect("saved");
    let done = succeeded(&record, subject.clock.now());
    subject.save(&lease, &done, Phase::Running).await.expect("saved");
    submit(subject, &waiter, Saved::Yes).await;
}

/// Whoever is told that the slot is taken still has its lease, and nothing of the record changed.
pub async fn entering_a_taken_slot_writes_nothing(subject: &Subject) {
    let holder = subject.submitting("u1");
    subject.own(&holder).await;
    let planned = subject.planned("u1");
    let lease = subject.own(&planned).await;
    let mut wanted = planned.clone();
    wanted.submit(subject.clock.now()).expect("planned");
    let saved = subject.save(&lease, &wanted, Phase::Planned).await.expect("answered");
    assert_eq!(saved, Saved::SlotTaken { by: holder.batch });
    assert_same(&subject.stored(&planned).await, &planned);
    let mut waits = planned.clone();
    waits.wait(busy(), subject.clock.now()).expect("planned");
    assert_eq!(subject.save(&lease, &waits, Phase::Planned).await.expect("saved"), Saved::Yes);
}

/// However many batches of a slot are created at once, one gets it and the others wait.
pub async fn of_many_creations_on_one_slot_one_gets_it(subject: &Subject) {
    let records = (0..16).map(|_| (subject.submitting("u1"), None)).collect();
    let new = race(subject, records).await;
    assert_eq!(new.len(), 16);
    assert_eq!(new.iter().filter(|record| record.phase.holds_slot()).count(), 1);
    assert_eq!(new.iter().filter(|record| record.phase == Phase::Waiting).count(), 15);
}

/// However many claimed batches enter a slot at once, one gets it.
pub async fn of_many_saves_into_one_slot_one_gets_it(subject: &Subject) {
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let mut record = subject.planned("u1");
        let lease = lease_of(subject.store.create(&record, None, hold()).await.expect("created"));
        record.submit(subject.clock.now()).expect("planned");
        let store = Arc::clone(&subject.store);
        tasks.push(async move { store.save(&lease, &record, Phase::Planned, Duration::ZERO).await });
    }
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut entered = 0;
    for task in tasks {
        entered += usize::from(task.await.expect("no panic").expect("answered") == Saved::Yes);
    }
    assert_eq!(entered, 1);
}

/// Tries to submit claimed work.
async fn submit(subject: &Subject, claimed: &Claimed, expected: Saved) {
    let mut record = claimed.record.clone();
    record.submit(subject.clock.now()).expect("waiting");
    assert_eq!(
        subject.save(&claimed.lease, &record, claimed.record.phase).await.expect("answered"),
        expected
    );
}
