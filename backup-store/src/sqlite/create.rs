//! New batches, and failed ones opened again. Inside an immediate transaction nobody else writes.

use backup_core::{
    BackupId, BackupRecord, IdempotencyKey, Phase, TaskId, TrackerStatus,
    store::{Created, Hold, StoreError, queued},
};
use sqlx::{Row, SqliteConnection};

use super::{millis, read, rows::instant, save};
use crate::{
    fields::{is_worked_on, note},
    outcome::{Stored, created},
    replay::{Repeat, TryError},
};

pub(super) async fn create(
    connection: &mut SqliteConnection,
    record: &BackupRecord,
    key: Option<&IdempotencyKey>,
    hold: Hold,
    now: i64,
    repeat: Repeat,
) -> Result<Created, TryError> {
    if let Some(there) = existing(connection, record, key).await? {
        return Ok(there.answer(record, hold, repeat));
    }
    if let Some(key) = key {
        insert_key(connection, record, key).await?;
    }
    insert_tracker(connection, record).await?;
    let is_queued = record.phase.holds_slot() && save::take_slot(connection, record).await?.is_some();
    let record = if is_queued { queued(record) } else { record.clone() };
    let ownership = Ownership::new(&record, hold, is_queued, now);
    insert_work(connection, &record, &ownership).await?;
    insert_batch(connection, &record).await?;
    save::insert_attempt(connection, &record).await?;
    save::insert_exception(connection, &record).await?;
    Ok(created(record, hold, 1))
}

pub(super) async fn reopen(
    connection: &mut SqliteConnection,
    record: &BackupRecord,
    hold: Hold,
    now: i64,
    repeat: Repeat,
) -> Result<Created, TryError> {
    let there = read::find(connection, &record.batch)
        .await?
        .ok_or_else(|| StoreError::NotFound { batch: record.batch.clone() })?;
    if there.record.status() != TrackerStatus::Failed {
        return Ok(there.answer_reopen(record, hold, repeat)?);
    }
    let is_queued = record.phase.holds_slot() && save::take_slot(connection, record).await?.is_some();
    let record = if is_queued { queued(record) } else { record.clone() };
    let ownership = Ownership::new(&record, hold, is_queued, now);
    save::update_tracker(connection, &record).await?;
    save::update_batch(connection, &record).await?;
    reopen_work(connection, &record, &ownership).await?;
    save::insert_attempt(connection, &record).await?;
    Ok(created(record, hold, there.epoch + 1))
}

/// Who works on a batch that was just written.
struct Ownership {
    owner: Option<String>,
    due_at: i64,
}

impl Ownership {
    /// Whoever is queued is woken when the slot is free; the lease's time is for a wake-up that was missed.
    fn new(record: &BackupRecord, hold: Hold, is_queued: bool, now: i64) -> Self {
        let is_owned = is_worked_on(record.phase);
        let later = if is_owned || is_queued { millis(hold.lease) } else { 0 };
        Self { owner: is_owned.then(|| hold.owner.to_string()), due_at: now.saturating_add(later) }
    }
}

async fn existing(
    connection: &mut SqliteConnection,
    record: &BackupRecord,
    key: Option<&IdempotencyKey>,
) -> Result<Option<Stored>, TryError> {
    if let Some(there) = read::find(connection, &record.batch).await? {
        return Ok(Some(there));
    }
    let Some(key) = key else { return Ok(None) };
    let row = sqlx::query("SELECT batch_id FROM backup_idempotency WHERE idempotency_key = $1")
        .bind(key.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    match row {
        Some(row) => read::find(connection, &row.try_get::<String, _>("batch_id")?.into()).await,
        None => Ok(None),
    }
}

async fn insert_key(
    connection: &mut SqliteConnection,
    record: &BackupRecord,
    key: &IdempotencyKey,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        INSERT INTO backup_idempotency (
            idempotency_key,
            batch_id
        ) VALUES ($1, $2)
        ",
    )
    .bind(key.as_str())
    .bind(record.batch.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_tracker(connection: &mut SqliteConnection, record: &BackupRecord) -> Result<(), sqlx::Error> {
    let (plan, failure) = (record.plan.as_ref(), record.failure.as_ref());
    sqlx::query(
        "
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
        ) VALUES (
            $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19
        )
        ",
    )
    .bind(record.batch.as_str())
    .bind(record.business_date)
    .bind(record.status().as_str())
    .bind(record.strategy())
    .bind(instant(record.started_at))
    .bind(record.ended_at.map(instant))
    .bind(record.response.as_ref().map(ToString::to_string))
    .bind(record.category.as_str())
    .bind(record.mode.as_str())
    .bind(record.target.as_str())
    .bind(instant(record.created_at))
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

async fn insert_work(
    connection: &mut SqliteConnection,
    record: &BackupRecord,
    ownership: &Ownership,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        INSERT INTO backup_work (
            batch_id,
            business_date,
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
        ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1, $13, $14)
        ",
    )
    .bind(record.batch.as_str())
    .bind(record.business_date)
    .bind(record.slot.as_str())
    .bind(instant(record.created_at))
    .bind(record.phase.as_str())
    .bind(instant(record.phase_since))
    .bind(record.waiting_since.map(instant))
    .bind(note(record).map(|note| note.to_string()))
    .bind(record.cancel_requested)
    .bind(!record.is_done())
    .bind(record.phase == Phase::Waiting)
    .bind(ownership.due_at)
    .bind(ownership.owner.as_deref())
    .bind(crate::fields::lost_attempts(record).map(|lost| lost.to_string()))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_batch(connection: &mut SqliteConnection, record: &BackupRecord) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        INSERT INTO batch_execution_details (
            batch_id,
            business_date,
            batch_category,
            batch_mode,
            status,
            start_time,
            end_time,
            extension_fields
        ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ",
    )
    .bind(record.batch.as_str())
    .bind(record.business_date)
    .bind(record.category.as_str())
    .bind(record.mode.as_str())
    .bind(record.batch_status().as_str())
    .bind(instant(record.started_at))
    .bind(record.ended_at.map(instant))
    .bind(crate::fields::extension_fields(record).map(|fields| fields.to_string()))
    .execute(connection)
    .await?;
    Ok(())
}

async fn reopen_work(
    connection: &mut SqliteConnection,
    record: &BackupRecord,
    ownership: &Ownership,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        UPDATE backup_work
        SET
            slot = $2,
            phase = $3,
            phase_since = $4,
            waiting_since = $5,
            note = $6,
            cancel_requested = $7,
            is_open = $8,
            is_waiting = $9,
            due_at = $10,
            epoch = epoch + 1,
            owner = $11,
            lost_attempts = $12
        WHERE batch_id = $1
        ",
    )
    .bind(record.batch.as_str())
    .bind(record.slot.as_str())
    .bind(record.phase.as_str())
    .bind(instant(record.phase_since))
    .bind(record.waiting_since.map(instant))
    .bind(note(record).map(|note| note.to_string()))
    .bind(record.cancel_requested)
    .bind(!record.is_done())
    .bind(record.phase == Phase::Waiting)
    .bind(ownership.due_at)
    .bind(ownership.owner.as_deref())
    .bind(crate::fields::lost_attempts(record).map(|lost| lost.to_string()))
    .execute(connection)
    .await?;
    Ok(())
}
