//! Who works on a batch.

use backup_core::{BatchId, OwnerId, store::Follower};
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use crate::replay::TryError;

pub(super) async fn follower(
    connection: &mut SqliteConnection,
    batch: &BatchId,
    now: i64,
) -> Result<Option<Follower>, TryError> {
    let row = sqlx::query(
        "
        SELECT
            owner,
            due_at - $2 AS due_in
        FROM backup_work
        WHERE batch_id = $1
            AND is_open = 1
        ",
    )
    .bind(batch.as_str())
    .bind(now)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let owner: Option<String> = row.try_get("owner")?;
    let owner = owner.and_then(|owner| Uuid::parse_str(&owner).ok()).map(OwnerId::from);
    Ok(Some(Follower::of(owner, row.try_get("due_in")?)))
}
