//! The contract of [`TrackingStore`] as test functions: one per sentence, and every implementation runs them all.
//!
//! ```
//! # use std::sync::Arc;
//! # use backup_core::testing::{InMemoryStore as MyStore, ManualClock, conformance::Subject};
//! async fn subject(_test: &str) -> Option<Subject> {
//!     let clock = Arc::new(ManualClock::new());
//!     Some(Subject::new(Arc::new(MyStore::new(clock.clone())), clock))
//! }
//!
//! backup_core::conformance_tests!(subject);
//! ```
//!
//! [`conformance_tests!`](crate::conformance_tests) makes a `#[tokio::test]` of each function. The subject starts
//! empty, and takes its time from the [`ManualClock`] alone: no function waits.

#![expect(
    clippy::missing_panics_doc,
    reason = "each function is a test: it panics where the contract is broken"
)]

mod auditing;
mod cancelling;
mod creating;
mod following;
mod leasing;
mod pruning;
mod reading;
mod reopening;
mod saving;
mod slots;

use std::{any::Any, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::json;

pub use self::{
    auditing::*, cancelling::*, creating::*, following::*, leasing::*, pruning::*, reading::*, reopening::*,
    saving::*, slots::*,
};
use super::{ManualClock, fixtures};
use crate::{
    clock::Clock,
    failure::{ErrorCode, Failure},
    ids::OwnerId,
    record::BackupRecord,
    state::Phase,
    store::{Claim, Claimed, Created, Hold, Lease, Saved, StoreError, TrackingStore},
};

/// As a list has it.
fn without_answer(record: &BackupRecord) -> BackupRecord {
    BackupRecord { response: None, ..record.clone() }
}

/// Makes a `#[tokio::test]` of each function of the contract.
///
/// The argument is the path of an `async fn(&str) -> Option<Subject>`, or of a function that answers such a future: it gets the name of the test, and answers
/// `None` where the test cannot run here. The crate that calls this needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! conformance_tests {
    ($subject:path) => {
        $crate::conformance_tests! { @each $subject:
            a_batch_that_ended_in_doubt_is_due_for_its_audit
            a_claimed_audit_is_due_again_after_its_lease
            a_claim_of_audits_is_limited_and_takes_the_oldest_due_first
            of_many_claimants_each_audit_has_one
            a_report_is_written_with_its_exception
            an_outdated_report_writes_nothing
            reports_are_answered_in_order
            an_audit_that_is_over_is_due_no_more
            a_batch_is_not_opened_with_what_an_audit_has_changed
            a_batch_under_audit_is_not_deleted
            a_doubt_outlives_a_save
            a_doubt_about_a_finished_batch_puts_it_under_audit
            the_tasks_that_batches_count_are_known
            a_batch_asked_to_cancel_says_so
            a_cancelled_waiter_is_due_at_once
            a_finished_batch_is_not_cancelled
            an_absent_batch_is_not_cancelled
            a_batch_created_as_over_is_nobodys
            a_batch_created_waiting_is_nobodys_and_due_at_once
            a_new_batch_is_found_as_it_was_written
            a_repeated_creation_answers_the_same_lease
            a_taken_id_answers_what_is_there
            a_taken_key_answers_what_is_there
            of_many_creations_by_one_id_one_is_new
            of_many_creations_by_one_key_one_is_new
            what_is_worked_on_at_once_is_owned
            an_expired_lease_says_since_when_nobody_follows
            released_and_waiting_work_has_no_follower
            what_is_over_or_absent_has_no_follower
            a_claim_is_limited_and_takes_the_oldest_due_first
            a_claim_of_one_batch_takes_no_other
            a_claim_waits_for_the_end_of_a_lease
            a_heartbeat_extends_a_lease
            a_lost_lease_changes_nothing
            an_expired_lease_that_nobody_claimed_still_writes
            heartbeats_are_answered_in_order
            of_many_claimants_each_batch_has_one
            released_work_is_due_when_it_was_said
            waiting_work_is_nobodys
            a_deleted_id_and_its_key_are_free_again
            a_failed_batch_is_deleted_or_opened_again_but_never_both
            an_open_batch_is_never_deleted
            deleting_is_limited_and_begins_with_the_oldest
            of_many_who_delete_each_batch_is_counted_once
            old_finished_batches_are_deleted_with_all_that_is_recorded
            old_refusals_are_deleted
            what_ended_lately_is_kept
            a_list_carries_no_answers
            a_page_is_followed_by_the_next
            a_page_stays_in_place_while_batches_arrive
            a_refusal_reaches_the_exceptions_once
            a_store_in_reach_passes_its_check
            an_absent_batch_is_not_found
            batches_are_listed_newest_first
            filters_narrow_the_list
            a_failed_batch_is_opened_again
            a_reopened_batch_queues_for_its_slot
            a_repeated_reopening_answers_the_same_lease
            an_open_or_successful_batch_is_not_opened
            of_many_reopenings_one_wins
            a_cancel_request_outlives_a_save
            a_failure_reaches_the_exceptions_once
            a_finished_record_reads_back_equal
            a_repeated_save_answers_as_the_first
            a_save_over_an_unexpected_phase_is_refused
            a_success_leaves_no_exception
            an_attempt_is_recorded_with_its_save
            an_odd_answer_is_kept
            the_save_of_an_unknown_batch_is_refused
            a_freed_slot_makes_the_oldest_waiter_due
            a_missed_wake_up_costs_one_lease
            a_second_batch_of_a_slot_waits
            a_slot_is_freed_by_waiting_again
            a_slot_is_kept_from_phase_to_phase
            entering_a_taken_slot_writes_nothing
            of_many_creations_on_one_slot_one_gets_it
            of_many_saves_into_one_slot_one_gets_it
        }
    };
    (@each $subject:path: $($name:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(subject) = $subject(stringify!($name)).await {
                    $crate::testing::conformance::$name(&subject).await;
                }
            }
        )+
    };
}

/// The store under test, empty, and the only clock it reads.
pub struct Subject {
    /// The store.
    pub store: Arc<dyn TrackingStore>,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Its exceptions; without them, the functions that look at them check everything else.
    pub exceptions: Option<Arc<dyn ReadExceptions>>,
    keeps: Option<Box<dyn Any + Send + Sync>>,
}

/// A look at the exceptions, which the contract itself only writes.
#[async_trait]
pub trait ReadExceptions: Send + Sync + 'static {
    /// Every exception, in any order.
    async fn exceptions(&self) -> Vec<RecordedException>;
}

/// A row of the exceptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedException {
    /// The batch, if it has one.
    pub batch: Option<String>,
    /// Why it failed or was refused.
    pub failure: Failure,
}

impl Subject {
    /// A store and its clock.
    pub fn new(store: Arc<dyn TrackingStore>, clock: Arc<ManualClock>) -> Self {
        Self { store, clock, exceptions: None, keeps: None }
    }

    /// Adds a way to read the exceptions.
    #[must_use]
    pub fn with_exceptions(mut self, exceptions: Arc<dyn ReadExceptions>) -> Self {
        self.exceptions = Some(exceptions);
        self
    }

    /// Keeps something alive as long as the store: a temporary directory, a server.
    #[must_use]
    pub fn keeping(mut self, guard: impl Any + Send + Sync) -> Self {
        self.keeps = Some(Box::new(guard));
        self
    }

    /// A planned batch on a universe of its own, one second younger than the one before.
    fn planned(&self, universe: &str) -> BackupRecord {
        self.clock.advance(Duration::from_secs(1));
        fixtures::record_on(universe, self.clock.now())
    }

    /// A batch with an attempt that may be sent.
    fn submitting(&self, universe: &str) -> BackupRecord {
        let mut record = self.planned(universe);
        record.submit(self.clock.now()).expect("planned");
        record
    }

    /// A batch that waits for YBA.
    fn waiting(&self, universe: &str) -> BackupRecord {
        let mut record = self.planned(universe);
        record.wait(busy(), self.clock.now()).expect("planned");
        record
    }

    async fn create(&self, record: &BackupRecord) -> Created {
        self.store.create(record, None, hold()).await.expect("created")
    }

    /// Creates a batch that must be new and owned.
    async fn own(&self, record: &BackupRecord) -> Lease {
        lease_of(self.create(record).await)
    }

    async fn save(&self, lease: &Lease, record: &BackupRecord, from: Phase) -> Result<Saved, StoreError> {
        self.store.save(lease, record, from, Duration::ZERO).await
    }

    /// Ends a batch under way.
    async fn finish(&self, lease: &Lease, record: &BackupRecord) {
        let mut done = record.clone();
        done.fail(failure(), self.clock.now()).expect("open");
        assert_eq!(self.save(lease, &done, record.phase).await.expect("saved"), Saved::Yes);
    }

    async fn claim(&self, limit: u32) -> Vec<Claimed> {
        self.store.claim(&Claim { hold: hold(), limit, only: None }).await.expect("claimed")
    }

    async fn claim_only(&self, record: &BackupRecord) -> Option<Claimed> {
        let claim = Claim { hold: hold(), limit: 10, only: Some(record.batch.clone()) };
        let mut claimed = self.store.claim(&claim).await.expect("claimed");
        assert!(claimed.len() <= 1, "one batch was asked for");
        claimed.pop()
    }

    async fn stored(&self, record: &BackupRecord) -> BackupRecord {
        self.store.find(&record.batch).await.expect("read").expect("there")
    }

    /// The failures of a batch in the exceptions, if they can be read.
    async fn exceptions_of(&self, batch: Option<&str>) -> Option<Vec<Failure>> {
        let all = self.exceptions.as_ref()?.exceptions().await;
        Some(all.into_iter().filter(|one| one.batch.as_deref() == batch).map(|one| one.failure).collect())
    }

    /// Lets every lease of [`hold`] expire.
    fn expire(&self) {
        self.clock.advance(LEASE);
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("clock", &self.clock).finish_non_exhaustive()
    }
}

const LEASE: Duration = Duration::from_secs(30);

/// A new owner, each time.
fn hold() -> Hold {
    Hold { owner: OwnerId::generate(), lease: LEASE }
}

fn busy() -> Failure {
    Failure::new(ErrorCode::UniverseBusy, "the universe is locked").with_advice("wait")
}

fn failure() -> Failure {
    Failure::new(ErrorCode::BackupFailed, "Failed to execute \"BackupTable\": disk full\nat node 3 – é 🦀")
        .with_advice("free some space")
}

#[track_caller]
fn lease_of(created: Created) -> Lease {
    match created {
        Created::New { lease: Some(lease), .. } => lease,
        other => panic!("new and owned was expected: {other:?}"),
    }
}

#[track_caller]
fn new_record(created: &Created) -> &BackupRecord {
    match created {
        Created::New { record, .. } => record,
        Created::Existing(there) => panic!("a new batch was expected, and this is there: {there:?}"),
    }
}

#[track_caller]
fn assert_lost<T: fmt::Debug>(outcome: &Result<T, StoreError>) {
    assert!(matches!(outcome, Err(StoreError::LeaseLost { .. })), "a lost lease was expected: {outcome:?}");
}

/// Equal, with instants to the millisecond.
#[track_caller]
fn assert_same(there: &BackupRecord, wanted: &BackupRecord) {
    assert_eq!(to_millis(there), to_millis(wanted));
}

fn to_millis(record: &BackupRecord) -> BackupRecord {
    use chrono::{DurationRound, TimeDelta};
    let cut = |at: chrono::DateTime<chrono::Utc>| at.duration_trunc(TimeDelta::milliseconds(1)).unwrap_or(at);
    let mut record = record.clone();
    record.created_at = cut(record.created_at);
    record.started_at = cut(record.started_at);
    record.ended_at = record.ended_at.map(cut);
    record.deadline_at = cut(record.deadline_at);
    record.phase_since = cut(record.phase_since);
    record.waiting_since = record.waiting_since.map(cut);
    record.audit_until = record.audit_until.map(cut);
    for attempt in &mut record.attempts {
        attempt.at = cut(attempt.at);
    }
    for surplus in &mut record.surplus {
        surplus.found_at = cut(surplus.found_at);
    }
    record
}

/// The batch with the answer of YBA that says it worked.
fn succeeded(record: &BackupRecord, at: chrono::DateTime<chrono::Utc>) -> BackupRecord {
    let mut done = record.clone();
    let answer =
        json!({"backupUUID": "backup-1", "state": "Completed", "size": 1.5, "storage": [1, null, true]});
    done.succeed(Some("backup-1".into()), answer, at).expect("running");
    done
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use super::*;
    use crate::testing::InMemoryStore;

    fn in_memory(_test: &str) -> Ready<Option<Subject>> {
        let clock = Arc::new(ManualClock::new());
        let store = Arc::new(InMemoryStore::new(clock.clone()));
        ready(Some(Subject::new(store.clone(), clock).with_exceptions(store)))
    }

    crate::conformance_tests!(in_memory);

    #[test]
    fn every_function_is_on_the_list() {
        let list = include_str!("conformance.rs");
        let sources = [
            include_str!("conformance/auditing.rs"),
            include_str!("conformance/cancelling.rs"),
            include_str!("conformance/creating.rs"),
            include_str!("conformance/following.rs"),
            include_str!("conformance/leasing.rs"),
            include_str!("conformance/pruning.rs"),
            include_str!("conformance/reading.rs"),
            include_str!("conformance/reopening.rs"),
            include_str!("conformance/saving.rs"),
            include_str!("conformance/slots.rs"),
        ];
        let names = sources
            .iter()
            .flat_map(|source| source.lines())
            .filter_map(|line| Some(line.strip_prefix("pub async fn ")?.split_once('(')?.0));
        let missing: Vec<&str> =
            names.filter(|name| !list.lines().any(|line| line.trim() == *name)).collect();
        assert!(missing.is_empty(), "add to conformance_tests!: {missing:?}");
    }
}
