//! The step of a batch that waits or failed: why, in every table; its slot is free, and the oldest batch that waits for it is due.

use super::{fenced, free_slot};

/// `$1`: the rows. `$2`: now.
pub(super) const LEAVE: &str = concat!(
    "
    UPDATE backup_batch AS batch
    SET
        strategy = input.value ->> 'strategy',
        ended_at = input.value ->> 'ended_at',
        plan_base = input.value ->> 'plan_base',
        plan_reason = input.value ->> 'plan_reason',
        task_id = input.value ->> 'task_id',
        backup_id = input.value ->> 'backup_id',
        error_code = input.value ->> 'error_code',
        error_message = input.value ->> 'error_message',
        error_advice = input.value ->> 'error_advice'
    FROM ",
    fenced!(),
    "
    WHERE batch.batch_id = work.batch_id;

    UPDATE batch_db_schedule_event_tracker AS tracker
    SET
        backup_status = input.value ->> 'backup_status',
        backup_type = input.value ->> 'strategy',
        end_time = input.value ->> 'end_time',
        backup_response = input.value ->> 'backup_response'
    FROM ",
    fenced!(),
    "
    WHERE tracker.batch_id = work.batch_id
        AND tracker.business_date = work.business_date
        AND NOT input.value ->> 'is_open';

    UPDATE batch_execution_details AS batch
    SET
        batch_status = input.value ->> 'batch_status',
        end_time = input.value ->> 'end_time',
        extension_fields = input.value ->> 'extension_fields'
    FROM ",
    fenced!(),
    "
    WHERE batch.batch_id = work.batch_id
        AND batch.business_date = work.business_date
        AND NOT input.value ->> 'is_open';

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
        input.value ->> 'exception_id',
        work.batch_id,
        'BACKUP',
        input.value ->> 'error_message',
        input.value ->> 'exception_fields',
        input.value ->> 'start_time',
        input.value ->> 'end_time',
        work.business_date
    FROM ",
    fenced!(),
    "
    WHERE input.value ->> 'exception_id' IS NOT NULL;
    ",
    free_slot!(),
    "
    UPDATE backup_work AS work
    SET
        phase = input.value ->> 'phase',
        phase_since = input.value ->> 'phase_since',
        waiting_since = input.value ->> 'waiting_since',
        note = input.value ->> 'note',
        lost_attempts = input.value ->> 'lost_attempts',
        in_doubt = work.in_doubt OR input.value ->> 'in_doubt',
        surplus = input.value ->> 'surplus',
        audit_due_at = iif(input.value ->> 'audit_until' IS NULL, NULL, $2),
        audit_until = input.value ->> 'audit_until',
        cancel_requested = work.cancel_requested OR input.value ->> 'cancel_requested',
        is_open = input.value ->> 'is_open',
        is_waiting = input.value ->> 'is_open',
        due_at = $2 + (input.value ->> 'retry_in'),
        owner = NULL,
        task_id = NULL,
        backup_response = iif(input.value ->> 'is_open', input.value ->> 'backup_response', NULL)
    FROM json_each($1) AS input
    WHERE work.batch_id = input.value ->> 'batch_id'
        AND work.owner = input.value ->> 'owner'
        AND work.epoch = input.value ->> 'epoch'
        AND work.phase = input.value ->> 'from_phase'
    RETURNING batch_id;
    "
);
