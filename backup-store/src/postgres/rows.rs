//! Rows of PostgreSQL, and the statement that reads them.

use backup_core::StoreError;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::types::{Day, Moment};
use crate::{
    fields::{Fields, attempt, epoch},
    outcome::{Listed, Stored},
    reader::Reader,
};

/// The statement that reads records of `backup_work` or of rows just claimed, in one place.
macro_rules! select_records {
    ($before:expr, $work:literal, $answer:expr, $after:literal) => {
        concat!(
            $before,
            "
            SELECT
                work.batch_id,
                work.business_date,
                batch.batch_category,
                batch.batch_mode,
                batch.target,
                work.slot,
                batch.created_at,
                batch.started_at,
                batch.ended_at,
                batch.deadline_at,
                batch.strategy,
                batch.plan_base,
                batch.plan_reason,
                work.phase,
                work.phase_since,
                work.waiting_since,
                work.note,
                attempts.ids AS attempt_ids,
                attempts.numbers AS attempt_numbers,
                attempts.times AS attempt_times,
                CASE WHEN work.is_open THEN work.task_id ELSE batch.task_id END AS task_id,
                batch.backup_id,
                ",
            $answer,
            " AS backup_response,
                batch.error_code,
                batch.error_message,
                batch.error_advice,
                work.cancel_requested,
                work.lost_attempts,
                work.in_doubt,
                work.surplus,
                work.audit_due_at,
                work.audit_until,
                work.epoch,
                work.owner
            FROM ",
            $work,
            " AS work
            JOIN backup_batch AS batch ON batch.batch_id = work.batch_id
            LEFT JOIN LATERAL (
                SELECT
                    array_agg(attempt.attempt_id ORDER BY attempt.attempt_number) AS ids,
                    array_agg(attempt.attempt_number ORDER BY attempt.attempt_number) AS numbers,
                    array_agg(attempt.attempted_at ORDER BY attempt.attempt_number) AS times
                FROM backup_attempt AS attempt
                WHERE attempt.batch_id = work.batch_id
            ) AS attempts ON true
            ",
            $after
        )
    };
}
pub(super) use select_records;

/// YBA's answer, as far as anybody would read it: what is cut is no JSON any more, and shown as text.
macro_rules! answer {
    () => {
        "left(
            CASE
                WHEN work.is_open THEN work.backup_response
                ELSE (
                    SELECT tracker.backup_response
                    FROM batch_db_schedule_event_tracker AS tracker
                    WHERE tracker.batch_id = work.batch_id
                        AND tracker.business_date = work.business_date
                )
            END,
            1048576
        )"
    };
}
pub(super) use answer;

pub(super) fn stored(row: &PgRow) -> Result<Stored, StoreError> {
    let reader = Reader::new(row);
    let epoch = epoch(reader.work("epoch")?, reader.name())?;
    Ok(Stored { record: fields(&reader)?.into_record()?, epoch, owner: reader.work("owner")? })
}

/// A row of a list.
pub(super) fn listed(row: &PgRow) -> Listed {
    let place = Reader::new(row).key::<Moment>();
    Listed { place, record: stored(row).map(|there| there.record) }
}

fn fields(row: &Reader<'_, PgRow>) -> Result<Fields, StoreError> {
    let moment = |moment: Option<Moment>| moment.map(Into::into);
    Ok(Fields {
        batch_id: row.name().to_owned(),
        business_date: row.work::<Day>("business_date")?.into(),
        batch_category: row.batch("batch_category")?,
        batch_mode: row.batch("batch_mode")?,
        target: row.batch("target")?,
        slot: row.work("slot")?,
        created_at: row.batch::<Moment>("created_at")?.into(),
        started_at: row.batch::<Moment>("started_at")?.into(),
        ended_at: moment(row.batch("ended_at")?),
        deadline_at: row.batch::<Moment>("deadline_at")?.into(),
        strategy: row.batch("strategy")?,
        plan_base: row.batch("plan_base")?,
        plan_reason: row.batch("plan_reason")?,
        phase: row.work("phase")?,
        phase_since: row.work::<Moment>("phase_since")?.into(),
        waiting_since: moment(row.work("waiting_since")?),
        note: row.work("note")?,
        attempts: attempts(row)?,
        task_id: row.work("task_id")?,
        backup_id: row.batch("backup_id")?,
        response: row.work("backup_response")?,
        error_code: row.batch("error_code")?,
        error_message: row.batch("error_message")?,
        error_advice: row.batch("error_advice")?,
        cancel_requested: row.work("cancel_requested")?,
        lost_attempts: row.work("lost_attempts")?,
        in_doubt: row.work("in_doubt")?,
        surplus: row.work("surplus")?,
        audit_until: moment(row.work("audit_until")?),
    })
}

fn attempts(row: &Reader<'_, PgRow>) -> Result<Vec<backup_core::Attempt>, StoreError> {
    const ATTEMPT: &str = "backup_attempt";
    let ids: Option<Vec<Uuid>> = row.column(ATTEMPT, "attempt_ids")?;
    let numbers: Option<Vec<i32>> = row.column(ATTEMPT, "attempt_numbers")?;
    let times: Option<Vec<Moment>> = row.column(ATTEMPT, "attempt_times")?;
    let rows = ids.into_iter().flatten().zip(numbers.into_iter().flatten()).zip(times.into_iter().flatten());
    Ok(rows.map(|((id, number), at)| attempt(id, number, at.into())).collect())
}

/// The value of each row of an input, as the array that a statement unnests.
pub(super) fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// The rows in the order in which every statement locks them, so that no two statements wait for each other; each with
/// its place before.
pub(super) fn in_lock_order<R>(rows: &[R], batch: impl Fn(&R) -> &str) -> Vec<(usize, &R)> {
    let mut order: Vec<(usize, &R)> = rows.iter().enumerate().collect();
    order.sort_by(|(_, one), (_, other)| batch(one).cmp(batch(other)));
    order
}

/// A number as the database holds it.
pub(super) fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A read-only node, or one that is in recovery.
pub(super) fn read_only(operation: &'static str) -> StoreError {
    StoreError::Unavailable { operation, source: "the database takes no writes now".into() }
}
