//! Deleting what is over and old, table by table, inside one immediate transaction.

use chrono::{DateTime, Utc};
use sqlx::{Row, SqliteConnection};

use super::rows::{instant, time};
use crate::replay::TryError;

/// What belongs to a batch, the batch itself last. `$1` is a JSON array of batch ids.
const OF_A_BATCH: [&str; 7] = [
    "DELETE FROM backup_attempt WHERE batch_id IN (SELECT value FROM json_each($1))",
    "DELETE FROM backup_idempotency WHERE batch_id IN (SELECT value FROM json_each($1))",
    "DELETE FROM exception_details WHERE batch_id IN (SELECT value FROM json_each($1))",
    "DELETE FROM batch_execution_details WHERE batch_id IN (SELECT value FROM json_each($1))",
    "DELETE FROM backup_work WHERE batch_id IN (SELECT value FROM json_each($1))",
    "DELETE FROM batch_db_schedule_event_tracker WHERE batch_id IN (SELECT value FROM json_each($1))",
    "DELETE FROM backup_batch WHERE batch_id IN (SELECT value FROM json_each($1))",
];

pub(super) async fn prune(
    connection: &mut SqliteConnection,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<u64, TryError> {
    let batches = old_batches(connection, before, limit).await?;
    if !batches.is_empty() {
        let ids = serde_json::Value::from(batches.clone()).to_string();
        for statement in OF_A_BATCH {
            sqlx::query(statement).bind(&ids).execute(&mut *connection).await?;
        }
    }
    let deleted = u32::try_from(batches.len()).unwrap_or(limit);
    // Looked for only at the end: without a batch they are found by reading all exceptions.
    let refusals = if deleted < limit { refusals(connection, before, limit - deleted).await? } else { 0 };
    Ok(u64::from(deleted) + refusals)
}

/// The oldest that are over. A batch ends after it was recorded, so the index by age leads to them.
async fn old_batches(
    connection: &mut SqliteConnection,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(
        "
        SELECT batch_id
        FROM backup_batch
        WHERE created_at < $1
            AND ended_at < $1
            AND NOT EXISTS (
                SELECT 1
                FROM backup_work AS work
                WHERE work.batch_id = backup_batch.batch_id
                    AND work.audit_due_at IS NOT NULL
            )
        ORDER BY created_at, batch_id
        LIMIT $2
        ",
    )
    .bind(instant(before))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| row.try_get("batch_id")).collect()
}

async fn refusals(
    connection: &mut SqliteConnection,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(
        "
        DELETE FROM exception_details
        WHERE rowid IN (
            SELECT exception.rowid
            FROM exception_details AS exception
            WHERE exception.business_date < $2
                AND exception.execution_type = 'REQUEST'
                AND exception.end_time < $1
                AND NOT EXISTS (
                    SELECT 1
                    FROM backup_batch AS batch
                    WHERE batch.batch_id = exception.batch_id
                )
            LIMIT $3
        )
        ",
    )
    .bind(time(before))
    .bind(before.date_naive())
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}
