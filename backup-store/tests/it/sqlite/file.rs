//! One file: several processes, two starts at once, and an old version of the tables.

use std::{sync::Arc, time::Duration};

use backup_core::{
    ErrorCode, Failure, IdempotencyKey, OwnerId, Phase,
    store::{Created, Hold},
    testing::fixtures,
};
use backup_store::{ConnectError, StoreConfig, connect};
use chrono::Utc;
use sqlx::{Row, SqlitePool};

fn config(dir: &tempfile::TempDir) -> StoreConfig {
    StoreConfig::new(format!("sqlite:{}", dir.path().join("backup.db").display()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_once_migrate_once_and_share_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let config = config(&dir);
            tokio::spawn(async move { connect(&config).await })
        })
        .collect();
    let mut stores = Vec::new();
    for start in starts {
        stores.push(start.await.unwrap().unwrap());
    }
    let tasks: Vec<_> = stores
        .iter()
        .enumerate()
        .map(|(n, store)| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for m in 0..10 {
                    let mut record = fixtures::record_on(&format!("u{n}-{m}"), now());
                    record.submit(now()).unwrap();
                    let hold = Hold { owner: OwnerId::generate(), lease: Duration::from_secs(30) };
                    let created = store.create(&record, None, hold).await.unwrap();
                    let Created::New { lease: Some(lease), .. } = created else { panic!("{created:?}") };
                    record.run("task-1".into(), None, now()).unwrap();
                    store.save(&lease, &record, Phase::Submitting, Duration::ZERO).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let page = stores[0].list(&backup_core::store::BackupFilter::default()).await.unwrap();
    assert_eq!(page.records.len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_start_at_once_on_a_new_file_none_is_refused() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let config = config(&dir);
                tokio::spawn(async move { connect(&config).await.map(drop) })
            })
            .collect();
        for start in starts {
            start.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_recorded_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = connect(&config(&dir)).await.unwrap();
    let record = fixtures::record_on("u1", now());
    let hold = Hold { owner: OwnerId::generate(), lease: Duration::from_secs(30) };
    store.create(&record, None, hold).await.unwrap();
    drop(store);
    let store = connect(&config(&dir)).await.unwrap();
    assert_eq!(store.find(&record.batch).await.unwrap(), Some(record));
}

#[tokio::test]
async fn the_tables_are_readable_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir);
    let store = connect(&config).await.unwrap();
    let record = fixtures::record_on("u1", backup_core::to_micros("2025-03-25T01:02:03Z".parse().unwrap()));
    let hold = Hold { owner: OwnerId::generate(), lease: Duration::from_secs(30) };
    store.create(&record, None, hold).await.unwrap();
    let pool = SqlitePool::connect(&config.url).await.unwrap();
    let row = sqlx::query(
        "SELECT batch_id, backup_status, backup_type, start_time, end_time FROM batch_db_schedule_event_tracker
         WHERE business_date = '2025-03-25'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(row.get::<String, _>("batch_id"), record.batch.as_str());
    assert_eq!(row.get::<String, _>("backup_status"), "IN_PROGRESS");
    assert_eq!(row.get::<String, _>("backup_type"), backup_core::strategy::FULL);
    assert_eq!(row.get::<String, _>("start_time"), "2025-03-25 01:02:03.000");
    assert_eq!(row.get::<Option<String>, _>("end_time"), None);
}

#[tokio::test]
async fn a_deleted_batch_leaves_nothing_in_any_table() {
    let dir = tempfile::tempdir().unwrap();
    let store = connect(&config(&dir)).await.unwrap();
    let mut record = fixtures::record_on("u1", now());
    record.submit(now()).unwrap();
    let hold = Hold { owner: OwnerId::generate(), lease: Duration::from_secs(30) };
    let key = IdempotencyKey::new("key-1");
    let created = store.create(&record, Some(&key), hold).await.unwrap();
    let Created::New { lease: Some(lease), .. } = created else { panic!("{created:?}") };
    record.fail(Failure::new(ErrorCode::Aborted, "enough"), now()).unwrap();
    store.save(&lease, &record, Phase::Submitting, Duration::ZERO).await.unwrap();

    let pool = SqlitePool::connect(&config(&dir).url).await.unwrap();
    let tables = sqlx::query(
        "SELECT tables.name FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
         WHERE tables.type = 'table' AND columns.name = 'batch_id'",
    );
    let tables = tables.fetch_all(&pool).await.unwrap();
    let rows = async || {
        let mut rows = 0;
        for table in &tables {
            let count = format!("SELECT count(*) FROM {}", table.get::<String, _>("name"));
            rows += sqlx::query(sqlx::AssertSqlSafe(count)).fetch_one(&pool).await.unwrap().get::<i64, _>(0);
        }
        rows
    };
    assert!(rows().await > 4, "one in each: {}", rows().await);
    assert_eq!(store.prune(now() + Duration::from_hours(1), 10).await.unwrap(), 1);
    assert_eq!(rows().await, 0);
}

#[tokio::test]
async fn the_file_is_durable_and_shared() {
    let dir = tempfile::tempdir().unwrap();
    connect(&config(&dir)).await.unwrap();
    let pool = SqlitePool::connect(&config(&dir).url).await.unwrap();
    let mode: String = sqlx::query("PRAGMA journal_mode").fetch_one(&pool).await.unwrap().get(0);
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn without_migrations_a_start_says_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut off = config(&dir);
    off.migrate = false;
    let error = connect(&off).await.err().unwrap();
    assert!(matches!(error, ConnectError::NotMigrated { .. }), "{error:?}");
    assert!(error.to_string().contains("start any program of this version once"), "{error}");
    connect(&config(&dir)).await.unwrap();
    connect(&off).await.unwrap();
}

#[tokio::test]
async fn a_file_that_must_be_there_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let mut there = config(&dir);
    there.create_file = false;
    let error = connect(&there).await.err().unwrap();
    assert!(matches!(&error, ConnectError::NoDatabase { .. }), "{error:?}");
    let path = dir.path().join("backup.db");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert!(!path.exists());
    connect(&config(&dir)).await.unwrap();
    connect(&there).await.unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_is_refused_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("absent/backup.db").display());
    let error = connect(&StoreConfig::new(url)).await.err().unwrap();
    assert!(error.to_string().contains("absent/backup.db"), "{error}");
    std::fs::write(dir.path().join("backup.db"), "this is no database, and long enough to be read as one")
        .unwrap();
    let error = connect(&config(&dir)).await.err().unwrap();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_store_in_memory_works_and_is_forgotten() {
    let config = StoreConfig::new("sqlite::memory:");
    let store = connect(&config).await.unwrap();
    let record = fixtures::record_on("u1", now());
    let hold = Hold { owner: OwnerId::generate(), lease: Duration::from_secs(30) };
    store.create(&record, None, hold).await.unwrap();
    assert!(store.find(&record.batch).await.unwrap().is_some());
    assert!(connect(&config).await.unwrap().find(&record.batch).await.unwrap().is_none());
}

#[expect(clippy::disallowed_methods, reason = "leases of this file are measured by the clock of the system")]
fn now() -> chrono::DateTime<Utc> {
    backup_core::to_micros(Utc::now())
}
