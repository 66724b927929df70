//! Who works on what, for how long, and that an owner of yesterday changes nothing.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{LEASE, Subject, assert_lost, assert_same, busy, failure, hold, lease_of, succeeded};
use crate::{
    clock::Clock,
    state::Phase,
    store::{Beat, Claim, Hold, Lease},
};

/// Nobody gets owned work before its lease ends; whoever claims it then has a larger epoch.
pub async fn a_claim_waits_for_the_end_of_a_lease(subject: &Subject) {
    let record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    subject.clock.advance(LEASE.checked_sub(Duration::from_millis(1)).expect("longer"));
    assert!(subject.claim(10).await.is_empty());
    subject.clock.advance(Duration::from_millis(1));
    let claimed = subject.claim(10).await;
    assert_eq!(claimed.len(), 1);
    assert!(claimed[0].lease.epoch > lease.epoch);
    assert_ne!(claimed[0].lease.owner, lease.owner);
    assert_same(&claimed[0].record, &record);
    assert!(subject.claim(10).await.is_empty(), "it is owned again");
}

/// The owner of an outdated epoch can write, extend and release nothing, even with the right phase.
pub async fn a_lost_lease_changes_nothing(subject: &Subject) {
    let mut record = subject.submitting("u1");
    let stale = subject.own(&record).await;
    subject.expire();
    let new = subject.claim_only(&record).await.expect("expired").lease;
    record.run("task-1".into(), None, subject.clock.now()).expect("submitting");
    assert_lost(&subject.save(&stale, &record, Phase::Submitting).await);
    let same_owner = Lease { epoch: stale.epoch, ..new.clone() };
    assert_lost(&subject.save(&same_owner, &record, Phase::Submitting).await);
    let beats = subject.store.heartbeat(std::slice::from_ref(&stale), hold()).await.expect("answered");
    assert_eq!(beats, [Beat::Lost]);
    subject.store.release(std::slice::from_ref(&stale), Duration::ZERO).await.expect("ignored");
    assert!(subject.claim(10).await.is_empty(), "released by somebody else");
    assert_eq!(subject.stored(&record).await.phase, Phase::Submitting);
    subject.save(&new, &record, Phase::Submitting).await.expect("still owned");
}

/// An expired lease is the owner's until somebody takes it.
pub async fn an_expired_lease_that_nobody_claimed_still_writes(subject: &Subject) {
    let mut record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    subject.clock.advance(LEASE * 10);
    record.run("task-1".into(), None, subject.clock.now()).expect("submitting");
    subject.save(&lease, &record, Phase::Submitting).await.expect("saved");
    let beats = subject.store.heartbeat(std::slice::from_ref(&lease), hold()).await.expect("answered");
    assert_eq!(beats, [Beat::Kept { cancel_requested: false }]);
    assert!(subject.claim(10).await.is_empty(), "the heartbeat extended it");
}

/// A heartbeat counts from now, for as long as it says.
pub async fn a_heartbeat_extends_a_lease(subject: &Subject) {
    let lease = subject.own(&subject.submitting("u1")).await;
    subject.clock.advance(LEASE / 2);
    let longer = Hold { owner: lease.owner, lease: LEASE * 2 };
    let beats = subject.store.heartbeat(&[lease], longer).await.expect("answered");
    assert_eq!(beats, [Beat::Kept { cancel_requested: false }]);
    subject.clock.advance(LEASE + Duration::from_secs(29));
    assert!(subject.claim(10).await.is_empty());
    subject.clock.advance(Duration::from_secs(1));
    assert_eq!(subject.claim(10).await.len(), 1);
}

/// One answer per lease, in the order of the question: kept, cancelled, over, somebody else's, unknown.
pub async fn heartbeats_are_answered_in_order(subject: &Subject) {
    let records: Vec<_> = (0..4).map(|n| subject.submitting(&format!("u{n}"))).collect();
    let mut leases = Vec::new();
    for record in &records {
        leases.push(subject.own(record).await);
    }
    subject.store.request_cancel(&records[1].batch).await.expect("open");
    subject.finish(&leases[2], &records[2]).await;
    leases[3].epoch += 1;
    leases.push(Lease { batch: "unknown".into(), ..leases[0].clone() });
    let beats = subject.store.heartbeat(&leases, hold()).await.expect("answered");
    let kept = |cancel_requested| Beat::Kept { cancel_requested };
    assert_eq!(beats, [kept(false), kept(true), Beat::Lost, Beat::Lost, Beat::Lost]);
    leases.reverse();
    let beats = subject.store.heartbeat(&leases, hold()).await.expect("answered");
    assert_eq!(beats, [Beat::Lost, Beat::Lost, Beat::Lost, kept(true), kept(false)]);
    assert_eq!(subject.store.heartbeat(&[], hold()).await.expect("answered"), []);
}

/// Released work is nobody's, and due when the owner said.
pub async fn released_work_is_due_when_it_was_said(subject: &Subject) {
    let (soon, later) = (subject.submitting("u1"), subject.submitting("u2"));
    let (first, second) = (subject.own(&soon).await, subject.own(&later).await);
    subject.store.release(std::slice::from_ref(&first), Duration::ZERO).await.expect("released");
    subject.store.release(std::slice::from_ref(&second), LEASE * 2).await.expect("released");
    let mut done = soon.clone();
    done.fail(failure(), subject.clock.now()).expect("open");
    assert_lost(&subject.save(&first, &done, Phase::Submitting).await);
    let claimed = subject.claim(10).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].record.batch, soon.batch);
    assert!(claimed[0].lease.epoch > first.epoch);
    subject.clock.advance(LEASE * 2);
    assert!(subject.claim_only(&later).await.is_some());
    subject.store.release(&[], Duration::ZERO).await.expect("nothing to do");
}

/// A record saved as waiting or done is not leased any more; a waiting one is due when it was said, a done one never.
pub async fn waiting_work_is_nobodys(subject: &Subject) {
    let mut record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    record.wait(busy(), subject.clock.now()).expect("submitting");
    subject.store.save(&lease, &record, Phase::Submitting, LEASE / 2).await.expect("saved");
    assert_eq!(
        subject.store.heartbeat(std::slice::from_ref(&lease), hold()).await.expect("answered"),
        [Beat::Lost]
    );
    assert!(subject.claim(10).await.is_empty(), "not yet");
    subject.clock.advance(LEASE / 2);
    let claimed = subject.claim(10).await.pop().expect("due");
    assert!(claimed.lease.epoch > lease.epoch);
    record.submit(subject.clock.now()).expect("waiting");
    subject.save(&claimed.lease, &record, Phase::Waiting).await.expect("saved");
    record.run("task-1".into(), None, subject.clock.now()).expect("submitting");
    subject.save(&claimed.lease, &record, Phase::Submitting).await.expect("saved");
    let done = succeeded(&record, subject.clock.now());
    subject.save(&claimed.lease, &done, Phase::Running).await.expect("saved");
    subject.clock.advance(LEASE * 100);
    assert!(subject.claim(10).await.is_empty(), "it is over");
}

/// The oldest due first, never more than was asked for; the rest is there for the next.
pub async fn a_claim_is_limited_and_takes_the_oldest_due_first(subject: &Subject) {
    let records: Vec<_> = (0..20).map(|n| subject.waiting(&format!("u{n}"))).collect();
    // The order of writing is not the order of the ids, and one second lies between two.
    for record in records.iter().rev() {
        subject.create(record).await;
        subject.clock.advance(Duration::from_secs(1));
    }
    let mut claimed = Vec::new();
    for expected in [7, 7, 6, 0] {
        let some = subject.claim(7).await;
        assert_eq!(some.len(), expected);
        claimed.extend(some.into_iter().map(|one| one.record.batch));
    }
    let expected: Vec<_> = records.iter().rev().map(|record| record.batch.clone()).collect();
    assert_eq!(claimed, expected);
}

/// A claim by batch takes that one, if it is due.
pub async fn a_claim_of_one_batch_takes_no_other(subject: &Subject) {
    let (first, second) = (subject.waiting("u1"), subject.waiting("u2"));
    subject.create(&first).await;
    subject.create(&second).await;
    let owned = subject.planned("u3");
    subject.own(&owned).await;
    assert_same(&subject.claim_only(&second).await.expect("due").record, &second);
    assert!(subject.claim_only(&second).await.is_none(), "it is owned now");
    assert!(subject.claim_only(&owned).await.is_none(), "it is owned");
    assert!(subject.claim_only(&subject.planned("u4")).await.is_none(), "it is not there");
    assert!(subject.claim_only(&first).await.is_some());
}

/// However many claim at once, each batch is handed out once.
pub async fn of_many_claimants_each_batch_has_one(subject: &Subject) {
    const BATCHES: usize = 40;
    for universe in 0..BATCHES {
        subject.create(&subject.waiting(&format!("u{universe}"))).await;
    }
    let mut handed_out = HashSet::new();
    while handed_out.len() < BATCHES {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let store = Arc::clone(&subject.store);
                let claim = Claim { hold: hold(), limit: 5, only: None };
                tokio::spawn(async move { store.claim(&claim).await })
            })
            .collect();
        let before = handed_out.len();
        for task in tasks {
            for one in task.await.expect("no panic").expect("claimed") {
                assert!(handed_out.insert(one.lease.batch.clone()), "{} twice", one.lease.batch);
            }
        }
        assert!(handed_out.len() > before, "due work was left lying");
    }
    assert!(subject.claim(10).await.is_empty());
    // The lease that was handed out is one that writes.
    let record = subject.waiting("u1");
    let created = subject.create(&record).await;
    assert!(matches!(created, crate::store::Created::New { lease: None, .. }));
    let claimed = subject.claim(1).await.pop().expect("due");
    let other = lease_of(subject.create(&subject.planned("u2")).await);
    assert_ne!(claimed.lease.owner, other.owner);
}
