//! PostgreSQL, on a real server and a database of its own for each test.

mod conformance;
mod locks;
mod migrations;
mod nodes;
mod partitions;
mod plans;
mod tables;
mod trouble;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use backup_core::{
    BackupRecord, ErrorCode, Failure, OwnerId, Phase, TrackingStore,
    store::{Created, Hold, Lease, Saved},
    testing::{
        ManualClock,
        conformance::{ReadExceptions, RecordedException, Subject},
        fixtures,
    },
};
use backup_store::{StoreConfig, StoreEvent, connect};
use chrono::{DateTime, TimeZone, Utc};
use pg_harness::{Database, Server};
use serde_json::json;
use sqlx::{PgPool, Row};

/// A database of the shared server, if this machine has one.
fn database(test: &str) -> Option<Database> {
    let Some(server) = Server::shared() else {
        pg_harness::skip(test, pg_harness::NOT_FOUND);
        return None;
    };
    Some(server.database())
}

/// A server that listens on TCP. One starts at a time: two that look for a free port at once find the same.
fn server_on_tcp(test: &str) -> Option<Server> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    let server = Server::start_on_tcp();
    if server.is_none() {
        pg_harness::skip(test, pg_harness::NOT_FOUND);
    }
    server
}

/// A store on a database of its own, with the time of a test.
async fn subject_with(test: &str, parameters: &str) -> Option<Subject> {
    let database = database(test)?;
    let clock = Arc::new(ManualClock::new());
    let mut config = config(&database);
    config.url.push_str(parameters);
    config.clock = Some(clock.clone());
    let store = connect(&config).await.unwrap();
    let pool = PgPool::connect(&database.url()).await.unwrap();
    Some(Subject::new(store, clock).with_exceptions(Arc::new(Exceptions(pool))))
}

/// Settings for a small pool and an impatient test.
fn config(database: &Database) -> StoreConfig {
    let mut config = StoreConfig::new(database.url());
    config.pool.max_connections = 6;
    config.retry.first_delay = Duration::from_millis(20);
    config
}

/// What the store did, for tests that count.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<StoreEvent>>>);

impl Events {
    fn observe(&self, config: &mut StoreConfig) {
        let events = self.0.clone();
        config.observer = Some(Arc::new(move |event| events.lock().unwrap().push(event)));
    }

    fn take(&self) -> Vec<StoreEvent> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn round_trips(&self) -> usize {
        self.take().iter().filter(|event| matches!(event, StoreEvent::RoundTrip { .. })).count()
    }
}

fn hold() -> Hold {
    Hold { owner: OwnerId::generate(), lease: Duration::from_secs(30) }
}

fn at() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2025, 3, 25, 1, 2, 3).unwrap()
}

fn submitting(universe: &str) -> BackupRecord {
    let mut record = fixtures::record_on(universe, at());
    record.submit(at()).unwrap();
    record
}

async fn own(store: &dyn TrackingStore, record: &BackupRecord) -> Lease {
    match store.create(record, None, hold()).await.unwrap() {
        Created::New { lease: Some(lease), .. } => lease,
        other => panic!("{other:?}"),
    }
}

/// A backup on the good path: submitted, running, done.
async fn back_up(store: &dyn TrackingStore, universe: &str) -> BackupRecord {
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
async fn fail(store: &dyn TrackingStore, universe: &str) -> BackupRecord {
    let mut record = submitting(universe);
    let lease = own(store, &record).await;
    record.fail(Failure::new(ErrorCode::BackupFailed, "disk full"), at() + Duration::from_mins(1)).unwrap();
    store.save(&lease, &record, Phase::Submitting, Duration::ZERO).await.unwrap();
    record
}

struct Exceptions(PgPool);

#[async_trait]
impl ReadExceptions for Exceptions {
    async fn exceptions(&self) -> Vec<RecordedException> {
        let rows = sqlx::query(
            "SELECT batch_id, error_code, error_message, error_advice FROM epricing.exception_details",
        )
        .fetch_all(&self.0)
        .await
        .unwrap();
        rows.iter()
            .map(|row| RecordedException {
                batch: row.get("batch_id"),
                failure: Failure {
                    code: ErrorCode::parse(row.get("error_code")).unwrap(),
                    message: row.get("error_message"),
                    advice: row.get("error_advice"),
                },
            })
            .collect()
    }
}
