//! Where records live: the trait, and nothing about any database.

#![cfg_attr(
    any(test, feature = "testing"),
    expect(clippy::ref_option_ref, reason = "in the mock that mockall generates")
)]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Datelike, NaiveDate, Utc};

use crate::{
    clock::Clock,
    failure::{ErrorCode, Failure},
    ids::{AttemptId, BatchId, IdempotencyKey, OwnerId, TargetKey, TaskId},
    record::BackupRecord,
    state::{Phase, TrackerStatus},
    surplus::Surplus,
};

/// The tracking store: batches, their trackers and attempts, exceptions, and who works on what.
///
/// # Contract
///
/// * **Each method is one transaction**: all of it is committed when it answers `Ok`, none of it when it
///   answers an error other than [`StoreError::Unavailable`]. After `Unavailable` either may be the case; the same
///   call may be made again and does not apply twice.
/// * **Leases.** Work in an open phase is owned for a time that *the store's own clock* measures: callers pass durations,
///   never instants. An expired lease may be claimed by anyone. Each new ownership has a larger epoch;
///   every write under a lease names its epoch, and an outdated one is refused with [`StoreError::LeaseLost`] and
///   changes nothing.
/// * **Slots.** At most one batch per [`BackupRecord::slot`] is in a phase with [`Phase::holds_slot`]. Whoever leaves
///   those phases frees the slot, and the oldest batch that waits for it becomes due at once.
/// * **Waiting work is nobody's**: a record saved in [`Phase::Waiting`] or [`Phase::Done`] is not leased any more.
/// * **Audits.** A record saved in [`Phase::Done`] with [`BackupRecord::audit_until`] is under audit, due at once, until its audit is
///   recorded as over or it is opened again. Only what is in phase `Done` is audited.
/// * Instants are kept to the microsecond (SQLite: to the millisecond is allowed), in UTC.
///
/// The functions in `backup_core::testing::conformance` are this contract; every implementation runs them.
#[async_trait]
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait TrackingStore: Send + Sync + 'static {
    /// Records a new batch: planned, waiting, about to be posted ([`Phase::Submitting`], with its attempt), or failed
    /// before it was ever open. It has no task yet.
    ///
    /// The outcome says what is there now: [`Created::New`] with what was written (a batch whose slot is taken is
    /// written as [`Phase::Waiting`] instead of `Submitting`, without its attempt), or [`Created::Existing`] when the batch
    /// id or the idempotency key is taken; then nothing was written.
    ///
    /// Waiting work is due at once; a batch that found its slot taken, when the slot is free, or after `hold.lease` if
    /// nobody woke it. The creation of an attempt, sent again by its owner, answers as the first time while the lease is
    /// held. [`TrackingStore::reopen`] likewise.
    async fn create(
        &self,
        record: &BackupRecord,
        key: Option<&IdempotencyKey>,
        hold: Hold,
    ) -> Result<Created, StoreError>;

    /// Opens a failed batch again: writes `record` in place of what is there, in [`Phase::Planned`], [`Phase::Waiting`] or
    /// [`Phase::Submitting`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] unless the batch is there and failed (someone else opened it first), with the lost attempts and the
    /// surplus that `record` names (an audit recorded more meanwhile); [`StoreError::NotFound`] when it is not there.
    async fn reopen(&self, record: &BackupRecord, hold: Hold) -> Result<Created, StoreError>;

    /// Writes a record under a lease, over the phase `from`. A new last attempt is recorded with it; with
    /// [`Phase::Done`] the outcome reaches tracker, batch and, for a failure, the exceptions.
    ///
    /// `retry_in` is when a [`Phase::Waiting`] record becomes due. [`Saved::SlotTaken`]: the record was to enter a phase
    /// that holds the slot, and another batch has it; nothing was written. What is there already under the lease's epoch
    /// ([`is_same_step`]) answers [`Saved::Yes`] again. A wish to cancel and a doubt outlive every save.
    ///
    /// # Errors
    ///
    /// [`StoreError::LeaseLost`] when the lease is not this owner's any more, or the phase is not `from`.
    async fn save(
        &self,
        lease: &Lease,
        record: &BackupRecord,
        from: Phase,
        retry_in: Duration,
    ) -> Result<Saved, StoreError>;

    /// Takes open work that is due and owned by nobody, oldest due first.
    async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, StoreError>;

    /// Extends leases. The answer has one entry per lease, in the same order.
    async fn heartbeat(&self, leases: &[Lease], hold: Hold) -> Result<Vec<Beat>, StoreError>;

    /// Gives up leases, so that others may take the work in `due_in`. Leases that are lost already are ignored.
    async fn release(&self, leases: &[Lease], due_in: Duration) -> Result<(), StoreError>;

    /// The batch with this id.
    async fn find(&self, batch: &BatchId) -> Result<Option<BackupRecord>, StoreError>;

    /// Who works on a batch, by the store's clock. `None`: it is over, or not there.
    async fn follower(&self, batch: &BatchId) -> Result<Option<Follower>, StoreError>;

    /// Batches by filter, newest first, without YBA's answers ([`BackupRecord::response`]): they may be large, and
    /// [`TrackingStore::find`] has them.
    ///
    /// One batch that cannot be read hides no other: it is named in [`BackupPage::unreadable`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] for a filter that no batch can fit.
    async fn list(&self, filter: &BackupFilter) -> Result<BackupPage, StoreError>;

    /// Asks for a batch to be cancelled, and makes waiting work due at once. `false`: it is over already.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when it is not there.
    async fn request_cancel(&self, batch: &BatchId) -> Result<bool, StoreError>;

    /// Takes audits that are due, oldest due first. Each is due again after `lease`, so that a claimant that dies holds up none.
    async fn claim_audits(&self, lease: Duration, limit: u32) -> Result<Vec<AuditWork>, StoreError>;

    /// Records what audits found: each is written, with its exception, if its claim still holds, that is if the batch is still done
    /// and nobody claimed, recorded or opened it since. The answer has one entry per report, in the same order: the claim
    /// that holds from now on, or `None` where nothing was written.
    async fn record_audits(&self, reports: &[AuditReport]) -> Result<Vec<Option<AuditClaim>>, StoreError>;

    /// Records that a batch is in doubt, whoever holds it; one that is done is under audit, due at once, at least for `audit_for`
    /// from now. A batch that is not there is ignored.
    async fn doubt(&self, batch: &BatchId, audit_for: Duration) -> Result<(), StoreError>;

    /// Those of these tasks that a batch on record counts.
    async fn counted(&self, tasks: &[TaskId]) -> Result<Vec<TaskId>, StoreError>;

    /// Records a request that never became a batch, as an exception.
    async fn refuse(&self, refusal: &Refusal) -> Result<(), StoreError>;

    /// Deletes what is old, at most `limit` of it: batches that ended before `before`, each with everything that is
    /// recorded of it, and refused requests that were made before it, for a business date before it. Answers how many
    /// batches and requests that were: fewer than `limit` when no more are left, or others are at them.
    ///
    /// A batch that is open or under audit stays, however old it is. What is deleted is forgotten: its id is unknown, and its idempotency key
    /// creates a batch as if it had never been used. Any number may delete at once, each what the others do not.
    async fn prune(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError>;

    /// The clock that the processes of this store share, if it has one: deadlines and the instants of records are measured by
    /// it, so that replicas need not agree on the time. `None`: each process by its machine's. A store around another one passes
    /// this on.
    fn clock(&self) -> Option<Arc<dyn Clock>> {
        None
    }

    /// Whether the store can be reached and written.
    async fn check(&self) -> Result<(), StoreError>;
}

/// Who takes a lease, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The orchestrator.
    pub owner: OwnerId,
    /// Time until others may take the work.
    pub lease: Duration,
}

/// Ownership of a batch's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The batch.
    pub batch: BatchId,
    /// Its business date: the partition.
    pub business_date: NaiveDate,
    /// The owner.
    pub owner: OwnerId,
    /// The fencing token: larger for each new ownership.
    pub epoch: i64,
}

/// Who works on an open batch. An orchestrator that died counts as its owner until its lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follower {
    /// An orchestrator.
    Owner(OwnerId),
    /// Nobody, although it has been due, or its owner's lease over, for this long.
    Nobody(Duration),
    /// Nobody has to before this much time has passed: it waits.
    DueIn(Duration),
}

impl Follower {
    /// What the row of the work says: its owner, and how far its `due_at` lies ahead, negative once it has passed.
    pub fn of(owner: Option<OwnerId>, due_in_millis: i64) -> Self {
        let span = Duration::from_millis(due_in_millis.unsigned_abs());
        match owner {
            _ if due_in_millis <= 0 => Self::Nobody(span),
            Some(owner) => Self::Owner(owner),
            None => Self::DueIn(span),
        }
    }
}

/// Work that was claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The ownership.
    pub lease: Lease,
    /// What is known.
    pub record: BackupRecord,
}

/// What to claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// For whom.
    pub hold: Hold,
    /// At most this many.
    pub limit: u32,
    /// Only this batch.
    pub only: Option<BatchId>,
}

/// The answer to [`TrackingStore::create`] and [`TrackingStore::reopen`].
#[derive(Clone, Debug, PartialEq)]
pub enum Created {
    /// Written. The lease is there for a phase that is worked on at once: `Planned` and the phases that hold a slot.
    New {
        /// The ownership.
        lease: Option<Lease>,
        /// What was written.
        record: BackupRecord,
    },
    /// The id or the key is taken, by this.
    Existing(BackupRecord),
}

/// The answer to [`TrackingStore::save`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Written.
    Yes,
    /// Not written: the slot belongs to this batch.
    SlotTaken {
        /// The batch that has it.
        by: BatchId,
    },
}

/// The answer to [`TrackingStore::heartbeat`] for one lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Extended.
    Kept {
        /// Whether someone asked to cancel the batch.
        cancel_requested: bool,
    },
    /// Somebody else's now, or over.
    Lost,
}

/// The right to record one audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditClaim {
    /// The batch.
    pub batch: BatchId,
    /// Its business date: the partition.
    pub business_date: NaiveDate,
    /// The epoch of the batch's last lease: opened again, it has another.
    pub epoch: i64,
    /// What the store wrote when it gave the audit out; each claim and each report writes another value.
    pub token: i64,
}

/// An audit that was claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditWork {
    /// The right to record it.
    pub claim: AuditClaim,
    /// What is known of the batch.
    pub record: BackupRecord,
}

/// What an audit found.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditReport {
    /// The right to record it.
    pub claim: AuditClaim,
    /// The batch's lost attempts from now on.
    pub lost: Vec<AttemptId>,
    /// The batch's surplus from now on.
    pub surplus: Vec<Surplus>,
    /// What people have to know: recorded as an exception, of the type [`SURPLUS`].
    pub note: Option<AuditNote>,
    /// What follows.
    pub next: AuditNext,
}

/// The text of an exception that an audit records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditNote {
    /// The category of the batch.
    pub category: String,
    /// What was found, and what to do.
    pub failure: Failure,
    /// When, UTC.
    pub at: DateTime<Utc>,
}

/// When an audit looks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditNext {
    /// After this long.
    In(Duration),
    /// Never: the audit is over, and the batch is in doubt no more.
    Over,
}

/// The `execution_type` of an exception that an audit recorded.
pub const SURPLUS: &str = "SURPLUS";

/// A request that never became a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The batch that the caller named.
    pub batch: Option<String>,
    /// The business date, or the day of the request where it had none that could be read.
    pub business_date: NaiveDate,
    /// The category as it was asked for, if any.
    pub category: Option<String>,
    /// Why.
    pub failure: Failure,
    /// When, UTC.
    pub at: DateTime<Utc>,
}

/// Which batches to list. Every field narrows the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupFilter {
    /// The category as it was asked for, without regard to case.
    pub category: Option<String>,
    /// The target, exactly as its key is written.
    pub target: Option<TargetKey>,
    /// The tracker's status.
    pub status: Option<TrackerStatus>,
    /// The first business date.
    pub from: Option<NaiveDate>,
    /// The last business date.
    pub to: Option<NaiveDate>,
    /// At most this many; 0 means [`BackupFilter::DEFAULT_LIMIT`].
    pub limit: u32,
    /// The page after this one: [`BackupPage::next`].
    pub after: Option<PageKey>,
}

impl BackupFilter {
    /// Rows of a page when the caller names no limit.
    pub const DEFAULT_LIMIT: u32 = 50;
    /// Rows of a page at most.
    pub const MAX_LIMIT: u32 = 1000;

    /// Fails for an instant or a date that no batch can have: databases differ in what they make of them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`].
    pub fn check(&self) -> Result<(), StoreError> {
        let after = self.after.as_ref().map(|after| after.created_at.date_naive());
        for (field, date) in [("after", after), ("from", self.from), ("to", self.to)] {
            if date.is_some_and(|date| !(1..=9999).contains(&date.year())) {
                let what = "is not in the years 1 to 9999".to_owned();
                return Err(StoreError::Invalid { field, what });
            }
        }
        Ok(())
    }

    /// The number of rows to read.
    pub fn rows(&self) -> u32 {
        if self.limit == 0 { Self::DEFAULT_LIMIT } else { self.limit.min(Self::MAX_LIMIT) }
    }
}

/// The place of a row in the list: newest first, then by batch id, descending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageKey {
    /// When the batch was recorded, UTC.
    pub created_at: DateTime<Utc>,
    /// The batch.
    pub batch: BatchId,
}

/// A page of batches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackupPage {
    /// The batches, without YBA's answers.
    pub records: Vec<BackupRecord>,
    /// Batches of this page that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Where the next page begins, if there is one.
    pub next: Option<PageKey>,
}

/// A batch whose row a later version wrote, or something damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The batch.
    pub batch: BatchId,
    /// What of it cannot be read.
    pub what: String,
}

/// The form in which a batch is written whose slot is taken: it waits, without the attempt that was to be sent.
pub fn queued(record: &BackupRecord) -> BackupRecord {
    let mut queued = record.clone();
    queued.attempts.pop();
    queued.task = None;
    queued.phase = Phase::Waiting;
    queued.waiting_since.get_or_insert(record.phase_since);
    let busy = "another batch of the same universe is under way";
    queued.note = Some(Failure::new(ErrorCode::UniverseBusy, busy));
    queued
}

/// Whether what is there is what writing `wanted` would have left: the sign that a call whose answer was lost had
/// worked. Instants are compared to the millisecond.
pub fn is_same_step(there: &BackupRecord, wanted: &BackupRecord) -> bool {
    let millis = |at: DateTime<Utc>| at.timestamp_millis();
    there.batch == wanted.batch
        && there.phase == wanted.phase
        && millis(there.phase_since) == millis(wanted.phase_since)
        && millis(there.started_at) == millis(wanted.started_at)
        && there.ended_at.map(millis) == wanted.ended_at.map(millis)
        && there.attempt().map(|attempt| attempt.id) == wanted.attempt().map(|attempt| attempt.id)
        && there.task == wanted.task
        && there.failure == wanted.failure
        && there.note == wanted.note
}

/// Why a store did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The batch is not there.
    #[error("there is no batch \"{batch}\"")]
    NotFound {
        /// The batch.
        batch: BatchId,
    },
    /// The caller asked for something that cannot be.
    #[error("{field} {what}")]
    Invalid {
        /// The field of the call.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// Someone else changed it first.
    #[error("{what}")]
    Conflict {
        /// What was found.
        what: String,
    },
    /// The lease is not ours any more; whatever was to be written was not.
    #[error("the lease on batch \"{batch}\" is lost")]
    LeaseLost {
        /// The batch.
        batch: BatchId,
    },
    /// The database cannot be reached, after the retries. A write under way may or may not have been applied.
    #[error("the database cannot be reached ({operation})")]
    Unavailable {
        /// What was attempted.
        operation: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row cannot be read as what it should be.
    #[error("column {column} of batch \"{batch}\" in {table} is not readable: {what}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The batch.
        batch: String,
        /// What was found.
        what: String,
    },
    /// The database refused a statement: a missing table, a missing right. Repeating it does not help.
    #[error("the database refused a statement ({operation})")]
    Refused {
        /// What was attempted.
        operation: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Whether the same call may help later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
