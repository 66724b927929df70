//! The step of a batch whose backup is completed: the outcome in the tables that people read, and the slot is free for the oldest
//! batch that waits for it.

use std::sync::LazyLock;

use backup_core::{BackupId, TaskId};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, postgres::PgRow};

use super::{dates, leave::FREE_SLOT, response};
use crate::{
    fields::extension_fields,
    postgres::statement::{Statement, columns},
    step::Step,
};

columns! { &'a Step<'a>:
    batch_id text = |step| step.lease.batch.as_str(),
    owner uuid = |step| step.lease.owner.as_uuid(),
    epoch bigint = |step| step.lease.epoch,
    from_phase text = |step| step.from.as_str(),
    end_time timestamptz = |step| step.record.ended_at,
    backup_response text = |step| response(step),
    extension_fields jsonb = |step| extension_fields(step.record),
    task_id text = |step| step.record.task.as_ref().map(TaskId::as_str),
    in_doubt boolean = |step| step.record.in_doubt,
    audit_until timestamptz = |step| step.record.audit_until,
    backup_id text = |step| step.record.backup.as_ref().map(BackupId::as_str),
}

/// `$1`: now. `$2` and `$3` bound the business dates, so that only their partitions are opened.
static COMPLETE: LazyLock<Statement> = LazyLock::new(|| {
    Statement::new(3, COLUMNS, |input| {
        format!(
            "
            WITH saved AS (
                UPDATE backup_work AS work
                SET
                    phase = 'DONE',
                    phase_since = input.end_time,
                    waiting_since = NULL,
                    note = NULL,
                    is_open = false,
                    is_waiting = false,
                    due_at = coalesce($1, now()),
                    owner = NULL,
                    in_doubt = work.in_doubt OR input.in_doubt,
                    audit_due_at = CASE WHEN input.audit_until IS NOT NULL THEN coalesce($1, now()) END,
                    audit_until = input.audit_until,
                    task_id = NULL,
                    backup_response = NULL
                FROM {input}
                WHERE work.batch_id = input.batch_id
                    AND work.owner = input.owner
                    AND work.epoch = input.epoch
                    AND work.phase = input.from_phase
                RETURNING
                    work.batch_id,
                    work.business_date,
                    work.slot,
                    input.end_time,
                    input.backup_response,
                    input.extension_fields,
                    input.task_id,
                    input.backup_id
            ),
            ended AS (
                UPDATE backup_batch AS batch
                SET
                    ended_at = saved.end_time,
                    task_id = saved.task_id,
                    backup_id = saved.backup_id
                FROM saved
                WHERE batch.batch_id = saved.batch_id
            ),
            tracked AS (
                UPDATE batch_db_schedule_event_tracker AS tracker
                SET
                    backup_status = 'SUCCESS',
                    end_time = saved.end_time AT TIME ZONE 'UTC',
                    backup_response = saved.backup_response
                FROM saved
                WHERE tracker.batch_id = saved.batch_id
                    AND tracker.business_date = saved.business_date
            ),
            detailed AS (
                UPDATE batch_execution_details AS batch
                SET
                    batch_status = 'COMPLETED',
                    end_time = saved.end_time AT TIME ZONE 'UTC',
                    extension_fields = saved.extension_fields
                FROM saved
                WHERE batch.batch_id = saved.batch_id
                    AND batch.business_date = saved.business_date
                    AND batch.business_date >= $2
                    AND batch.business_date <= $3
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
    bind(COMPLETE.of(steps).fixed(now).fixed(first).fixed(last)).fetch_all(connection).await
}
