//! A tracking store without a database: the whole contract in one lock, and faults on demand.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::conformance::{ReadExceptions, RecordedException};
use crate::{
    clock::Clock,
    ids::{BatchId, IdempotencyKey, OwnerId, TaskId},
    record::BackupRecord,
    state::{Phase, TrackerStatus},
    store::{
        AuditClaim, AuditNext, AuditReport, AuditWork, BackupFilter, BackupPage, Beat, Claim, Claimed,
        Created, Follower, Hold, Lease, PageKey, Refusal, Saved, StoreError, TrackingStore, is_same_step,
        queued,
    },
    target::fold_case,
};

/// A real [`TrackingStore`] that forgets everything when it is dropped.
///
/// Leases are measured by the clock's `elapsed`. With [`fail_next`](Self::fail_next) and
/// [`fail_when`](Self::fail_when) it is out of reach when a test says so, before or after the work was done.
pub struct InMemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    faults: Mutex<Faults>,
}

/// When a scripted outage strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Nothing was written.
    Before,
    /// Everything was written, but the caller does not learn of it.
    After,
}

type FaultRule = Box<dyn Fn(&'static str, Moment) -> bool + Send>;

#[derive(Default)]
struct Faults {
    next: VecDeque<Moment>,
    rule: Option<FaultRule>,
}

impl Faults {
    fn strikes(&mut self, operation: &'static str, moment: Moment) -> bool {
        if self.next.front() == Some(&moment) {
            self.next.pop_front();
            return true;
        }
        self.rule.as_ref().is_some_and(|rule| rule(operation, moment))
    }
}

#[derive(Default)]
struct State {
    batches: HashMap<BatchId, Row>,
    keys: HashMap<IdempotencyKey, BatchId>,
    slots: HashMap<String, BatchId>,
    exceptions: Vec<Exception>,
    /// The last right to an audit that was given out.
    last_token: i64,
}

struct Exception {
    recorded: RecordedException,
    /// The request that was refused; without one it is the failure of a batch.
    refusal: Option<Refusal>,
}

#[derive(Clone)]
struct Row {
    record: BackupRecord,
    owner: Option<OwnerId>,
    epoch: i64,
    /// Owned: when the lease ends. Otherwise: not before.
    due_at: Duration,
    /// When the audit is due, and the last right to it that was given out.
    audit: Option<(Duration, i64)>,
}

impl Row {
    fn audit_claim(&self) -> Option<AuditClaim> {
        let (_, token) = self.audit.filter(|_| self.record.is_done())?;
        let (batch, business_date) = (self.record.batch.clone(), self.record.business_date);
        Some(AuditClaim { batch, business_date, epoch: self.epoch, token })
    }

    fn lease(&self) -> Option<Lease> {
        self.owner.map(|owner| Lease {
            batch: self.record.batch.clone(),
            business_date: self.record.business_date,
            owner,
            epoch: self.epoch,
        })
    }

    fn is_owned_by(&self, lease: &Lease) -> bool {
        self.owner == Some(lease.owner) && self.epoch == lease.epoch
    }

    fn created(&self) -> Created {
        Created::New { lease: self.lease(), record: self.record.clone() }
    }

    fn page_key(&self) -> PageKey {
        PageKey { created_at: self.record.created_at, batch: self.record.batch.clone() }
    }
}

impl InMemoryStore {
    /// An empty store on this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default(), faults: Mutex::default() }
    }

    /// Makes the next `calls` calls, of whatever operation, answer [`StoreError::Unavailable`].
    pub fn fail_next(&self, calls: usize, moment: Moment) {
        lock(&self.faults).next.extend(std::iter::repeat_n(moment, calls));
    }

    /// Makes calls answer [`StoreError::Unavailable`] whenever `rule` says so. It is asked twice per call, with the
    /// name of the method. It replaces the rule before it.
    pub fn fail_when(&self, rule: impl Fn(&'static str, Moment) -> bool + Send + 'static) {
        lock(&self.faults).rule = Some(Box::new(rule));
    }

    /// Ends every scripted outage.
    pub fn heal(&self) {
        *lock(&self.faults) = Faults::default();
    }

    /// Every record, oldest first.
    pub fn records(&self) -> Vec<BackupRecord> {
        let mut rows: Vec<Row> = lock(&self.state).batches.values().cloned().collect();
        rows.sort_by_key(|row| (row.record.created_at, row.record.batch.clone()));
        rows.into_iter().map(|row| row.record).collect()
    }

    /// Every exception, in the order they were recorded.
    pub fn exceptions(&self) -> Vec<RecordedException> {
        lock(&self.state).exceptions.iter().map(|exception| exception.recorded.clone()).collect()
    }

    fn run<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut State, Duration) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.outage(operation, Moment::Before)?;
        let outcome = work(&mut lock(&self.state), self.clock.elapsed());
        self.outage(operation, Moment::After)?;
        outcome
    }

    fn outage(&self, operation: &'static str, moment: Moment) -> Result<(), StoreError> {
        if lock(&self.faults).strikes(operation, moment) {
            return Err(StoreError::Unavailable { operation, source: "a scripted outage".into() });
        }
        Ok(())
    }
}

impl fmt::Debug for InMemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryStore")
            .field("batches", &lock(&self.state).batches.len())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn create(
        &mut self,
        record: &BackupRecord,
        key: Option<&IdempotencyKey>,
        hold: Hold,
        now: Duration,
    ) -> Created {
        let by_key = || self.batches.get(self.keys.get(key?)?);
        if let Some(row) = self.batches.get(&record.batch).or_else(by_key) {
            return if is_repeat(row, record, hold) {
                row.created()
            } else {
                Created::Existing(row.record.clone())
            };
        }
        if let Some(key) = key {
            self.keys.insert(key.clone(), record.batch.clone());
        }
        self.write_new(record, 1, hold, now)
    }

    fn reopen(&mut self, record: &BackupRecord, hold: Hold, now: Duration) -> Result<Created, StoreError> {
        let row = self.get(&record.batch)?;
        if is_repeat(row, record, hold) {
            return Ok(row.created());
        }
        if row.record.status() != TrackerStatus::Failed {
            let what = format!("batch \"{}\" is {}, not failed", record.batch, row.record.status());
            return Err(StoreError::Conflict { what });
        }
        if row.record.lost != record.lost || row.record.surplus != record.surplus {
            return Err(StoreError::Conflict { what: audited_meanwhile(&record.batch) });
        }
        let epoch = row.epoch + 1;
        let in_doubt = row.record.in_doubt;
        Ok(self.write_new(
            &BackupRecord { in_doubt: in_doubt || record.in_doubt, ..record.clone() },
            epoch,
            hold,
            now,
        ))
    }

    fn write_new(&mut self, record: &BackupRecord, epoch: i64, hold: Hold, now: Duration) -> Created {
        let is_queued = record.phase.holds_slot() && !self.take_slot(record);
        let record = if is_queued { queued(record) } else { record.clone() };
        let is_worked_on = record.phase == Phase::Planned || record.phase.holds_slot();
        // Whoever is queued is woken when the slot is free; the lease's time is for a wake-up that was missed.
        let due_at = if is_worked_on || is_queued { now + hold.lease } else { now };
        let row = Row { record, owner: is_worked_on.then_some(hold.owner), epoch, due_at, audit: None };
        let created = row.created();
        self.add_exception(&row.record);
        self.batches.insert(row.record.batch.clone(), row);
        created
    }

    fn save(
        &mut self,
        lease: &Lease,
        record: &BackupRecord,
        from: Phase,
        retry_in: Duration,
        now: Duration,
    ) -> Result<Saved, StoreError> {
        let lost = || StoreError::LeaseLost { batch: lease.batch.clone() };
        let row = self.batches.get(&lease.batch).ok_or_else(lost)?;
        let before = row.record.clone();
        if !row.is_owned_by(lease) || before.phase != from {
            let had_worked = row.epoch == lease.epoch && is_same_step(&before, record);
            return if had_worked { Ok(Saved::Yes) } else { Err(lost()) };
        }
        if record.phase.holds_slot() && !self.take_slot(&before) {
            let by = self.slots[&before.slot].clone();
            return Ok(Saved::SlotTaken { by });
        }
        self.overwrite(record, &before, now + retry_in);
        self.set_audit(record, now);
        self.add_exception(record);
        if before.phase.holds_slot() && !record.phase.holds_slot() {
            self.free_slot(&before, now);
        }
        Ok(Saved::Yes)
    }

    fn overwrite(&mut self, record: &BackupRecord, before: &BackupRecord, due_at: Duration) {
        let Some(row) = self.batches.get_mut(&record.batch) else { return };
        row.record = record.clone();
        row.record.cancel_requested |= before.cancel_requested;
        row.record.in_doubt |= before.in_doubt;
        if matches!(record.phase, Phase::Waiting | Phase::Done) {
            row.owner = None;
            row.due_at = due_at;
        }
    }

    /// Who is under audit is due for it at once.
    fn set_audit(&mut self, record: &BackupRecord, now: Duration) {
        let Some(row) = self.batches.get_mut(&record.batch) else { return };
        self.last_token += 1;
        row.audit = record.audit_until.map(|_| (now, self.last_token));
    }

    fn claim_audits(&mut self, lease: Duration, limit: u32, now: Duration) -> Vec<AuditWork> {
        let mut due: Vec<&mut Row> =
            self.batches.values_mut().filter(|row| row.audit.is_some_and(|(due, _)| due <= now)).collect();
        due.sort_by_key(|row| (row.audit.map(|(due, _)| due), row.record.batch.clone()));
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let last_token = &mut self.last_token;
        let claim = |row: &mut Row| {
            *last_token += 1;
            row.audit = Some((now + lease, *last_token));
            Some(AuditWork { claim: row.audit_claim()?, record: row.record.clone() })
        };
        due.into_iter().filter_map(claim).collect()
    }

    fn record_audit(&mut self, report: &AuditReport, now: Duration) -> Option<AuditClaim> {
        let row = self.batches.get_mut(&report.claim.batch)?;
        if row.audit_claim().as_ref() != Some(&report.claim) {
            return None;
        }
        row.record.lost.clone_from(&report.lost);
        row.record.surplus.clone_from(&report.surplus);
        self.last_token += 1;
        match report.next {
            AuditNext::In(pause) => row.audit = Some((now + pause, self.last_token)),
            AuditNext::Over => {
                row.audit = None;
                row.record.audit_until = None;
                row.record.in_doubt = false;
            }
        }
        if let Some(note) = &report.note {
            let batch = Some(report.claim.batch.to_string());
            let recorded = RecordedException { batch, failure: note.failure.clone() };
            self.exceptions.push(Exception { recorded, refusal: None });
        }
        Some(AuditClaim { token: self.last_token, ..report.claim.clone() })
    }

    fn doubt(&mut self, batch: &BatchId, until: DateTime<Utc>, now: Duration) {
        let Some(row) = self.batches.get_mut(batch) else { return };
        row.record.in_doubt = true;
        if row.record.is_done() {
            self.last_token += 1;
            row.record.audit_until = row.record.audit_until.max(Some(until));
            row.audit = Some((now, self.last_token));
        }
    }

    fn counted(&self, tasks: &[TaskId]) -> Vec<TaskId> {
        let counts =
            |task: &&TaskId| self.batches.values().any(|row| row.record.task.as_ref() == Some(*task));
        tasks.iter().filter(counts).cloned().collect()
    }

    fn claim(&mut self, claim: &Claim, now: Duration) -> Vec<Claimed> {
        let mut due: Vec<(Duration, BatchId)> = self
            .batches
            .values()
            .filter(|row| !row.record.is_done() && row.due_at <= now)
            .filter(|row| claim.only.as_ref().is_none_or(|only| *only == row.record.batch))
            .map(|row| (row.due_at, row.record.batch.clone()))
            .collect();
        due.sort();
        due.truncate(usize::try_from(claim.limit).unwrap_or(usize::MAX));
        due.into_iter().filter_map(|(_, batch)| self.take(&batch, claim.hold, now)).collect()
    }

    fn take(&mut self, batch: &BatchId, hold: Hold, now: Duration) -> Option<Claimed> {
        let row = self.batches.get_mut(batch)?;
        row.owner = Some(hold.owner);
        row.epoch += 1;
        row.due_at = now + hold.lease;
        Some(Claimed { lease: row.lease()?, record: row.record.clone() })
    }

    fn beat(&mut self, lease: &Lease, hold: Hold, now: Duration) -> Beat {
        match self.batches.get_mut(&lease.batch) {
            Some(row) if row.is_owned_by(lease) => {
                row.due_at = now + hold.lease;
                Beat::Kept { cancel_requested: row.record.cancel_requested }
            }
            _ => Beat::Lost,
        }
    }

    fn release(&mut self, lease: &Lease, due_at: Duration) {
        if let Some(row) = self.batches.get_mut(&lease.batch).filter(|row| row.is_owned_by(lease)) {
            row.owner = None;
            row.due_at = due_at;
        }
    }

    fn follower(&self, batch: &BatchId, now: Duration) -> Option<Follower> {
        let row = self.batches.get(batch).filter(|row| !row.record.is_done())?;
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Some(Follower::of(row.owner, millis(row.due_at) - millis(now)))
    }

    fn list(&self, filter: &BackupFilter) -> BackupPage {
        let mut rows: Vec<&Row> = self.batches.values().filter(|row| passes(row, filter)).collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.record.created_at, row.record.batch.clone())));
        let size = usize::try_from(filter.rows()).unwrap_or(usize::MAX);
        let next = (rows.len() > size).then(|| rows[size - 1].page_key());
        let without_answer = |row: &Row| BackupRecord { response: None, ..row.record.clone() };
        let records = rows.into_iter().take(size).map(without_answer).collect();
        BackupPage { records, unreadable: Vec::new(), next }
    }

    fn request_cancel(&mut self, batch: &BatchId, now: Duration) -> Result<bool, StoreError> {
        let row = self.batches.get_mut(batch).ok_or_else(|| not_found(batch))?;
        if row.record.is_done() {
            return Ok(false);
        }
        row.record.cancel_requested = true;
        if row.owner.is_none() && row.record.phase == Phase::Waiting {
            row.due_at = row.due_at.min(now);
        }
        Ok(true)
    }

    fn get(&self, batch: &BatchId) -> Result<&Row, StoreError> {
        self.batches.get(batch).ok_or_else(|| not_found(batch))
    }

    fn take_slot(&mut self, record: &BackupRecord) -> bool {
        let holder = self.slots.entry(record.slot.clone()).or_insert_with(|| record.batch.clone());
        *holder == record.batch
    }

    fn free_slot(&mut self, record: &BackupRecord, now: Duration) {
        self.slots.remove(&record.slot);
        let oldest = self
            .batches
            .values_mut()
            .filter(|row| row.record.slot == record.slot && row.record.batch != record.batch)
            .filter(|row| row.owner.is_none() && row.record.phase == Phase::Waiting)
            .min_by_key(|row| (row.record.created_at, row.record.batch.clone()));
        if let Some(row) = oldest {
            row.due_at = row.due_at.min(now);
        }
    }

    fn add_exception(&mut self, record: &BackupRecord) {
        if let Some(failure) = record.failure.as_ref().filter(|_| record.is_done()) {
            let recorded =
                RecordedException { batch: Some(record.batch.to_string()), failure: failure.clone() };
            self.exceptions.push(Exception { recorded, refusal: None });
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        let is_known = self.exceptions.iter().any(|exception| exception.refusal.as_ref() == Some(refusal));
        if !is_known {
            let (batch, failure) = (refusal.batch.clone(), refusal.failure.clone());
            let recorded = RecordedException { batch, failure };
            self.exceptions.push(Exception { recorded, refusal: Some(refusal.clone()) });
        }
    }

    fn prune(&mut self, before: DateTime<Utc>, limit: usize) -> usize {
        let is_old = |row: &&Row| {
            row.record.is_done() && row.audit.is_none() && row.record.ended_at.is_some_and(|end| end < before)
        };
        let mut gone: Vec<PageKey> = self.batches.values().filter(is_old).map(Row::page_key).collect();
        gone.sort_by(|a, b| (a.created_at, &a.batch).cmp(&(b.created_at, &b.batch)));
        gone.truncate(limit);
        for PageKey { batch, .. } in &gone {
            self.batches.remove(batch);
            self.keys.retain(|_, of| of != batch);
            let name = Some(batch.as_str());
            self.exceptions.retain(|one| one.recorded.batch.as_deref() != name);
        }
        gone.len() + self.prune_refusals(before, limit - gone.len())
    }

    fn prune_refusals(&mut self, before: DateTime<Utc>, limit: usize) -> usize {
        let (batches, mut gone) = (&self.batches, 0);
        self.exceptions.retain(|exception| {
            let Some(refusal) = exception.refusal.as_ref().filter(|_| gone < limit) else { return true };
            let is_old = refusal.at < before && refusal.business_date < before.date_naive();
            let is_of_a_batch =
                refusal.batch.as_ref().is_some_and(|batch| batches.contains_key(&batch.as_str().into()));
            let is_kept = !is_old || is_of_a_batch;
            gone += usize::from(!is_kept);
            is_kept
        });
        gone
    }
}

/// The owner's own call, sent again because its answer was lost.
fn is_repeat(row: &Row, record: &BackupRecord, hold: Hold) -> bool {
    row.owner == Some(hold.owner) && record.phase == Phase::Submitting && is_same_step(&row.record, record)
}

fn passes(row: &Row, filter: &BackupFilter) -> bool {
    let record = &row.record;
    filter.category.as_ref().is_none_or(|category| fold_case(category) == fold_case(&record.category))
        && filter.target.as_ref().is_none_or(|target| *target == record.target)
        && filter.status.is_none_or(|status| status == record.status())
        && filter.from.is_none_or(|from| from <= record.business_date)
        && filter.to.is_none_or(|to| record.business_date <= to)
        && filter
            .after
            .as_ref()
            .is_none_or(|after| (record.created_at, &record.batch) < (after.created_at, &after.batch))
}

/// Why a failed batch is not opened with what was read of it before.
fn audited_meanwhile(batch: &BatchId) -> String {
    format!("an audit of batch \"{batch}\" recorded what it found just now")
}

fn not_found(batch: &BatchId) -> StoreError {
    StoreError::NotFound { batch: batch.clone() }
}

#[async_trait]
impl TrackingStore for InMemoryStore {
    async fn create(
        &self,
        record: &BackupRecord,
        key: Option<&IdempotencyKey>,
        hold: Hold,
    ) -> Result<Created, StoreError> {
        self.run("create", |state, now| Ok(state.create(record, key, hold, now)))
    }

    async fn reopen(&self, record: &BackupRecord, hold: Hold) -> Result<Created, StoreError> {
        self.run("reopen", |state, now| state.reopen(record, hold, now))
    }

    async fn save(
        &self,
        lease: &Lease,
        record: &BackupRecord,
        from: Phase,
        retry_in: Duration,
    ) -> Result<Saved, StoreError> {
        self.run("save", |state, now| state.save(lease, record, from, retry_in, now))
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, StoreError> {
        self.run("claim", |state, now| Ok(state.claim(claim, now)))
    }

    async fn heartbeat(&self, leases: &[Lease], hold: Hold) -> Result<Vec<Beat>, StoreError> {
        self.run("heartbeat", |state, now| {
            Ok(leases.iter().map(|lease| state.beat(lease, hold, now)).collect())
        })
    }

    async fn release(&self, leases: &[Lease], due_in: Duration) -> Result<(), StoreError> {
        self.run("release", |state, now| {
            for lease in leases {
                state.release(lease, now + due_in);
            }
            Ok(())
        })
    }

    async fn find(&self, batch: &BatchId) -> Result<Option<BackupRecord>, StoreError> {
        self.run("find", |state, _| Ok(state.batches.get(batch).map(|row| row.record.clone())))
    }

    async fn follower(&self, batch: &BatchId) -> Result<Option<Follower>, StoreError> {
        self.run("follower", |state, now| Ok(state.follower(batch, now)))
    }

    async fn list(&self, filter: &BackupFilter) -> Result<BackupPage, StoreError> {
        self.run("list", |state, _| Ok(state.list(filter)))
    }

    async fn request_cancel(&self, batch: &BatchId) -> Result<bool, StoreError> {
        self.run("request_cancel", |state, now| state.request_cancel(batch, now))
    }

    async fn claim_audits(&self, lease: Duration, limit: u32) -> Result<Vec<AuditWork>, StoreError> {
        self.run("claim_audits", |state, now| Ok(state.claim_audits(lease, limit, now)))
    }

    async fn record_audits(&self, reports: &[AuditReport]) -> Result<Vec<Option<AuditClaim>>, StoreError> {
        self.run("record_audits", |state, now| {
            Ok(reports.iter().map(|report| state.record_audit(report, now)).collect())
        })
    }

    async fn doubt(&self, batch: &BatchId, audit_for: Duration) -> Result<(), StoreError> {
        let until = self.clock.now() + audit_for;
        self.run("doubt", |state, now| {
            state.doubt(batch, until, now);
            Ok(())
        })
    }

    async fn counted(&self, tasks: &[TaskId]) -> Result<Vec<TaskId>, StoreError> {
        self.run("counted", |state, _| Ok(state.counted(tasks)))
    }

    async fn refuse(&self, refusal: &Refusal) -> Result<(), StoreError> {
        self.run("refuse", |state, _| {
            state.refuse(refusal);
            Ok(())
        })
    }

    async fn prune(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.run("prune", |state, _| {
            let gone = state.prune(before, usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(u64::try_from(gone).unwrap_or(u64::MAX))
        })
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.run("check", |_, _| Ok(()))
    }
}

#[async_trait]
impl ReadExceptions for InMemoryStore {
    async fn exceptions(&self) -> Vec<RecordedException> {
        Self::exceptions(self)
    }
}
