//! What is written together is written wholly or not at all, whatever stops it.

use std::{sync::Arc, time::Duration};

use backup_core::{
    BackupRecord, Clock, OwnerId, SystemClock, TrackingStore,
    store::{Created, Hold, StoreError},
    testing::fixtures,
};
use backup_store::{StoreConfig, connect};
use chrono::{DateTime, Utc};
use sqlx::SqlitePool;

/// A store on a new file, and another way into that file.
async fn opened(dir: &tempfile::TempDir) -> (Arc<dyn TrackingStore>, SqlitePool) {
    let url = format!("sqlite:{}", dir.path().join("backup.db").display());
    let store = connect(&StoreConfig::new(url.clone())).await.unwrap();
    (store, SqlitePool::connect(&url).await.unwrap())
}

fn now() -> DateTime<Utc> {
    SystemClock::new().now()
}

fn batch(universe: &str) -> BackupRecord {
    let mut record = fixtures::record_on(universe, now());
    record.submit(now()).unwrap();
    record
}

async fn create(store: &dyn TrackingStore, record: &BackupRecord) -> Result<Created, StoreError> {
    store.create(record, None, Hold { owner: OwnerId::generate(), lease: Duration::from_secs(30) }).await
}

#[tokio::test]
async fn a_transaction_that_fails_half_way_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (store, file) = opened(&dir).await;
    let record = batch("u1");
    // The attempt is written after the slot, the tracker and the details.
    sqlx::query("ALTER TABLE backup_attempt RENAME TO elsewhere").execute(&file).await.unwrap();
    let refused = create(store.as_ref(), &record).await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
    sqlx::query("ALTER TABLE elsewhere RENAME TO backup_attempt").execute(&file).await.unwrap();

    for table in ["batch_db_schedule_event_tracker", "batch_execution_details", "universe_slot"] {
        let count =
            sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")));
        assert_eq!(count.fetch_one(&file).await.unwrap(), 0, "{table}");
    }
    let created = create(store.as_ref(), &record).await.unwrap();
    assert!(matches!(created, Created::New { lease: Some(_), .. }), "{created:?}");
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_no_transaction_open() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = opened(&dir).await;
    for n in 0..30 {
        let gone = batch(&format!("gone-{n}"));
        let soon = async {
            for _ in 0..n {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            created = create(store.as_ref(), &gone) => assert!(created.is_ok(), "{created:?}"),
            () = soon => {}
        }
        create(store.as_ref(), &batch(&format!("stays-{n}"))).await.unwrap();
        // It was asked for, so it is written.
        let written = async {
            while store.find(&gone.batch).await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), written).await.expect("it is written in the end");
    }
}
