//! Ownership that is there already: extended, or given up.

use std::time::Duration;

use backup_core::store::{Beat, Hold, Lease};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use super::{
    interval,
    rows::{column, in_lock_order},
};
use crate::replay::TryError;

pub(super) async fn heartbeat(
    connection: &mut PgConnection,
    leases: &[Lease],
    hold: Hold,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<Beat>, TryError> {
    let leases = in_lock_order(leases, |lease| lease.batch.as_str());
    let rows = sqlx::query(
        "
        UPDATE backup_work AS work
        SET due_at = coalesce($4, now()) + $5
        FROM unnest(
            $1::text[],
            $2::uuid[],
            $3::bigint[],
            $6::bigint[]
        ) AS lease (
            batch_id,
            owner,
            epoch,
            place
        )
        WHERE work.batch_id = lease.batch_id
            AND work.owner = lease.owner
            AND work.epoch = lease.epoch
        RETURNING
            lease.place,
            work.cancel_requested
        ",
    )
    .bind(column(&leases, |(_, lease)| lease.batch.as_str()))
    .bind(column(&leases, |(_, lease)| lease.owner.as_uuid()))
    .bind(column(&leases, |(_, lease)| lease.epoch))
    .bind(now)
    .bind(interval(hold.lease))
    .bind(column(&leases, |(place, _)| i64::try_from(*place).unwrap_or(i64::MAX)))
    .fetch_all(connection)
    .await?;
    let mut beats = vec![Beat::Lost; leases.len()];
    for row in rows {
        let place = usize::try_from(row.try_get::<i64, _>("place")?).ok();
        if let Some(beat) = place.and_then(|place| beats.get_mut(place)) {
            *beat = Beat::Kept { cancel_requested: row.try_get("cancel_requested")? };
        }
    }
    Ok(beats)
}

pub(super) async fn release(
    connection: &mut PgConnection,
    leases: &[Lease],
    due_in: Duration,
    now: Option<DateTime<Utc>>,
) -> Result<(), TryError> {
    let leases = in_lock_order(leases, |lease| lease.batch.as_str());
    sqlx::query(
        "
        UPDATE backup_work AS work
        SET
            owner = NULL,
            due_at = coalesce($4, now()) + $5
        FROM unnest(
            $1::text[],
            $2::uuid[],
            $3::bigint[]
        ) AS lease (
            batch_id,
            owner,
            epoch
        )
        WHERE work.batch_id = lease.batch_id
            AND work.owner = lease.owner
            AND work.epoch = lease.epoch
        ",
    )
    .bind(column(&leases, |(_, lease)| lease.batch.as_str()))
    .bind(column(&leases, |(_, lease)| lease.owner.as_uuid()))
    .bind(column(&leases, |(_, lease)| lease.epoch))
    .bind(now)
    .bind(interval(due_in))
    .execute(connection)
    .await?;
    Ok(())
}
