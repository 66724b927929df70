//! Who works on a batch, for people who look.

use std::time::Duration;

use super::{LEASE, Subject, busy, hold, lease_of};
use crate::{
    clock::Clock,
    ids::BatchId,
    record::BackupRecord,
    state::Phase,
    store::{Claim, Follower},
};

async fn follower(subject: &Subject, record: &BackupRecord) -> Option<Follower> {
    subject.store.follower(&record.batch).await.expect("read")
}

/// From its creation to the end of its lease a batch has its owner, and after that it is told since when it has none.
pub async fn an_expired_lease_says_since_when_nobody_follows(subject: &Subject) {
    let (record, hold) = (subject.submitting("u1"), hold());
    let lease = lease_of(subject.store.create(&record, None, hold).await.expect("created"));
    assert_eq!(follower(subject, &record).await, Some(Follower::Owner(hold.owner)));
    subject.clock.advance(LEASE + Duration::from_secs(90));
    assert_eq!(follower(subject, &record).await, Some(Follower::Nobody(Duration::from_secs(90))));
    // Whoever takes it up follows it from then on.
    let claim = Claim { hold: super::hold(), limit: 1, only: Some(record.batch.clone()) };
    assert_eq!(subject.store.claim(&claim).await.expect("claimed").len(), 1);
    assert_eq!(follower(subject, &record).await, Some(Follower::Owner(claim.hold.owner)));
    assert_ne!(claim.hold.owner, lease.owner);
}

/// Work that was given up is nobody's at once; work that waits is nobody's, and due later.
pub async fn released_and_waiting_work_has_no_follower(subject: &Subject) {
    let record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    subject.store.release(&[lease], Duration::ZERO).await.expect("released");
    subject.clock.advance(Duration::from_secs(5));
    assert_eq!(follower(subject, &record).await, Some(Follower::Nobody(Duration::from_secs(5))));

    let mut waits = subject.submitting("u2");
    let lease = subject.own(&waits).await;
    waits.wait(busy(), subject.clock.now()).expect("submitting");
    subject.store.save(&lease, &waits, Phase::Submitting, LEASE * 2).await.expect("saved");
    assert_eq!(follower(subject, &waits).await, Some(Follower::DueIn(LEASE * 2)));
}

/// Neither a batch that is over nor one that is not there is followed by anybody.
pub async fn what_is_over_or_absent_has_no_follower(subject: &Subject) {
    let record = subject.submitting("u1");
    let lease = subject.own(&record).await;
    subject.finish(&lease, &record).await;
    assert_eq!(follower(subject, &record).await, None);
    assert_eq!(subject.store.follower(&BatchId::generate()).await.expect("read"), None);
}
