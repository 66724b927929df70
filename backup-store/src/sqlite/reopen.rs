//! A failed batch is opened again: whoever finds it failed has won. Inside an immediate transaction nobody else writes.

use backup_core::{
    TrackerStatus,
    store::{Created, StoreError, queued},
};
use sqlx::{Row, SqliteConnection};

use super::{input, read};
use crate::{
    fields::note,
    outcome::created,
    replay::{Repeat, TryError},
    step::New,
};

pub(super) async fn reopen(
    connection: &mut SqliteConnection,
    new: &New<'_>,
    now: i64,
    repeat: Repeat,
) -> Result<Created, TryError> {
    let there = read::find(connection, &new.record.batch)
        .await?
        .ok_or_else(|| StoreError::NotFound { batch: new.record.batch.clone() })?;
    let is_unchanged = there.record.lost == new.record.lost && there.record.surplus == new.record.surplus;
    if there.record.status() != TrackerStatus::Failed || !is_unchanged {
        return Ok(there.answer_reopen(new.record, new.hold, repeat)?);
    }
    let queued_note = note(&queued(new.record)).map(|note| note.to_string());
    let row = sqlx::query(REOPEN)
        .bind(input::of_new(std::slice::from_ref(new))?)
        .bind(now)
        .bind(queued_note)
        .fetch_one(connection)
        .await?;
    let is_queued = row.try_get::<String, _>("phase")? != new.record.phase.as_str();
    let record = if is_queued { queued(new.record) } else { new.record.clone() };
    Ok(created(record, new.hold, there.epoch + 1))
}

/// The row, and whoever has its slot.
macro_rules! row {
    () => {
        "
        json_each($1) AS input
        LEFT JOIN universe_slot AS taken
            ON input.value ->> 'holds_slot'
            AND taken.slot = input.value ->> 'slot'
            AND taken.batch_id <> input.value ->> 'batch_id'
        "
    };
}

/// `$1`: the row. `$2`: now. `$3`: its note if it finds its slot taken.
const REOPEN: &str = concat!(
    "
    INSERT INTO universe_slot (
        slot,
        batch_id
    )
    SELECT
        input.value ->> 'slot',
        input.value ->> 'batch_id'
    FROM json_each($1) AS input
    WHERE input.value ->> 'holds_slot'
    ON CONFLICT (slot) DO NOTHING;

    UPDATE backup_batch AS batch
    SET
        strategy = input.value ->> 'strategy',
        started_at = input.value ->> 'started_at',
        ended_at = NULL,
        target = input.value ->> 'target',
        deadline_at = input.value ->> 'deadline_at',
        plan_base = input.value ->> 'plan_base',
        plan_reason = input.value ->> 'plan_reason',
        task_id = NULL,
        backup_id = NULL,
        error_code = NULL,
        error_message = NULL,
        error_advice = NULL
    FROM json_each($1) AS input
    WHERE batch.batch_id = input.value ->> 'batch_id';

    UPDATE batch_db_schedule_event_tracker AS tracker
    SET
        backup_status = 'IN_PROGRESS',
        backup_type = input.value ->> 'strategy',
        start_time = input.value ->> 'start_time',
        end_time = NULL,
        backup_response = NULL
    FROM json_each($1) AS input
    WHERE tracker.batch_id = input.value ->> 'batch_id'
        AND tracker.business_date = input.value ->> 'business_date';

    UPDATE batch_execution_details AS batch
    SET
        batch_status = 'IN_PROGRESS',
        start_time = input.value ->> 'start_time',
        end_time = NULL,
        extension_fields = NULL
    FROM json_each($1) AS input
    WHERE batch.batch_id = input.value ->> 'batch_id'
        AND batch.business_date = input.value ->> 'business_date';

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
    FROM ",
    row!(),
    "
    WHERE input.value ->> 'attempt_id' IS NOT NULL
        AND taken.slot IS NULL;

    UPDATE backup_work AS work
    SET
        slot = input.value ->> 'slot',
        phase = iif(taken.slot IS NULL, input.value ->> 'phase', 'WAITING'),
        phase_since = input.value ->> 'phase_since',
        waiting_since = coalesce(
            input.value ->> 'waiting_since',
            iif(taken.slot IS NULL, NULL, input.value ->> 'phase_since')
        ),
        note = iif(taken.slot IS NULL, input.value ->> 'note', $3),
        cancel_requested = 0,
        is_open = 1,
        is_waiting = taken.slot IS NOT NULL OR input.value ->> 'phase' = 'WAITING',
        due_at = $2 + (input.value ->> 'lease'),
        epoch = work.epoch + 1,
        owner = iif(taken.slot IS NULL, input.value ->> 'owner', NULL),
        audit_due_at = NULL,
        audit_until = NULL,
        task_id = NULL,
        backup_response = NULL
    FROM ",
    row!(),
    "
    WHERE work.batch_id = input.value ->> 'batch_id'
    RETURNING phase;
    "
);
