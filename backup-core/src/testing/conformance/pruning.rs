//! What is over and old is deleted, with everything that was recorded of it; nothing else is touched.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Days, Utc};

use super::{Subject, assert_same, failure, hold, lease_of, new_record, succeeded, without_answer};
use crate::{
    clock::Clock,
    ids::IdempotencyKey,
    record::BackupRecord,
    state::{Phase, TrackerStatus},
    store::{BackupFilter, Created, Refusal, StoreError},
};

const DAY: Duration = Duration::from_hours(24);

/// A success and a failure that ended before the limit go, with attempts and exceptions; what is younger reads as it did.
pub async fn old_finished_batches_are_deleted_with_all_that_is_recorded(subject: &Subject) {
    let failed = subject.submitting("u1");
    let lease = subject.own(&failed).await;
    subject.finish(&lease, &failed).await;
    let succeeded = succeed(subject, "u2").await;
    let before = later(subject);
    let (young, open) = (succeed(subject, "u3").await, subject.submitting("u1"));
    subject.own(&open).await;

    assert_eq!(prune(subject, before, 10).await, 2);
    for gone in [&failed, &succeeded] {
        assert!(subject.store.find(&gone.batch).await.expect("read").is_none());
        let exceptions = subject.exceptions_of(Some(gone.batch.as_str())).await;
        assert!(exceptions.is_none_or(|exceptions| exceptions.is_empty()));
    }
    let listed = subject.store.list(&BackupFilter::default()).await.expect("listed").records;
    assert_eq!(listed.len(), 2);
    assert_same(&listed[0], &open);
    assert_same(&listed[1], &without_answer(&young));
    assert_same(&subject.stored(&young).await, &young);
    assert_eq!(prune(subject, before, 10).await, 0, "once more is harmless");
}

/// However old it is, and in whatever phase.
pub async fn an_open_batch_is_never_deleted(subject: &Subject) {
    let records = [subject.planned("u1"), subject.submitting("u2"), subject.waiting("u3")];
    for record in &records {
        subject.create(record).await;
    }
    // One that failed and was opened again.
    let mut again = subject.planned("u4");
    again.fail(failure(), again.created_at).expect("planned");
    subject.create(&again).await;
    again.run_again(&crate::testing::fixtures::target(), subject.clock.now()).expect("failed");
    subject.store.reopen(&again, hold()).await.expect("opened");
    let before = later(subject);
    assert_eq!(prune(subject, before, 10).await, 0);
    for record in records.iter().chain([&again]) {
        assert_same(&subject.stored(record).await, record);
    }
}

/// The end counts, not the beginning.
pub async fn what_ended_lately_is_kept(subject: &Subject) {
    let record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    let before = later(subject);
    subject.finish(&lease, &record).await;
    assert_eq!(prune(subject, before, 10).await, 0);
    assert_eq!(subject.stored(&record).await.status(), TrackerStatus::Failed);
}

/// Each call deletes as many as it may, the oldest first, until there are no more.
pub async fn deleting_is_limited_and_begins_with_the_oldest(subject: &Subject) {
    let mut records = Vec::new();
    for n in 0..5 {
        records.push(succeed(subject, &format!("u{n}")).await);
    }
    let before = later(subject);
    assert_eq!(prune(subject, before, 2).await, 2);
    let left = subject.store.list(&BackupFilter::default()).await.expect("listed").records;
    let left: Vec<_> = left.iter().map(|record| &record.batch).collect();
    assert_eq!(left, [&records[4].batch, &records[3].batch, &records[2].batch]);
    assert_eq!(prune(subject, before, 2).await, 2);
    assert_eq!(prune(subject, before, 2).await, 1);
    assert_eq!(prune(subject, before, 2).await, 0);
}

/// A deleted batch is forgotten: whoever sends its id or its key again creates a new one.
pub async fn a_deleted_id_and_its_key_are_free_again(subject: &Subject) {
    let key = IdempotencyKey::new("key-1");
    let kept_key = IdempotencyKey::new("key-2");
    let record = subject.submitting("u1");
    let lease = lease_of(subject.store.create(&record, Some(&key), hold()).await.expect("created"));
    subject.finish(&lease, &record).await;
    let before = later(subject);
    let kept = subject.submitting("u2");
    lease_of(subject.store.create(&kept, Some(&kept_key), hold()).await.expect("created"));
    assert_eq!(prune(subject, before, 10).await, 1);

    let mut again = subject.submitting("u1");
    again.batch = record.batch.clone();
    let created = subject.store.create(&again, Some(&key), hold()).await.expect("created");
    assert_same(new_record(&created), &again);
    assert_same(&subject.stored(&again).await, &again);
    let other = subject.store.create(&subject.submitting("u3"), Some(&kept_key), hold()).await;
    assert!(matches!(other, Ok(Created::Existing(there)) if there.batch == kept.batch));
}

/// Refused requests go by the day they were made and by their business date, the later of the two; one that names a batch
/// that is there, with that batch.
pub async fn old_refusals_are_deleted(subject: &Subject) {
    let now = subject.clock.now();
    let there = subject.waiting("u1");
    subject.create(&there).await;
    let before = later(subject);
    let refusal = |batch: Option<&str>, at: DateTime<Utc>, days: u64| Refusal {
        batch: batch.map(str::to_owned),
        business_date: now.date_naive() + Days::new(days),
        category: None,
        failure: failure(),
        at,
    };
    let of_a_batch = there.batch.as_str();
    for refusal in [
        refusal(None, now, 0),
        refusal(Some("old"), now, 0),
        refusal(Some(of_a_batch), now, 0),
        refusal(Some("made-lately"), before, 0),
        refusal(Some("of-a-later-date"), now, 30),
    ] {
        subject.store.refuse(&refusal).await.expect("recorded");
    }
    assert_eq!(prune(subject, before, 1).await, 1);
    assert_eq!(prune(subject, before, 10).await, 1);
    assert_eq!(prune(subject, before, 10).await, 0);
    for (batch, left) in [
        (None, 0),
        (Some("old"), 0),
        (Some(of_a_batch), 1),
        (Some("made-lately"), 1),
        (Some("of-a-later-date"), 1),
    ] {
        let exceptions = subject.exceptions_of(batch).await.map(|exceptions| exceptions.len());
        assert_eq!(exceptions.unwrap_or(left), left, "{batch:?}");
    }
}

/// However many delete at once, nothing is deleted twice, and nothing is left in the end.
pub async fn of_many_who_delete_each_batch_is_counted_once(subject: &Subject) {
    for n in 0..12 {
        succeed(subject, &format!("u{n}")).await;
    }
    let before = later(subject);
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let store = Arc::clone(&subject.store);
            tokio::spawn(async move { store.prune(before, 3).await })
        })
        .collect();
    let mut deleted = 0;
    for task in tasks {
        deleted += task.await.expect("no panic").expect("answered");
    }
    deleted += prune(subject, before, 20).await;
    assert_eq!(deleted, 12);
    assert!(subject.store.list(&BackupFilter::default()).await.expect("listed").records.is_empty());
}

/// Of a deletion and an opening at the same moment one wins, and the other finds what it left.
pub async fn a_failed_batch_is_deleted_or_opened_again_but_never_both(subject: &Subject) {
    let mut failed = Vec::new();
    for n in 0..8 {
        let mut record = subject.planned(&format!("u{n}"));
        record.fail(failure(), record.created_at).expect("planned");
        subject.create(&record).await;
        record.run_again(&crate::testing::fixtures::target(), subject.clock.now()).expect("failed");
        failed.push(record);
    }
    let before = later(subject);
    let store = Arc::clone(&subject.store);
    let deletion = tokio::spawn(async move { store.prune(before, 100).await });
    let openings: Vec<_> = failed
        .iter()
        .map(|record| {
            let (store, record) = (Arc::clone(&subject.store), record.clone());
            tokio::spawn(async move { store.reopen(&record, hold()).await })
        })
        .collect();
    let mut opened = 0;
    for (opening, record) in openings.into_iter().zip(&failed) {
        match opening.await.expect("no panic") {
            Ok(_) => {
                opened += 1;
                assert_same(&subject.stored(record).await, record);
            }
            Err(StoreError::NotFound { .. }) => {
                assert!(subject.store.find(&record.batch).await.expect("read").is_none());
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(deletion.await.expect("no panic").expect("answered") + opened, 8);
}

async fn prune(subject: &Subject, before: DateTime<Utc>, limit: u32) -> u64 {
    subject.store.prune(before, limit).await.expect("deleted")
}

/// Ten days later: everything so far is old.
fn later(subject: &Subject) -> DateTime<Utc> {
    subject.clock.advance(DAY * 10);
    subject.clock.now()
}

/// A batch that ended well, as it is recorded.
async fn succeed(subject: &Subject, universe: &str) -> BackupRecord {
    let mut record = subject.submitting(universe);
    let lease = subject.own(&record).await;
    record.run("task-1".into(), None, subject.clock.now()).expect("submitting");
    subject.save(&lease, &record, Phase::Submitting).await.expect("saved");
    let done = succeeded(&record, subject.clock.now());
    subject.save(&lease, &done, Phase::Running).await.expect("saved");
    done
}
