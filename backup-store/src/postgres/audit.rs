//! Batches under audit: taken when they are due, and written, in one statement each.
//!
//! When an audit is due is also the right to record it: each claim and each report moves it forward, and a report names what it saw.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use backup_core::{
    BatchId, TaskId,
    store::{AuditClaim, AuditNext, AuditReport, AuditWork},
};
use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    BUCKETS, clean, interval,
    rows::{answer, select_records, stored},
    statement::{Statement, columns},
};
use crate::{
    fields::{lost_attempts, note_fields, surplus},
    replay::TryError,
};

pub(super) async fn claim(
    connection: &mut PgConnection,
    lease: Duration,
    limit: u32,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<AuditWork>, TryError> {
    let rows = sqlx::query(CLAIM)
        .bind(now)
        .bind(interval(lease))
        .bind((0..BUCKETS).collect::<Vec<i16>>())
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?;
    rows.iter().map(work).collect()
}

fn work(row: &PgRow) -> Result<AuditWork, TryError> {
    let there = stored(row)?;
    let claim = AuditClaim {
        batch: there.record.batch.clone(),
        business_date: there.record.business_date,
        epoch: there.epoch,
        token: token(row)?,
    };
    Ok(AuditWork { claim, record: there.record })
}

fn token(row: &PgRow) -> Result<i64, sqlx::Error> {
    Ok(row.try_get::<DateTime<Utc>, _>("audit_due_at")?.timestamp_micros())
}

/// The oldest of each bucket, then the oldest of all. `$1`: now. `$2`: the lease.
pub const CLAIM: &str = select_records!(
    "
    WITH candidate AS (
        SELECT due.batch_id
        FROM unnest($3::smallint[]) AS part (bucket)
        CROSS JOIN LATERAL (
            SELECT
                work.batch_id,
                work.audit_due_at
            FROM backup_work AS work
            WHERE work.bucket = part.bucket
                AND work.audit_due_at <= coalesce($1, now())
            ORDER BY work.audit_due_at, work.batch_id
            LIMIT $4
        ) AS due
        ORDER BY due.audit_due_at, due.batch_id
        LIMIT $4
    ),
    locked AS (
        SELECT
            work.batch_id,
            work.audit_due_at
        FROM backup_work AS work
        WHERE work.batch_id = ANY (ARRAY(SELECT candidate.batch_id FROM candidate))
            AND work.audit_due_at <= coalesce($1, now())
        FOR UPDATE SKIP LOCKED
    ),
    claimed AS (
        UPDATE backup_work AS work
        SET audit_due_at = greatest(coalesce($1, now()) + $2, work.audit_due_at + interval '1 microsecond')
        FROM locked
        WHERE work.batch_id = locked.batch_id
        RETURNING
            work.batch_id,
            work.business_date,
            work.slot,
            work.phase,
            work.phase_since,
            work.waiting_since,
            work.note,
            work.cancel_requested,
            work.is_open,
            work.lost_attempts,
            work.in_doubt,
            work.surplus,
            work.audit_due_at,
            work.audit_until,
            work.task_id,
            work.backup_response,
            work.epoch,
            work.owner,
            locked.audit_due_at AS was_due_at
    )
    ",
    "claimed",
    answer!(),
    "ORDER BY work.was_due_at, work.batch_id"
);

columns! { &'a AuditReport:
    batch_id text = |report| report.claim.batch.as_str(),
    epoch bigint = |report| report.claim.epoch,
    token timestamptz = |report| DateTime::from_timestamp_micros(report.claim.token),
    lost_attempts jsonb = |report| lost_attempts(&report.lost),
    surplus jsonb = |report| surplus(&report.surplus).map(clean::json),
    pause interval = |report| match report.next {
        AuditNext::In(pause) => Some(interval(pause)),
        AuditNext::Over => None,
    },
    exception_id uuid = |report| report.note.as_ref().map(|_| Uuid::now_v7()),
    error_message text = |report| report.note.as_ref().map(|note| clean::text(&note.failure.message)),
    extension_fields jsonb = |report| report.note.as_ref().map(|note| clean::json(note_fields(note))),
    noted_at timestamp = |report| noted_at(report),
}

fn noted_at(report: &AuditReport) -> Option<NaiveDateTime> {
    report.note.as_ref().map(|note| note.at.naive_utc())
}

/// `$1`: now.
static RECORD: LazyLock<Statement> = LazyLock::new(|| {
    Statement::new(1, COLUMNS, |input| {
        format!(
            "
            WITH audited AS (
                UPDATE backup_work AS work
                SET
                    lost_attempts = input.lost_attempts,
                    surplus = input.surplus,
                    in_doubt = work.in_doubt AND input.pause IS NOT NULL,
                    audit_due_at = greatest(
                        coalesce($1, now()) + input.pause,
                        CASE WHEN input.pause IS NOT NULL THEN work.audit_due_at + interval '1 microsecond' END
                    ),
                    audit_until = CASE WHEN input.pause IS NOT NULL THEN work.audit_until END
                FROM {input}
                WHERE work.batch_id = input.batch_id
                    AND work.phase = 'DONE'
                    AND work.epoch = input.epoch
                    AND work.audit_due_at = input.token
                RETURNING
                    work.batch_id,
                    work.business_date,
                    work.audit_due_at,
                    input.exception_id,
                    input.error_message,
                    input.extension_fields,
                    input.noted_at
            ),
            excepted AS (
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
                    audited.exception_id::text,
                    audited.batch_id,
                    'SURPLUS',
                    audited.error_message,
                    audited.extension_fields,
                    audited.noted_at,
                    audited.noted_at,
                    audited.business_date
                FROM audited
                WHERE audited.exception_id IS NOT NULL
            )
            SELECT
                audited.batch_id,
                coalesce(audited.audit_due_at, 'epoch') AS audit_due_at
            FROM audited
            "
        )
    })
});

/// Writes the reports whose claims hold; locks in the one order of all statements.
pub(super) async fn record(
    connection: &mut PgConnection,
    reports: &[AuditReport],
    now: Option<DateTime<Utc>>,
) -> Result<Vec<Option<AuditClaim>>, TryError> {
    let mut ordered: Vec<&AuditReport> = reports.iter().collect();
    ordered.sort_by(|one, other| one.claim.batch.as_str().cmp(other.claim.batch.as_str()));
    let rows = bind(RECORD.of(&ordered).fixed(now)).fetch_all(connection).await?;
    let mut tokens = HashMap::with_capacity(rows.len());
    for row in &rows {
        tokens.insert(BatchId::from(row.try_get::<String, _>("batch_id")?), token(row)?);
    }
    let claim = |report: &AuditReport| {
        tokens.get(&report.claim.batch).map(|token| AuditClaim { token: *token, ..report.claim.clone() })
    };
    Ok(reports.iter().map(claim).collect())
}

pub(super) async fn doubt(
    connection: &mut PgConnection,
    batch: &BatchId,
    audit_for: Duration,
    now: Option<DateTime<Utc>>,
) -> Result<(), TryError> {
    sqlx::query(
        "
        UPDATE backup_work
        SET
            in_doubt = true,
            audit_due_at = CASE WHEN phase = 'DONE' THEN coalesce($2, now()) END,
            audit_until = CASE WHEN phase = 'DONE' THEN greatest(audit_until, coalesce($2, now()) + $3) END
        WHERE batch_id = $1
        ",
    )
    .bind(clean::text(batch.as_str()))
    .bind(now)
    .bind(interval(audit_for))
    .execute(connection)
    .await?;
    Ok(())
}

/// Rare, and without an index of its own: the tasks of all batches are read.
pub(super) async fn counted(
    connection: &mut PgConnection,
    tasks: &[TaskId],
) -> Result<Vec<TaskId>, TryError> {
    let tasks: Vec<_> = tasks.iter().map(|task| clean::text(task.as_str()).into_owned()).collect();
    let rows = sqlx::query(
        "
        SELECT batch.task_id
        FROM backup_batch AS batch
        WHERE batch.task_id = ANY ($1)
        UNION
        SELECT work.task_id
        FROM backup_work AS work
        WHERE work.task_id = ANY ($1)
        ",
    )
    .bind(tasks)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(row.try_get::<String, _>("task_id")?.into())).collect()
}
