//! Batches under audit: taken when they are due, and written, inside an immediate transaction.
//!
//! When an audit is due is also the right to record it: each claim and each report moves it forward, and a report names what it saw.

use std::time::Duration;

use backup_core::{
    BatchId, TaskId,
    store::{AuditClaim, AuditNext, AuditReport, AuditWork},
};
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::{
    millis,
    rows::{answer, select_records, stored, time},
};
use crate::{
    fields::{lost_attempts, note_fields, surplus},
    replay::TryError,
};

pub(super) async fn claim(
    connection: &mut SqliteConnection,
    lease: Duration,
    limit: u32,
    now: i64,
) -> Result<Vec<AuditWork>, TryError> {
    let rows = sqlx::query(select_records!(
        answer!(),
        "
        WHERE work.audit_due_at <= $1
        ORDER BY work.audit_due_at, work.batch_id
        LIMIT $2
        "
    ))
    .bind(now)
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in &rows {
        let there = stored(row)?;
        let token = now.saturating_add(millis(lease)).max(row.try_get::<i64, _>("audit_due_at")? + 1);
        sqlx::query("UPDATE backup_work SET audit_due_at = $2 WHERE batch_id = $1")
            .bind(there.record.batch.as_str())
            .bind(token)
            .execute(&mut *connection)
            .await?;
        let claim = AuditClaim {
            batch: there.record.batch.clone(),
            business_date: there.record.business_date,
            epoch: there.epoch,
            token,
        };
        claimed.push(AuditWork { claim, record: there.record });
    }
    Ok(claimed)
}

/// Writes the reports whose claims hold.
pub(super) async fn record(
    connection: &mut SqliteConnection,
    reports: &[AuditReport],
    now: i64,
) -> Result<Vec<Option<AuditClaim>>, TryError> {
    let mut claims = Vec::with_capacity(reports.len());
    for report in reports {
        claims.push(record_one(connection, report, now).await?);
    }
    Ok(claims)
}

async fn record_one(
    connection: &mut SqliteConnection,
    report: &AuditReport,
    now: i64,
) -> Result<Option<AuditClaim>, TryError> {
    let due_at = match report.next {
        AuditNext::In(pause) => Some(now.saturating_add(millis(pause)).max(report.claim.token + 1)),
        AuditNext::Over => None,
    };
    let written = sqlx::query(
        "
        UPDATE backup_work
        SET
            lost_attempts = $4,
            surplus = $5,
            in_doubt = in_doubt AND $6 IS NOT NULL,
            audit_due_at = $6,
            audit_until = iif($6 IS NULL, NULL, audit_until)
        WHERE batch_id = $1
            AND phase = 'DONE'
            AND epoch = $2
            AND audit_due_at = $3
        ",
    )
    .bind(report.claim.batch.as_str())
    .bind(report.claim.epoch)
    .bind(report.claim.token)
    .bind(lost_attempts(&report.lost).map(|lost| lost.to_string()))
    .bind(surplus(&report.surplus).map(|surplus| surplus.to_string()))
    .bind(due_at)
    .execute(&mut *connection)
    .await?;
    if written.rows_affected() == 0 {
        return Ok(None);
    }
    note(connection, report).await?;
    Ok(Some(AuditClaim { token: due_at.unwrap_or_default(), ..report.claim.clone() }))
}

async fn note(connection: &mut SqliteConnection, report: &AuditReport) -> Result<(), sqlx::Error> {
    let Some(note) = &report.note else { return Ok(()) };
    sqlx::query(
        "
        INSERT INTO exception_details (
            exception_id,
            batch_id,
            execution_type,
            error_message,
            extension_fields,
            start_time,
            end_time,
            business_date
        ) VALUES ($1, $2, 'SURPLUS', $3, $4, $5, $5, $6)
        ",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(report.claim.batch.as_str())
    .bind(note.failure.message.as_str())
    .bind(note_fields(note).to_string())
    .bind(time(note.at))
    .bind(report.claim.business_date)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn doubt(
    connection: &mut SqliteConnection,
    batch: &BatchId,
    audit_for: Duration,
    now: i64,
) -> Result<(), TryError> {
    sqlx::query(
        "
        UPDATE backup_work
        SET
            in_doubt = 1,
            audit_due_at = iif(phase = 'DONE', $2, NULL),
            audit_until = iif(phase = 'DONE', max(coalesce(audit_until, 0), $3), NULL)
        WHERE batch_id = $1
        ",
    )
    .bind(batch.as_str())
    .bind(now)
    .bind(now.saturating_add(millis(audit_for)))
    .execute(connection)
    .await?;
    Ok(())
}

/// Rare, and without an index of its own: the tasks of all batches are read.
pub(super) async fn counted(
    connection: &mut SqliteConnection,
    tasks: &[TaskId],
) -> Result<Vec<TaskId>, TryError> {
    let tasks = serde_json::json!(tasks).to_string();
    let rows = sqlx::query(
        "
        SELECT task_id
        FROM backup_batch
        WHERE task_id IN (SELECT value FROM json_each($1))
        UNION
        SELECT task_id
        FROM backup_work
        WHERE task_id IN (SELECT value FROM json_each($1))
        ",
    )
    .bind(tasks)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(row.try_get::<String, _>("task_id")?.into())).collect()
}
