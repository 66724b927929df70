//! The trait: each method one immediate transaction, or one read.

use std::time::Duration;

use async_trait::async_trait;
use backup_core::{
    BackupRecord, BatchId, IdempotencyKey, Phase, TaskId, TrackingStore,
    store::{
        AuditClaim, AuditReport, AuditWork, BackupFilter, BackupPage, Beat, Claim, Claimed, Created,
        Follower, Hold, Lease, Refusal, Saved, StoreError,
    },
};
use chrono::{DateTime, Utc};
use sqlx::{Row, SqliteConnection};

use super::{SqliteStore, audit, claim, create, follower, judge, prune, read, reopen, rows::time, save};
use crate::{
    fields::{refusal_fields, refusal_id},
    replay::{Repeat, TryError},
    share::Answer,
    step::{New, Step},
};

#[async_trait]
impl TrackingStore for SqliteStore {
    async fn create(
        &self,
        record: &BackupRecord,
        key: Option<&IdempotencyKey>,
        hold: Hold,
    ) -> Result<Created, StoreError> {
        let earlier = if record.is_done() {
            Repeat::No
        } else {
            match self.writes.create(record, key, hold).await {
                Answer::Done(created) => return Ok(created),
                Answer::Alone(repeat) => repeat,
                Answer::Unavailable(_) => Repeat::Possible,
            }
        };
        let new = &New { record, key, hold };
        let attempt = |repeat: Repeat| async move {
            let mut transaction = self.begin("create").await?;
            let repeat = repeat.or(earlier);
            let created = create::create(&mut transaction, new, self.now(), repeat).await;
            transaction.end(created).await
        };
        self.replay.run("create", judge, attempt).await
    }

    async fn reopen(&self, record: &BackupRecord, hold: Hold) -> Result<Created, StoreError> {
        let new = &New { record, key: None, hold };
        let attempt = |repeat| async move {
            let mut transaction = self.begin("reopen").await?;
            let created = reopen::reopen(&mut transaction, new, self.now(), repeat).await;
            transaction.end(created).await
        };
        self.replay.run("reopen", judge, attempt).await
    }

    async fn save(
        &self,
        lease: &Lease,
        record: &BackupRecord,
        from: Phase,
        retry_in: Duration,
    ) -> Result<Saved, StoreError> {
        if let Answer::Done(saved) = self.writes.save(lease, record, from, retry_in).await {
            return Ok(saved);
        }
        let step = &Step { lease, record, from, retry_in };
        let attempt = |_| async move {
            let mut transaction = self.begin("save").await?;
            let saved = save::save(&mut transaction, step, self.now()).await;
            transaction.end(saved).await
        };
        self.replay.run("save", judge, attempt).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, StoreError> {
        let attempt = |_| async move {
            let mut transaction = self.begin("claim").await?;
            let claimed = claim::claim(&mut transaction, claim, self.now()).await;
            transaction.end(claimed).await
        };
        let claimed = self.replay.run("claim", judge, attempt).await?;
        self.replay.set_aside(&claimed.unreadable);
        Ok(claimed.readable)
    }

    async fn heartbeat(&self, leases: &[Lease], hold: Hold) -> Result<Vec<Beat>, StoreError> {
        let attempt = |_| async move {
            let mut transaction = self.begin("heartbeat").await?;
            let beats = claim::heartbeat(&mut transaction, leases, hold, self.now()).await;
            transaction.end(beats).await
        };
        self.replay.run("heartbeat", judge, attempt).await
    }

    async fn release(&self, leases: &[Lease], due_in: Duration) -> Result<(), StoreError> {
        let attempt = |_| async move {
            let mut transaction = self.begin("release").await?;
            let released = claim::release(&mut transaction, leases, due_in, self.now()).await;
            transaction.end(released).await
        };
        self.replay.run("release", judge, attempt).await
    }

    async fn find(&self, batch: &BatchId) -> Result<Option<BackupRecord>, StoreError> {
        let attempt = |_| async move {
            let mut lane = self.look("find").await?;
            let found = read::find(&mut lane, batch).await;
            Ok(lane.hand_back(found)?.map(|there| there.record))
        };
        self.replay.run("find", judge, attempt).await
    }

    async fn follower(&self, batch: &BatchId) -> Result<Option<Follower>, StoreError> {
        let attempt = |_| async move {
            self.replay.round_trip("follower");
            let mut connection = self.reader.acquire().await?;
            follower::follower(&mut connection, batch, self.now()).await
        };
        self.replay.run("follower", judge, attempt).await
    }

    async fn list(&self, filter: &BackupFilter) -> Result<BackupPage, StoreError> {
        let attempt = |_| async move {
            let mut lane = self.look("list").await?;
            let page = read::list(&mut lane, filter).await;
            lane.hand_back(page)
        };
        let page = self.replay.run("list", judge, attempt).await?;
        self.replay.set_aside(&page.rows.unreadable);
        Ok(page.into())
    }

    async fn request_cancel(&self, batch: &BatchId) -> Result<bool, StoreError> {
        let attempt = |_| async move {
            let mut transaction = self.begin("request_cancel").await?;
            let is_asked = request_cancel(&mut transaction, batch, self.now()).await;
            transaction.end(is_asked).await
        };
        self.replay.run("request_cancel", judge, attempt).await
    }

    async fn claim_audits(&self, lease: Duration, limit: u32) -> Result<Vec<AuditWork>, StoreError> {
        let attempt = |_| async move {
            let mut transaction = self.begin("claim_audits").await?;
            let claimed = audit::claim(&mut transaction, lease, limit, self.now()).await?;
            transaction.commit().await?;
            Ok(claimed)
        };
        self.replay.run("claim_audits", judge, attempt).await
    }

    async fn record_audits(&self, reports: &[AuditReport]) -> Result<Vec<Option<AuditClaim>>, StoreError> {
        let attempt = |_| async move {
            let mut transaction = self.begin("record_audits").await?;
            let recorded = audit::record(&mut transaction, reports, self.now()).await?;
            transaction.commit().await?;
            Ok(recorded)
        };
        self.replay.run("record_audits", judge, attempt).await
    }

    async fn doubt(&self, batch: &BatchId, audit_for: Duration) -> Result<(), StoreError> {
        let attempt = |_| async move {
            let mut transaction = self.begin("doubt").await?;
            audit::doubt(&mut transaction, batch, audit_for, self.now()).await?;
            Ok(transaction.commit().await?)
        };
        self.replay.run("doubt", judge, attempt).await
    }

    async fn counted(&self, tasks: &[TaskId]) -> Result<Vec<TaskId>, StoreError> {
        let attempt = |_| async move {
            self.replay.round_trip("counted");
            let mut connection = self.reader.acquire().await?;
            audit::counted(&mut connection, tasks).await
        };
        self.replay.run("counted", judge, attempt).await
    }

    async fn refuse(&self, refusal: &Refusal) -> Result<(), StoreError> {
        let attempt = |_| async move {
            let mut transaction = self.begin("refuse").await?;
            let refused = refuse(&mut transaction, refusal).await;
            transaction.end(refused).await
        };
        self.replay.run("refuse", judge, attempt).await
    }

    async fn prune(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let attempt = |_| async move {
            let mut transaction = self.begin("prune").await?;
            let deleted = prune::prune(&mut transaction, before, limit).await;
            transaction.end(deleted).await
        };
        self.replay.run("prune", judge, attempt).await
    }

    /// Takes and returns the right to write, without waiting for the disk, in the file that is at its path.
    async fn check(&self) -> Result<(), StoreError> {
        let attempt = |_| async move {
            let mut transaction = self.begin("check").await?;
            let looked = look(&mut transaction).await;
            transaction.end(looked).await
        };
        self.replay.run("check", judge, attempt).await
    }
}

async fn look(connection: &mut SqliteConnection) -> Result<(), TryError> {
    sqlx::query("SELECT epoch FROM backup_work LIMIT 1").fetch_optional(connection).await?;
    Ok(())
}

async fn request_cancel(
    connection: &mut SqliteConnection,
    batch: &BatchId,
    now: i64,
) -> Result<bool, TryError> {
    let row = sqlx::query(
        "
        UPDATE backup_work
        SET
            cancel_requested = cancel_requested OR is_open,
            due_at = CASE WHEN is_waiting AND owner IS NULL THEN min(due_at, $2) ELSE due_at END
        WHERE batch_id = $1
        RETURNING is_open
        ",
    )
    .bind(batch.as_str())
    .bind(now)
    .fetch_optional(connection)
    .await?;
    match row {
        Some(row) => Ok(row.try_get("is_open")?),
        None => Err(StoreError::NotFound { batch: batch.clone() }.into()),
    }
}

async fn refuse(connection: &mut SqliteConnection, refusal: &Refusal) -> Result<(), TryError> {
    sqlx::query(
        "
        INSERT INTO exception_details (
            exception_id,
            batch_id,
            execution_type,
            error_message,
            extension_fields,
            start_time,
            end_time,
            business_date
        ) VALUES ($1, $2, 'REQUEST', $3, $4, $5, $5, $6)
        ON CONFLICT (exception_id, business_date) DO NOTHING
        ",
    )
    .bind(refusal_id(refusal).to_string())
    .bind(refusal.batch.as_deref())
    .bind(refusal.failure.message.as_str())
    .bind(refusal_fields(refusal).to_string())
    .bind(time(refusal.at))
    .bind(refusal.business_date)
    .execute(connection)
    .await?;
    Ok(())
}
