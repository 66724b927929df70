//! PostgreSQL, on a real server and a database of its own for each test.

mod conformance;
mod locks;
mod migrations;
mod nodes;
mod partitions;
mod plans;
mod pooler;
mod standby;
mod tables;
mod trouble;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use backup_core::{
    ErrorCode, Failure,
    testing::{
        ManualClock,
        conformance::{ReadExceptions, RecordedException, Subject},
    },
};
use backup_store::{StoreConfig, StoreEvent, connect};
use pg_harness::{Database, Server};
use sqlx::{PgPool, Row};

use crate::backups::{at, back_up, fail, hold, own, submitting};

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

struct Exceptions(PgPool);

#[async_trait]
impl ReadExceptions for Exceptions {
    async fn exceptions(&self) -> Vec<RecordedException> {
        let rows = sqlx::query(
            "SELECT batch_id, extension_fields ->> 'error_code' AS error_code, error_message,
                extension_fields ->> 'advice' AS error_advice
             FROM epricing.exception_details",
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
