//! Due work is taken: candidates by the index of due work, bucket by bucket; then locked, looked at again, and owned.
//!
//! A row that somebody else has locked is passed over. Correctness does not rest on that: whoever takes a row moves its
//! `due_at`, which is compared once more under the lock.

use backup_core::store::{Claim, Claimed, Lease};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    BUCKETS, clean, interval,
    rows::{select_records, stored},
};
use crate::{
    aside::{LEFT_ALONE, Sorted, batches},
    outcome::Stored,
    replay::TryError,
};

/// How candidates become owned; what follows the candidates in both statements below.
macro_rules! claim_candidates {
    ($candidates:literal) => {
        select_records!(
            concat!(
                "WITH candidate AS (",
                $candidates,
                "),
                locked AS (
                    SELECT
                        work.batch_id,
                        work.due_at
                    FROM backup_work AS work
                    WHERE work.batch_id = ANY (ARRAY(SELECT candidate.batch_id FROM candidate))
                        AND work.is_open
                        AND work.due_at <= coalesce($1, now())
                    FOR UPDATE SKIP LOCKED
                ),
                claimed AS (
                    UPDATE backup_work AS work
                    SET
                        owner = $2,
                        epoch = CASE WHEN work.epoch < 9223372036854775807 THEN work.epoch + 1 ELSE work.epoch END,
                        due_at = coalesce($1, now()) + $3
                    FROM locked
                    WHERE work.batch_id = locked.batch_id
                    RETURNING
                        work.batch_id,
                        work.business_date,
                        work.slot,
                        work.is_open,
                        work.phase,
                        work.phase_since,
                        work.waiting_since,
                        work.note,
                        work.cancel_requested,
                        work.lost_attempts,
                        work.in_doubt,
                        work.surplus,
                        work.audit_due_at,
                        work.audit_until,
                        work.task_id,
                        work.backup_response,
                        work.epoch,
                        work.owner,
                        locked.due_at AS was_due_at
                )
                "
            ),
            "claimed",
            "work.backup_response",
            "ORDER BY work.was_due_at, work.batch_id"
        )
    };
}

pub(super) async fn claim(
    connection: &mut PgConnection,
    claim: &Claim,
    now: Option<DateTime<Utc>>,
) -> Result<Sorted<Claimed>, TryError> {
    let query = match &claim.only {
        Some(batch) => sqlx::query(ONE)
            .bind(now)
            .bind(claim.hold.owner.as_uuid())
            .bind(interval(claim.hold.lease))
            .bind(clean::text(batch.as_str())),
        None => sqlx::query(ANY)
            .bind(now)
            .bind(claim.hold.owner.as_uuid())
            .bind(interval(claim.hold.lease))
            .bind((0..BUCKETS).collect::<Vec<i16>>())
            .bind(i64::from(claim.limit)),
    };
    let rows = query.fetch_all(&mut *connection).await?;
    let taken: Sorted<Claimed> = rows.iter().map(|row| Ok(claimed(stored(row)?, claim))).collect();
    if !taken.unreadable.is_empty() {
        leave_alone(connection, &batches(&taken.unreadable), claim, now).await?;
    }
    Ok(if claim.only.is_some() { taken.all()? } else { taken })
}

/// What cannot be read is in nobody's way for a while.
async fn leave_alone(
    connection: &mut PgConnection,
    batches: &[String],
    claim: &Claim,
    now: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        UPDATE backup_work
        SET
            owner = NULL,
            due_at = coalesce($3, now()) + $4
        WHERE batch_id = ANY ($1)
            AND owner = $2
        ",
    )
    .bind(batches)
    .bind(claim.hold.owner.as_uuid())
    .bind(now)
    .bind(interval(LEFT_ALONE))
    .execute(connection)
    .await?;
    Ok(())
}

fn claimed(there: Stored, claim: &Claim) -> Claimed {
    let record = there.record;
    let lease = Lease {
        batch: record.batch.clone(),
        business_date: record.business_date,
        owner: claim.hold.owner,
        epoch: there.epoch,
    };
    Claimed { lease, record }
}

const ONE: &str = claim_candidates!(
    "
    SELECT $4::text AS batch_id
    "
);

/// The oldest of each bucket, then the oldest of all.
pub const ANY: &str = claim_candidates!(
    "
    SELECT due.batch_id
    FROM unnest($4::smallint[]) AS part (bucket)
    CROSS JOIN LATERAL (
        SELECT
            work.batch_id,
            work.due_at
        FROM backup_work AS work
        WHERE work.bucket = part.bucket
            AND work.is_open
            AND work.due_at <= coalesce($1, now())
        ORDER BY work.due_at, work.batch_id
        LIMIT $5
    ) AS due
    ORDER BY due.due_at, due.batch_id
    LIMIT $5
    "
);
