//! What stands in the tables once a case is over, read past the store.

use std::sync::Arc;

use backup_core::{BatchId, ErrorCode, testing::InMemoryStore};
use sqlx::Row;
use tokio::sync::Mutex;

/// The records, past the store's own methods.
pub(super) enum Tables {
    Memory(Arc<InMemoryStore>),
    #[cfg(feature = "sqlite")]
    Sqlite(Mutex<sqlx::SqliteConnection>),
    #[cfg(feature = "postgres")]
    Postgres(Mutex<sqlx::PgConnection>),
}

/// One line for whatever is left open, and for rows that disagree about a batch.
const DISAGREEMENTS: &str = "
    SELECT 'is left open' AS what, batch_id FROM backup_work WHERE phase <> 'DONE' OR owner IS NOT NULL
    UNION ALL
    SELECT 'keeps its slot', batch_id FROM universe_slot
    UNION ALL
    SELECT 'has no row of work', tracker.batch_id
    FROM batch_db_schedule_event_tracker AS tracker
    LEFT JOIN backup_work AS work ON work.batch_id = tracker.batch_id
    WHERE work.batch_id IS NULL
    UNION ALL
    SELECT 'has no tracker', work.batch_id
    FROM backup_work AS work
    LEFT JOIN batch_db_schedule_event_tracker AS tracker ON tracker.batch_id = work.batch_id
    WHERE tracker.batch_id IS NULL
    UNION ALL
    SELECT 'is one thing as a batch and another as a tracker', tracker.batch_id
    FROM batch_db_schedule_event_tracker AS tracker
    LEFT JOIN batch_execution_details AS batch ON batch.batch_id = tracker.batch_id
    LEFT JOIN backup_batch AS truth ON truth.batch_id = tracker.batch_id
    WHERE truth.ended_at IS NULL
        OR batch.batch_id IS NULL
        OR batch.end_time IS NULL
        OR tracker.end_time IS NULL
        OR (tracker.backup_status = 'SUCCESS' AND (batch.batch_status <> 'COMPLETED' OR truth.error_code IS NOT NULL))
        OR (tracker.backup_status = 'FAILED' AND (batch.batch_status <> 'FAILED' OR truth.error_code IS NULL))
        OR tracker.backup_status NOT IN ('SUCCESS', 'FAILED')
    UNION ALL
    SELECT 'has a number of batches', batch_id FROM batch_execution_details GROUP BY batch_id HAVING count(*) > 1
    UNION ALL
    SELECT 'failed without an exception', tracker.batch_id
    FROM batch_db_schedule_event_tracker AS tracker
    WHERE tracker.backup_status = 'FAILED' AND NOT EXISTS (
        SELECT 1
        FROM exception_details AS exception
        JOIN backup_batch AS truth ON truth.batch_id = exception.batch_id
        WHERE exception.batch_id = tracker.batch_id
            AND exception.extension_fields ->> 'error_code' = truth.error_code
    )";

impl Tables {
    #[cfg(feature = "sqlite")]
    pub(super) async fn sqlite(url: &str) -> Self {
        use sqlx::Connection;
        let connection = sqlx::SqliteConnection::connect(url).await.expect("the file");
        Self::Sqlite(Mutex::new(connection))
    }

    #[cfg(feature = "postgres")]
    pub(super) async fn postgres(url: &str) -> Self {
        use sqlx::Connection;
        let mut connection = sqlx::PgConnection::connect(url).await.expect("the database");
        sqlx::query("SET search_path TO epricing").execute(&mut connection).await.expect("the schema");
        Self::Postgres(Mutex::new(connection))
    }

    /// What must not be there once every batch is over, in words.
    pub(super) async fn disagreements(&self) -> Vec<String> {
        fn words<R: Row>(rows: &[R]) -> Vec<String>
        where
            for<'a> &'a str: sqlx::Decode<'a, R::Database> + sqlx::Type<R::Database> + sqlx::ColumnIndex<R>,
        {
            let word = |row: &R, column: &str| row.get::<&str, _>(column).to_owned();
            rows.iter().map(|row| format!("{} {}", word(row, "batch_id"), word(row, "what"))).collect()
        }
        match self {
            Self::Memory(store) => {
                let open = store.records().into_iter().filter(|record| !record.is_done());
                open.map(|record| format!("{} is left open", record.batch)).collect()
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => {
                words(&sqlx::query(DISAGREEMENTS).fetch_all(&mut *connection.lock().await).await.unwrap())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                words(&sqlx::query(DISAGREEMENTS).fetch_all(&mut *connection.lock().await).await.unwrap())
            }
        }
    }

    /// How many failures of a batch are among the exceptions.
    pub(super) async fn exceptions(&self, batch: &BatchId) -> usize {
        const COUNT: &str =
            "SELECT count(*) FROM exception_details WHERE batch_id = $1 AND execution_type = 'BACKUP'";
        let count: i64 = match self {
            Self::Memory(store) => {
                let ours = |one: &Option<String>| one.as_deref() == Some(batch.as_str());
                let exceptions = store.exceptions();
                let failures = exceptions.iter().filter(|one| one.failure.code != ErrorCode::Surplus);
                return failures.filter(|one| ours(&one.batch)).count();
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => {
                let query = sqlx::query_scalar(COUNT).bind(batch.as_str());
                query.fetch_one(&mut *connection.lock().await).await.unwrap()
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                let query = sqlx::query_scalar(COUNT).bind(batch.as_str());
                query.fetch_one(&mut *connection.lock().await).await.unwrap()
            }
        };
        usize::try_from(count).unwrap()
    }
}
