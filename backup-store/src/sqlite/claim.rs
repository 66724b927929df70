//! Ownership: taking, extending and giving up leases.

use std::{collections::HashMap, time::Duration};

use backup_core::{
    BatchId,
    store::{Beat, Claim, Claimed, Hold, Lease},
};
use serde::Serialize;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::{
    input, millis,
    rows::{select_records, stored},
};
use crate::{
    aside::{LEFT_ALONE, Sorted, batches},
    outcome::Stored,
    replay::TryError,
};

pub(super) async fn claim(
    connection: &mut SqliteConnection,
    claim: &Claim,
    now: i64,
) -> Result<Sorted<Claimed>, TryError> {
    let rows = sqlx::query(select_records!(
        "work.backup_response",
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
    let Sorted { readable, unreadable } = rows.iter().map(stored).collect();
    let mut claimed = Vec::with_capacity(readable.len());
    for there in readable {
        claimed.push(take(connection, there, claim.hold, now).await?);
    }
    leave_alone(connection, &batches(&unreadable), now).await?;
    let taken = Sorted { readable: claimed, unreadable };
    Ok(if claim.only.is_some() { taken.all()? } else { taken })
}

/// What cannot be read is in nobody's way for a while.
async fn leave_alone(
    connection: &mut SqliteConnection,
    batches: &[String],
    now: i64,
) -> Result<(), sqlx::Error> {
    for batch in batches {
        sqlx::query("UPDATE backup_work SET owner = NULL, due_at = $2 WHERE batch_id = $1")
            .bind(batch)
            .bind(now.saturating_add(millis(LEFT_ALONE)))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
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

/// A lease, as a statement reads it.
#[derive(Serialize)]
struct LeaseRow<'a> {
    batch_id: &'a str,
    owner: Uuid,
    epoch: i64,
}

impl<'a> From<&'a Lease> for LeaseRow<'a> {
    fn from(lease: &'a Lease) -> Self {
        Self { batch_id: lease.batch.as_str(), owner: lease.owner.as_uuid(), epoch: lease.epoch }
    }
}

fn rows(leases: &[Lease]) -> Result<String, sqlx::Error> {
    input::json(&leases.iter().map(LeaseRow::from).collect::<Vec<_>>())
}

pub(super) async fn heartbeat(
    connection: &mut SqliteConnection,
    leases: &[Lease],
    hold: Hold,
    now: i64,
) -> Result<Vec<Beat>, TryError> {
    let kept = sqlx::query(
        "
        UPDATE backup_work AS work
        SET due_at = $2
        FROM json_each($1) AS input
        WHERE work.batch_id = input.value ->> 'batch_id'
            AND work.owner = input.value ->> 'owner'
            AND work.epoch = input.value ->> 'epoch'
        RETURNING
            batch_id,
            epoch,
            cancel_requested
        ",
    )
    .bind(rows(leases)?)
    .bind(now.saturating_add(millis(hold.lease)))
    .fetch_all(connection)
    .await?;
    let mut cancels = HashMap::with_capacity(kept.len());
    for row in kept {
        let lease = (row.try_get::<String, _>("batch_id")?, row.try_get::<i64, _>("epoch")?);
        cancels.insert(lease, row.try_get("cancel_requested")?);
    }
    let beat = |lease: &Lease| match cancels.get(&(lease.batch.to_string(), lease.epoch)) {
        Some(cancel_requested) => Beat::Kept { cancel_requested: *cancel_requested },
        None => Beat::Lost,
    };
    Ok(leases.iter().map(beat).collect())
}

pub(super) async fn release(
    connection: &mut SqliteConnection,
    leases: &[Lease],
    due_in: Duration,
    now: i64,
) -> Result<(), TryError> {
    sqlx::query(
        "
        UPDATE backup_work AS work
        SET
            owner = NULL,
            due_at = $2
        FROM json_each($1) AS input
        WHERE work.batch_id = input.value ->> 'batch_id'
            AND work.owner = input.value ->> 'owner'
            AND work.epoch = input.value ->> 'epoch'
        ",
    )
    .bind(rows(leases)?)
    .bind(now.saturating_add(millis(due_in)))
    .execute(connection)
    .await?;
    Ok(())
}
