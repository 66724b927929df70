//! Rows of SQLite, and back: instants as text of one width, UUIDs as readable text, JSON as text.

use backup_core::StoreError;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use sqlx::{Row, sqlite::SqliteRow, types::Json};
use uuid::{Uuid, fmt::Hyphenated};

use crate::{
    fields::{Fields, attempt, corrupt},
    outcome::Stored,
    replay::TryError,
};

/// The statement that reads records, with what follows `FROM`, `JOIN`. Two tables, one place.
macro_rules! select_records {
    ($rest:literal) => {
        concat!(
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
                (
                    SELECT json_group_array(json_array(attempt_id, attempt_number, attempted_at))
                    FROM (
                        SELECT
                            attempt_id,
                            attempt_number,
                            attempted_at
                        FROM backup_attempt
                        WHERE batch_id = work.batch_id
                        ORDER BY attempt_number
                    )
                ) AS attempts,
                iif(work.is_open, work.task_id, batch.task_id) AS task_id,
                batch.backup_id,
                iif(
                    work.is_open,
                    work.backup_response,
                    (
                        SELECT tracker.backup_response
                        FROM batch_db_schedule_event_tracker AS tracker
                        WHERE tracker.batch_id = work.batch_id
                            AND tracker.business_date = work.business_date
                    )
                ) AS backup_response,
                batch.error_code,
                batch.error_message,
                batch.error_advice,
                work.cancel_requested,
                work.lost_attempts,
                work.epoch,
                work.owner
            FROM backup_work AS work
            JOIN backup_batch AS batch ON batch.batch_id = work.batch_id
            ",
            $rest
        )
    };
}
pub(super) use select_records;

pub(super) fn stored(row: &SqliteRow) -> Result<Stored, TryError> {
    Ok(Stored {
        record: fields(row)?.into_record()?,
        epoch: row.try_get("epoch")?,
        owner: row.try_get::<Option<Hyphenated>, _>("owner")?.map(Hyphenated::into_uuid),
    })
}

fn fields(row: &SqliteRow) -> Result<Fields, TryError> {
    let batch_id: String = row.try_get("batch_id")?;
    let attempts = attempts(row, &batch_id)?;
    Ok(Fields {
        batch_id,
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
        note: json(row, "note")?,
        lost_attempts: json(row, "lost_attempts")?,
        attempts,
        task_id: row.try_get("task_id")?,
        backup_id: row.try_get("backup_id")?,
        response: row.try_get("backup_response")?,
        error_code: row.try_get("error_code")?,
        error_message: row.try_get("error_message")?,
        error_advice: row.try_get("error_advice")?,
        cancel_requested: row.try_get("cancel_requested")?,
    })
}

fn json(row: &SqliteRow, column: &str) -> Result<Option<Value>, sqlx::Error> {
    Ok(row.try_get::<Option<Json<Value>>, _>(column)?.map(|json| json.0))
}

fn attempts(row: &SqliteRow, batch: &str) -> Result<Vec<backup_core::Attempt>, TryError> {
    let Json(rows): Json<Vec<(Uuid, i32, DateTime<Utc>)>> =
        row.try_get("attempts").map_err(|error| unreadable_attempt(batch, &error))?;
    Ok(rows.into_iter().map(|(id, number, at)| attempt(id, number, at)).collect())
}

fn unreadable_attempt(batch: &str, error: &sqlx::Error) -> StoreError {
    corrupt("backup_attempt", "attempt_id", batch, error.to_string())
}

/// An instant as the original's columns hold it.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// An instant as our columns hold it: one width, so that text sorts as time does.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
