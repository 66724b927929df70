//! The step of a batch that is to be posted, or whose task was found before that: the slot of its universe, the plan, the attempt.
//!
//! The work is locked before the slot is taken, so that the slot is never taken for a lease that is lost in the same
//! moment. A slot that is ours already, by whatever accident, counts as taken by us.

use std::sync::LazyLock;

use backup_core::{Attempt, BackupId, Phase, TaskId};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::response;
use crate::{
    fields::{lost_attempts, note, surplus},
    postgres::{
        clean,
        rows::number,
        statement::{Statement, columns},
    },
    step::Step,
};

columns! { &'a Step<'a>:
    batch_id text = |step| step.lease.batch.as_str(),
    owner uuid = |step| step.lease.owner.as_uuid(),
    epoch bigint = |step| step.lease.epoch,
    from_phase text = |step| step.from.as_str(),
    enters_slot boolean = |step| step.record.phase.holds_slot() && !step.from.holds_slot(),
    phase text = |step| step.record.phase.as_str(),
    phase_since timestamptz = |step| step.record.phase_since,
    waiting_since timestamptz = |step| step.record.waiting_since,
    note jsonb = |step| note(step.record),
    lost_attempts jsonb = |step| lost_attempts(&step.record.lost),
    in_doubt boolean = |step| step.record.in_doubt,
    surplus jsonb = |step| surplus(&step.record.surplus).map(clean::json),
    cancel_requested boolean = |step| step.record.cancel_requested,
    strategy text = |step| step.record.strategy(),
    plan_base text = |step| step.record.plan.as_ref().and_then(|plan| plan.base.as_ref()).map(BackupId::as_str),
    plan_reason text = |step| step.record.plan.as_ref().map(|plan| plan.reason.as_str()),
    task_id text = |step| step.record.task.as_ref().map(TaskId::as_str),
    backup_response text = |step| response(step),
    attempt_id uuid = |step| attempt(step).map(|attempt| attempt.id.as_uuid()),
    attempt_number integer = |step| attempt(step).map(|attempt| number(attempt.number)),
    attempted_at timestamptz = |step| attempt(step).map(|attempt| attempt.at),
}

/// The attempt that is to be sent.
fn attempt<'a>(step: &'a Step<'_>) -> Option<&'a Attempt> {
    step.record.attempt().filter(|_| step.record.phase == Phase::Submitting)
}

static ENTER: LazyLock<Statement> = LazyLock::new(|| {
    let names: Vec<String> = COLUMNS.iter().map(|(name, _)| format!("input.{name}")).collect();
    let names = names.join(", ");
    Statement::new(0, COLUMNS, |input| {
        format!(
            "
            WITH input AS (
                SELECT {names}
                FROM {input}
            ),
            locked AS (
                SELECT
                    work.batch_id,
                    work.slot,
                    input.enters_slot
                FROM input
                JOIN backup_work AS work ON work.batch_id = input.batch_id
                WHERE work.owner = input.owner
                    AND work.epoch = input.epoch
                    AND work.phase = input.from_phase
                FOR UPDATE OF work
            ),
            slotted AS (
                INSERT INTO universe_slot (
                    slot,
                    batch_id
                )
                SELECT
                    locked.slot,
                    locked.batch_id
                FROM locked
                WHERE locked.enters_slot
                ORDER BY locked.slot
                ON CONFLICT (slot) DO NOTHING
                RETURNING batch_id
            ),
            saved AS (
                UPDATE backup_work AS work
                SET
                    phase = input.phase,
                    phase_since = input.phase_since,
                    waiting_since = input.waiting_since,
                    note = input.note,
                    lost_attempts = input.lost_attempts,
                    in_doubt = work.in_doubt OR input.in_doubt,
                    surplus = input.surplus,
                    cancel_requested = work.cancel_requested OR input.cancel_requested,
                    is_waiting = false,
                    task_id = input.task_id,
                    backup_response = input.backup_response
                FROM input
                WHERE work.batch_id = input.batch_id
                    AND work.owner = input.owner
                    AND work.epoch = input.epoch
                    AND work.phase = input.from_phase
                    AND input.batch_id IN (SELECT locked.batch_id FROM locked)
                    AND (
                        NOT input.enters_slot
                        OR input.batch_id IN (SELECT slotted.batch_id FROM slotted)
                        OR EXISTS (
                            SELECT
                            FROM universe_slot AS ours
                            WHERE ours.slot = work.slot
                                AND ours.batch_id = work.batch_id
                        )
                    )
                RETURNING
                    work.batch_id,
                    work.business_date,
                    input.strategy,
                    input.plan_base,
                    input.plan_reason,
                    input.attempt_id,
                    input.attempt_number,
                    input.attempted_at
            ),
            planned AS (
                UPDATE backup_batch AS batch
                SET
                    strategy = saved.strategy,
                    plan_base = saved.plan_base,
                    plan_reason = saved.plan_reason
                FROM saved
                WHERE batch.batch_id = saved.batch_id
            ),
            tracked AS (
                UPDATE batch_db_schedule_event_tracker AS tracker
                SET backup_type = saved.strategy::varchar(50)
                FROM saved
                WHERE tracker.batch_id = saved.batch_id
                    AND tracker.business_date = saved.business_date
                    AND tracker.backup_type IS DISTINCT FROM saved.strategy::varchar(50)
            ),
            attempted AS (
                INSERT INTO backup_attempt (
                    attempt_id,
                    batch_id,
                    attempt_number,
                    attempted_at
                )
                SELECT
                    saved.attempt_id,
                    saved.batch_id,
                    saved.attempt_number,
                    saved.attempted_at
                FROM saved
                WHERE saved.attempt_id IS NOT NULL
                ON CONFLICT (attempt_id) DO NOTHING
            )
            SELECT saved.batch_id
            FROM saved
            "
        )
    })
});

pub(super) async fn update(
    connection: &mut PgConnection,
    steps: &[&Step<'_>],
) -> Result<Vec<PgRow>, sqlx::Error> {
    bind(ENTER.of(steps)).fetch_all(connection).await
}

/// The batch that has a slot.
pub(super) async fn holder(connection: &mut PgConnection, slot: &str) -> Result<Option<String>, sqlx::Error> {
    let row = sqlx::query("SELECT batch_id FROM universe_slot WHERE slot = $1")
        .bind(slot)
        .fetch_optional(connection)
        .await?;
    row.map(|row| row.try_get("batch_id")).transpose()
}
