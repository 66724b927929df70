//! Who works on a batch.

use backup_core::{BatchId, OwnerId, store::Follower};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::clean;
use crate::replay::TryError;

pub(super) async fn follower(
    connection: &mut PgConnection,
    batch: &BatchId,
    now: Option<DateTime<Utc>>,
) -> Result<Option<Follower>, TryError> {
    let row = sqlx::query(
        "
        SELECT
            owner,
            (extract(epoch FROM due_at - coalesce($2, now())) * 1000)::bigint AS due_in
        FROM backup_work
        WHERE batch_id = $1
            AND is_open
        ",
    )
    .bind(clean::text(batch.as_str()))
    .bind(now)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let owner: Option<Uuid> = row.try_get("owner")?;
    Ok(Some(Follower::of(owner.map(OwnerId::from), row.try_get("due_in")?)))
}
