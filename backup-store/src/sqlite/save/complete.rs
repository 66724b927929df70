//! The step of a batch whose backup is completed: the outcome in the tables that people read, and the slot is free for the oldest
//! batch that waits for it.

use super::{fenced, free_slot};

/// `$1`: the rows. `$2`: now.
pub(super) const COMPLETE: &str = concat!(
    "
    UPDATE backup_batch AS batch
    SET
        ended_at = input.value ->> 'ended_at',
        task_id = input.value ->> 'task_id',
        backup_id = input.value ->> 'backup_id'
    FROM ",
    fenced!(),
    "
    WHERE batch.batch_id = work.batch_id;

    UPDATE batch_db_schedule_event_tracker AS tracker
    SET
        backup_status = 'SUCCESS',
        end_time = input.value ->> 'end_time',
        backup_response = input.value ->> 'backup_response'
    FROM ",
    fenced!(),
    "
    WHERE tracker.batch_id = work.batch_id
        AND tracker.business_date = work.business_date;

    UPDATE batch_execution_details AS batch
    SET
        batch_status = 'COMPLETED',
        end_time = input.value ->> 'end_time',
        extension_fields = input.value ->> 'extension_fields'
    FROM ",
    fenced!(),
    "
    WHERE batch.batch_id = work.batch_id
        AND batch.business_date = work.business_date;
    ",
    free_slot!(),
    "
    UPDATE backup_work AS work
    SET
        phase = 'DONE',
        phase_since = input.value ->> 'ended_at',
        waiting_since = NULL,
        note = NULL,
        is_open = 0,
        is_waiting = 0,
        due_at = $2,
        owner = NULL,
        in_doubt = work.in_doubt OR input.value ->> 'in_doubt',
        audit_due_at = iif(input.value ->> 'audit_until' IS NULL, NULL, $2),
        audit_until = input.value ->> 'audit_until',
        task_id = NULL,
        backup_response = NULL
    FROM json_each($1) AS input
    WHERE work.batch_id = input.value ->> 'batch_id'
        AND work.owner = input.value ->> 'owner'
        AND work.epoch = input.value ->> 'epoch'
        AND work.phase = input.value ->> 'from_phase'
    RETURNING batch_id;
    "
);
