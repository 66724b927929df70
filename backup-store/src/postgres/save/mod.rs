//! Steps of batches under their leases: any number in one statement, each fenced by its owner, epoch and phase.
//!
//! Four kinds of steps, told apart by what they touch. One that **enters** a universe takes its slot and records what is to be
//! posted. One that **follows** a task changes the work alone: until a batch ends, that row holds YBA's task and answer. One that
//! **completes** the batch records the outcome and frees the slot. One that **leaves** without a backup, to wait or to fail,
//! records why as well.
//!
//! Every statement locks in one order (work by batch, slots by name) and passes over waiters that are locked, so that
//! statements of many rows never deadlock.

mod complete;
mod enter;
mod follow;
mod leave;

use std::{collections::HashSet, time::Duration};

use backup_core::{
    BackupRecord, Phase,
    store::{Lease, Saved},
};
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::read;
use crate::{outcome::lost, replay::TryError};

/// A step that is to be written.
pub(super) struct Step<'a> {
    pub(super) lease: &'a Lease,
    pub(super) record: &'a BackupRecord,
    pub(super) from: Phase,
    pub(super) retry_in: Duration,
}

/// What a step touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Enter,
    Follow,
    Complete,
    Leave,
}

impl Kind {
    pub(super) fn of(from: Phase, record: &BackupRecord) -> Self {
        match record.phase {
            Phase::Running | Phase::Settling if from.holds_slot() => Self::Follow,
            Phase::Planned | Phase::Submitting | Phase::Running | Phase::Settling => Self::Enter,
            Phase::Done if record.failure.is_none() => Self::Complete,
            Phase::Waiting | Phase::Done => Self::Leave,
        }
    }
}

/// Writes one step, or says why not.
pub(super) async fn save(
    connection: &mut PgConnection,
    step: &Step<'_>,
    now: Option<DateTime<Utc>>,
) -> Result<Saved, TryError> {
    let kind = Kind::of(step.from, step.record);
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
) -> Result<HashSet<String>, TryError> {
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

fn batch(row: &PgRow) -> Result<String, sqlx::Error> {
    row.try_get("batch_id")
}
