//! Writing under a lease: what is written, what is refused, and what a repeat does.

use std::time::Duration;

use serde_json::json;

use super::{LEASE, Subject, assert_lost, assert_same, busy, failure, succeeded};
use crate::{
    clock::Clock,
    failure::{ErrorCode, Failure},
    record::Plan,
    state::Phase,
    store::{Lease, Saved},
};

/// A batch that took every detour reads back as it was saved last.
pub async fn a_finished_record_reads_back_equal(subject: &Subject) {
    let mut record = subject.planned("u1");
    let lease = subject.own(&record).await;
    subject.clock.advance(Duration::from_micros(1_234_567));
    record.set_plan(Plan {
        strategy: crate::strategy::INCREMENTAL.to_owned(),
        base: Some("base-1".into()),
        reason: "on the full backup of yesterday".to_owned(),
    });
    record.wait(busy(), subject.clock.now()).expect("planned");
    subject.store.save(&lease, &record, Phase::Planned, Duration::ZERO).await.expect("saved");
    let lease = subject.claim_only(&record).await.expect("due").lease;
    let mut from = Phase::Waiting;
    for task in ["task-1", "task-2"] {
        subject.clock.advance(Duration::from_millis(10));
        record.submit(subject.clock.now()).expect("open");
        subject.save(&lease, &record, from).await.expect("saved");
        from = Phase::Submitting;
        if task == "task-1" {
            record.lose_attempt();
        } else {
            record
                .run(task.into(), Some(json!({"taskUUID": task})), subject.clock.now())
                .expect("submitting");
            subject.save(&lease, &record, from).await.expect("saved");
            assert_same(&subject.stored(&record).await, &record);
        }
    }
    record.settle(failure(), subject.clock.now()).expect("running");
    subject.save(&lease, &record, Phase::Running).await.expect("saved");
    assert_same(&subject.stored(&record).await, &record);
    record.resume(subject.clock.now()).expect("settling");
    subject.save(&lease, &record, Phase::Settling).await.expect("saved");
    subject.clock.advance(Duration::from_hours(1));
    let done = succeeded(&record, subject.clock.now());
    subject.save(&lease, &done, Phase::Running).await.expect("saved");
    assert_same(&subject.stored(&record).await, &done);
    assert_eq!(done.attempts.len(), 2);
}

/// A further attempt is there as soon as the save that brought it, beside those before.
pub async fn an_attempt_is_recorded_with_its_save(subject: &Subject) {
    let mut record = subject.planned("u1");
    let lease = subject.own(&record).await;
    let mut from = Phase::Planned;
    for number in 1..=3 {
        record.submit(subject.clock.now()).expect("open");
        subject.save(&lease, &record, from).await.expect("saved");
        from = Phase::Submitting;
        let stored = subject.stored(&record).await;
        assert_eq!(stored.attempts.len(), number);
        assert_same(&stored, &record);
    }
}

/// The phase that the writer believes in must be the one that is there.
pub async fn a_save_over_an_unexpected_phase_is_refused(subject: &Subject) {
    let record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    let mut running = record.clone();
    running.run("task-1".into(), None, subject.clock.now()).expect("submitting");
    assert_lost(&subject.save(&lease, &running, Phase::Planned).await);
    assert_same(&subject.stored(&record).await, &record);
    subject.save(&lease, &running, Phase::Submitting).await.expect("saved");
    let mut other = record.clone();
    other.run("task-2".into(), None, subject.clock.now()).expect("submitting");
    assert_lost(&subject.save(&lease, &other, Phase::Submitting).await);
    assert_same(&subject.stored(&record).await, &running);
}

/// A save whose answer was lost may be sent again: "my epoch, and the state I wanted" means that it had worked.
pub async fn a_repeated_save_answers_as_the_first(subject: &Subject) {
    let record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    let mut running = record.clone();
    running.run("task-1".into(), None, subject.clock.now()).expect("submitting");
    let mut failed = running.clone();
    subject.clock.advance(Duration::from_secs(1));
    failed.fail(failure(), subject.clock.now()).expect("running");
    for (wanted, from) in [(&running, Phase::Submitting), (&failed, Phase::Running)] {
        for _ in 0..2 {
            assert_eq!(subject.save(&lease, wanted, from).await.expect("saved"), Saved::Yes);
        }
        assert_same(&subject.stored(&record).await, wanted);
    }
    // Another end than the recorded one is not a repeat.
    let succeeded = succeeded(&running, subject.clock.now());
    assert_lost(&subject.save(&lease, &succeeded, Phase::Running).await);

    let mut waits = subject.submitting("u1");
    let lease = subject.own(&waits).await;
    waits.wait(busy(), subject.clock.now()).expect("submitting");
    for _ in 0..2 {
        let saved = subject.store.save(&lease, &waits, Phase::Submitting, LEASE).await.expect("saved");
        assert_eq!(saved, Saved::Yes);
    }
    subject.expire();
    subject.claim_only(&waits).await.expect("due");
    // Taken by somebody else: whatever is there, the lease is lost.
    assert_lost(&subject.store.save(&lease, &waits, Phase::Submitting, LEASE).await);
}

/// The failure of a batch is an exception: one, however often it is saved.
pub async fn a_failure_reaches_the_exceptions_once(subject: &Subject) {
    let record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    subject.finish(&lease, &record).await;
    subject.finish(&lease, &record).await;
    let stored = subject.stored(&record).await;
    assert_eq!(stored.failure, Some(failure()));
    let expected = vec![failure()];
    assert_eq!(
        subject.exceptions_of(Some(record.batch.as_str())).await.unwrap_or(expected.clone()),
        expected
    );
}

/// Nothing went wrong, so nothing is there.
pub async fn a_success_leaves_no_exception(subject: &Subject) {
    let mut record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    record.run("task-1".into(), None, subject.clock.now()).expect("submitting");
    subject.save(&lease, &record, Phase::Submitting).await.expect("saved");
    subject.save(&lease, &succeeded(&record, subject.clock.now()), Phase::Running).await.expect("saved");
    assert_eq!(subject.exceptions_of(Some(record.batch.as_str())).await.unwrap_or_default(), []);
}

/// A cancellation is asked for while the owner writes what it knew before.
pub async fn a_cancel_request_outlives_a_save(subject: &Subject) {
    let mut record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    assert!(subject.store.request_cancel(&record.batch).await.expect("open"));
    record.run("task-1".into(), None, subject.clock.now()).expect("submitting");
    assert_eq!(subject.save(&lease, &record, Phase::Submitting).await.expect("saved"), Saved::Yes);
    let stored = subject.stored(&record).await;
    assert!(stored.cancel_requested);
    assert_eq!(stored.phase, Phase::Running);
}

/// Whatever YBA says, its end is recorded. A NUL may be replaced: PostgreSQL cannot hold one.
pub async fn an_odd_answer_is_kept(subject: &Subject) {
    let mut record = subject.submitting("u1'; --");
    let lease = subject.own(&record).await;
    let answer =
        json!({"text": "a\u{0}b", "b\u{0}": [{"c": "\u{0}"}], "n": 18_446_744_073_709_551_615_u64, "f": 0.1});
    record.run("task\u{0}1".into(), Some(answer), subject.clock.now()).expect("submitting");
    subject.save(&lease, &record, Phase::Submitting).await.expect("saved");
    let failure = Failure::new(ErrorCode::BackupFailed, "\u{0}\u{feff}\"\\'{},\u{10ffff} NULL");
    record.fail(failure, subject.clock.now()).expect("running");
    subject.save(&lease, &record, Phase::Running).await.expect("saved");
    let stored = subject.stored(&record).await;
    let message = stored.failure.expect("failed").message;
    assert!(message.ends_with("\u{feff}\"\\'{},\u{10ffff} NULL"), "{message:?}");
    let answer = stored.response.expect("there");
    assert_eq!((answer["n"].as_u64(), answer["f"].as_f64()), (Some(u64::MAX), Some(0.1)));
}

/// A lease on something that is not there is no lease.
pub async fn the_save_of_an_unknown_batch_is_refused(subject: &Subject) {
    let record = subject.submitting("u1");
    let owner = super::hold().owner;
    let lease = Lease { batch: record.batch.clone(), business_date: record.business_date, owner, epoch: 1 };
    assert_lost(&subject.save(&lease, &record, Phase::Planned).await);
    assert!(subject.store.find(&record.batch).await.expect("read").is_none());
}
