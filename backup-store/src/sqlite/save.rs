//! The step of a batch under its lease: fenced first, then every table that the step touches.

use std::time::Duration;

use backup_core::{
    BackupId, BackupRecord, BatchId, Phase, TaskId,
    store::{Lease, Saved},
};
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::{millis, read, rows::instant};
use crate::{
    fields::{extension_fields, final_failure, note},
    outcome::lost,
    replay::TryError,
};

pub(super) async fn save(
    connection: &mut SqliteConnection,
    lease: &Lease,
    record: &BackupRecord,
    from: Phase,
    retry_in: Duration,
    now: i64,
) -> Result<Saved, TryError> {
    let there = read::find(connection, &lease.batch).await?.ok_or_else(|| lost(lease))?;
    if !there.is_owned_by(lease) || there.record.phase != from {
        return if there.was_saved(lease, record) { Ok(Saved::Yes) } else { Err(lost(lease).into()) };
    }
    if record.phase.holds_slot()
        && let Some(by) = take_slot(connection, &there.record).await?
    {
        return Ok(Saved::SlotTaken { by });
    }
    update_work(connection, record, now.saturating_add(millis(retry_in))).await?;
    update_tracker(connection, record).await?;
    insert_attempt(connection, record).await?;
    if record.is_done() {
        update_batch(connection, record).await?;
        insert_exception(connection, record).await?;
    }
    if from.holds_slot() && !record.phase.holds_slot() {
        free_slot(connection, &there.record, now).await?;
    }
    Ok(Saved::Yes)
}

/// Takes the slot, unless the answer says who has it. Whoever has it already keeps it.
pub(super) async fn take_slot(
    connection: &mut SqliteConnection,
    record: &BackupRecord,
) -> Result<Option<BatchId>, sqlx::Error> {
    sqlx::query(
        "
        INSERT INTO universe_slot (
            slot,
            batch_id
        ) VALUES ($1, $2)
        ON CONFLICT (slot) DO NOTHING
        ",
    )
    .bind(record.slot.as_str())
    .bind(record.batch.as_str())
    .execute(&mut *connection)
    .await?;
    let row = sqlx::query("SELECT batch_id FROM universe_slot WHERE slot = $1")
        .bind(record.slot.as_str())
        .fetch_one(connection)
        .await?;
    let holder: String = row.try_get("batch_id")?;
    Ok((holder != record.batch.as_str()).then(|| holder.into()))
}

/// Gives up the slot, and makes the oldest batch that waits for it due.
async fn free_slot(
    connection: &mut SqliteConnection,
    record: &BackupRecord,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM universe_slot WHERE slot = $1 AND batch_id = $2")
        .bind(record.slot.as_str())
        .bind(record.batch.as_str())
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "
        UPDATE backup_work
        SET due_at = min(due_at, $3)
        WHERE batch_id = (
            SELECT batch_id
            FROM backup_work
            WHERE slot = $1
                AND is_waiting = 1
                AND owner IS NULL
                AND batch_id <> $2
            ORDER BY created_at, batch_id
            LIMIT 1
        )
        ",
    )
    .bind(record.slot.as_str())
    .bind(record.batch.as_str())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

async fn update_work(
    connection: &mut SqliteConnection,
    record: &BackupRecord,
    due_at: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        UPDATE backup_work
        SET
            phase = $2,
            phase_since = $3,
            waiting_since = $4,
            note = $5,
            cancel_requested = cancel_requested OR $6,
            is_open = $7,
            is_waiting = $8,
            due_at = CASE WHEN $9 THEN $10 ELSE due_at END,
            owner = CASE WHEN $9 THEN NULL ELSE owner END,
            lost_attempts = $11
        WHERE batch_id = $1
        ",
    )
    .bind(record.batch.as_str())
    .bind(record.phase.as_str())
    .bind(instant(record.phase_since))
    .bind(record.waiting_since.map(instant))
    .bind(note(record).map(|note| note.to_string()))
    .bind(record.cancel_requested)
    .bind(!record.is_done())
    .bind(record.phase == Phase::Waiting)
    .bind(matches!(record.phase, Phase::Waiting | Phase::Done))
    .bind(due_at)
    .bind(crate::fields::lost_attempts(record).map(|lost| lost.to_string()))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn update_tracker(
    connection: &mut SqliteConnection,
    record: &BackupRecord,
) -> Result<(), sqlx::Error> {
    let (plan, failure) = (record.plan.as_ref(), record.failure.as_ref());
    sqlx::query(
        "
        UPDATE batch_db_schedule_event_tracker
        SET
            backup_status = $2,
            backup_type = $3,
            start_time = $4,
            end_time = $5,
            backup_response = $6,
            target = $7,
            deadline_at = $8,
            plan_base = $9,
            plan_reason = $10,
            task_id = $11,
            backup_id = $12,
            error_code = $13,
            error_message = $14,
            error_advice = $15
        WHERE batch_id = $1
        ",
    )
    .bind(record.batch.as_str())
    .bind(record.status().as_str())
    .bind(record.strategy())
    .bind(instant(record.started_at))
    .bind(record.ended_at.map(instant))
    .bind(record.response.as_ref().map(ToString::to_string))
    .bind(record.target.as_str())
    .bind(instant(record.deadline_at))
    .bind(plan.and_then(|plan| plan.base.as_ref()).map(BackupId::as_str))
    .bind(plan.map(|plan| plan.reason.as_str()))
    .bind(record.task.as_ref().map(TaskId::as_str))
    .bind(record.backup.as_ref().map(BackupId::as_str))
    .bind(failure.map(|failure| failure.code.as_str()))
    .bind(failure.map(|failure| failure.message.as_str()))
    .bind(failure.and_then(|failure| failure.advice.as_deref()))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn update_batch(
    connection: &mut SqliteConnection,
    record: &BackupRecord,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        UPDATE batch_execution_details
        SET
            status = $2,
            start_time = $3,
            end_time = $4,
            extension_fields = $5
        WHERE batch_id = $1
        ",
    )
    .bind(record.batch.as_str())
    .bind(record.batch_status().as_str())
    .bind(instant(record.started_at))
    .bind(record.ended_at.map(instant))
    .bind(extension_fields(record).map(|fields| fields.to_string()))
    .execute(connection)
    .await?;
    Ok(())
}

/// Records the last attempt, if it is not there yet.
pub(super) async fn insert_attempt(
    connection: &mut SqliteConnection,
    record: &BackupRecord,
) -> Result<(), sqlx::Error> {
    let Some(attempt) = record.attempt().filter(|_| record.phase == Phase::Submitting) else { return Ok(()) };
    sqlx::query(
        "
        INSERT INTO backup_attempt (
            attempt_id,
            batch_id,
            attempt_number,
            attempted_at
        ) VALUES ($1, $2, $3, $4)
        ON CONFLICT (attempt_id) DO NOTHING
        ",
    )
    .bind(attempt.id.to_string())
    .bind(record.batch.as_str())
    .bind(attempt.number)
    .bind(instant(attempt.at))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn insert_exception(
    connection: &mut SqliteConnection,
    record: &BackupRecord,
) -> Result<(), sqlx::Error> {
    let Some(failure) = final_failure(record) else { return Ok(()) };
    sqlx::query(
        "
        INSERT INTO exception_details (
            exception_id,
            batch_id,
            business_date,
            batch_category,
            error_code,
            error_message,
            error_advice,
            created_at
        ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(record.batch.as_str())
    .bind(record.business_date)
    .bind(record.category.as_str())
    .bind(failure.code.as_str())
    .bind(failure.message.as_str())
    .bind(failure.advice.as_deref())
    .bind(record.ended_at.map(instant))
    .execute(connection)
    .await?;
    Ok(())
}
