//! Finding and listing.

use backup_core::{BatchId, IdempotencyKey, TrackerStatus, fold_case, store::BackupFilter};
use sqlx::PgConnection;

use super::{
    clean,
    rows::{answer, listed, select_records, stored},
};
use crate::{
    outcome::{Page, Stored},
    replay::TryError,
};

pub(super) async fn find(connection: &mut PgConnection, batch: &BatchId) -> Result<Option<Stored>, TryError> {
    let row = sqlx::query(select_records!("", "backup_work", answer!(), "WHERE work.batch_id = $1"))
        .bind(clean::text(batch.as_str()))
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().map(stored).transpose()?)
}

/// The batch with this id, else the one that this key created.
pub(super) async fn find_by_id_or_key(
    connection: &mut PgConnection,
    batch: &BatchId,
    key: Option<&IdempotencyKey>,
) -> Result<Option<Stored>, TryError> {
    let row = sqlx::query(select_records!(
        "",
        "backup_work",
        answer!(),
        "
        WHERE work.batch_id = coalesce(
            (
                SELECT known.batch_id
                FROM backup_work AS known
                WHERE known.batch_id = $1
            ),
            (
                SELECT known.batch_id
                FROM backup_idempotency AS known
                WHERE known.idempotency_key = $2
            )
        )
        "
    ))
    .bind(clean::text(batch.as_str()))
    .bind(key.map(|key| clean::text(key.as_str())))
    .fetch_optional(connection)
    .await?;
    Ok(row.as_ref().map(stored).transpose()?)
}

pub(super) async fn list(connection: &mut PgConnection, filter: &BackupFilter) -> Result<Page, TryError> {
    filter.check()?;
    let after = filter.after.as_ref();
    let rows = sqlx::query(select_records!(
        "",
        "backup_work",
        "NULL::text",
        "
        WHERE ($1::text IS NULL OR batch.category_key = $1)
            AND (
                $2::text IS NULL
                OR $2 = CASE
                    WHEN work.is_open THEN 'IN_PROGRESS'
                    WHEN batch.error_code IS NULL THEN 'SUCCESS'
                    ELSE 'FAILED'
                END
            )
            AND ($3::date IS NULL OR batch.business_date >= $3)
            AND ($4::date IS NULL OR batch.business_date <= $4)
            AND (
                $5::timestamptz IS NULL
                OR (batch.created_at, batch.batch_id) < ($5, $6)
            )
            AND ($8::text IS NULL OR batch.target = $8)
        ORDER BY batch.created_at DESC, batch.batch_id DESC
        LIMIT $7
        "
    ))
    .bind(filter.category.as_deref().map(|category| fold_case(&clean::text(category))))
    .bind(filter.status.map(TrackerStatus::as_str))
    .bind(filter.from)
    .bind(filter.to)
    .bind(after.map(|after| after.created_at))
    .bind(after.map(|after| clean::text(after.batch.as_str())))
    .bind(i64::from(filter.rows()) + 1)
    .bind(filter.target.as_ref().map(|target| clean::text(target.as_str())))
    // Planned anew each time: which index is best depends on the filter.
    .persistent(false)
    .fetch_all(connection)
    .await?;
    Ok(Page::new(rows.iter().map(listed).collect(), filter))
}
