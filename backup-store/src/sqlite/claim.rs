//! Ownership: taking, extending and giving up leases.

use std::time::Duration;

use backup_core::{
    BatchId,
    store::{Beat, Claim, Claimed, Hold, Lease},
};
use sqlx::{Row, SqliteConnection};

use super::{
    millis,
    rows::{select_records, stored},
};
use crate::{outcome::Stored, replay::TryError};

pub(super) async fn claim(
    connection: &mut SqliteConnection,
    claim: &Claim,
    now: i64,
) -> Result<Vec<Claimed>, TryError> {
    let rows = sqlx::query(select_records!(
        "
        WHERE work.is_open = 1
            AND work.due_at <= $1
            AND ($2 IS NULL OR work.batch_id = $2)
        ORDER BY work.due_at, work.batch_id
        LIMIT $3
        "
    ))
    .bind(now)
    .bind(claim.only.as_ref().map(BatchId::as_str))
    .bind(claim.limit)
    .fetch_all(&mut *connection)
    .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in &rows {
        claimed.push(take(connection, stored(row)?, claim.hold, now).await?);
    }
    Ok(claimed)
}

async fn take(
    connection: &mut SqliteConnection,
    there: Stored,
    hold: Hold,
    now: i64,
) -> Result<Claimed, TryError> {
    let (record, epoch) = (there.record, there.epoch + 1);
    sqlx::query(
        "
        UPDATE backup_work
        SET
            owner = $2,
            epoch = $3,
            due_at = $4
        WHERE batch_id = $1
        ",
    )
    .bind(record.batch.as_str())
    .bind(hold.owner.to_string())
    .bind(epoch)
    .bind(now.saturating_add(millis(hold.lease)))
    .execute(connection)
    .await?;
    let (batch, business_date) = (record.batch.clone(), record.business_date);
    Ok(Claimed { lease: Lease { batch, business_date, owner: hold.owner, epoch }, record })
}

pub(super) async fn heartbeat(
    connection: &mut SqliteConnection,
    leases: &[Lease],
    hold: Hold,
    now: i64,
) -> Result<Vec<Beat>, TryError> {
    let mut beats = Vec::with_capacity(leases.len());
    for lease in leases {
        let row = sqlx::query(
            "
            UPDATE backup_work
            SET due_at = $4
            WHERE batch_id = $1
                AND owner = $2
                AND epoch = $3
            RETURNING cancel_requested
            ",
        )
        .bind(lease.batch.as_str())
        .bind(lease.owner.to_string())
        .bind(lease.epoch)
        .bind(now.saturating_add(millis(hold.lease)))
        .fetch_optional(&mut *connection)
        .await?;
        beats.push(match row {
            Some(row) => Beat::Kept { cancel_requested: row.try_get("cancel_requested")? },
            None => Beat::Lost,
        });
    }
    Ok(beats)
}

pub(super) async fn release(
    connection: &mut SqliteConnection,
    leases: &[Lease],
    due_in: Duration,
    now: i64,
) -> Result<(), TryError> {
    for lease in leases {
        sqlx::query(
            "
            UPDATE backup_work
            SET
                owner = NULL,
                due_at = $4
            WHERE batch_id = $1
                AND owner = $2
                AND epoch = $3
            ",
        )
        .bind(lease.batch.as_str())
        .bind(lease.owner.to_string())
        .bind(lease.epoch)
        .bind(now.saturating_add(millis(due_in)))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
