//! What we know about a batch and can prove: the record that every step reads and writes.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    command::BackupCommand,
    failure::{ErrorCode, Failure},
    ids::{AttemptId, BackupId, BatchId, TargetKey, TaskId},
    request::BatchMode,
    settings::CENTURY,
    state::{BatchStatus, Phase, TrackerStatus},
    strategy::{ListedState, ListedTask},
    surplus::{Choice, Surplus},
    target::BackupTarget,
    times::YbaTimes,
};

/// One batch: identity, target, state, times, outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupRecord {
    /// The batch.
    pub batch: BatchId,
    /// The business date.
    pub business_date: NaiveDate,
    /// The category as it was asked for.
    pub category: String,
    /// Who asked.
    pub mode: BatchMode,
    /// The target it resolved to.
    pub target: TargetKey,
    /// The instance and universe that are locked while it runs ([`BackupTarget::slot`]).
    pub slot: String,
    /// When it was first recorded, UTC.
    pub created_at: DateTime<Utc>,
    /// When the current run began, UTC: later than `created_at` for a batch that was run again.
    pub started_at: DateTime<Utc>,
    /// When it ended, UTC.
    pub ended_at: Option<DateTime<Utc>>,
    /// When the current run ends, whatever YBA does, UTC.
    pub deadline_at: DateTime<Utc>,
    /// What is to be posted; `None` as long as nobody could plan it.
    pub plan: Option<Plan>,
    /// Where on the path it is.
    pub phase: Phase,
    /// Since when it is in this phase, UTC.
    pub phase_since: DateTime<Utc>,
    /// Since when nothing could be started, UTC: a busy universe, or YBA out of reach.
    pub waiting_since: Option<DateTime<Utc>>,
    /// Why it waits or settles: the failure that this becomes when nothing changes in time.
    pub note: Option<Failure>,
    /// Every POST that may have been sent, oldest first, over all runs.
    pub attempts: Vec<Attempt>,
    /// Attempts whose answer was lost and that were not found either: looked for before anything else is posted.
    pub lost: Vec<AttemptId>,
    /// Whether an attempt may have started a task that is not on record: the batch is audited once it ended. It stays set, over
    /// all runs, until the audit ends.
    pub in_doubt: bool,
    /// Tasks of ours that are not the one that counts.
    pub surplus: Vec<Surplus>,
    /// Until when the batch is audited, UTC; `None`: it is open, or there is nothing to audit (any more).
    pub audit_until: Option<DateTime<Utc>>,
    /// YBA's task.
    pub task: Option<TaskId>,
    /// YBA's backup.
    pub backup: Option<BackupId>,
    /// YBA's answer.
    pub response: Option<Value>,
    /// Why it failed; with [`Phase::Done`] and no failure it succeeded.
    pub failure: Option<Failure>,
    /// Whether someone asked to cancel it.
    pub cancel_requested: bool,
}

/// What a strategy decided to post, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The strategy that posts it: not always the one that planned it (an increment may become a full backup).
    pub strategy: String,
    /// The full backup at the head of the chain, for an increment.
    pub base: Option<BackupId>,
    /// The reason, in words.
    pub reason: String,
}

/// One POST to YBA, recorded before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Sent as `X-REQUEST-ID`.
    pub id: AttemptId,
    /// 1 for the first of the batch.
    pub number: u32,
    /// When it was recorded, UTC.
    pub at: DateTime<Utc>,
}

/// A change that [`Phase::next`] does not allow: a bug, never a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a batch cannot go from {from} to {to}")]
pub struct IllegalTransition {
    /// The phase it is in.
    pub from: Phase,
    /// The phase it was to enter.
    pub to: Phase,
}

impl BackupRecord {
    /// A batch as it is first recorded: planned, nothing sent.
    pub fn new(command: &BackupCommand, target: &BackupTarget, now: DateTime<Utc>) -> Self {
        Self {
            batch: command.batch().cloned().unwrap_or_else(BatchId::generate),
            business_date: command.business_date(),
            category: command.category().to_owned(),
            mode: command.mode(),
            target: target.key.clone(),
            slot: target.slot(),
            created_at: now,
            started_at: now,
            ended_at: None,
            deadline_at: deadline(target, now),
            plan: None,
            phase: Phase::Planned,
            phase_since: now,
            waiting_since: None,
            note: None,
            attempts: Vec::new(),
            lost: Vec::new(),
            in_doubt: false,
            surplus: Vec::new(),
            audit_until: None,
            task: None,
            backup: None,
            response: None,
            failure: None,
            cancel_requested: false,
        }
    }

    /// The tracker's status.
    pub fn status(&self) -> TrackerStatus {
        match (self.phase, &self.failure) {
            (Phase::Done, None) => TrackerStatus::Success,
            (Phase::Done, Some(_)) => TrackerStatus::Failed,
            _ => TrackerStatus::InProgress,
        }
    }

    /// The batch's status.
    pub fn batch_status(&self) -> BatchStatus {
        self.status().into()
    }

    /// Whether it is over.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// The strategy that posts it, or would: `full_backup`, `incremental_backup`, or an embedder's.
    pub fn strategy(&self) -> Option<&str> {
        self.plan.as_ref().map(|plan| plan.strategy.as_str())
    }

    /// How long the backup took by YBA's own times, where they are known; otherwise [`BackupRecord::elapsed`].
    pub fn duration(&self, now: DateTime<Utc>) -> Duration {
        self.yba_times().map_or_else(|| self.elapsed(now), |times| times.took())
    }

    /// How long the current run took from the request to its recorded end, or has taken by `now`: waits, and the time in
    /// which nobody followed it, included.
    pub fn elapsed(&self, now: DateTime<Utc>) -> Duration {
        (self.ended_at.unwrap_or(now) - self.started_at).to_std().unwrap_or_default()
    }

    /// When the backup began and ended by YBA's own account, for one that succeeded.
    pub fn yba_times(&self) -> Option<YbaTimes> {
        let answer = self.response.as_ref().filter(|_| self.status() == TrackerStatus::Success);
        answer.and_then(YbaTimes::in_answer)
    }

    /// The attempt that was recorded last.
    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// Records what is to be posted.
    pub fn set_plan(&mut self, plan: Plan) {
        self.plan = Some(plan);
    }

    /// Records a new attempt, to be sent once this is committed.
    pub fn submit(&mut self, now: DateTime<Utc>) -> Result<(), IllegalTransition> {
        self.enter(Phase::Submitting, now)?;
        let number = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.attempts.push(Attempt { id: AttemptId::generate(), number, at: now });
        self.note = None;
        Ok(())
    }

    /// Records that the last attempt may have started something that nobody found.
    pub fn lose_attempt(&mut self) {
        if let Some(attempt) = self.attempts.last().filter(|attempt| !self.lost.contains(&attempt.id)) {
            self.lost.push(attempt.id);
        }
    }

    /// The attempts whose fate is open: the lost ones, and in [`Phase::Submitting`] the last.
    pub fn open_attempts(&self) -> Vec<Attempt> {
        let last = self.attempts.last().map(|attempt| attempt.id).filter(|_| self.phase == Phase::Submitting);
        let open = |attempt: &&Attempt| self.lost.contains(&attempt.id) || Some(attempt.id) == last;
        self.attempts.iter().filter(open).cloned().collect()
    }

    /// Records that nothing can be started now, and why.
    pub fn wait(&mut self, why: Failure, now: DateTime<Utc>) -> Result<(), IllegalTransition> {
        self.enter(Phase::Waiting, now)?;
        self.waiting_since.get_or_insert(now);
        self.note = Some(why);
        self.task = None;
        Ok(())
    }

    /// Records the task that an attempt started.
    pub fn run(
        &mut self,
        task: TaskId,
        response: Option<Value>,
        now: DateTime<Utc>,
    ) -> Result<(), IllegalTransition> {
        if self.attempts.is_empty() {
            return Err(IllegalTransition { from: self.phase, to: Phase::Running });
        }
        self.enter(Phase::Running, now)?;
        self.task = Some(task);
        self.response = response.or(self.response.take());
        self.waiting_since = None;
        self.note = None;
        Ok(())
    }

    /// Records which task of the attempts that were looked for counts, and the others as a surplus. An attempt that was not
    /// found stays lost: should the task fail, that attempt may still have started something.
    ///
    /// Where YBA does not show whose a task is, nothing more can be found of the other attempts.
    pub(crate) fn adopt(&mut self, choice: &Choice, now: DateTime<Utc>) -> Result<(), IllegalTransition> {
        let open = self.open_attempts();
        self.run(choice.kept.task.clone(), None, now)?;
        self.surplus.retain(|surplus| surplus.task != choice.kept.task);
        for task in &choice.others {
            self.find_surplus(task, now);
        }
        let found = |id: &AttemptId| {
            let mut tasks = std::iter::once(&choice.kept).chain(&choice.others);
            tasks.any(|task| task.attempt == Some(*id))
        };
        self.lost = match choice.kept.attempt {
            Some(_) => open.iter().map(|attempt| attempt.id).filter(|id| !found(id)).collect(),
            None => Vec::new(),
        };
        Ok(())
    }

    /// Records what a batch under way waits for, or that it waits for nothing any more. It stays where it is on its path.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] where the note means something else: it is the failure that a waiting or settling batch
    /// becomes.
    pub fn remark(&mut self, why: Option<Failure>) -> Result<(), IllegalTransition> {
        if !matches!(self.phase, Phase::Submitting | Phase::Running) {
            return Err(IllegalTransition { from: self.phase, to: self.phase });
        }
        self.note = why;
        Ok(())
    }

    /// Records a task that does not count. One that failed and was never a surplus is none: it left nothing.
    pub(crate) fn find_surplus(&mut self, task: &ListedTask, now: DateTime<Utc>) {
        self.lost.retain(|lost| Some(*lost) != task.attempt);
        let is_known = self.surplus.iter().any(|surplus| surplus.task == task.task);
        if !is_known && task.state != ListedState::Over {
            self.surplus.push(Surplus::found(task, now));
        }
    }

    /// Records that an attempt started a task that failed: there is nothing to look for any more.
    pub(crate) fn forget_lost(&mut self, attempt: Option<AttemptId>) {
        self.lost.retain(|lost| Some(*lost) != attempt);
    }

    /// Whether a task may be there that is not the one that counts: an attempt without a definite answer, several attempts, or
    /// a surplus whose end was not seen.
    pub fn needs_audit(&self) -> bool {
        self.in_doubt
            || self.attempts.len() > 1
            || !self.lost.is_empty()
            || self.surplus.iter().any(Surplus::is_open)
    }

    /// Records until when a batch that has just ended is audited, if there is reason to.
    pub(crate) fn begin_audit(&mut self, audit_for: Duration) {
        let until = self.ended_at.map(|ended| {
            ended
                .checked_add_signed(TimeDelta::from_std(audit_for).unwrap_or(TimeDelta::MAX))
                .unwrap_or(DateTime::<Utc>::MAX_UTC)
        });
        self.audit_until = until.filter(|_| self.is_done() && self.needs_audit());
    }

    /// Records that the task came back to life.
    pub fn resume(&mut self, now: DateTime<Utc>) -> Result<(), IllegalTransition> {
        self.enter(Phase::Running, now)?;
        self.note = None;
        Ok(())
    }

    /// Records an end that may not last.
    pub fn settle(&mut self, why: Failure, now: DateTime<Utc>) -> Result<(), IllegalTransition> {
        self.enter(Phase::Settling, now)?;
        self.note = Some(why);
        Ok(())
    }

    /// Records success, of a task that is known.
    pub fn succeed(
        &mut self,
        backup: Option<BackupId>,
        response: Value,
        now: DateTime<Utc>,
    ) -> Result<(), IllegalTransition> {
        if self.task.is_none() {
            return Err(IllegalTransition { from: self.phase, to: Phase::Done });
        }
        self.enter(Phase::Done, now)?;
        self.backup = backup;
        self.response = Some(response);
        self.failure = None;
        self.note = None;
        self.ended_at = Some(now);
        Ok(())
    }

    /// Records failure.
    pub fn fail(&mut self, failure: Failure, now: DateTime<Utc>) -> Result<(), IllegalTransition> {
        self.enter(Phase::Done, now)?;
        self.failure = Some(failure);
        self.note = None;
        self.ended_at = Some(now);
        Ok(())
    }

    /// Opens a failed batch again, as a further run of the same batch. Its attempts stay: whichever of them
    /// turns out to have started something can still be found.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] for a batch that is open or that succeeded.
    pub fn run_again(&mut self, target: &BackupTarget, now: DateTime<Utc>) -> Result<(), IllegalTransition> {
        if self.status() != TrackerStatus::Failed {
            return Err(IllegalTransition { from: self.phase, to: Phase::Planned });
        }
        self.enter(Phase::Planned, now)?;
        self.started_at = now;
        self.ended_at = None;
        self.deadline_at = deadline(target, now);
        self.slot = target.slot();
        self.plan = None;
        self.waiting_since = None;
        self.task = None;
        self.backup = None;
        self.response = None;
        self.failure = None;
        self.cancel_requested = false;
        self.audit_until = None;
        Ok(())
    }

    fn enter(&mut self, phase: Phase, now: DateTime<Utc>) -> Result<(), IllegalTransition> {
        if !self.phase.next().contains(&phase) {
            return Err(IllegalTransition { from: self.phase, to: phase });
        }
        if self.phase != phase {
            self.phase_since = now;
        }
        self.phase = phase;
        Ok(())
    }
}

/// When a run that begins now ends, whatever YBA does. No embedder's deadline is so long that the calendar ends first.
fn deadline(target: &BackupTarget, now: DateTime<Utc>) -> DateTime<Utc> {
    now + target.deadline.min(CENTURY)
}

impl From<IllegalTransition> for Failure {
    fn from(illegal: IllegalTransition) -> Self {
        Failure::new(ErrorCode::Internal, illegal.to_string())
    }
}

/// A record that is handed around and never changed.
pub type SharedRecord = Arc<BackupRecord>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::fixtures;

    #[test]
    fn a_run_again_keeps_the_attempts_of_the_runs_before() {
        let (mut record, target, now) = fixtures::planned();
        record.submit(now).unwrap();
        record.fail(Failure::new(ErrorCode::YbaRejected, "no"), now).unwrap();
        record.run_again(&target, now + Duration::from_secs(5)).unwrap();
        record.submit(now).unwrap();
        assert_eq!(record.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(record.status(), TrackerStatus::InProgress);
    }

    #[test]
    fn an_adopted_attempt_is_lost_no_more_and_the_others_still_are() {
        let (mut record, target, now) = fixtures::planned();
        record.submit(now).unwrap();
        record.lose_attempt();
        record.submit(now).unwrap();
        let [first, second] = [0, 1].map(|place| record.attempts[place].id);
        let kept = ListedTask::new("task", Some(first), ListedState::Open);
        record.adopt(&Choice { kept, others: Vec::new() }, now).unwrap();
        assert_eq!(record.lost, [second]);
        // Its task fails: whoever runs the batch again looks for the other one.
        record.fail(Failure::new(ErrorCode::BackupFailed, "disk full"), now).unwrap();
        record.run_again(&target, now).unwrap();
        assert_eq!(record.open_attempts().iter().map(|attempt| attempt.id).collect::<Vec<_>>(), [second]);
    }

    #[test]
    fn a_success_is_never_opened_again() {
        let (mut record, target, now) = fixtures::planned();
        record.submit(now).unwrap();
        record.run("task".into(), None, now).unwrap();
        record.succeed(Some("backup".into()), Value::Null, now).unwrap();
        assert!(record.run_again(&target, now).is_err());
    }

    proptest! {
        /// Whatever is tried in whatever order: only the table's ways are taken, an end has a time, a task
        /// has an attempt.
        #[test]
        fn no_order_of_steps_leaves_the_table(steps in proptest::collection::vec(0u8..7, 0..40)) {
            let (mut record, target, now) = fixtures::planned();
            for step in steps {
                let before = record.phase;
                let outcome = match step {
                    0 => record.submit(now),
                    1 => record.wait(Failure::new(ErrorCode::UniverseBusy, "busy"), now),
                    2 => record.run("task".into(), None, now),
                    3 => record.settle(Failure::new(ErrorCode::Aborted, "aborted"), now),
                    4 => record.succeed(None, Value::Null, now),
                    5 => record.fail(Failure::new(ErrorCode::Aborted, "no"), now),
                    _ => record.run_again(&target, now),
                };
                if outcome.is_ok() {
                    prop_assert!(before.next().contains(&record.phase));
                } else {
                    prop_assert_eq!(before, record.phase);
                }
                prop_assert!(record.status() != TrackerStatus::Success || record.task.is_some());
                prop_assert_eq!(record.is_done(), record.ended_at.is_some());
                prop_assert!(record.task.is_none() || !record.attempts.is_empty());
            }
        }
    }
}
