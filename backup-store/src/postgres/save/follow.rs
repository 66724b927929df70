//! The step of a batch whose task is known: the work's row, and nothing else.

use std::sync::LazyLock;

use backup_core::TaskId;
use sqlx::{PgConnection, postgres::PgRow};

use super::response;
use crate::{
    fields::{lost_attempts, note, surplus},
    postgres::{
        clean,
        statement::{Statement, columns},
    },
    step::Step,
};

columns! { &'a Step<'a>:
    batch_id text = |step| step.lease.batch.as_str(),
    owner uuid = |step| step.lease.owner.as_uuid(),
    epoch bigint = |step| step.lease.epoch,
    from_phase text = |step| step.from.as_str(),
    phase text = |step| step.record.phase.as_str(),
    phase_since timestamptz = |step| step.record.phase_since,
    waiting_since timestamptz = |step| step.record.waiting_since,
    note jsonb = |step| note(step.record),
    lost_attempts jsonb = |step| lost_attempts(&step.record.lost),
    in_doubt boolean = |step| step.record.in_doubt,
    surplus jsonb = |step| surplus(&step.record.surplus).map(clean::json),
    cancel_requested boolean = |step| step.record.cancel_requested,
    task_id text = |step| step.record.task.as_ref().map(TaskId::as_str),
    backup_response text = |step| response(step),
}

static FOLLOW: LazyLock<Statement> = LazyLock::new(|| {
    Statement::new(0, COLUMNS, |input| {
        format!(
            "
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
                task_id = input.task_id,
                backup_response = input.backup_response
            FROM {input}
            WHERE work.batch_id = input.batch_id
                AND work.owner = input.owner
                AND work.epoch = input.epoch
                AND work.phase = input.from_phase
            RETURNING work.batch_id
            "
        )
    })
});

pub(super) async fn update(
    connection: &mut PgConnection,
    steps: &[&Step<'_>],
) -> Result<Vec<PgRow>, sqlx::Error> {
    bind(FOLLOW.of(steps)).fetch_all(connection).await
}
