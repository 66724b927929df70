//! Steps of batches under their leases: any number of a kind in one call, each fenced by its owner, epoch and phase.
//!
//! The work is written last: until then the fence holds, and every statement looks at it.

mod complete;
mod enter;
mod follow;
mod leave;

use std::{collections::HashSet, sync::LazyLock};

use backup_core::{BatchId, store::Saved};
use sqlx::{
    Row, Sqlite, SqliteConnection,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{input, read, transaction};
use crate::{
    outcome::lost,
    replay::TryError,
    step::{Kind, Step},
};

/// The rows whose leases hold, each beside its work.
macro_rules! fenced {
    () => {
        "
        json_each($1) AS input
        CROSS JOIN backup_work AS work
            ON work.batch_id = input.value ->> 'batch_id'
            AND work.owner = input.value ->> 'owner'
            AND work.epoch = input.value ->> 'epoch'
            AND work.phase = input.value ->> 'from_phase'
        "
    };
}
use fenced;

/// Whoever waits longest for a slot that is freed is due now (`$2`), and the slot is free.
macro_rules! free_slot {
    () => {
        concat!(
            "
            UPDATE backup_work
            SET due_at = min(due_at, $2)
            WHERE batch_id IN (
                SELECT (
                    SELECT waiter.batch_id
                    FROM backup_work AS waiter
                    WHERE waiter.slot = slot.slot
                        AND waiter.is_waiting = 1
                        AND waiter.owner IS NULL
                        AND waiter.batch_id <> slot.batch_id
                    ORDER BY waiter.created_at, waiter.batch_id
                    LIMIT 1
                )
                FROM ",
            fenced!(),
            "
                CROSS JOIN universe_slot AS slot
                    ON slot.slot = work.slot
                    AND slot.batch_id = work.batch_id
            );

            DELETE FROM universe_slot
            WHERE slot IN (SELECT work.slot FROM ",
            fenced!(),
            ")
                AND batch_id IN (SELECT work.batch_id FROM ",
            fenced!(),
            ");
            "
        )
    };
}
use free_slot;

/// Writes one step, or says why not.
pub(super) async fn save(
    connection: &mut SqliteConnection,
    step: &Step<'_>,
    now: i64,
) -> Result<Saved, TryError> {
    let kind = step.kind();
    if !update(connection, kind, std::slice::from_ref(step), now).await?.is_empty() {
        return Ok(Saved::Yes);
    }
    let there = read::find(connection, &step.lease.batch).await?.ok_or_else(|| lost(step.lease))?;
    if there.was_saved(step.lease, step.record) {
        return Ok(Saved::Yes);
    }
    if kind != Kind::Enter || !there.is_owned_by(step.lease) || there.record.phase != step.from {
        return Err(lost(step.lease).into());
    }
    // The lease holds, so it was the slot.
    let by = enter::holder(connection, &there.record.slot).await?.ok_or(TryError::Raced)?;
    Ok(Saved::SlotTaken { by })
}

/// Writes the steps whose leases hold, all of one kind; answers with their batches, which must differ.
pub(super) async fn update(
    connection: &mut SqliteConnection,
    kind: Kind,
    steps: &[Step<'_>],
    now: i64,
) -> Result<HashSet<BatchId>, TryError> {
    let text = match kind {
        Kind::Enter => enter::ENTER,
        Kind::Follow => follow::FOLLOW,
        Kind::Complete => complete::COMPLETE,
        Kind::Leave => leave::LEAVE,
    };
    let rows = query(text, steps, now)?.fetch_all(connection).await?;
    answer(&rows)
}

/// As [`update`], as a transaction of its own.
pub(super) async fn commit(
    connection: &mut SqliteConnection,
    kind: Kind,
    steps: &[Step<'_>],
    now: i64,
) -> Result<HashSet<BatchId>, TryError> {
    static ENTER: LazyLock<String> = LazyLock::new(|| transaction::of(enter::ENTER));
    static FOLLOW: LazyLock<String> = LazyLock::new(|| transaction::of(follow::FOLLOW));
    static COMPLETE: LazyLock<String> = LazyLock::new(|| transaction::of(complete::COMPLETE));
    static LEAVE: LazyLock<String> = LazyLock::new(|| transaction::of(leave::LEAVE));
    let text: &'static str = match kind {
        Kind::Enter => &ENTER,
        Kind::Follow => &FOLLOW,
        Kind::Complete => &COMPLETE,
        Kind::Leave => &LEAVE,
    };
    let rows = query(text, steps, now)?.fetch_all(connection).await?;
    answer(&rows)
}

fn query<'q>(
    text: &'static str,
    steps: &[Step<'_>],
    now: i64,
) -> Result<Query<'q, Sqlite, SqliteArguments>, sqlx::Error> {
    Ok(sqlx::query(text).bind(input::of_steps(steps)?).bind(now))
}

fn answer(rows: &[SqliteRow]) -> Result<HashSet<BatchId>, TryError> {
    rows.iter().map(|row| Ok(row.try_get::<String, _>("batch_id")?.into())).collect()
}
