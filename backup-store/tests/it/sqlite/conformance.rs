//! The contract.

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
use sqlx::{Row, SqlitePool};

backup_core::conformance_tests!(subject);

async fn subject(_test: &str) -> Option<Subject> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("backup.db");
    let clock = Arc::new(ManualClock::new());
    let mut config = StoreConfig::new(format!("sqlite:{}", file.display()));
    config.clock = Some(clock.clone());
    let store = connect(&config).await.unwrap();
    let pool = SqlitePool::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    Some(Subject::new(store, clock).with_exceptions(Arc::new(Exceptions(pool))).keeping(dir))
}

struct Exceptions(SqlitePool);

#[async_trait]
impl ReadExceptions for Exceptions {
    async fn exceptions(&self) -> Vec<RecordedException> {
        let rows = sqlx::query(
            "SELECT batch_id, extension_fields ->> 'error_code' AS error_code, error_message,
                extension_fields ->> 'advice' AS error_advice
             FROM exception_details",
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
