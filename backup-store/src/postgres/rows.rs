//! Rows of PostgreSQL, and the statement that reads them.

use backup_core::StoreError;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use crate::{
    fields::{Fields, attempt},
    outcome::Stored,
    replay::TryError,
};

/// The statement that reads records of `backup_work` or of rows just claimed, in one place.
macro_rules! select_records {
    ($before:expr, $work:literal, $after:literal) => {
        concat!(
            $before,
            "
            SELECT
                work.batch_id,
                work.business_date,
                batch.batch_category,
                batch.batch_mode,
                batch.target,
                work.slot,
                batch.created_at,
                batch.started_at,
                batch.ended_at,
                batch.deadline_at,
                batch.strategy,
                batch.plan_base,
                batch.plan_reason,
                work.phase,
                work.phase_since,
                work.waiting_since,
                work.note,
                attempts.ids AS attempt_ids,
                attempts.numbers AS attempt_numbers,
                attempts.times AS attempt_times,
                CASE WHEN work.is_open THEN work.task_id ELSE batch.task_id END AS task_id,
                batch.backup_id,
                CASE
                    WHEN work.is_open THEN work.backup_response
                    ELSE (
                        SELECT tracker.backup_response
                        FROM batch_db_schedule_event_tracker AS tracker
                        WHERE tracker.batch_id = work.batch_id
                            AND tracker.business_date = work.business_date
                    )
                END AS backup_response,
                batch.error_code,
                batch.error_message,
                batch.error_advice,
                work.cancel_requested,
                work.lost_attempts,
                work.epoch,
                work.owner
            FROM ",
            $work,
            " AS work
            JOIN backup_batch AS batch ON batch.batch_id = work.batch_id
            LEFT JOIN LATERAL (
                SELECT
                    array_agg(attempt.attempt_id ORDER BY attempt.attempt_number) AS ids,
                    array_agg(attempt.attempt_number ORDER BY attempt.attempt_number) AS numbers,
                    array_agg(attempt.attempted_at ORDER BY attempt.attempt_number) AS times
                FROM backup_attempt AS attempt
                WHERE attempt.batch_id = work.batch_id
            ) AS attempts ON true
            ",
            $after
        )
    };
}
pub(super) use select_records;

pub(super) fn stored(row: &PgRow) -> Result<Stored, TryError> {
    Ok(Stored {
        record: fields(row)?.into_record()?,
        epoch: row.try_get("epoch")?,
        owner: row.try_get("owner")?,
    })
}

fn fields(row: &PgRow) -> Result<Fields, TryError> {
    Ok(Fields {
        batch_id: row.try_get("batch_id")?,
        business_date: row.try_get("business_date")?,
        batch_category: row.try_get("batch_category")?,
        batch_mode: row.try_get("batch_mode")?,
        target: row.try_get("target")?,
        slot: row.try_get("slot")?,
        created_at: row.try_get("created_at")?,
        started_at: row.try_get("started_at")?,
        ended_at: row.try_get("ended_at")?,
        deadline_at: row.try_get("deadline_at")?,
        strategy: row.try_get("strategy")?,
        plan_base: row.try_get("plan_base")?,
        plan_reason: row.try_get("plan_reason")?,
        phase: row.try_get("phase")?,
        phase_since: row.try_get("phase_since")?,
        waiting_since: row.try_get("waiting_since")?,
        note: row.try_get::<Option<Value>, _>("note")?,
        attempts: attempts(row)?,
        task_id: row.try_get("task_id")?,
        backup_id: row.try_get("backup_id")?,
        response: row.try_get("backup_response")?,
        error_code: row.try_get("error_code")?,
        error_message: row.try_get("error_message")?,
        error_advice: row.try_get("error_advice")?,
        cancel_requested: row.try_get("cancel_requested")?,
        lost_attempts: row.try_get::<Option<Value>, _>("lost_attempts")?,
    })
}

fn attempts(row: &PgRow) -> Result<Vec<backup_core::Attempt>, TryError> {
    let ids: Vec<Uuid> = row.try_get::<Option<_>, _>("attempt_ids")?.unwrap_or_default();
    let numbers: Vec<i32> = row.try_get::<Option<_>, _>("attempt_numbers")?.unwrap_or_default();
    let times: Vec<DateTime<Utc>> = row.try_get::<Option<_>, _>("attempt_times")?.unwrap_or_default();
    Ok(ids.into_iter().zip(numbers).zip(times).map(|((id, number), at)| attempt(id, number, at)).collect())
}

/// The value of each row of an input, as the array that a statement unnests.
pub(super) fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// The rows in the order in which every statement locks them, so that no two statements wait for each other; each with
/// its place before.
pub(super) fn in_lock_order<R>(rows: &[R], batch: impl Fn(&R) -> &str) -> Vec<(usize, &R)> {
    let mut order: Vec<(usize, &R)> = rows.iter().enumerate().collect();
    order.sort_by(|(_, one), (_, other)| batch(one).cmp(batch(other)));
    order
}

/// A number as the database holds it.
pub(super) fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A read-only node, or one that is in recovery.
pub(super) fn read_only(operation: &'static str) -> StoreError {
    StoreError::Unavailable { operation, source: "the database takes no writes now".into() }
}
