//! A failed batch is opened again, in one statement: whoever finds it failed has won, if no audit recorded more of it than the
//! caller had read.

use std::time::Duration;

use backup_core::{
    BackupId, BackupRecord, Phase, StoreError,
    store::{Created, Hold, queued},
};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use super::{clean, interval, read, rows::number};
use crate::{
    fields::{is_worked_on, lost_attempts, note, surplus},
    outcome::created,
    replay::{Repeat, TryError},
};

#[expect(clippy::too_many_lines, reason = "one statement, and a line for each of its values")]
pub(super) async fn reopen(
    connection: &mut PgConnection,
    record: &BackupRecord,
    hold: Hold,
    now: Option<DateTime<Utc>>,
    repeat: Repeat,
) -> Result<Created, TryError> {
    let plan = record.plan.as_ref();
    let attempt = record.attempt().filter(|_| record.phase == Phase::Submitting);
    let is_worked_on = is_worked_on(record.phase);
    let row = sqlx::query(
        "
        WITH failed AS (
            SELECT batch.batch_id
            FROM backup_batch AS batch
            WHERE batch.batch_id = $1
                AND batch.ended_at IS NOT NULL
                AND batch.error_code IS NOT NULL
            FOR UPDATE
        ),
        unchanged AS (
            SELECT work.batch_id
            FROM backup_work AS work
            WHERE work.batch_id IN (SELECT failed.batch_id FROM failed)
                AND work.lost_attempts IS NOT DISTINCT FROM $23::jsonb
                AND work.surplus IS NOT DISTINCT FROM $24::jsonb
            FOR UPDATE
        ),
        reopened AS (
            UPDATE backup_batch AS batch
            SET
                strategy = $2,
                started_at = $3,
                ended_at = NULL,
                target = $4,
                deadline_at = $5,
                plan_base = $6,
                plan_reason = $7,
                task_id = NULL,
                backup_id = NULL,
                error_code = NULL,
                error_message = NULL,
                error_advice = NULL
            FROM unchanged
            WHERE batch.batch_id = unchanged.batch_id
            RETURNING batch.batch_id
        ),
        slotted AS (
            INSERT INTO universe_slot (
                slot,
                batch_id
            )
            SELECT
                $8,
                reopened.batch_id
            FROM reopened
            WHERE $9
            ON CONFLICT (slot) DO NOTHING
            RETURNING batch_id
        ),
        written AS (
            SELECT
                reopened.batch_id,
                $9 AND slotted.batch_id IS NULL AS is_queued
            FROM reopened
            LEFT JOIN slotted ON slotted.batch_id = reopened.batch_id
        ),
        worked AS (
            UPDATE backup_work AS work
            SET
                slot = $8,
                phase = CASE WHEN written.is_queued THEN 'WAITING' ELSE $10 END,
                phase_since = $11,
                waiting_since = CASE WHEN written.is_queued THEN coalesce($12, $11) ELSE $12 END,
                note = CASE WHEN written.is_queued THEN $13::jsonb ELSE $14::jsonb END,
                cancel_requested = $15,
                is_open = true,
                is_waiting = written.is_queued OR $10 = 'WAITING',
                due_at = coalesce($16, now()) + $17,
                epoch = work.epoch + 1,
                owner = CASE WHEN NOT written.is_queued THEN $18::uuid END,
                in_doubt = work.in_doubt OR $25,
                audit_due_at = NULL,
                audit_until = NULL,
                task_id = NULL,
                backup_response = NULL
            FROM written
            WHERE work.batch_id = written.batch_id
            RETURNING work.batch_id, work.epoch, written.is_queued
        ),
        attempted AS (
            INSERT INTO backup_attempt (
                attempt_id,
                batch_id,
                attempt_number,
                attempted_at
            )
            SELECT
                $19,
                written.batch_id,
                $20,
                $21
            FROM written
            WHERE $19 IS NOT NULL
                AND NOT written.is_queued
        ),
        detailed AS (
            UPDATE batch_execution_details AS batch
            SET
                batch_status = 'IN_PROGRESS',
                start_time = $3 AT TIME ZONE 'UTC',
                end_time = NULL,
                extension_fields = NULL
            FROM written
            WHERE batch.batch_id = written.batch_id
                AND batch.business_date = $22
        ),
        tracked AS (
            UPDATE batch_db_schedule_event_tracker AS tracker
            SET
                backup_status = 'IN_PROGRESS',
                backup_type = $2::varchar(50),
                start_time = $3 AT TIME ZONE 'UTC',
                end_time = NULL,
                backup_response = NULL
            FROM written
            WHERE tracker.batch_id = written.batch_id
                AND tracker.business_date = $22
        )
        SELECT
            worked.epoch,
            worked.is_queued
        FROM worked
        ",
    )
    .bind(record.batch.as_str())
    .bind(record.strategy())
    .bind(record.started_at)
    .bind(record.target.as_str())
    .bind(record.deadline_at)
    .bind(plan.and_then(|plan| plan.base.as_ref()).map(BackupId::as_str))
    .bind(plan.map(|plan| plan.reason.as_str()))
    .bind(record.slot.as_str())
    .bind(record.phase.holds_slot())
    .bind(record.phase.as_str())
    .bind(record.phase_since)
    .bind(record.waiting_since)
    .bind(note(&queued(record)))
    .bind(note(record))
    .bind(record.cancel_requested)
    .bind(now)
    .bind(interval(if is_worked_on { hold.lease } else { Duration::ZERO }))
    .bind(is_worked_on.then(|| hold.owner.as_uuid()))
    .bind(attempt.map(|attempt| attempt.id.as_uuid()))
    .bind(attempt.map(|attempt| number(attempt.number)))
    .bind(attempt.map(|attempt| attempt.at))
    .bind(record.business_date)
    .bind(lost_attempts(&record.lost))
    .bind(surplus(&record.surplus).map(clean::json))
    .bind(record.in_doubt)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return not_failed(connection, record, hold, repeat).await };
    let record = if row.try_get("is_queued")? { queued(record) } else { record.clone() };
    Ok(created(record, hold, row.try_get("epoch")?))
}

async fn not_failed(
    connection: &mut PgConnection,
    record: &BackupRecord,
    hold: Hold,
    repeat: Repeat,
) -> Result<Created, TryError> {
    let there = read::find(connection, &record.batch).await?;
    let there = there.ok_or_else(|| StoreError::NotFound { batch: record.batch.clone() })?;
    Ok(there.answer_reopen(record, hold, repeat)?)
}
