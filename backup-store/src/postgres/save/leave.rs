//! The step of a batch that waits or failed: why, in every table; its slot is free, and the oldest batch that waits for it is due.

use std::sync::LazyLock;

use backup_core::{BackupId, Failure, TaskId};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, postgres::PgRow};
use uuid::Uuid;

use super::{dates, response};
use crate::{
    fields::{exception_fields, extension_fields, final_failure, lost_attempts, note, surplus},
    postgres::{
        clean, interval,
        statement::{Statement, columns},
    },
    step::Step,
};

columns! { &'a Step<'a>:
    batch_id text = |step| step.lease.batch.as_str(),
    owner uuid = |step| step.lease.owner.as_uuid(),
    epoch bigint = |step| step.lease.epoch,
    from_phase text = |step| step.from.as_str(),
    phase text = |step| step.record.phase.as_str(),
    phase_since timestamptz = |step| step.record.phase_since,
    waiting_since timestamptz = |step| step.record.waiting_since,
    note jsonb = |step| note(step.record),
    lost_attempts jsonb = |step| lost_attempts(&step.record.lost),
    in_doubt boolean = |step| step.record.in_doubt,
    surplus jsonb = |step| surplus(&step.record.surplus).map(clean::json),
    cancel_requested boolean = |step| step.record.cancel_requested,
    audit_until timestamptz = |step| step.record.audit_until,
    is_open boolean = |step| !step.record.is_done(),
    retry_in interval = |step| interval(step.retry_in),
    backup_status text = |step| step.record.status().as_str(),
    batch_status text = |step| step.record.batch_status().as_str(),
    strategy text = |step| step.record.strategy(),
    start_time timestamptz = |step| step.record.started_at,
    end_time timestamptz = |step| step.record.ended_at,
    backup_response text = |step| response(step),
    extension_fields jsonb = |step| extension_fields(step.record),
    exception_fields jsonb = |step| exception_fields(step.record),
    plan_base text = |step| step.record.plan.as_ref().and_then(|plan| plan.base.as_ref()).map(BackupId::as_str),
    plan_reason text = |step| step.record.plan.as_ref().map(|plan| plan.reason.as_str()),
    task_id text = |step| step.record.task.as_ref().map(TaskId::as_str),
    backup_id text = |step| step.record.backup.as_ref().map(BackupId::as_str),
    error_code text = |step| failure(step).map(|failure| failure.code.as_str()),
    error_message text = |step| failure(step).map(|failure| failure.message.as_str()),
    error_advice text = |step| failure(step).and_then(|failure| failure.advice.as_deref()),
    exception_id uuid = |step| final_failure(step.record).map(|_| Uuid::now_v7()),
}

fn failure<'a>(step: &'a Step<'_>) -> Option<&'a Failure> {
    step.record.failure.as_ref()
}

/// What follows `saved` where a slot may be freed: whoever waits longest for it is due.
pub(super) const FREE_SLOT: &str = "
            freed AS (
                DELETE FROM universe_slot AS slot
                USING saved
                WHERE slot.slot = saved.slot
                    AND slot.batch_id = saved.batch_id
                RETURNING slot.slot, slot.batch_id
            ),
            woken AS (
                UPDATE backup_work AS work
                SET due_at = least(work.due_at, coalesce($1, now()))
                FROM freed
                CROSS JOIN LATERAL (
                    SELECT waiter.batch_id
                    FROM backup_work AS waiter
                    WHERE waiter.slot = freed.slot
                        AND waiter.is_waiting
                        AND waiter.owner IS NULL
                        AND waiter.batch_id <> freed.batch_id
                    ORDER BY waiter.created_at, waiter.batch_id
                    LIMIT 1
                    FOR UPDATE SKIP LOCKED
                ) AS oldest
                WHERE work.batch_id = oldest.batch_id
                    AND work.is_waiting
                    AND work.owner IS NULL
            )
";

/// `$1`: now. `$2` and `$3` bound the business dates, so that only their partitions are opened.
static LEAVE: LazyLock<Statement> = LazyLock::new(|| {
    Statement::new(3, COLUMNS, |input| {
        format!(
            "
            WITH saved AS (
                UPDATE backup_work AS work
                SET
                    phase = input.phase,
                    phase_since = input.phase_since,
                    waiting_since = input.waiting_since,
                    note = input.note,
                    lost_attempts = input.lost_attempts,
                    in_doubt = work.in_doubt OR input.in_doubt,
                    surplus = input.surplus,
                    audit_due_at = CASE WHEN input.audit_until IS NOT NULL THEN coalesce($1, now()) END,
                    audit_until = input.audit_until,
                    cancel_requested = work.cancel_requested OR input.cancel_requested,
                    is_open = input.is_open,
                    is_waiting = input.is_open,
                    due_at = coalesce($1, now()) + input.retry_in,
                    owner = NULL,
                    task_id = NULL,
                    backup_response = CASE WHEN input.is_open THEN input.backup_response END
                FROM {input}
                WHERE work.batch_id = input.batch_id
                    AND work.owner = input.owner
                    AND work.epoch = input.epoch
                    AND work.phase = input.from_phase
                RETURNING
                    work.batch_id,
                    work.business_date,
                    work.slot,
                    input.is_open,
                    input.backup_status,
                    input.batch_status,
                    input.strategy,
                    input.start_time,
                    input.end_time,
                    input.backup_response,
                    input.extension_fields,
                    input.exception_fields,
                    input.plan_base,
                    input.plan_reason,
                    input.task_id,
                    input.backup_id,
                    input.error_code,
                    input.error_message,
                    input.error_advice,
                    input.exception_id
            ),
            left_off AS (
                UPDATE backup_batch AS batch
                SET
                    strategy = saved.strategy,
                    ended_at = saved.end_time,
                    plan_base = saved.plan_base,
                    plan_reason = saved.plan_reason,
                    task_id = saved.task_id,
                    backup_id = saved.backup_id,
                    error_code = saved.error_code,
                    error_message = saved.error_message,
                    error_advice = saved.error_advice
                FROM saved
                WHERE batch.batch_id = saved.batch_id
            ),
            tracked AS (
                UPDATE batch_db_schedule_event_tracker AS tracker
                SET
                    backup_status = saved.backup_status,
                    backup_type = saved.strategy::varchar(50),
                    end_time = saved.end_time AT TIME ZONE 'UTC',
                    backup_response = saved.backup_response
                FROM saved
                WHERE tracker.batch_id = saved.batch_id
                    AND tracker.business_date = saved.business_date
                    AND NOT saved.is_open
            ),
            detailed AS (
                UPDATE batch_execution_details AS batch
                SET
                    batch_status = saved.batch_status,
                    end_time = saved.end_time AT TIME ZONE 'UTC',
                    extension_fields = saved.extension_fields
                FROM saved
                WHERE batch.batch_id = saved.batch_id
                    AND batch.business_date = saved.business_date
                    AND batch.business_date >= $2
                    AND batch.business_date <= $3
                    AND NOT saved.is_open
            ),
            excepted AS (
                INSERT INTO exception_details (
                    exception_id,
                    batch_id,
                    execution_type,
                    error_message,
                    extension_fields,
                    start_time,
                    end_time,
                    business_date
                )
                SELECT
                    saved.exception_id::text,
                    saved.batch_id,
                    'BACKUP',
                    saved.error_message,
                    saved.exception_fields,
                    saved.start_time AT TIME ZONE 'UTC',
                    saved.end_time AT TIME ZONE 'UTC',
                    saved.business_date
                FROM saved
                WHERE saved.exception_id IS NOT NULL
            ),
            {FREE_SLOT}
            SELECT saved.batch_id
            FROM saved
            "
        )
    })
});

pub(super) async fn update(
    connection: &mut PgConnection,
    steps: &[&Step<'_>],
    now: Option<DateTime<Utc>>,
) -> Result<Vec<PgRow>, sqlx::Error> {
    let (first, last) = dates(steps);
    bind(LEAVE.of(steps).fixed(now).fixed(first).fixed(last)).fetch_all(connection).await
}
