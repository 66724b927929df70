//! The trait: each method one statement on one connection, repeated where that may help. Creations and steps that wait
//! for others under way share theirs (`group.rs`).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use backup_core::{
    BackupRecord, BatchId, Clock, IdempotencyKey, Phase, TaskId, TrackingStore,
    store::{
        AuditClaim, AuditReport, AuditWork, BackupFilter, BackupPage, Beat, Claim, Claimed, Created,
        Follower, Hold, Lease, Refusal, Saved, StoreError,
    },
};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use super::{
    PostgresStore, audit, claim, clean, create, follower, judge::judge, lease, prune, read, reopen,
    rows::read_only, save,
};
use crate::{
    fields::{refusal_fields, refusal_id},
    replay::{Repeat, TryError},
    share::Answer,
    step::{New, Step},
};

#[async_trait]
impl TrackingStore for PostgresStore {
    async fn create(
        &self,
        record: &BackupRecord,
        key: Option<&IdempotencyKey>,
        hold: Hold,
    ) -> Result<Created, StoreError> {
        let record = clean::record(record);
        let earlier = if record.is_done() {
            Repeat::No
        } else {
            match self.writes.create(&record, key, hold).await {
                Answer::Done(created) => return Ok(created),
                Answer::Alone(repeat) => repeat,
                Answer::Unavailable(cause) => return Err(unavailable("create", cause)),
            }
        };
        let new = &New { record: &record, key, hold };
        let attempt = |repeat: Repeat| async move {
            let repeat = repeat.or(earlier);
            let mut connection = self.access.acquire("create").await?;
            let created = create::create(&mut connection, new, self.access.now(), repeat).await;
            self.access.hand_back(connection, created)
        };
        self.access.replay.run("create", judge, attempt).await
    }

    async fn reopen(&self, record: &BackupRecord, hold: Hold) -> Result<Created, StoreError> {
        let record = &*clean::record(record);
        let attempt = |repeat| async move {
            let mut connection = self.access.acquire("reopen").await?;
            let created = reopen::reopen(&mut connection, record, hold, self.access.now(), repeat).await;
            self.access.hand_back(connection, created)
        };
        self.access.replay.run("reopen", judge, attempt).await
    }

    async fn save(
        &self,
        lease: &Lease,
        record: &BackupRecord,
        from: Phase,
        retry_in: Duration,
    ) -> Result<Saved, StoreError> {
        let record = clean::record(record);
        match self.writes.save(lease, &record, from, retry_in).await {
            Answer::Done(saved) => return Ok(saved),
            Answer::Alone(_) => {}
            Answer::Unavailable(cause) => return Err(unavailable("save", cause)),
        }
        let step = &Step { lease, record: &record, from, retry_in };
        let attempt = |_| async move {
            let mut connection = self.access.acquire("save").await?;
            let saved = save::save(&mut connection, step, self.access.now()).await;
            self.access.hand_back(connection, saved)
        };
        self.access.replay.run("save", judge, attempt).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, StoreError> {
        let attempt = |_| async move {
            let mut connection = self.access.acquire("claim").await?;
            let claimed = claim::claim(&mut connection, claim, self.access.now()).await;
            self.access.hand_back(connection, claimed)
        };
        let claimed = self.access.replay.run("claim", judge, attempt).await?;
        self.access.replay.set_aside(&claimed.unreadable);
        Ok(claimed.readable)
    }

    async fn heartbeat(&self, leases: &[Lease], hold: Hold) -> Result<Vec<Beat>, StoreError> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let attempt = |_| async move {
            let mut connection = self.access.acquire("heartbeat").await?;
            let beats = lease::heartbeat(&mut connection, leases, hold, self.access.now()).await;
            self.access.hand_back(connection, beats)
        };
        self.access.replay.run("heartbeat", judge, attempt).await
    }

    async fn release(&self, leases: &[Lease], due_in: Duration) -> Result<(), StoreError> {
        if leases.is_empty() {
            return Ok(());
        }
        let attempt = |_| async move {
            let mut connection = self.access.acquire("release").await?;
            let released = lease::release(&mut connection, leases, due_in, self.access.now()).await;
            self.access.hand_back(connection, released)
        };
        self.access.replay.run("release", judge, attempt).await
    }

    async fn find(&self, batch: &BatchId) -> Result<Option<BackupRecord>, StoreError> {
        let attempt = |_| async move {
            let mut connection = self.access.acquire("find").await?;
            let found = read::find(&mut connection, batch).await;
            Ok(self.access.hand_back(connection, found)?.map(|there| there.record))
        };
        self.access.replay.run("find", judge, attempt).await
    }

    async fn follower(&self, batch: &BatchId) -> Result<Option<Follower>, StoreError> {
        let attempt = |_| async move {
            let mut connection = self.access.acquire("follower").await?;
            let follower = follower::follower(&mut connection, batch, self.access.now()).await;
            self.access.hand_back(connection, follower)
        };
        self.access.replay.run("follower", judge, attempt).await
    }

    async fn list(&self, filter: &BackupFilter) -> Result<BackupPage, StoreError> {
        let attempt = |_| async move {
            let mut connection = self.access.acquire("list").await?;
            let page = read::list(&mut connection, filter).await;
            self.access.hand_back(connection, page)
        };
        let page = self.access.replay.run("list", judge, attempt).await?;
        self.access.replay.set_aside(&page.rows.unreadable);
        Ok(page.into())
    }

    async fn request_cancel(&self, batch: &BatchId) -> Result<bool, StoreError> {
        let attempt = |_| async move {
            let mut connection = self.access.acquire("request_cancel").await?;
            let is_asked = request_cancel(&mut connection, batch, self.access.now()).await;
            self.access.hand_back(connection, is_asked)
        };
        self.access.replay.run("request_cancel", judge, attempt).await
    }

    async fn claim_audits(&self, lease: Duration, limit: u32) -> Result<Vec<AuditWork>, StoreError> {
        let attempt = |_| async move {
            let mut connection = self.access.acquire("claim_audits").await?;
            let claimed = audit::claim(&mut connection, lease, limit, self.access.now()).await;
            self.access.hand_back(connection, claimed)
        };
        self.access.replay.run("claim_audits", judge, attempt).await
    }

    async fn record_audits(&self, reports: &[AuditReport]) -> Result<Vec<Option<AuditClaim>>, StoreError> {
        if reports.is_empty() {
            return Ok(Vec::new());
        }
        let attempt = |_| async move {
            let mut connection = self.access.acquire("record_audits").await?;
            let recorded = audit::record(&mut connection, reports, self.access.now()).await;
            self.access.hand_back(connection, recorded)
        };
        self.access.replay.run("record_audits", judge, attempt).await
    }

    async fn doubt(&self, batch: &BatchId, audit_for: Duration) -> Result<(), StoreError> {
        let attempt = |_| async move {
            let mut connection = self.access.acquire("doubt").await?;
            let doubted = audit::doubt(&mut connection, batch, audit_for, self.access.now()).await;
            self.access.hand_back(connection, doubted)
        };
        self.access.replay.run("doubt", judge, attempt).await
    }

    async fn counted(&self, tasks: &[TaskId]) -> Result<Vec<TaskId>, StoreError> {
        let attempt = |_| async move {
            let mut connection = self.access.acquire("counted").await?;
            let counted = audit::counted(&mut connection, tasks).await;
            self.access.hand_back(connection, counted)
        };
        self.access.replay.run("counted", judge, attempt).await
    }

    async fn refuse(&self, refusal: &Refusal) -> Result<(), StoreError> {
        let attempt = |_| async move {
            let mut connection = self.access.acquire("refuse").await?;
            let refused = refuse(&mut connection, refusal).await;
            self.access.hand_back(connection, refused)
        };
        self.access.replay.run("refuse", judge, attempt).await
    }

    async fn prune(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let attempt = |_| async move {
            let mut connection = self.access.acquire("prune").await?;
            let deleted = prune::prune(&mut connection, before, limit).await;
            self.access.hand_back(connection, deleted)
        };
        self.access.replay.run("prune", judge, attempt).await
    }

    fn clock(&self) -> Option<Arc<dyn Clock>> {
        Some(Arc::clone(&self.clock))
    }

    async fn check(&self) -> Result<(), StoreError> {
        let attempt = |_| async move {
            let mut connection = self.access.acquire("check").await?;
            let checked = check(&mut connection).await;
            self.access.hand_back(connection, checked)
        };
        self.access.replay.run("check", judge, attempt).await
    }
}

async fn request_cancel(
    connection: &mut PgConnection,
    batch: &BatchId,
    now: Option<DateTime<Utc>>,
) -> Result<bool, TryError> {
    let row = sqlx::query(
        "
        UPDATE backup_work
        SET
            cancel_requested = cancel_requested OR is_open,
            due_at = CASE
                WHEN is_waiting AND owner IS NULL THEN least(due_at, coalesce($2, now()))
                ELSE due_at
            END
        WHERE batch_id = $1
        RETURNING is_open
        ",
    )
    .bind(clean::text(batch.as_str()))
    .bind(now)
    .fetch_optional(connection)
    .await?;
    match row {
        Some(row) => Ok(row.try_get("is_open")?),
        None => Err(StoreError::NotFound { batch: batch.clone() }.into()),
    }
}

async fn refuse(connection: &mut PgConnection, refusal: &Refusal) -> Result<(), TryError> {
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
        ) VALUES ($1, $2::varchar(255), 'REQUEST', $3, $4, $5, $5, $6)
        ON CONFLICT (exception_id, business_date) DO NOTHING
        ",
    )
    .bind(refusal_id(refusal).to_string())
    .bind(refusal.batch.as_deref().map(clean::text))
    .bind(clean::text(&refusal.failure.message))
    .bind(clean::json(refusal_fields(refusal)))
    .bind(refusal.at.naive_utc())
    .bind(refusal.business_date)
    .execute(connection)
    .await?;
    Ok(())
}

/// A look at the work says that the tables are there; the setting, that this node takes writes.
async fn check(connection: &mut PgConnection) -> Result<(), TryError> {
    let row = sqlx::query(
        "
        SELECT
            current_setting('transaction_read_only') = 'off' AS is_writable,
            EXISTS (SELECT FROM backup_work WHERE batch_id = '') AS is_used
        ",
    )
    .fetch_one(connection)
    .await?;
    if row.try_get("is_writable")? { Ok(()) } else { Err(read_only("check").into()) }
}

fn unavailable(operation: &'static str, cause: String) -> StoreError {
    StoreError::Unavailable { operation, source: cause.into() }
}
