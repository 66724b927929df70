//! How batches come to be: once per id and once per key.

use std::sync::Arc;

use super::{Subject, assert_same, failure, hold, lease_of, new_record};
use crate::{
    ids::{BatchId, IdempotencyKey},
    record::BackupRecord,
    store::Created,
};

/// What was written is what is there, and what the answer says.
pub async fn a_new_batch_is_found_as_it_was_written(subject: &Subject) {
    let records = [subject.planned("u1"), subject.submitting("u2"), subject.waiting("u3")];
    for record in records {
        let created = subject.create(&record).await;
        assert_same(new_record(&created), &record);
        assert_same(&subject.stored(&record).await, &record);
    }
}

/// `Planned` and the phases that hold a slot have an owner from the start, with the first epoch.
pub async fn what_is_worked_on_at_once_is_owned(subject: &Subject) {
    let mut running = subject.submitting("u3");
    running.run("task-1".into(), None, running.created_at).expect("submitting");
    for record in [subject.planned("u1"), subject.submitting("u2"), running] {
        let hold = hold();
        let lease = lease_of(subject.store.create(&record, None, hold).await.expect("created"));
        assert_eq!((&lease.batch, lease.business_date), (&record.batch, record.business_date));
        assert_eq!(lease.owner, hold.owner);
        assert!(lease.epoch > 0, "{lease:?}");
    }
    assert!(subject.claim(10).await.is_empty(), "owned work was handed out");
}

/// Whoever creates a batch that waits does not own it, and anyone may take it.
pub async fn a_batch_created_waiting_is_nobodys_and_due_at_once(subject: &Subject) {
    let record = subject.waiting("u1");
    let created = subject.create(&record).await;
    assert!(matches!(created, Created::New { lease: None, .. }), "{created:?}");
    let claimed = subject.claim(10).await;
    assert_eq!(claimed.len(), 1);
    assert_same(&claimed[0].record, &record);
}

/// A batch that failed before anything could be sent: no owner, never claimed, and its failure is an exception.
pub async fn a_batch_created_as_over_is_nobodys(subject: &Subject) {
    let mut record = subject.planned("u1");
    record.fail(failure(), record.created_at).expect("planned");
    let created = subject.create(&record).await;
    assert!(matches!(created, Created::New { lease: None, .. }), "{created:?}");
    subject.expire();
    assert!(subject.claim(10).await.is_empty());
    assert_same(&subject.stored(&record).await, &record);
    let expected = vec![failure()];
    assert_eq!(
        subject.exceptions_of(Some(record.batch.as_str())).await.unwrap_or(expected.clone()),
        expected
    );
}

/// The second creation by an id answers the first, and writes nothing.
pub async fn a_taken_id_answers_what_is_there(subject: &Subject) {
    let first = subject.submitting("u1");
    subject.own(&first).await;
    let mut second = subject.submitting("u2");
    second.batch = first.batch.clone();
    let key = IdempotencyKey::new("unused");
    match subject.store.create(&second, Some(&key), hold()).await.expect("answered") {
        Created::Existing(there) => assert_same(&there, &first),
        other @ Created::New { .. } => panic!("{other:?}"),
    }
    assert_same(&subject.stored(&first).await, &first);
    // Neither its slot nor its key was taken.
    let third = subject.submitting("u2");
    let created = subject.store.create(&third, Some(&key), hold()).await.expect("created");
    assert_same(new_record(&created), &third);
}

/// The second creation by a key answers the first, and writes nothing.
pub async fn a_taken_key_answers_what_is_there(subject: &Subject) {
    let key = IdempotencyKey::new("key-1");
    let first = subject.submitting("u1");
    lease_of(subject.store.create(&first, Some(&key), hold()).await.expect("created"));
    let second = subject.submitting("u2");
    match subject.store.create(&second, Some(&key), hold()).await.expect("answered") {
        Created::Existing(there) => assert_same(&there, &first),
        other @ Created::New { .. } => panic!("{other:?}"),
    }
    assert!(subject.store.find(&second.batch).await.expect("read").is_none());
    subject.own(&subject.submitting("u2")).await;
}

/// Whoever sends the creation of an attempt again, because the answer was lost, still owns it.
pub async fn a_repeated_creation_answers_the_same_lease(subject: &Subject) {
    let (record, hold) = (subject.submitting("u1"), hold());
    let key = IdempotencyKey::new("key-1");
    let first = subject.store.create(&record, Some(&key), hold).await.expect("created");
    let again = subject.store.create(&record, Some(&key), hold).await.expect("answered");
    assert_eq!(lease_of(first), lease_of(again));
    // Somebody else with the same id is told what is there.
    let other = subject.store.create(&record, Some(&key), super::hold()).await.expect("answered");
    assert!(matches!(other, Created::Existing(_)), "{other:?}");
}

/// However many create the same batch at once, one is told that it is new.
pub async fn of_many_creations_by_one_id_one_is_new(subject: &Subject) {
    let batch = BatchId::generate();
    let records = (0..16).map(|universe| {
        let mut record = subject.submitting(&format!("u{universe}"));
        record.batch = batch.clone();
        (record, None)
    });
    let new = race(subject, records.collect()).await;
    assert_eq!(new.len(), 1, "{new:?}");
    assert_same(&subject.stored(&new[0]).await, &new[0]);
    // The losers took no slot.
    for universe in 0..16 {
        let record = subject.submitting(&format!("u{universe}"));
        if record.slot != new[0].slot {
            subject.own(&record).await;
        }
    }
}

/// However many create by the same key at once, one is told that it is new, and only that one is there.
pub async fn of_many_creations_by_one_key_one_is_new(subject: &Subject) {
    let key = IdempotencyKey::new("key-1");
    let records = (0..16).map(|n| (subject.submitting(&format!("u{n}")), Some(key.clone())));
    let new = race(subject, records.collect()).await;
    assert_eq!(new.len(), 1, "{new:?}");
    let page = subject.store.list(&crate::store::BackupFilter::default()).await.expect("listed");
    assert_eq!(page.records.len(), 1);
}

/// Creates them all at once, each for an owner of its own; answers those that were new.
pub(super) async fn race(
    subject: &Subject,
    records: Vec<(BackupRecord, Option<IdempotencyKey>)>,
) -> Vec<BackupRecord> {
    let tasks: Vec<_> = records
        .into_iter()
        .map(|(record, key)| {
            let store = Arc::clone(&subject.store);
            tokio::spawn(async move { store.create(&record, key.as_ref(), hold()).await })
        })
        .collect();
    let mut new = Vec::new();
    for task in tasks {
        if let Created::New { record, .. } = task.await.expect("no panic").expect("answered") {
            new.push(record);
        }
    }
    new
}
