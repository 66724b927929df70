//! Deleting what is over and old, in one statement: whatever belongs to a batch goes with it.
//!
//! The batch's row is locked first, as `reopen.rs` does, and a row that somebody else has locked is passed over: replicas
//! that delete at once delete different batches, and one that is being opened again stays.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use crate::replay::TryError;

pub(super) async fn prune(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<u64, TryError> {
    let row = sqlx::query(PRUNE)
        .bind(before)
        .bind(i64::from(limit))
        .bind(before.date_naive())
        .fetch_one(connection)
        .await?;
    Ok(u64::try_from(row.try_get::<i64, _>("deleted")?).unwrap_or_default())
}

/// A batch ends after it was recorded, so the index by age leads to those that are over. Refused requests come last, as
/// far as there is room: of those, only the partitions of old dates are read.
pub const PRUNE: &str = "
    WITH gone AS (
        SELECT
            batch.batch_id,
            batch.business_date
        FROM backup_batch AS batch
        WHERE batch.created_at < $1
            AND batch.ended_at < $1
            AND NOT EXISTS (
                SELECT
                FROM backup_work AS work
                WHERE work.batch_id = batch.batch_id
                    AND work.audit_due_at IS NOT NULL
            )
        ORDER BY batch.created_at, batch.batch_id
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    ),
    refused AS (
        SELECT
            exception.exception_id,
            exception.business_date
        FROM exception_details AS exception
        WHERE exception.business_date < $3
            AND exception.execution_type = 'REQUEST'
            AND exception.end_time < $1 AT TIME ZONE 'UTC'
            AND NOT EXISTS (
                SELECT
                FROM backup_batch AS batch
                WHERE batch.batch_id = exception.batch_id
            )
        LIMIT $2 - (SELECT count(*) FROM gone)
        FOR UPDATE SKIP LOCKED
    ),
    without_request AS (
        DELETE FROM exception_details AS exception
        USING refused
        WHERE exception.exception_id = refused.exception_id
            AND exception.business_date = refused.business_date
    ),
    without_exception AS (
        DELETE FROM exception_details AS exception
        USING gone
        WHERE exception.batch_id = gone.batch_id
            AND exception.business_date = gone.business_date
    ),
    without_detail AS (
        DELETE FROM batch_execution_details AS batch
        USING gone
        WHERE batch.batch_id = gone.batch_id
            AND batch.business_date = gone.business_date
    ),
    without_attempt AS (
        DELETE FROM backup_attempt AS attempt
        USING gone
        WHERE attempt.batch_id = gone.batch_id
    ),
    without_key AS (
        DELETE FROM backup_idempotency AS key
        USING gone
        WHERE key.batch_id = gone.batch_id
    ),
    without_work AS (
        DELETE FROM backup_work AS work
        USING gone
        WHERE work.batch_id = gone.batch_id
    ),
    without_tracker AS (
        DELETE FROM batch_db_schedule_event_tracker AS tracker
        USING gone
        WHERE tracker.batch_id = gone.batch_id
            AND tracker.business_date = gone.business_date
    ),
    without_batch AS (
        DELETE FROM backup_batch AS batch
        USING gone
        WHERE batch.batch_id = gone.batch_id
    )
    SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM refused) AS deleted
    ";
