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
                tracker.batch_id,
                tracker.business_date,
                tracker.batch_category,
                tracker.batch_mode,
                tracker.target,
                work.slot,
                tracker.created_at,
                tracker.start_time,
                tracker.end_time,
                tracker.deadline_at,
                tracker.backup_type,
                tracker.plan_base,
                tracker.plan_reason,
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
                        WHERE batch_id = tracker.batch_id
                        ORDER BY attempt_number
                    )
                ) AS attempts,
                CASE
                    WHEN work.phase IN ('SUBMITTING', 'RUNNING', 'SETTLING') THEN coalesce(work.task_id, tracker.task_id)
                    ELSE tracker.task_id
                END AS task_id,
                tracker.backup_id,
                CASE
                    WHEN work.phase IN ('SUBMITTING', 'RUNNING', 'SETTLING') THEN coalesce(work.backup_response, tracker.backup_response)
                    ELSE tracker.backup_response
                END AS backup_response,
                tracker.error_code,
                tracker.error_message,
                tracker.error_advice,
                work.cancel_requested,
                work.lost_attempts,
                work.epoch,
                work.owner
            FROM backup_work AS work
            JOIN batch_db_schedule_event_tracker AS tracker ON tracker.batch_id = work.batch_id
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
        start_time: row.try_get("start_time")?,
        end_time: row.try_get("end_time")?,
        deadline_at: row.try_get("deadline_at")?,
        backup_type: row.try_get("backup_type")?,
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
        response: json(row, "backup_response")?,
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

/// An instant as a column holds it: one width, so that text sorts as time does.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
