//! New batches: any number in one statement.
//!
//! The batch's row is written before the slot is taken, and the work's row after: whoever loses the race for the id takes no
//! slot, and the work's row knows whether it has one. The original's tables come last, and decide nothing.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use backup_core::{
    Attempt, BackupId, BatchId, Phase, fold_case,
    store::{Created, queued},
};
use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection, Row, postgres::types::PgInterval};

use super::{
    bucket, clean, interval, read,
    rows::number,
    save,
    statement::{Statement, columns},
};
use crate::{
    fields::{is_worked_on, note},
    outcome::created,
    replay::{Repeat, TryError},
    step::{New, Step, before_it_failed, written},
};

/// Creates one batch, or finds what has its id or its key.
pub(super) async fn create(
    connection: &mut PgConnection,
    new: &New<'_>,
    now: Option<DateTime<Utc>>,
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
    // The answer to who was faster needs a look of its own: the statement above saw the time before.
    let there = read::find_by_id_or_key(connection, &new.record.batch, new.key).await?;
    Ok(there.ok_or(TryError::Raced)?.answer(new.record, new.hold, repeat))
}

/// A batch that failed before it was ever open: created and ended, in one transaction.
async fn insert_failed(
    connection: &mut PgConnection,
    new: &New<'_>,
    now: Option<DateTime<Utc>>,
) -> Result<Option<Created>, TryError> {
    let open = before_it_failed(new.record);
    let mut transaction = connection.begin().await?;
    let mut inserted = insert(&mut transaction, &[New { record: &open, ..*new }], now).await?;
    let Some(Created::New { lease: Some(lease), .. }) = inserted.remove(&new.record.batch) else {
        return Ok(None);
    };
    let (from, retry_in) = (Phase::Planned, Duration::ZERO);
    save::save(&mut transaction, &Step { lease: &lease, record: new.record, from, retry_in }, now).await?;
    transaction.commit().await?;
    Ok(Some(created(new.record.clone(), new.hold, lease.epoch)))
}

columns! { New<'a>:
    batch_id text = |new| new.record.batch.as_str(),
    business_date date = |new| new.record.business_date,
    idempotency_key text = |new| new.key.map(|key| clean::text(key.as_str())),
    slot text = |new| new.record.slot.as_str(),
    bucket smallint = |new| bucket(new.record.batch.as_str()),
    phase text = |new| new.record.phase.as_str(),
    phase_since timestamptz = |new| new.record.phase_since,
    waiting_since timestamptz = |new| new.record.waiting_since,
    note jsonb = |new| note(new.record),
    holds_slot boolean = |new| new.record.phase.holds_slot(),
    owner uuid = |new| is_worked_on(new.record.phase).then(|| new.hold.owner.as_uuid()),
    lease interval = |new| lease(new),
    strategy text = |new| new.record.strategy(),
    started_at timestamptz = |new| new.record.started_at,
    batch_category text = |new| new.record.category.as_str(),
    category_key text = |new| fold_case(&clean::text(&new.record.category)),
    batch_mode text = |new| new.record.mode.as_str(),
    target text = |new| new.record.target.as_str(),
    created_at timestamptz = |new| new.record.created_at,
    deadline_at timestamptz = |new| new.record.deadline_at,
    plan_base text = |new| new.record.plan.as_ref().and_then(|plan| plan.base.as_ref()).map(BackupId::as_str),
    plan_reason text = |new| new.record.plan.as_ref().map(|plan| plan.reason.as_str()),
    attempt_id uuid = |new| attempt(new).map(|attempt| attempt.id.as_uuid()),
    attempt_number integer = |new| attempt(new).map(|attempt| number(attempt.number)),
    attempted_at timestamptz = |new| attempt(new).map(|attempt| attempt.at),
}

/// The attempt that is to be sent.
fn attempt<'a>(new: &'a New<'_>) -> Option<&'a Attempt> {
    new.record.attempt().filter(|_| new.record.phase == Phase::Submitting)
}

/// How long nobody else may take it.
fn lease(new: &New<'_>) -> PgInterval {
    interval(if is_worked_on(new.record.phase) { new.hold.lease } else { Duration::ZERO })
}

/// `$1`: now. `$2`: the note of those who find their slot taken.
static CREATE: LazyLock<Statement> = LazyLock::new(|| {
    let names: Vec<String> = COLUMNS.iter().map(|(name, _)| format!("input.{name}")).collect();
    let names = names.join(", ");
    Statement::new(2, COLUMNS, |input| {
        format!(
            "
            WITH input AS (
                SELECT {names}
                FROM {input}
            ),
            keyed AS (
                INSERT INTO backup_idempotency (
                    idempotency_key,
                    batch_id
                )
                SELECT
                    input.idempotency_key,
                    input.batch_id
                FROM input
                WHERE input.idempotency_key IS NOT NULL
                    AND NOT EXISTS (
                        SELECT
                        FROM backup_batch AS batch
                        WHERE batch.batch_id = input.batch_id
                    )
                ORDER BY input.idempotency_key
                ON CONFLICT (idempotency_key) DO NOTHING
                RETURNING batch_id
            ),
            named AS (
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
                    input.batch_id,
                    input.business_date,
                    input.strategy,
                    input.started_at,
                    input.batch_category,
                    input.category_key,
                    input.batch_mode,
                    input.target,
                    input.created_at,
                    input.deadline_at,
                    input.plan_base,
                    input.plan_reason
                FROM input
                WHERE input.idempotency_key IS NULL
                    OR input.batch_id IN (SELECT keyed.batch_id FROM keyed)
                ON CONFLICT (batch_id) DO NOTHING
                RETURNING batch_id
            ),
            slotted AS (
                INSERT INTO universe_slot (
                    slot,
                    batch_id
                )
                SELECT
                    input.slot,
                    input.batch_id
                FROM input
                WHERE input.holds_slot
                    AND input.batch_id IN (SELECT named.batch_id FROM named)
                ORDER BY input.slot
                ON CONFLICT (slot) DO NOTHING
                RETURNING batch_id
            ),
            written AS (
                SELECT
                    input.batch_id,
                    input.holds_slot AND slotted.batch_id IS NULL AS is_queued
                FROM input
                JOIN named ON named.batch_id = input.batch_id
                LEFT JOIN slotted ON slotted.batch_id = input.batch_id
            ),
            worked AS (
                INSERT INTO backup_work (
                    batch_id,
                    business_date,
                    bucket,
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
                    input.batch_id,
                    input.business_date,
                    input.bucket,
                    input.slot,
                    input.created_at,
                    CASE WHEN written.is_queued THEN 'WAITING' ELSE input.phase END,
                    input.phase_since,
                    CASE
                        WHEN written.is_queued THEN coalesce(input.waiting_since, input.phase_since)
                        ELSE input.waiting_since
                    END,
                    CASE WHEN written.is_queued THEN $2::jsonb ELSE input.note END,
                    false,
                    true,
                    written.is_queued OR input.phase = 'WAITING',
                    coalesce($1, now()) + input.lease,
                    1,
                    CASE WHEN NOT written.is_queued THEN input.owner END
                FROM input
                JOIN written ON written.batch_id = input.batch_id
                RETURNING batch_id, phase
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
                JOIN written ON written.batch_id = input.batch_id
                WHERE input.attempt_id IS NOT NULL
                    AND NOT written.is_queued
            ),
            tracked AS (
                INSERT INTO batch_db_schedule_event_tracker (
                    batch_id,
                    backup_job_categorycode,
                    backup_status,
                    backup_type,
                    business_date,
                    start_time
                )
                SELECT
                    input.batch_id,
                    input.batch_category,
                    'IN_PROGRESS',
                    input.strategy::varchar(50),
                    input.business_date,
                    input.started_at AT TIME ZONE 'UTC'
                FROM input
                JOIN written ON written.batch_id = input.batch_id
                ON CONFLICT (batch_id, business_date) DO NOTHING
            ),
            detailed AS (
                INSERT INTO batch_execution_details (
                    batch_id,
                    business_date,
                    batch_category,
                    batch_mode,
                    batch_status,
                    start_time
                )
                SELECT
                    input.batch_id,
                    input.business_date,
                    input.batch_category,
                    input.batch_mode,
                    'IN_PROGRESS',
                    input.started_at AT TIME ZONE 'UTC'
                FROM input
                JOIN written ON written.batch_id = input.batch_id
                ON CONFLICT (batch_id, business_date) DO NOTHING
            )
            SELECT
                worked.batch_id,
                worked.phase
            FROM worked
            "
        )
    })
});

/// Writes those whose id and key are free, all of them open; answers with what was written. The ids must differ.
pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &[New<'_>],
    now: Option<DateTime<Utc>>,
) -> Result<HashMap<BatchId, Created>, TryError> {
    let mut new = new.to_vec();
    new.sort_by(|one, other| one.record.batch.cmp(&other.record.batch));
    let queued_note = new.first().and_then(|new| note(&queued(new.record)));
    let rows = bind(CREATE.of(&new).fixed(now).fixed(queued_note)).fetch_all(connection).await?;
    let mut phases = HashMap::with_capacity(rows.len());
    for row in rows {
        phases.insert(row.try_get::<String, _>("batch_id")?.into(), row.try_get::<String, _>("phase")?);
    }
    Ok(written(&new, &phases))
}
