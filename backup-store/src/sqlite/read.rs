//! Finding and listing.

use backup_core::{BatchId, TargetKey, fold_case, store::BackupFilter};
use sqlx::SqliteConnection;

use super::rows::{answer, instant, listed, select_records, stored};
use crate::{
    outcome::{Page, Stored},
    replay::TryError,
};

pub(super) async fn find(
    connection: &mut SqliteConnection,
    batch: &BatchId,
) -> Result<Option<Stored>, TryError> {
    let row = sqlx::query(select_records!(answer!(), "WHERE work.batch_id = $1"))
        .bind(batch.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().map(stored).transpose()?)
}

pub(super) async fn list(connection: &mut SqliteConnection, filter: &BackupFilter) -> Result<Page, TryError> {
    filter.check()?;
    let after = filter.after.as_ref();
    let rows = sqlx::query(select_records!(
        "NULL",
        "
        WHERE ($1 IS NULL OR batch.category_key = $1)
            AND (
                $2 IS NULL
                OR $2 = CASE
                    WHEN work.is_open THEN 'IN_PROGRESS'
                    WHEN batch.error_code IS NULL THEN 'SUCCESS'
                    ELSE 'FAILED'
                END
            )
            AND ($3 IS NULL OR batch.business_date >= $3)
            AND ($4 IS NULL OR batch.business_date <= $4)
            AND ($5 IS NULL OR (batch.created_at, batch.batch_id) < ($5, $6))
            AND ($8 IS NULL OR batch.target = $8)
        ORDER BY batch.created_at DESC, batch.batch_id DESC
        LIMIT $7
        "
    ))
    .bind(filter.category.as_deref().map(fold_case))
    .bind(filter.status.map(backup_core::TrackerStatus::as_str))
    .bind(filter.from)
    .bind(filter.to)
    .bind(after.map(|after| instant(after.created_at)))
    .bind(after.map(|after| after.batch.as_str()))
    .bind(i64::from(filter.rows()) + 1)
    .bind(filter.target.as_ref().map(TargetKey::as_str))
    .fetch_all(connection)
    .await?;
    Ok(Page::new(rows.iter().map(listed).collect(), filter))
}
