//! Rows of SQLite, and back: instants as text of one width, UUIDs as readable text, JSON as text.

use backup_core::StoreError;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use sqlx::{sqlite::SqliteRow, types::Json};
use uuid::{Uuid, fmt::Hyphenated};

use crate::{
    fields::{Fields, attempt, epoch},
    outcome::{Listed, Stored},
    reader::Reader,
};

/// The statement that reads records, with what follows `FROM`, `JOIN`. Two tables, one place.
macro_rules! select_records {
    ($answer:expr, $rest:literal) => {
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
                ",
            $answer,
            " AS backup_response,
                batch.error_code,
                batch.error_message,
                batch.error_advice,
                work.cancel_requested,
                work.lost_attempts,
                work.in_doubt,
                work.surplus,
                work.audit_due_at,
                work.audit_until,
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

/// YBA's answer, as far as anybody would read it: what is cut is no JSON any more, and shown as text.
macro_rules! answer {
    () => {
        "substr(
            iif(
                work.is_open,
                work.backup_response,
                (
                    SELECT tracker.backup_response
                    FROM batch_db_schedule_event_tracker AS tracker
                    WHERE tracker.batch_id = work.batch_id
                        AND tracker.business_date = work.business_date
                )
            ),
            1,
            1048576
        )"
    };
}
pub(super) use answer;

pub(super) fn stored(row: &SqliteRow) -> Result<Stored, StoreError> {
    let reader = Reader::new(row);
    let epoch = epoch(reader.work("epoch")?, reader.name())?;
    let owner = reader.work::<Option<Hyphenated>>("owner")?.map(Hyphenated::into_uuid);
    Ok(Stored { record: fields(&reader)?.into_record()?, epoch, owner })
}

/// A row of a list.
pub(super) fn listed(row: &SqliteRow) -> Listed {
    let place = Reader::new(row).key::<DateTime<Utc>>();
    Listed { place, record: stored(row).map(|there| there.record) }
}

fn fields(row: &Reader<'_, SqliteRow>) -> Result<Fields, StoreError> {
    let note: Option<String> = row.work("note")?;
    let lost = row.work::<Option<Json<Value>>>("lost_attempts")?;
    let surplus = row.work::<Option<Json<Value>>>("surplus")?;
    Ok(Fields {
        batch_id: row.name().to_owned(),
        business_date: row.work("business_date")?,
        batch_category: row.batch("batch_category")?,
        batch_mode: row.batch("batch_mode")?,
        target: row.batch("target")?,
        slot: row.work("slot")?,
        created_at: row.batch("created_at")?,
        started_at: row.batch("started_at")?,
        ended_at: row.batch("ended_at")?,
        deadline_at: row.batch("deadline_at")?,
        strategy: row.batch("strategy")?,
        plan_base: row.batch("plan_base")?,
        plan_reason: row.batch("plan_reason")?,
        phase: row.work("phase")?,
        phase_since: row.work("phase_since")?,
        waiting_since: row.work("waiting_since")?,
        note: note.map(|note| serde_json::from_str(&note).unwrap_or(Value::String(note))),
        lost_attempts: lost.map(|json| json.0),
        in_doubt: row.work("in_doubt")?,
        surplus: surplus.map(|json| json.0),
        audit_until: row.work::<Option<i64>>("audit_until")?.and_then(DateTime::from_timestamp_millis),
        attempts: attempts(row)?,
        task_id: row.work("task_id")?,
        backup_id: row.batch("backup_id")?,
        response: row.work("backup_response")?,
        error_code: row.batch("error_code")?,
        error_message: row.batch("error_message")?,
        error_advice: row.batch("error_advice")?,
        cancel_requested: row.work("cancel_requested")?,
    })
}

fn attempts(row: &Reader<'_, SqliteRow>) -> Result<Vec<backup_core::Attempt>, StoreError> {
    let Json(rows): Json<Vec<(Uuid, i32, DateTime<Utc>)>> = row.column("backup_attempt", "attempts")?;
    Ok(rows.into_iter().map(|(id, number, at)| attempt(id, number, at)).collect())
}

/// An instant as the original's columns hold it.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// An instant as our columns hold it: one width, so that text sorts as time does.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
