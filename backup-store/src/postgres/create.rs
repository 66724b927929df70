//! New batches: any number in one statement.
//!
//! The tracker's row is written before the slot is taken, and the work's row after: whoever loses the race for the id
//! takes no slot, and the work's row knows whether it has one.

use std::time::Duration;

use backup_core::{
    BackupId, BackupRecord, BatchId, IdempotencyKey, Phase, TaskId,
    store::{Created, Hold, queued},
};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row, postgres::types::PgInterval};
use uuid::Uuid;

use super::{
    bucket, clean, interval, read,
    rows::{column, number},
};
use crate::{
    fields::{extension_fields, final_failure, is_worked_on, lost_attempts, note},
    outcome::created,
    replay::{Repeat, TryError},
};

/// A batch that is to be there.
pub(super) struct New<'a> {
    pub(super) record: &'a BackupRecord,
    pub(super) key: Option<&'a IdempotencyKey>,
    pub(super) hold: Hold,
}

/// Creates one batch, or finds what has its id or its key.
pub(super) async fn create(
    connection: &mut PgConnection,
    new: &New<'_>,
    now: Option<DateTime<Utc>>,
    repeat: Repeat,
) -> Result<Created, TryError> {
    if let Some((_, phase)) = insert(connection, std::slice::from_ref(new), now).await?.pop() {
        let is_queued = phase != new.record.phase.as_str();
        let record = if is_queued { queued(new.record) } else { new.record.clone() };
        return Ok(created(record, new.hold, 1));
    }
    // The answer to who was faster needs a look of its own: the statement above saw the time before.
    let there = read::find_by_id_or_key(connection, &new.record.batch, new.key).await?;
    Ok(there.ok_or(TryError::Raced)?.answer(new.record, new.hold, repeat))
}

/// Writes those whose id and key are free; answers each with the phase it was written in. The ids must differ.
#[expect(clippy::too_many_lines, reason = "one statement, and a line for each of its values")]
pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &[New<'_>],
    now: Option<DateTime<Utc>>,
) -> Result<Vec<(BatchId, String)>, TryError> {
    let plan = |new: &New<'_>| new.record.plan.clone();
    let failure = |new: &New<'_>| new.record.failure.clone();
    let queued_note = new.first().and_then(|new| note(&queued(new.record)));
    let rows = sqlx::query(
        "
        WITH input AS (
            SELECT
                input.batch_id,
                input.business_date,
                input.idempotency_key,
                input.slot,
                input.bucket,
                input.phase,
                input.phase_since,
                input.waiting_since,
                input.note,
                input.cancel_requested,
                input.holds_slot,
                input.is_open,
                input.owner,
                input.lease,
                input.backup_status,
                input.batch_status,
                input.backup_type,
                input.start_time,
                input.end_time,
                input.backup_response,
                input.extension_fields,
                input.batch_category,
                input.batch_mode,
                input.target,
                input.created_at,
                input.deadline_at,
                input.plan_base,
                input.plan_reason,
                input.task_id,
                input.backup_id,
                input.error_code,
                input.error_message,
                input.error_advice,
                input.attempt_id,
                input.attempt_number,
                input.attempted_at,
                input.exception_id,
                input.lost_attempts
            FROM unnest(
                $1::text[],
                $2::date[],
                $3::text[],
                $4::text[],
                $5::smallint[],
                $6::text[],
                $7::timestamptz[],
                $8::timestamptz[],
                $9::jsonb[],
                $10::boolean[],
                $11::boolean[],
                $12::boolean[],
                $13::uuid[],
                $14::interval[],
                $15::text[],
                $16::text[],
                $17::text[],
                $18::timestamptz[],
                $19::timestamptz[],
                $20::jsonb[],
                $21::jsonb[],
                $22::text[],
                $23::text[],
                $24::text[],
                $25::timestamptz[],
                $26::timestamptz[],
                $27::text[],
                $28::text[],
                $29::text[],
                $30::text[],
                $31::text[],
                $32::text[],
                $33::text[],
                $34::uuid[],
                $35::integer[],
                $36::timestamptz[],
                $37::uuid[],
                $40::jsonb[]
            ) AS input (
                batch_id,
                business_date,
                idempotency_key,
                slot,
                bucket,
                phase,
                phase_since,
                waiting_since,
                note,
                cancel_requested,
                holds_slot,
                is_open,
                owner,
                lease,
                backup_status,
                batch_status,
                backup_type,
                start_time,
                end_time,
                backup_response,
                extension_fields,
                batch_category,
                batch_mode,
                target,
                created_at,
                deadline_at,
                plan_base,
                plan_reason,
                task_id,
                backup_id,
                error_code,
                error_message,
                error_advice,
                attempt_id,
                attempt_number,
                attempted_at,
                exception_id,
                lost_attempts
            )
        ),
        keyed AS (
            INSERT INTO backup_idempotency (
                idempotency_key,
                batch_id
            )
            SELECT
                input.idempotency_key,
                input.batch_id
            FROM input
            WHERE input.idempotency_key IS NOT NULL
                AND NOT EXISTS (
                    SELECT
                    FROM batch_db_schedule_event_tracker AS tracker
                    WHERE tracker.batch_id = input.batch_id
                )
            ORDER BY input.idempotency_key
            ON CONFLICT (idempotency_key) DO NOTHING
            RETURNING batch_id
        ),
        tracked AS (
            INSERT INTO batch_db_schedule_event_tracker (
                batch_id,
                business_date,
                backup_status,
                backup_type,
                start_time,
                end_time,
                backup_response,
                batch_category,
                batch_mode,
                target,
                created_at,
                deadline_at,
                plan_base,
                plan_reason,
                task_id,
                backup_id,
                error_code,
                error_message,
                error_advice
            )
            SELECT
                input.batch_id,
                input.business_date,
                input.backup_status,
                input.backup_type,
                input.start_time,
                input.end_time,
                input.backup_response,
                input.batch_category,
                input.batch_mode,
                input.target,
                input.created_at,
                input.deadline_at,
                input.plan_base,
                input.plan_reason,
                input.task_id,
                input.backup_id,
                input.error_code,
                input.error_message,
                input.error_advice
            FROM input
            WHERE input.idempotency_key IS NULL
                OR input.batch_id IN (SELECT keyed.batch_id FROM keyed)
            ON CONFLICT (batch_id) DO NOTHING
            RETURNING batch_id
        ),
        slotted AS (
            INSERT INTO universe_slot (
                slot,
                batch_id
            )
            SELECT
                input.slot,
                input.batch_id
            FROM input
            WHERE input.holds_slot
                AND input.batch_id IN (SELECT tracked.batch_id FROM tracked)
            ORDER BY input.slot
            ON CONFLICT (slot) DO NOTHING
            RETURNING batch_id
        ),
        written AS (
            SELECT
                input.batch_id,
                input.holds_slot AND slotted.batch_id IS NULL AS is_queued
            FROM input
            JOIN tracked ON tracked.batch_id = input.batch_id
            LEFT JOIN slotted ON slotted.batch_id = input.batch_id
        ),
        worked AS (
            INSERT INTO backup_work (
                batch_id,
                business_date,
                bucket,
                slot,
                created_at,
                phase,
                phase_since,
                waiting_since,
                note,
                cancel_requested,
                is_open,
                is_waiting,
                due_at,
                epoch,
                owner,
                lost_attempts
            )
            SELECT
                input.batch_id,
                input.business_date,
                input.bucket,
                input.slot,
                input.created_at,
                CASE WHEN written.is_queued THEN 'WAITING' ELSE input.phase END,
                input.phase_since,
                CASE
                    WHEN written.is_queued THEN coalesce(input.waiting_since, input.phase_since)
                    ELSE input.waiting_since
                END,
                CASE WHEN written.is_queued THEN $38::jsonb ELSE input.note END,
                input.cancel_requested,
                input.is_open,
                written.is_queued OR input.phase = 'WAITING',
                coalesce($39, now()) + input.lease,
                1,
                CASE WHEN NOT written.is_queued THEN input.owner END,
                input.lost_attempts
            FROM input
            JOIN written ON written.batch_id = input.batch_id
            RETURNING batch_id, phase
        ),
        attempted AS (
            INSERT INTO backup_attempt (
                attempt_id,
                batch_id,
                attempt_number,
                attempted_at
            )
            SELECT
                input.attempt_id,
                input.batch_id,
                input.attempt_number,
                input.attempted_at
            FROM input
            JOIN written ON written.batch_id = input.batch_id
            WHERE input.attempt_id IS NOT NULL
                AND NOT written.is_queued
        ),
        detailed AS (
            INSERT INTO batch_execution_details (
                batch_id,
                business_date,
                batch_category,
                batch_mode,
                status,
                start_time,
                end_time,
                extension_fields
            )
            SELECT
                input.batch_id,
                input.business_date,
                input.batch_category,
                input.batch_mode,
                input.batch_status,
                input.start_time,
                input.end_time,
                input.extension_fields
            FROM input
            JOIN written ON written.batch_id = input.batch_id
        ),
        excepted AS (
            INSERT INTO exception_details (
                exception_id,
                batch_id,
                business_date,
                batch_category,
                error_code,
                error_message,
                error_advice,
                created_at
            )
            SELECT
                input.exception_id,
                input.batch_id,
                input.business_date,
                input.batch_category,
                input.error_code,
                input.error_message,
                input.error_advice,
                input.end_time
            FROM input
            JOIN written ON written.batch_id = input.batch_id
            WHERE input.exception_id IS NOT NULL
        )
        SELECT
            worked.batch_id,
            worked.phase
        FROM worked
        ",
    )
    .bind(column(new, |new| new.record.batch.as_str()))
    .bind(column(new, |new| new.record.business_date))
    .bind(column(new, |new| new.key.map(|key| clean::text(key.as_str()))))
    .bind(column(new, |new| new.record.slot.as_str()))
    .bind(column(new, |new| bucket(new.record.batch.as_str())))
    .bind(column(new, |new| new.record.phase.as_str()))
    .bind(column(new, |new| new.record.phase_since))
    .bind(column(new, |new| new.record.waiting_since))
    .bind(column(new, |new| note(new.record)))
    .bind(column(new, |new| new.record.cancel_requested))
    .bind(column(new, |new| new.record.phase.holds_slot()))
    .bind(column(new, |new| !new.record.is_done()))
    .bind(column(new, |new| is_worked_on(new.record.phase).then(|| new.hold.owner.as_uuid())))
    .bind(column(new, |new| lease(new)))
    .bind(column(new, |new| new.record.status().as_str()))
    .bind(column(new, |new| new.record.batch_status().as_str()))
    .bind(column(new, |new| new.record.strategy()))
    .bind(column(new, |new| new.record.started_at))
    .bind(column(new, |new| new.record.ended_at))
    .bind(column(new, |new| new.record.response.clone()))
    .bind(column(new, |new| extension_fields(new.record)))
    .bind(column(new, |new| new.record.category.as_str()))
    .bind(column(new, |new| new.record.mode.as_str()))
    .bind(column(new, |new| new.record.target.as_str()))
    .bind(column(new, |new| new.record.created_at))
    .bind(column(new, |new| new.record.deadline_at))
    .bind(column(new, |new| plan(new).and_then(|plan| plan.base).map(|base| base.to_string())))
    .bind(column(new, |new| plan(new).map(|plan| plan.reason)))
    .bind(column(new, |new| new.record.task.as_ref().map(TaskId::as_str)))
    .bind(column(new, |new| new.record.backup.as_ref().map(BackupId::as_str)))
    .bind(column(new, |new| failure(new).map(|failure| failure.code.as_str())))
    .bind(column(new, |new| failure(new).map(|failure| failure.message)))
    .bind(column(new, |new| failure(new).and_then(|failure| failure.advice)))
    .bind(column(new, |new| attempt(new.record).map(|attempt| attempt.id.as_uuid())))
    .bind(column(new, |new| attempt(new.record).map(|attempt| number(attempt.number))))
    .bind(column(new, |new| attempt(new.record).map(|attempt| attempt.at)))
    .bind(column(new, |new| final_failure(new.record).map(|_| Uuid::now_v7())))
    .bind(queued_note)
    .bind(now)
    .bind(column(new, |new| lost_attempts(new.record)))
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get::<String, _>("batch_id")?.into(), row.try_get("phase")?))).collect()
}

/// How long nobody else may take it.
fn lease(new: &New<'_>) -> PgInterval {
    interval(if is_worked_on(new.record.phase) { new.hold.lease } else { Duration::ZERO })
}

/// The attempt that is to be sent.
fn attempt(record: &BackupRecord) -> Option<&backup_core::Attempt> {
    record.attempt().filter(|_| record.phase == Phase::Submitting)
}
