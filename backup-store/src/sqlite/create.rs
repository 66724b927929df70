//! New batches: any number in one call. Inside an immediate transaction nobody else writes.
//!
//! A batch is new as long as it has no row of work, which is therefore written last.

use std::{collections::HashMap, sync::LazyLock};

use backup_core::{
    BatchId, Phase,
    store::{Created, queued},
};
use sqlx::{
    Row, Sqlite, SqliteConnection,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{input, read, save, transaction};
use crate::{
    fields::note,
    outcome::{Stored, created},
    replay::{Repeat, TryError},
    step::{New, Step, before_it_failed, written},
};

/// Creates one batch, or finds what has its id or its key.
pub(super) async fn create(
    connection: &mut SqliteConnection,
    new: &New<'_>,
    now: i64,
    repeat: Repeat,
) -> Result<Created, TryError> {
    let created = if new.record.is_done() {
        insert_failed(connection, new, now).await?
    } else {
        insert(connection, std::slice::from_ref(new), now).await?.remove(&new.record.batch)
    };
    if let Some(created) = created {
        return Ok(created);
    }
    let there = existing(connection, new).await?.ok_or(TryError::Raced)?;
    Ok(there.answer(new.record, new.hold, repeat))
}

/// A batch that failed before it was ever open: created and ended.
async fn insert_failed(
    connection: &mut SqliteConnection,
    new: &New<'_>,
    now: i64,
) -> Result<Option<Created>, TryError> {
    let open = before_it_failed(new.record);
    let mut inserted = insert(connection, &[New { record: &open, ..*new }], now).await?;
    let Some(Created::New { lease: Some(lease), .. }) = inserted.remove(&new.record.batch) else {
        return Ok(None);
    };
    let (from, retry_in) = (Phase::Planned, std::time::Duration::ZERO);
    save::save(connection, &Step { lease: &lease, record: new.record, from, retry_in }, now).await?;
    Ok(Some(created(new.record.clone(), new.hold, lease.epoch)))
}

async fn existing(connection: &mut SqliteConnection, new: &New<'_>) -> Result<Option<Stored>, TryError> {
    if let Some(there) = read::find(connection, &new.record.batch).await? {
        return Ok(Some(there));
    }
    let Some(key) = new.key else { return Ok(None) };
    let row = sqlx::query("SELECT batch_id FROM backup_idempotency WHERE idempotency_key = $1")
        .bind(key.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    match row {
        Some(row) => read::find(connection, &row.try_get::<String, _>("batch_id")?.into()).await,
        None => Ok(None),
    }
}

/// Writes those whose id and key are free, all of them open; answers with what was written. The ids must differ.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    new: &[New<'_>],
    now: i64,
) -> Result<HashMap<BatchId, Created>, TryError> {
    let rows = query(CREATE, new, now)?.fetch_all(connection).await?;
    answer(new, rows)
}

/// As [`insert`], as a transaction of its own.
pub(super) async fn commit(
    connection: &mut SqliteConnection,
    new: &[New<'_>],
    now: i64,
) -> Result<HashMap<BatchId, Created>, TryError> {
    static TRANSACTION: LazyLock<String> = LazyLock::new(|| transaction::of(CREATE));
    let rows = query(&TRANSACTION, new, now)?.fetch_all(connection).await?;
    answer(new, rows)
}

fn query<'q>(
    text: &'static str,
    new: &[New<'_>],
    now: i64,
) -> Result<Query<'q, Sqlite, SqliteArguments>, sqlx::Error> {
    let queued_note = new.first().and_then(|new| note(&queued(new.record))).map(|note| note.to_string());
    Ok(sqlx::query(text).bind(input::of_new(new)?).bind(now).bind(queued_note))
}

fn answer(new: &[New<'_>], rows: Vec<SqliteRow>) -> Result<HashMap<BatchId, Created>, TryError> {
    let mut phases = HashMap::with_capacity(rows.len());
    for row in rows {
        phases.insert(row.try_get::<String, _>("batch_id")?.into(), row.try_get::<String, _>("phase")?);
    }
    Ok(written(new, &phases))
}

/// The rows of batches that are new: without a row of work, and their keys are theirs.
macro_rules! new_ones {
    () => {
        "
        FROM json_each($1) AS input
        LEFT JOIN backup_idempotency AS known
            ON known.idempotency_key = input.value ->> 'idempotency_key'
        LEFT JOIN universe_slot AS taken
            ON input.value ->> 'holds_slot'
            AND taken.slot = input.value ->> 'slot'
            AND taken.batch_id <> input.value ->> 'batch_id'
        WHERE (
                input.value ->> 'idempotency_key' IS NULL
                OR known.batch_id = input.value ->> 'batch_id'
            )
            AND NOT EXISTS (
                SELECT 1
                FROM backup_work AS work
                WHERE work.batch_id = input.value ->> 'batch_id'
            )
        "
    };
}

/// `$1`: the rows. `$2`: now. `$3`: the note of those who find their slot taken.
const CREATE: &str = concat!(
    "
    INSERT INTO backup_idempotency (
        idempotency_key,
        batch_id
    )
    SELECT
        input.value ->> 'idempotency_key',
        input.value ->> 'batch_id'
    FROM json_each($1) AS input
    WHERE input.value ->> 'idempotency_key' IS NOT NULL
        AND NOT EXISTS (
            SELECT 1
            FROM backup_work AS work
            WHERE work.batch_id = input.value ->> 'batch_id'
        )
    ON CONFLICT (idempotency_key) DO NOTHING;

    INSERT INTO universe_slot (
        slot,
        batch_id
    )
    SELECT
        input.value ->> 'slot',
        input.value ->> 'batch_id'
    ",
    new_ones!(),
    "
        AND input.value ->> 'holds_slot'
    ON CONFLICT (slot) DO NOTHING;

    INSERT INTO backup_batch (
        batch_id,
        business_date,
        strategy,
        started_at,
        batch_category,
        category_key,
        batch_mode,
        target,
        created_at,
        deadline_at,
        plan_base,
        plan_reason
    )
    SELECT
        input.value ->> 'batch_id',
        input.value ->> 'business_date',
        input.value ->> 'strategy',
        input.value ->> 'started_at',
        input.value ->> 'batch_category',
        input.value ->> 'category_key',
        input.value ->> 'batch_mode',
        input.value ->> 'target',
        input.value ->> 'created_at',
        input.value ->> 'deadline_at',
        input.value ->> 'plan_base',
        input.value ->> 'plan_reason'
    ",
    new_ones!(),
    ";

    INSERT INTO batch_db_schedule_event_tracker (
        batch_id,
        backup_job_categorycode,
        backup_status,
        backup_type,
        business_date,
        start_time
    )
    SELECT
        input.value ->> 'batch_id',
        input.value ->> 'batch_category',
        'IN_PROGRESS',
        input.value ->> 'strategy',
        input.value ->> 'business_date',
        input.value ->> 'start_time'
    ",
    new_ones!(),
    "
    ON CONFLICT (batch_id, business_date) DO NOTHING;

    INSERT INTO batch_execution_details (
        batch_id,
        business_date,
        batch_category,
        batch_mode,
        batch_status,
        start_time
    )
    SELECT
        input.value ->> 'batch_id',
        input.value ->> 'business_date',
        input.value ->> 'batch_category',
        input.value ->> 'batch_mode',
        'IN_PROGRESS',
        input.value ->> 'start_time'
    ",
    new_ones!(),
    "
    ON CONFLICT (batch_id, business_date) DO NOTHING;

    INSERT INTO backup_attempt (
        attempt_id,
        batch_id,
        attempt_number,
        attempted_at
    )
    SELECT
        input.value ->> 'attempt_id',
        input.value ->> 'batch_id',
        input.value ->> 'attempt_number',
        input.value ->> 'attempted_at'
    ",
    new_ones!(),
    "
        AND input.value ->> 'attempt_id' IS NOT NULL
        AND taken.slot IS NULL;

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
        owner
    )
    SELECT
        input.value ->> 'batch_id',
        input.value ->> 'business_date',
        input.value ->> 'slot',
        input.value ->> 'created_at',
        iif(taken.slot IS NULL, input.value ->> 'phase', 'WAITING'),
        input.value ->> 'phase_since',
        coalesce(
            input.value ->> 'waiting_since',
            iif(taken.slot IS NULL, NULL, input.value ->> 'phase_since')
        ),
        iif(taken.slot IS NULL, input.value ->> 'note', $3),
        0,
        1,
        taken.slot IS NOT NULL OR input.value ->> 'phase' = 'WAITING',
        $2 + (input.value ->> 'lease'),
        1,
        iif(taken.slot IS NULL, input.value ->> 'owner', NULL)
    ",
    new_ones!(),
    "
    RETURNING
        batch_id,
        phase;
    "
);
