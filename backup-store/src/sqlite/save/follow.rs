//! The step of a batch whose task is known: the work's row, and nothing else.

/// `$1`: the rows.
pub(super) const FOLLOW: &str = "
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
        task_id = input.value ->> 'task_id',
        backup_response = input.value ->> 'backup_response'
    FROM json_each($1) AS input
    WHERE work.batch_id = input.value ->> 'batch_id'
        AND work.owner = input.value ->> 'owner'
        AND work.epoch = input.value ->> 'epoch'
        AND work.phase = input.value ->> 'from_phase'
    RETURNING batch_id;
";
