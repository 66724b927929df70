//! PostgreSQL, on a real server and a database of its own for each test.

mod conformance;

use std::sync::Arc;

use async_trait::async_trait;
use backup_core::{
    ErrorCode, Failure,
    testing::{
        ManualClock,
        conformance::{ReadExceptions, RecordedException, Subject},
    },
};
use backup_store::{StoreConfig, connect};
use pg_harness::{Database, Server};
use sqlx::{PgPool, Row};

/// A database of the shared server, if this machine has one.
fn database(test: &str) -> Option<Database> {
    let Some(server) = Server::shared() else {
        pg_harness::skip(test, pg_harness::NOT_FOUND);
        return None;
    };
    Some(server.database())
}

/// A store on a database of its own, with the time of a test.
async fn subject_with(test: &str, parameters: &str) -> Option<Subject> {
    let database = database(test)?;
    let url = format!("{}{parameters}", database.url());
    let clock = Arc::new(ManualClock::new());
    let mut config = StoreConfig::new(&url);
    config.clock = Some(clock.clone());
    config.pool.max_connections = 6;
    let store = connect(&config).await.unwrap();
    let pool = PgPool::connect(&database.url()).await.unwrap();
    Some(Subject::new(store, clock).with_exceptions(Arc::new(Exceptions(pool))))
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
