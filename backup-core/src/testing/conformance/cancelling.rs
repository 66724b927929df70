//! Asking for a batch to be cancelled.

use super::{LEASE, Subject, busy, hold};
use crate::{
    clock::Clock,
    state::Phase,
    store::{Beat, StoreError},
};

/// The wish is in the record, in the next heartbeat, and in what a claim hands out; asking twice is asking once.
pub async fn a_batch_asked_to_cancel_says_so(subject: &Subject) {
    let record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    for _ in 0..2 {
        assert!(subject.store.request_cancel(&record.batch).await.expect("open"));
    }
    assert!(subject.stored(&record).await.cancel_requested);
    assert!(subject.claim(10).await.is_empty(), "it is owned, by somebody who will learn of it");
    let beats = subject.store.heartbeat(&[lease], hold()).await.expect("answered");
    assert_eq!(beats, [Beat::Kept { cancel_requested: true }]);
    subject.expire();
    assert!(subject.claim_only(&record).await.expect("expired").record.cancel_requested);
}

/// Nobody would look at waiting work before its time otherwise.
pub async fn a_cancelled_waiter_is_due_at_once(subject: &Subject) {
    let mut record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    record.wait(busy(), subject.clock.now()).expect("submitting");
    subject.store.save(&lease, &record, Phase::Submitting, LEASE * 10).await.expect("saved");
    assert!(subject.claim(10).await.is_empty());
    assert!(subject.store.request_cancel(&record.batch).await.expect("open"));
    let claimed = subject.claim(10).await.pop().expect("due");
    assert!(claimed.record.cancel_requested);
    assert!(subject.store.request_cancel(&record.batch).await.expect("open"));
    assert!(subject.claim(10).await.is_empty(), "it is owned");
}

/// What is over stays as it ended.
pub async fn a_finished_batch_is_not_cancelled(subject: &Subject) {
    let record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    subject.finish(&lease, &record).await;
    assert!(!subject.store.request_cancel(&record.batch).await.expect("answered"));
    assert!(!subject.stored(&record).await.cancel_requested);
}

/// There is nothing to cancel.
pub async fn an_absent_batch_is_not_cancelled(subject: &Subject) {
    let outcome = subject.store.request_cancel(&"absent".into()).await;
    assert!(matches!(outcome, Err(StoreError::NotFound { .. })), "{outcome:?}");
}
