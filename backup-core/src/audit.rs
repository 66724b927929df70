//! The audit: looks for tasks of ours that no batch counts, after their batches ended.
//!
//! No lease reaches into YBA: a request may arrive there long after its sender lost its batch, or died. So a batch whose attempts
//! left a doubt stays under audit for [`Settings::audit_for`](crate::Settings::audit_for), by whichever replica asks the store
//! first. One task list per YBA instance answers for all audits that are due; they are looked at ever less often, at times that
//! they share.
//!
//! A decision is recorded before it is carried out: a task on record as a surplus is not adopted by a further run of its batch, so
//! it may be aborted. The record is fenced; where the batch was opened meanwhile, nothing is written and nothing is sent.

mod rules;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use self::rules::{Ending, Progress};
use crate::{
    failure::Failure,
    ids::TaskId,
    pace,
    path::Path,
    record::BackupRecord,
    state::TrackerStatus,
    store::{AuditClaim, AuditNext, AuditNote, AuditReport, AuditWork, StoreError},
    strategy::{BackupStrategy, BackupViewState, Discard, ListedState, TaskList, Unavailable},
    surplus::{Surplus, SurplusState},
    target::{BackupTarget, OnSurplus},
};

/// Audits of one claim, and of one report.
const PORTION: u32 = 500;
/// A replica that dies with claimed audits keeps them from the others for this long.
const LEASE: Duration = Duration::from_mins(2);
/// The interval that looks grow from where the background does not audit.
const INTERVAL: Duration = Duration::from_mins(1);

/// Audits what is due, every interval, a little more often or less. Ends with `stop`.
pub(crate) async fn audit_finished_work(path: Arc<Path>, interval: Duration, stop: CancellationToken) {
    let pause = || path.clock.sleep(pace::poll_interval(0, interval, interval));
    while stop.run_until_cancelled(pause()).await.is_some() {
        match stop.run_until_cancelled(path.audit_due()).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the store cannot be asked for audits; trying again"
            ),
            None => return,
        }
    }
}

/// One batch under audit.
struct Case {
    claim: AuditClaim,
    record: BackupRecord,
    driver: Driver,
}

/// How to talk to the YBA of a batch.
#[derive(Clone)]
struct Driver {
    target: Arc<BackupTarget>,
    strategy: Arc<dyn BackupStrategy>,
}

/// What one YBA instance showed, for all its cases.
struct Seen {
    list: Result<TaskList, Unavailable>,
    /// Whether a "not there" counts.
    leads: bool,
    /// Tasks without a marker that a batch counts.
    counted: HashSet<TaskId>,
    at: DateTime<Utc>,
}

impl Path {
    /// Audits everything that is due. Answers how many batches that were.
    pub(crate) async fn audit_due(&self) -> Result<usize, StoreError> {
        let mut instances: BTreeMap<String, Vec<Case>> = BTreeMap::new();
        let mut count = 0;
        loop {
            let due = self.store.claim_audits(LEASE, PORTION).await?;
            let is_last = due.len() < PORTION as usize;
            count += due.len();
            for AuditWork { claim, record } in due {
                match self.driver(&record).await {
                    Some(driver) => {
                        let instance = driver.target.instance.to_string();
                        instances.entry(instance).or_default().push(Case { claim, record, driver });
                    }
                    None => self.postpone(claim, &record).await,
                }
            }
            if is_last {
                break;
            }
        }
        join_all(instances.into_values().map(|cases| self.audit_instance(cases))).await;
        Ok(count)
    }

    /// Without one, the configuration names the batch's target no more.
    async fn driver(&self, record: &BackupRecord) -> Option<Driver> {
        let target = self.resolver.resolve(record.target.as_str()).await.ok()?;
        let strategy = Arc::clone(self.strategies.get(record.strategy().unwrap_or(&target.strategy))?);
        Some(Driver { target, strategy })
    }

    /// Nobody can be asked: the audit goes on as if YBA had not answered.
    async fn postpone(&self, claim: AuditClaim, record: &BackupRecord) {
        tracing::warn!(batch_id = %record.batch, target = %record.target, "a batch under audit has no target any more");
        let progress = Progress { answered: false, pending: false };
        let report = self.report(claim, record.clone(), progress, None, self.clock.now());
        self.write(std::slice::from_ref(&report)).await;
    }

    /// All audits of one instance, by one list.
    async fn audit_instance(&self, cases: Vec<Case>) {
        let seen = self.look_at(&cases).await;
        if let Err(cause) = &seen.list {
            tracing::warn!(%cause, batches = cases.len(), "YBA cannot be asked for the tasks of audited batches; asking again");
        }
        let mut reports = Vec::new();
        for case in cases {
            reports.extend(self.examine(case, &seen).await);
        }
        for portion in reports.chunks(PORTION as usize) {
            self.write(portion).await;
        }
    }

    /// The one list, and what it takes to judge it.
    async fn look_at(&self, cases: &[Case]) -> Seen {
        let at = self.clock.now();
        let audit_for = self.settings.audit_for;
        let mut seen = Seen { list: Ok(TaskList::default()), leads: false, counted: HashSet::new(), at };
        let Some(Driver { target, strategy }) = cases.first().map(|case| &case.driver) else { return seen };
        let since = cases.iter().map(|case| rules::since(&case.record, audit_for)).min().unwrap_or(at);
        seen.list = strategy.tasks_since(target, since).await;
        let Ok(list) = &seen.list else { return seen };
        let suspects = cases.iter().flat_map(|case| rules::suspects(&case.record, list, audit_for, at));
        let suspects: HashSet<TaskId> = suspects.map(|task| task.task.clone()).collect();
        if !suspects.is_empty() {
            match self.store.counted(&suspects.into_iter().collect::<Vec<_>>()).await {
                Ok(counted) => seen.counted = counted.into_iter().collect(),
                Err(error) => {
                    seen.list = Err(Unavailable::unreachable(format!(
                        "the store cannot say whose its tasks are: {error}"
                    )));
                    return seen;
                }
            }
        }
        if cases.iter().any(|case| case.record.audit_until.is_none_or(|until| until <= at)) {
            seen.leads = strategy.leads(target).await.is_ok();
        }
        seen
    }

    /// One batch. Answers the report that is still to be written; `None`: somebody else has the batch by now.
    async fn examine(&self, mut case: Case, seen: &Seen) -> Option<AuditReport> {
        let list = seen.list.as_ref().ok();
        if let Some(list) = list {
            let audit_for = self.settings.audit_for;
            let mut found = rules::discoveries(&case.record, list, seen.at);
            found.extend(rules::possible(&case.record, list, &seen.counted, audit_for, seen.at));
            self.put_on_record(&mut case, &found, list).await?;
        }
        let (changed, asked) = self.follow(&case, seen).await;
        rules::record_surplus(&mut case.record, &changed);
        case.record.lost = rules::still_lost(&case.record, list);
        let is_final = case.record.audit_until.is_none_or(|until| until <= seen.at);
        let progress = Progress {
            answered: list.is_some() && (seen.leads || !is_final),
            pending: asked || case.record.surplus.iter().any(Surplus::is_open),
        };
        let report = self.report(case.claim, case.record.clone(), progress, list, seen.at);
        if changed.is_empty() {
            return Some(report);
        }
        let report = AuditReport { note: noted(&case.record, &changed, report.note, seen.at), ..report };
        self.write(std::slice::from_ref(&report)).await.pop().flatten()?;
        for surplus in &changed {
            surplus.report(&case.record);
        }
        None
    }

    /// Records what was found, before anything is done about it.
    async fn put_on_record(&self, case: &mut Case, found: &[Surplus], list: &TaskList) -> Option<()> {
        if found.is_empty() {
            return Some(());
        }
        rules::record_surplus(&mut case.record, found);
        case.record.lost = rules::still_lost(&case.record, Some(list));
        let report = AuditReport {
            claim: case.claim.clone(),
            lost: case.record.lost.clone(),
            surplus: case.record.surplus.clone(),
            note: noted(&case.record, found, None, self.clock.now()),
            next: AuditNext::In(LEASE),
        };
        case.claim = self.write(std::slice::from_ref(&report)).await.pop().flatten()?;
        for surplus in found {
            surplus.report(&case.record);
        }
        Some(())
    }

    /// Follows every surplus that has not ended or is to be deleted. Answers what changed, and whether something was asked of YBA
    /// that is to be seen done.
    async fn follow(&self, case: &Case, seen: &Seen) -> (Vec<Surplus>, bool) {
        let (mut changed, mut asked) = (Vec::new(), false);
        for surplus in &case.record.surplus {
            let followed = match surplus.state {
                SurplusState::Found => self.abort(case, surplus, seen).await,
                SurplusState::Kept => self.discard(case, surplus, &mut asked).await,
                _ => None,
            };
            changed.extend(followed);
        }
        (changed, asked)
    }

    /// Aborts a surplus that runs, and records the end of one that does not.
    async fn abort(&self, case: &Case, surplus: &Surplus, seen: &Seen) -> Option<Surplus> {
        let Driver { target, strategy } = &case.driver;
        let mut listed = seen.list.iter().flat_map(|list| &list.tasks);
        let is_listed_open = listed.any(|task| task.task == surplus.task && task.state == ListedState::Open);
        let observed =
            if is_listed_open { None } else { Some(strategy.observe(target, None, &surplus.task).await) };
        match observed {
            Some(Ok(observation)) => match rules::end(&observation) {
                Some((state, backup)) => return Some(Surplus { state, backup, ..surplus.clone() }),
                None if observation.is_over() => return None,
                None => {}
            },
            Some(Err(why)) => {
                tracing::warn!(cause = %why, task_id = %surplus.task, "YBA cannot be asked for a surplus task; asking again");
                return None;
            }
            None => {}
        }
        if let Err(cause) = strategy.cancel(target, &surplus.task).await {
            tracing::warn!(%cause, task_id = %surplus.task, "YBA did not take the abort of a surplus task; asking again");
        }
        None
    }

    /// Deletes the backup of a surplus, if the target says so and the batch's own is there. `asked`: YBA is to show that it did.
    async fn discard(&self, case: &Case, surplus: &Surplus, asked: &mut bool) -> Option<Surplus> {
        let Driver { target, strategy } = &case.driver;
        let backup = surplus.backup.as_ref()?;
        if target.on_surplus != OnSurplus::Delete
            || surplus.attempt.is_none()
            || !self.may_discard(case, surplus).await
        {
            return None;
        }
        match strategy.discard(target, backup).await {
            Ok(Discard::Gone) => return Some(Surplus { state: SurplusState::Deleted, ..surplus.clone() }),
            Ok(Discard::Asked) => *asked = true,
            Ok(Discard::Refused(why)) => {
                tracing::warn!(why, backup_id = %backup, "the backup of a surplus task is kept");
            }
            Err(reason) => {
                tracing::warn!(cause = %reason, backup_id = %backup, "the backup of a surplus task could not be deleted; trying again");
            }
        }
        None
    }

    /// Only where the batch succeeded with a backup that YBA still has, and no batch counts the surplus.
    async fn may_discard(&self, case: &Case, surplus: &Surplus) -> bool {
        let Driver { target, strategy } = &case.driver;
        let (TrackerStatus::Success, Some(own)) = (case.record.status(), &case.record.task) else {
            return false;
        };
        let is_counted = self.store.counted(std::slice::from_ref(&surplus.task)).await;
        if !is_counted.is_ok_and(|counted| counted.is_empty()) {
            return false;
        }
        let own =
            strategy.observe(target, case.record.plan.as_ref(), own).await.ok().and_then(|seen| seen.backup);
        own.is_some_and(|backup| {
            backup.state == BackupViewState::Completed && Some(&backup.id) == case.record.backup.as_ref()
        })
    }

    /// What is to be written of a batch, and when it is looked at again.
    fn report(
        &self,
        claim: AuditClaim,
        record: BackupRecord,
        progress: Progress,
        list: Option<&TaskList>,
        now: DateTime<Utc>,
    ) -> AuditReport {
        let audit_for = self.settings.audit_for;
        let interval = self.settings.audit_interval.unwrap_or(INTERVAL);
        let ending = rules::ending(&record, progress, (interval, audit_for), now);
        let blind = rules::blind_spot(&record, ending, list, rules::since(&record, audit_for));
        if let Some(blind) = &blind {
            tracing::error!(batch_id = %record.batch, advice = blind.advice, "{}", blind.message);
        }
        let (next, still_lost) = match ending {
            Ending::Next(next) => (next, record.lost.clone()),
            Ending::Complete | Ending::GaveUp => (AuditNext::Over, rules::lost_for_good(&record)),
        };
        let note = blind.map(|failure| AuditNote { category: record.category.clone(), failure, at: now });
        AuditReport { claim, lost: still_lost, surplus: record.surplus, note, next }
    }

    /// Writes reports; the answer says which were written.
    async fn write(&self, reports: &[AuditReport]) -> Vec<Option<AuditClaim>> {
        match self.store.record_audits(reports).await {
            Ok(claims) => claims,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "an audit could not be recorded; it is due again soon");
                vec![None; reports.len()]
            }
        }
    }
}

/// The exception of what changed, after what else is to be told.
fn noted(
    record: &BackupRecord,
    changed: &[Surplus],
    other: Option<AuditNote>,
    at: DateTime<Utc>,
) -> Option<AuditNote> {
    let failures = changed.iter().map(|surplus| surplus.describe(record));
    let failure = failures.chain(other.map(|note| note.failure)).reduce(|one, next| {
        Failure::new(one.code, format!("{one}; {}", next.message))
            .with_advice(next.advice.unwrap_or_default())
    })?;
    Some(AuditNote { category: record.category.clone(), failure, at })
}
