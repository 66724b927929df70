//! Steps of batches under their leases: any number of a kind in one statement, each fenced by its owner, epoch and phase.
//!
//! Every statement locks in one order (work by batch, slots by name) and passes over waiters that are locked, so that
//! statements of many rows never deadlock.

mod complete;
mod enter;
mod follow;
mod leave;

use std::collections::HashSet;

use backup_core::{BatchId, store::Saved};
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::read;
use crate::{
    fields::outcome_response,
    outcome::lost,
    replay::TryError,
    step::{Kind, Step},
};

/// Writes one step, or says why not.
pub(super) async fn save(
    connection: &mut PgConnection,
    step: &Step<'_>,
    now: Option<DateTime<Utc>>,
) -> Result<Saved, TryError> {
    let kind = step.kind();
    if !update(connection, kind, std::slice::from_ref(step), now).await?.is_empty() {
        return Ok(Saved::Yes);
    }
    // Why not needs a look of its own: the statement above saw the time before.
    let there = read::find(connection, &step.lease.batch).await?.ok_or_else(|| lost(step.lease))?;
    if there.was_saved(step.lease, step.record) {
        return Ok(Saved::Yes);
    }
    if kind != Kind::Enter || !there.is_owned_by(step.lease) || there.record.phase != step.from {
        return Err(lost(step.lease).into());
    }
    // The lease holds, so it was the slot. Without a holder: it was freed meanwhile.
    let by = enter::holder(connection, &there.record.slot).await?.ok_or(TryError::Raced)?;
    Ok(Saved::SlotTaken { by: by.into() })
}

/// Writes the steps whose leases hold, all of one kind; answers with their batches, which must differ.
pub(super) async fn update(
    connection: &mut PgConnection,
    kind: Kind,
    steps: &[Step<'_>],
    now: Option<DateTime<Utc>>,
) -> Result<HashSet<BatchId>, TryError> {
    let mut steps: Vec<&Step<'_>> = steps.iter().collect();
    steps.sort_by(|one, other| one.lease.batch.as_str().cmp(other.lease.batch.as_str()));
    let saved = match kind {
        Kind::Enter => enter::update(connection, &steps).await?,
        Kind::Follow => follow::update(connection, &steps).await?,
        Kind::Complete => complete::update(connection, &steps, now).await?,
        Kind::Leave => leave::update(connection, &steps, now).await?,
    };
    Ok(saved.iter().map(batch).collect::<Result<_, _>>()?)
}

/// The first and the last business date.
fn dates(steps: &[&Step<'_>]) -> (Option<NaiveDate>, Option<NaiveDate>) {
    let dates = || steps.iter().map(|step| step.lease.business_date);
    (dates().min(), dates().max())
}

/// YBA's answer as a column holds it.
fn response(step: &Step<'_>) -> Option<String> {
    outcome_response(step.record)
}

fn batch(row: &PgRow) -> Result<BatchId, sqlx::Error> {
    Ok(row.try_get::<String, _>("batch_id")?.into())
}
