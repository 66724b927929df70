//! Batches in the states that tests start from.

use std::time::Duration;

use backup_core::{
    BackupRecord, ErrorCode, Failure, OwnerId, Phase, TrackingStore,
    store::{Created, Hold, Lease, Saved},
    testing::fixtures,
};
use chrono::{DateTime, TimeZone, Utc};
use serde_json::json;

pub(crate) fn hold() -> Hold {
    Hold { owner: OwnerId::generate(), lease: Duration::from_secs(30) }
}

pub(crate) fn at() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2025, 3, 25, 1, 2, 3).unwrap()
}

pub(crate) fn submitting(universe: &str) -> BackupRecord {
    let mut record = fixtures::record_on(universe, at());
    record.submit(at()).unwrap();
    record
}

pub(crate) async fn own(store: &dyn TrackingStore, record: &BackupRecord) -> Lease {
    match store.create(record, None, hold()).await.unwrap() {
        Created::New { lease: Some(lease), .. } => lease,
        other => panic!("{other:?}"),
    }
}

/// A backup on the good path: submitted, running, done.
pub(crate) async fn back_up(store: &dyn TrackingStore, universe: &str) -> BackupRecord {
    let mut record = submitting(universe);
    let lease = own(store, &record).await;
    record.run("task-1".into(), Some(json!({"taskUUID": "task-1"})), at()).unwrap();
    let saved = store.save(&lease, &record, Phase::Submitting, Duration::ZERO).await.unwrap();
    assert_eq!(saved, Saved::Yes);
    let answer = json!({"backupUUID": "backup-1", "state": "Completed"});
    record.succeed(Some("backup-1".into()), answer, at() + Duration::from_mins(5)).unwrap();
    let saved = store.save(&lease, &record, Phase::Running, Duration::ZERO).await.unwrap();
    assert_eq!(saved, Saved::Yes);
    record
}

/// A backup that failed.
pub(crate) async fn fail(store: &dyn TrackingStore, universe: &str) -> BackupRecord {
    let mut record = submitting(universe);
    let lease = own(store, &record).await;
    record.fail(Failure::new(ErrorCode::BackupFailed, "disk full"), at() + Duration::from_mins(1)).unwrap();
    store.save(&lease, &record, Phase::Submitting, Duration::ZERO).await.unwrap();
    record
}
