//! Steps of batches under their leases: any number in one statement, each fenced by its owner, epoch and phase.
//!
//! Whoever enters a slot locks its work first, so that the slot is never taken for a lease that is lost in the same
//! moment. A slot that is ours already, by whatever accident, counts as taken by us.
//!
//! Every statement locks in one order (keys, work by batch, slots by name) and passes over waiters that are locked, so
//! that statements of many rows never deadlock.

use std::time::Duration;

use backup_core::{
    BackupId, BackupRecord, Phase, TaskId,
    store::{Lease, Saved},
};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    interval, read,
    rows::{column, in_lock_order, number},
};
use crate::{
    fields::{extension_fields, final_failure, lost_attempts, note},
    outcome::lost,
    replay::TryError,
};

/// A step that is to be written.
pub(super) struct Step<'a> {
    pub(super) lease: &'a Lease,
    pub(super) record: &'a BackupRecord,
    pub(super) from: Phase,
    pub(super) retry_in: Duration,
}

impl Step<'_> {
    fn enters_slot(&self) -> bool {
        self.record.phase.holds_slot() && !self.from.holds_slot()
    }

    fn is_given_up(&self) -> bool {
        matches!(self.record.phase, Phase::Waiting | Phase::Done)
    }
}

/// What became of a step.
pub(super) struct Outcome {
    is_saved: bool,
    /// The lease held, but the slot was taken.
    is_blocked: bool,
    holder: Option<String>,
}

impl Outcome {
    pub(super) fn is_saved(&self) -> bool {
        self.is_saved
    }
}

/// Writes one step, or says why not.
pub(super) async fn save(
    connection: &mut PgConnection,
    step: &Step<'_>,
    now: Option<DateTime<Utc>>,
) -> Result<Saved, TryError> {
    let outcome = update(connection, std::slice::from_ref(step), now).await?.pop().ok_or(TryError::Raced)?;
    if outcome.is_saved {
        return Ok(Saved::Yes);
    }
    if outcome.is_blocked {
        // Without a holder: it was taken after this statement began.
        let by = outcome.holder.ok_or(TryError::Raced)?;
        return Ok(Saved::SlotTaken { by: by.into() });
    }
    let there = read::find(connection, &step.lease.batch).await?.ok_or_else(|| lost(step.lease))?;
    if there.was_saved(step.lease, step.record) { Ok(Saved::Yes) } else { Err(lost(step.lease).into()) }
}

/// Writes the steps whose leases hold; answers in the order of the question. The batches must differ.
#[expect(clippy::too_many_lines, reason = "one statement, and a line for each of its values")]
pub(super) async fn update(
    connection: &mut PgConnection,
    steps: &[Step<'_>],
    now: Option<DateTime<Utc>>,
) -> Result<Vec<Outcome>, TryError> {
    let order = in_lock_order(steps, |step| step.lease.batch.as_str());
    let (places, steps): (Vec<usize>, Vec<&Step<'_>>) = order.into_iter().unzip();
    let steps = steps.as_slice();
    let plan = |step: &Step<'_>| step.record.plan.clone();
    let failure = |step: &Step<'_>| step.record.failure.clone();
    let rows = sqlx::query(
        "
        WITH input AS (
            SELECT
                input.batch_id,
                input.business_date,
                input.owner,
                input.epoch,
                input.from_phase,
                input.enters_slot,
                input.holds_slot,
                input.is_given_up,
                input.phase,
                input.phase_since,
                input.waiting_since,
                input.note,
                input.cancel_requested,
                input.is_open,
                input.retry_in,
                input.backup_status,
                input.batch_status,
                input.backup_type,
                input.start_time,
                input.end_time,
                input.backup_response,
                input.extension_fields,
                input.batch_category,
                input.target,
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
                input.lost_attempts,
                input.place
            FROM unnest(
                $1::text[],
                $2::date[],
                $3::uuid[],
                $4::bigint[],
                $5::text[],
                $6::boolean[],
                $7::boolean[],
                $8::boolean[],
                $9::text[],
                $10::timestamptz[],
                $11::timestamptz[],
                $12::jsonb[],
                $13::boolean[],
                $14::boolean[],
                $15::interval[],
                $16::text[],
                $17::text[],
                $18::text[],
                $19::timestamptz[],
                $20::timestamptz[],
                $21::jsonb[],
                $22::jsonb[],
                $23::text[],
                $24::text[],
                $25::timestamptz[],
                $26::text[],
                $27::text[],
                $28::text[],
                $29::text[],
                $30::text[],
                $31::text[],
                $32::text[],
                $33::uuid[],
                $34::integer[],
                $35::timestamptz[],
                $36::uuid[],
                $39::jsonb[]
            ) WITH ORDINALITY AS input (
                batch_id,
                business_date,
                owner,
                epoch,
                from_phase,
                enters_slot,
                holds_slot,
                is_given_up,
                phase,
                phase_since,
                waiting_since,
                note,
                cancel_requested,
                is_open,
                retry_in,
                backup_status,
                batch_status,
                backup_type,
                start_time,
                end_time,
                backup_response,
                extension_fields,
                batch_category,
                target,
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
                lost_attempts,
                place
            )
        ),
        entering AS (
            SELECT
                work.batch_id,
                work.slot
            FROM backup_work AS work
            WHERE work.batch_id IN (
                SELECT input.batch_id
                FROM input
                WHERE input.enters_slot
                    AND input.owner = work.owner
                    AND input.epoch = work.epoch
                    AND input.from_phase = work.phase
            )
                AND work.batch_id = ANY ($37::text[])
            FOR UPDATE
        ),
        slotted AS (
            INSERT INTO universe_slot (
                slot,
                batch_id
            )
            SELECT
                entering.slot,
                entering.batch_id
            FROM entering
            ORDER BY entering.slot
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
                cancel_requested = work.cancel_requested OR input.cancel_requested,
                is_open = input.is_open,
                is_waiting = input.phase = 'WAITING',
                due_at = CASE
                    WHEN input.is_given_up THEN coalesce($38, now()) + input.retry_in
                    ELSE work.due_at
                END,
                owner = CASE WHEN NOT input.is_given_up THEN work.owner END
            FROM input
            WHERE work.batch_id = input.batch_id
                AND work.owner = input.owner
                AND work.epoch = input.epoch
                AND work.phase = input.from_phase
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
            RETURNING work.batch_id, work.slot
        ),
        tracked AS (
            UPDATE batch_db_schedule_event_tracker AS tracker
            SET
                backup_status = input.backup_status,
                backup_type = input.backup_type,
                start_time = input.start_time,
                end_time = input.end_time,
                backup_response = input.backup_response,
                target = input.target,
                deadline_at = input.deadline_at,
                plan_base = input.plan_base,
                plan_reason = input.plan_reason,
                task_id = input.task_id,
                backup_id = input.backup_id,
                error_code = input.error_code,
                error_message = input.error_message,
                error_advice = input.error_advice
            FROM input
            JOIN saved ON saved.batch_id = input.batch_id
            WHERE tracker.batch_id = input.batch_id
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
            JOIN saved ON saved.batch_id = input.batch_id
            WHERE input.attempt_id IS NOT NULL
            ON CONFLICT (attempt_id) DO NOTHING
        ),
        detailed AS (
            UPDATE batch_execution_details AS batch
            SET
                status = input.batch_status,
                start_time = input.start_time,
                end_time = input.end_time,
                extension_fields = input.extension_fields
            FROM input
            JOIN saved ON saved.batch_id = input.batch_id
            WHERE batch.batch_id = input.batch_id
                AND batch.business_date = input.business_date
                AND NOT input.is_open
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
            JOIN saved ON saved.batch_id = input.batch_id
            WHERE input.exception_id IS NOT NULL
        ),
        freed AS (
            DELETE FROM universe_slot AS slot
            USING saved
            JOIN input ON input.batch_id = saved.batch_id
            WHERE slot.slot = saved.slot
                AND slot.batch_id = saved.batch_id
                AND NOT input.holds_slot
            RETURNING slot.slot, slot.batch_id
        ),
        woken AS (
            UPDATE backup_work AS work
            SET due_at = least(work.due_at, coalesce($38, now()))
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
        SELECT
            saved.batch_id IS NOT NULL AS is_saved,
            entering.batch_id IS NOT NULL AS is_entering,
            holder.batch_id AS holder
        FROM input
        LEFT JOIN saved ON saved.batch_id = input.batch_id
        LEFT JOIN entering ON entering.batch_id = input.batch_id
        LEFT JOIN universe_slot AS holder ON holder.slot = entering.slot
        ORDER BY input.place
        ",
    )
    .bind(column(steps, |step| step.lease.batch.as_str()))
    .bind(column(steps, |step| step.lease.business_date))
    .bind(column(steps, |step| step.lease.owner.as_uuid()))
    .bind(column(steps, |step| step.lease.epoch))
    .bind(column(steps, |step| step.from.as_str()))
    .bind(column(steps, |step| step.enters_slot()))
    .bind(column(steps, |step| step.record.phase.holds_slot()))
    .bind(column(steps, |step| step.is_given_up()))
    .bind(column(steps, |step| step.record.phase.as_str()))
    .bind(column(steps, |step| step.record.phase_since))
    .bind(column(steps, |step| step.record.waiting_since))
    .bind(column(steps, |step| note(step.record)))
    .bind(column(steps, |step| step.record.cancel_requested))
    .bind(column(steps, |step| !step.record.is_done()))
    .bind(column(steps, |step| interval(step.retry_in)))
    .bind(column(steps, |step| step.record.status().as_str()))
    .bind(column(steps, |step| step.record.batch_status().as_str()))
    .bind(column(steps, |step| step.record.strategy()))
    .bind(column(steps, |step| step.record.started_at))
    .bind(column(steps, |step| step.record.ended_at))
    .bind(column(steps, |step| step.record.response.clone()))
    .bind(column(steps, |step| extension_fields(step.record)))
    .bind(column(steps, |step| step.record.category.as_str()))
    .bind(column(steps, |step| step.record.target.as_str()))
    .bind(column(steps, |step| step.record.deadline_at))
    .bind(column(steps, |step| plan(step).and_then(|plan| plan.base).map(|base| base.to_string())))
    .bind(column(steps, |step| plan(step).map(|plan| plan.reason)))
    .bind(column(steps, |step| step.record.task.as_ref().map(TaskId::as_str)))
    .bind(column(steps, |step| step.record.backup.as_ref().map(BackupId::as_str)))
    .bind(column(steps, |step| failure(step).map(|failure| failure.code.as_str())))
    .bind(column(steps, |step| failure(step).map(|failure| failure.message)))
    .bind(column(steps, |step| failure(step).and_then(|failure| failure.advice)))
    .bind(column(steps, |step| attempt(step.record).map(|attempt| attempt.id.as_uuid())))
    .bind(column(steps, |step| attempt(step.record).map(|attempt| number(attempt.number))))
    .bind(column(steps, |step| attempt(step.record).map(|attempt| attempt.at)))
    .bind(column(steps, |step| final_failure(step.record).map(|_| Uuid::now_v7())))
    .bind(entering(steps))
    .bind(now)
    .bind(column(steps, |step| lost_attempts(step.record)))
    .fetch_all(connection)
    .await?;
    let mut outcomes = places
        .into_iter()
        .zip(&rows)
        .map(|(place, row)| Ok((place, outcome(row)?)))
        .collect::<Result<Vec<_>, TryError>>()?;
    outcomes.sort_by_key(|(place, _)| *place);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

fn outcome(row: &PgRow) -> Result<Outcome, sqlx::Error> {
    let is_saved: bool = row.try_get("is_saved")?;
    let is_blocked = !is_saved && row.try_get::<bool, _>("is_entering")?;
    Ok(Outcome { is_saved, is_blocked, holder: row.try_get("holder")? })
}

/// The batches whose work is locked; mostly none.
fn entering<'a>(steps: &[&'a Step<'_>]) -> Vec<&'a str> {
    steps.iter().filter(|step| step.enters_slot()).map(|step| step.lease.batch.as_str()).collect()
}

/// The attempt that is to be sent.
fn attempt(record: &BackupRecord) -> Option<&backup_core::Attempt> {
    record.attempt().filter(|_| record.phase == Phase::Submitting)
}
