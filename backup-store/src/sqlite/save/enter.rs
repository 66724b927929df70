//! The step of a batch that is to be posted, or whose task was found before that: the slot of its universe, the plan, the attempt.
//!
//! A slot that is ours already, by whatever accident, counts as taken by us.

use backup_core::BatchId;
use sqlx::{Row, SqliteConnection};

use super::fenced;

/// The rows whose leases hold, and whose slots are theirs.
macro_rules! entered {
    () => {
        concat!(
            fenced!(),
            "
            CROSS JOIN universe_slot AS slot
                ON slot.slot = work.slot
                AND slot.batch_id = work.batch_id
            "
        )
    };
}

/// `$1`: the rows.
pub(super) const ENTER: &str = concat!(
    "
    INSERT INTO universe_slot (
        slot,
        batch_id
    )
    SELECT
        work.slot,
        work.batch_id
    FROM ",
    fenced!(),
    "
    WHERE true
    ON CONFLICT (slot) DO NOTHING;

    UPDATE backup_batch AS batch
    SET
        strategy = input.value ->> 'strategy',
        plan_base = input.value ->> 'plan_base',
        plan_reason = input.value ->> 'plan_reason'
    FROM ",
    entered!(),
    "
    WHERE batch.batch_id = work.batch_id;

    UPDATE batch_db_schedule_event_tracker AS tracker
    SET backup_type = input.value ->> 'strategy'
    FROM ",
    entered!(),
    "
    WHERE tracker.batch_id = work.batch_id
        AND tracker.business_date = work.business_date
        AND tracker.backup_type IS NOT input.value ->> 'strategy';

    INSERT INTO backup_attempt (
        attempt_id,
        batch_id,
        attempt_number,
        attempted_at
    )
    SELECT
        input.value ->> 'attempt_id',
        work.batch_id,
        input.value ->> 'attempt_number',
        input.value ->> 'attempted_at'
    FROM ",
    entered!(),
    "
    WHERE input.value ->> 'attempt_id' IS NOT NULL
    ON CONFLICT (attempt_id) DO NOTHING;

    UPDATE backup_work AS work
    SET
        phase = input.value ->> 'phase',
        phase_since = input.value ->> 'phase_since',
        waiting_since = input.value ->> 'waiting_since',
        note = input.value ->> 'note',
        lost_attempts = input.value ->> 'lost_attempts',
        in_doubt = work.in_doubt OR input.value ->> 'in_doubt',
        surplus = input.value ->> 'surplus',
        cancel_requested = work.cancel_requested OR input.value ->> 'cancel_requested',
        is_waiting = 0,
        task_id = input.value ->> 'task_id',
        backup_response = input.value ->> 'backup_response'
    FROM json_each($1) AS input
    CROSS JOIN universe_slot AS slot
    WHERE work.batch_id = input.value ->> 'batch_id'
        AND work.owner = input.value ->> 'owner'
        AND work.epoch = input.value ->> 'epoch'
        AND work.phase = input.value ->> 'from_phase'
        AND slot.slot = work.slot
        AND slot.batch_id = work.batch_id
    RETURNING batch_id;
    "
);

/// The batch that has a slot.
pub(super) async fn holder(
    connection: &mut SqliteConnection,
    slot: &str,
) -> Result<Option<BatchId>, sqlx::Error> {
    let row = sqlx::query("SELECT batch_id FROM universe_slot WHERE slot = $1")
        .bind(slot)
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok(row.try_get::<String, _>("batch_id")?.into())).transpose()
}
