//! The path of one backup, step by step: plan, record the intent, POST, record the task, poll, record the outcome.
//!
//! [`Path::advance`] does the next step of one batch, from whatever phase its record is in. The same function serves a
//! batch that was just requested and one that a crash left open, so every step may run twice. A step is a call to
//! YBA and a write to the store (where a first look is due at once, that call goes while the step before writes), and the write
//! always says from which phase it goes: whoever lost the lease changes nothing.
//!
//! ```text
//! PLANNED, WAITING --submit--> SUBMITTING --post--> RUNNING --poll--> DONE
//!                                  |  ^                ^ |
//!                                  +--+ look up        | v
//!                                                    SETTLING
//! ```

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::{
    clock::Clock,
    config::ConfigResolver,
    failure::{ErrorCode, Failure},
    held::{Held, Next},
    ids::{OwnerId, TaskId},
    judge::{Verdict, judge},
    lease::LeaseBook,
    look::Look,
    pace,
    reasons::{behind, busy, deadline, lost_answer, no_strategy, unavailable, unknown},
    record::{Attempt, BackupRecord, IllegalTransition},
    settings::Settings,
    state::Phase,
    store::{Claimed, Hold, Saved, StoreError, TrackingStore},
    strategies::Strategies,
    strategy::{BackupStrategy, ListedState, PlanError, Start, Unavailable},
    surplus::{Lookup, Surplus},
    target::{BackupTarget, Completion, OnUnknown},
};

/// Everything a step needs.
pub(crate) struct Path {
    pub(crate) resolver: Arc<dyn ConfigResolver>,
    pub(crate) strategies: Strategies,
    pub(crate) store: Arc<dyn TrackingStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    pub(crate) owner: OwnerId,
    pub(crate) leases: LeaseBook,
    /// The process is stopping.
    pub(crate) stop: CancellationToken,
}

impl Path {
    pub(crate) fn hold(&self) -> Hold {
        Hold { owner: self.owner, lease: self.settings.lease }
    }

    /// Takes a batch in hand. Boxed, because it goes from hand to hand. `since`: when the store was asked for the lease. `unsent`: its attempt was recorded with it.
    pub(crate) fn take(&self, claimed: Claimed, since: Duration, unsent: bool, span: Span) -> Box<Held> {
        let Claimed { lease, record } = claimed;
        let lease_state = self.leases.enter(&lease, since, record.cancel_requested);
        Box::new(Held {
            record,
            percent: None,
            span,
            lease,
            lease_state,
            target: None,
            look: None,
            unsent,
            unsaved: None,
            watching_since: None,
            silence: None,
            abort_sent: false,
            surplus_aborted: Vec::new(),
            tries: 0,
        })
    }

    /// Takes back an attempt that was recorded and is certainly not sent: whoever comes next need not look for it.
    pub(crate) async fn withdraw(&self, held: &mut Held) {
        if held.unsent && held.unsaved.is_none() {
            held.unsent = false;
            let why =
                unavailable(&Unavailable::unreachable("the process stopped before the request was sent"));
            self.change(held, Duration::ZERO, |record, now| record.wait(why, now)).await;
        }
    }

    /// Lets go of a batch.
    pub(crate) fn drop_held(&self, held: &Held) {
        self.leases.strike(&held.lease);
    }

    /// Plans a batch and says what to record: a new attempt, a wait, or a failure. Nothing is sent.
    ///
    /// What a lost attempt started after all is followed instead.
    pub(crate) async fn prepare(
        &self,
        record: &mut BackupRecord,
        target: &BackupTarget,
    ) -> Result<(), IllegalTransition> {
        let Some(strategy) = self.strategies.get(&target.strategy) else {
            return record.fail(no_strategy(&target.strategy), self.clock.now());
        };
        if !record.lost.is_empty() {
            let open = record.open_attempts();
            match self.ask(record.deadline_at, strategy.find(target, &open)).await.map(Lookup::from) {
                Ok(Lookup::Tasks(choice)) if choice.kept.state != ListedState::Over => {
                    tracing::info!(task_id = %choice.kept.task, "found the task of an attempt that was lost");
                    return record.adopt(&choice, self.clock.now());
                }
                // They failed: there is nothing of them to follow.
                Ok(Lookup::Tasks(choice)) => choice.tasks().for_each(|task| record.forget_lost(task.attempt)),
                // A person saw it, or the policy says so: it was waited for long enough.
                Ok(Lookup::Nothing | Lookup::Undecidable(_)) => {}
                Err(cause) => return self.cannot_start(record, &cause),
            }
        }
        let planning = async {
            match strategy.plan(target, record.business_date).await {
                Ok(plan) => Ok(Ok(plan)),
                Err(PlanError::Refused(failure)) => Ok(Err(failure)),
                Err(PlanError::Unavailable(cause)) => Err(cause),
            }
        };
        match self.ask(record.deadline_at, planning).await {
            Ok(Ok(plan)) => {
                tracing::info!(strategy = plan.strategy, reason = plan.reason, "planned");
                record.set_plan(plan);
                record.submit(self.clock.now())
            }
            Ok(Err(failure)) => record.fail(failure, self.clock.now()),
            Err(cause) => self.cannot_start(record, &cause),
        }
    }

    /// What follows when nothing can be learned from YBA before a POST: a wait, and the end where waiting changes nothing.
    fn cannot_start(&self, record: &mut BackupRecord, cause: &Unavailable) -> Result<(), IllegalTransition> {
        let now = self.clock.now();
        if cause.is_unauthorized() {
            return record.fail(unavailable(cause), now);
        }
        record.wait(unavailable(cause), now)
    }

    /// Does the next step of a batch.
    pub(crate) async fn advance(&self, held: &mut Held) -> Next {
        if held.lease_state.is_lost() {
            return self.lose(held).await;
        }
        if held.unsaved.is_some() {
            return self.save(held).await;
        }
        if !held.lease_state.may_act(self.clock.elapsed(), self.settings.act_within()) {
            return Next::After(self.settings.heartbeat());
        }
        let Some(target) = self.target(held).await else {
            return Next::After(self.settings.retry_max);
        };
        self.abort_surplus(held, &target).await;
        match held.record.phase {
            Phase::Planned | Phase::Waiting => self.submit(held, &target).await,
            Phase::Submitting if held.unsent => self.post(held, &target).await,
            Phase::Submitting => self.look_up(held, &target).await,
            Phase::Running | Phase::Settling => self.poll(held, &target).await,
            Phase::Done => Next::Over,
        }
    }

    /// PLANNED, WAITING: records the intent, or why it still waits.
    async fn submit(&self, held: &mut Held, target: &BackupTarget) -> Next {
        let now = self.clock.now();
        if held.lease_state.cancel_requested() {
            let failure = Failure::new(ErrorCode::Cancelled, "cancelled before anything was sent to YBA");
            return self.end(held, failure).await;
        }
        if let Some(failure) = self.waited_too_long(&held.record, now) {
            return self.end(held, failure).await;
        }
        let before = held.record.clone();
        let outcome = self.prepare(&mut held.record, target).await;
        held.unsent = held.record.phase == Phase::Submitting;
        let retry_in = self.retry_in(&held.record);
        self.changed(held, before, retry_in, outcome).await
    }

    /// SUBMITTING, recorded by us just now: sends the one request of this attempt.
    async fn post(&self, held: &mut Held, target: &BackupTarget) -> Next {
        let (Some(plan), Some(attempt)) = (held.record.plan.clone(), held.record.attempt().cloned()) else {
            return self.bug(held, "an attempt without a plan").await;
        };
        let Some(strategy) = self.strategies.get(&plan.strategy) else {
            return self.end(held, no_strategy(&plan.strategy)).await;
        };
        held.unsent = false;
        held.watching_since = None;
        held.tries = 0;
        let retry_in = self.retry_in(&held.record);
        match strategy.start(target, &plan, &attempt).await {
            Start::Accepted { task, response } if target.completion == Completion::Accepted => {
                tracing::info!(task_id = %task, "YBA accepted the backup; the target asks for no more");
                self.change(held, Duration::ZERO, |record, now| {
                    record.run(task, None, now)?;
                    record.succeed(None, response, now)
                })
                .await
            }
            Start::Accepted { task, response } => {
                tracing::info!(task_id = %task, "YBA accepted the backup");
                self.running(held, strategy, |record, now| record.run(task, Some(response), now)).await
            }
            Start::Rejected(failure) => self.end(held, failure).await,
            Start::Busy { text } => {
                tracing::info!(text, "the universe is busy; waiting");
                self.change(held, retry_in, |record, now| record.wait(busy(&text), now)).await
            }
            Start::NotSent { cause } => {
                tracing::warn!(%cause, kind = %cause.kind, "YBA did not get the request; waiting");
                self.change(held, retry_in, |record, now| record.wait(unavailable(&cause), now)).await
            }
            Start::Unknown { cause } => {
                tracing::warn!(cause, "the answer was lost; looking for what it may have started");
                held.record.in_doubt = true;
                let interval = pace::poll_interval(0, self.settings.poll_first, self.settings.poll_max);
                self.remark(held, interval, |record, _| record.remark(Some(lost_answer(&cause)))).await
            }
        }
    }

    /// SUBMITTING, and it may have been sent: looks for what it started. Posts again only after the settling time, and
    /// only as a new attempt that is recorded first.
    async fn look_up(&self, held: &mut Held, target: &BackupTarget) -> Next {
        let name = held.record.strategy().unwrap_or(&target.strategy).to_owned();
        let Some(strategy) = self.strategies.get(&name) else {
            return self.end(held, no_strategy(&name)).await;
        };
        // Whoever sent it, or did not: the batch is audited, whatever is found now.
        held.record.in_doubt = true;
        let now = self.clock.elapsed();
        let watched = now.saturating_sub(*held.watching_since.get_or_insert(now));
        let interval = pace::poll_interval(held.tries, self.settings.poll_first, self.settings.poll_max);
        held.tries = held.tries.saturating_add(1);
        let past_deadline = self.clock.now() >= held.record.deadline_at;
        let open = held.record.open_attempts();
        match self.ask(held.record.deadline_at, strategy.find(target, &open)).await.map(Lookup::from) {
            Ok(Lookup::Tasks(choice)) => {
                tracing::info!(task_id = %choice.kept.task, "found the task that the lost answer spoke of");
                self.running(held, strategy, |record, now| record.adopt(&choice, now)).await
            }
            Ok(Lookup::Undecidable(what)) => match target.on_unknown {
                OnUnknown::Repost if watched >= self.settings.settle_time => self.again(held).await,
                OnUnknown::Fail if watched >= self.settings.settle_time => {
                    self.end_unknown(held, &what).await
                }
                _ => Next::After(interval),
            },
            Ok(Lookup::Nothing) if watched < self.settings.settle_time => Next::After(interval),
            Ok(Lookup::Nothing) => self.again(held).await,
            Err(cause) if past_deadline => {
                self.end(held, unknown(&format!("YBA could not be asked before the deadline ({cause})")))
                    .await
            }
            Err(cause) => {
                // Absence counts only from an answer on: time without contact proves nothing.
                held.watching_since = None;
                self.unanswered(held, &cause, "what the last request started", interval).await
            }
        }
    }

    /// Nothing was found: the next attempt, or the end.
    async fn again(&self, held: &mut Held) -> Next {
        let now = self.clock.now();
        // Those of this run whose answers were lost; one that was answered, if only by "busy", does not count.
        let of_this_run = |attempt: &&Attempt| attempt.at >= held.record.started_at;
        let attempts = held.record.open_attempts().iter().filter(of_this_run).count();
        if held.lease_state.cancel_requested() {
            let failure = Failure::new(ErrorCode::Cancelled, "cancelled; YBA has no task of any attempt");
            return self.end(held, failure).await;
        }
        if now >= held.record.deadline_at || attempts >= self.settings.max_attempts as usize {
            let message = format!(
                "YBA's answers to {attempts} attempts were lost, and it shows no task of any of them"
            );
            let failure = Failure::new(ErrorCode::YbaUnreachable, message)
                .with_advice("see why YBA or a proxy before it drops answers, then run the batch again");
            held.record.lose_attempt();
            return self.end(held, failure).await;
        }
        tracing::warn!("YBA has no task of any attempt; posting again as a new attempt");
        held.unsent = true;
        self.change(held, Duration::ZERO, |record, now| {
            record.lose_attempt();
            record.submit(now)
        })
        .await
    }

    /// The task is known: records it. A first look that is due at once goes beside the record, and counts once that is committed.
    async fn running(
        &self,
        held: &mut Held,
        strategy: &Arc<dyn BackupStrategy>,
        step: impl FnOnce(&mut BackupRecord, DateTime<Utc>) -> Result<(), IllegalTransition>,
    ) -> Next {
        held.watching_since = None;
        let before = held.record.clone();
        let outcome = step(&mut held.record, self.clock.now());
        let look = match (&held.target, &held.record.task) {
            (Some(target), Some(task)) if outcome.is_ok() && self.settings.poll_first.is_zero() => {
                let plan = held.record.plan.clone();
                Some(Look::new(Arc::clone(strategy), Arc::clone(target), plan, task.clone()))
            }
            _ => None,
        };
        let recorded = self.changed(held, before, Duration::ZERO, outcome);
        match look {
            None => match recorded.await {
                Next::Now => {
                    Next::After(pace::poll_interval(0, self.settings.poll_first, self.settings.poll_max))
                }
                other => other,
            },
            Some(look) => {
                let (next, look) = look.beside(recorded).await;
                held.look = Some(look).filter(|_| next == Next::Now);
                next
            }
        }
    }

    /// RUNNING, SETTLING: looks at the task and, once it ended, at its backup.
    async fn poll(&self, held: &mut Held, target: &BackupTarget) -> Next {
        let Some(task) = held.record.task.clone() else {
            return self.bug(held, "a running batch without a task").await;
        };
        let name = held.record.strategy().unwrap_or(&target.strategy).to_owned();
        let Some(strategy) = self.strategies.get(&name) else {
            return self.end(held, no_strategy(&name)).await;
        };
        if held.lease_state.cancel_requested() && !held.abort_sent {
            match self.ask(held.record.deadline_at, strategy.cancel(target, &task)).await {
                Ok(()) => held.abort_sent = true,
                // The look that follows says the same.
                Err(cause) if held.silence.is_some() => tracing::debug!(%cause, "YBA did not take the abort"),
                Err(cause) => tracing::warn!(%cause, "YBA did not take the abort; asking again"),
            }
        }
        let look = held.look.take();
        let looking = async {
            match look {
                Some(look) => look.answer().await,
                None => strategy.observe(target, held.record.plan.as_ref(), &task).await,
            }
        };
        let seen = self.ask(held.record.deadline_at, looking).await;
        held.tries = held.tries.saturating_add(1);
        let interval = pace::poll_interval(held.tries, self.settings.poll_first, self.settings.poll_max);
        let past_deadline = self.clock.now() >= held.record.deadline_at;
        match seen {
            Ok(seen) => match judge(seen, &task, held.lease_state.cancel_requested()) {
                Verdict::Open { .. } if past_deadline => self.end(held, deadline(&task, target, None)).await,
                Verdict::Open { percent } => {
                    held.percent = Some(percent);
                    self.open(held, interval).await
                }
                Verdict::Settle(failure) => self.settle(held, failure).await,
                Verdict::Succeeded(backup) => {
                    tracing::info!(task_id = %task, backup_id = %backup.id, "the backup is completed");
                    let accepted = held.record.response.take();
                    let response = strategy_response(accepted, backup.response);
                    self.change(held, Duration::ZERO, |record, now| {
                        record.succeed(Some(backup.id), response, now)
                    })
                    .await
                }
                Verdict::Failed(failure) => self.end(held, failure).await,
                Verdict::LostRace(text) => {
                    let retry_in = self.retry_in(&held.record);
                    self.change(held, retry_in, |record, now| record.wait(busy(&text), now)).await
                }
            },
            Err(cause) if past_deadline => self.end(held, deadline(&task, target, Some(&cause.text))).await,
            Err(cause) => {
                // Contact is lost: what is seen when it returns must settle anew.
                held.watching_since = None;
                self.unanswered(held, &cause, &format!("the task {task}"), interval).await
            }
        }
    }

    /// The task is open: nothing to record, unless it came back to life.
    async fn open(&self, held: &mut Held, interval: Duration) -> Next {
        if held.record.phase == Phase::Running {
            return self.answered(held, interval).await;
        }
        tracing::info!("the task is running again under the same id");
        held.watching_since = None;
        match self.change(held, Duration::ZERO, BackupRecord::resume).await {
            Next::Now => Next::After(interval),
            other => other,
        }
    }

    /// An end that may not last: final once it has stayed for the settling time.
    async fn settle(&self, held: &mut Held, failure: Failure) -> Next {
        let now = self.clock.elapsed();
        let interval = pace::poll_interval(1, self.settings.poll_first, self.settings.poll_max);
        let watched = now.saturating_sub(*held.watching_since.get_or_insert(now));
        if held.record.phase == Phase::Settling {
            if watched < self.settings.settle_time {
                return Next::After(interval);
            }
            return self.end(held, failure).await;
        }
        tracing::info!(why = failure.message, "waiting whether this lasts");
        match self.change(held, Duration::ZERO, |record, now| record.settle(failure, now)).await {
            Next::Now => Next::After(interval),
            other => other,
        }
    }

    /// Records that nobody can tell what the last attempt did. Run again, the batch looks for it first.
    async fn end_unknown(&self, held: &mut Held, what: &str) -> Next {
        held.record.lose_attempt();
        self.end(held, unknown(what)).await
    }

    /// Records a failure.
    async fn end(&self, held: &mut Held, failure: Failure) -> Next {
        tracing::error!(error_code = %failure.code, message = failure.message, "the backup failed");
        self.change(held, Duration::ZERO, |record, now| record.fail(failure, now)).await
    }

    async fn bug(&self, held: &mut Held, what: &str) -> Next {
        self.end(held, Failure::new(ErrorCode::Internal, what)).await
    }

    /// Changes the record and saves it. `retry_in`: when a waiting batch becomes due.
    pub(crate) async fn change(
        &self,
        held: &mut Held,
        retry_in: Duration,
        step: impl FnOnce(&mut BackupRecord, DateTime<Utc>) -> Result<(), IllegalTransition>,
    ) -> Next {
        let before = held.record.clone();
        let outcome = step(&mut held.record, self.clock.now());
        self.changed(held, before, retry_in, outcome).await
    }

    async fn changed(
        &self,
        held: &mut Held,
        before: BackupRecord,
        retry_in: Duration,
        outcome: Result<(), IllegalTransition>,
    ) -> Next {
        if let Err(illegal) = outcome {
            tracing::error!(%illegal, "a bug: the step was not taken");
            held.record = before;
            return Next::After(self.settings.retry_max);
        }
        held.unsaved = Some(Box::new((before, retry_in)));
        held.tries = 0;
        self.save(held).await
    }

    /// Commits the change under way. Not known to be committed, it stays under way: nothing else is done before it is.
    async fn save(&self, held: &mut Held) -> Next {
        let Some(unsaved) = held.unsaved.take() else { return Next::Now };
        let (before, retry_in) = *unsaved;
        held.record.begin_audit(self.settings.audit_for);
        match self.store.save(&held.lease, &held.record, before.phase, retry_in).await {
            Ok(Saved::Yes) => {
                held.tries = 0;
                if held.record.is_done() {
                    self.count_outcome(&held.record);
                }
                report_new_surplus(&before, &held.record);
                match held.record.phase {
                    Phase::Done | Phase::Waiting => Next::Over,
                    _ => Next::Now,
                }
            }
            Ok(Saved::SlotTaken { by }) => {
                held.record = before.clone();
                held.unsent = false;
                let now = self.clock.now();
                let retry_in = self.settings.retry_max.min(self.patience(&held.record, now));
                let outcome = held.record.wait(behind(&by), now);
                Box::pin(self.changed(held, before, retry_in, outcome)).await
            }
            Err(StoreError::LeaseLost { .. }) => {
                held.unsaved = Some(Box::new((before, retry_in)));
                self.lose(held).await
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the step could not be recorded; trying again"
                );
                held.unsaved = Some(Box::new((before, retry_in)));
                held.tries = held.tries.saturating_add(1);
                Next::After(pace::backoff(held.tries, Duration::from_millis(200), self.settings.poll_max))
            }
        }
    }

    /// Asks YBA to abort every surplus of the batch that is open: once per holder, so again after a crash.
    async fn abort_surplus(&self, held: &mut Held, target: &BackupTarget) {
        let aborted = &held.surplus_aborted;
        let open = held.record.surplus.iter().filter(|surplus| surplus.is_open());
        let tasks: Vec<TaskId> =
            open.map(|surplus| &surplus.task).filter(|task| !aborted.contains(task)).cloned().collect();
        if tasks.is_empty() {
            return;
        }
        let Some(strategy) = self.strategies.get(held.record.strategy().unwrap_or(&target.strategy)) else {
            return;
        };
        for task in tasks {
            match strategy.cancel(target, &task).await {
                Ok(()) => held.surplus_aborted.push(task),
                Err(cause) => {
                    tracing::warn!(%cause, task_id = %task, "YBA did not take the abort of a surplus task; asking again");
                }
            }
        }
    }

    /// The target of a batch, resolved once per holder.
    async fn target(&self, held: &mut Held) -> Option<Arc<BackupTarget>> {
        if held.target.is_none() {
            match self.resolver.resolve(held.record.target.as_str()).await {
                Ok(target) => held.target = Some(target),
                Err(error) => tracing::error!(
                    %error,
                    target = %held.record.target,
                    "an open batch has no target any more; it stays open until the configuration names it again",
                ),
            }
        }
        held.target.clone()
    }

    /// When a batch that waits is due again: later with each attempt of this run, and the longer it has waited, because
    /// while YBA is known to be away there are no attempts.
    ///
    /// The time behind another batch of ours does not count: the first answer is not the end of a long wait for YBA.
    fn retry_in(&self, record: &BackupRecord) -> Duration {
        let of_this_run = |attempt: &&Attempt| attempt.at >= record.started_at;
        let attempts = record.attempts.iter().filter(of_this_run);
        let tries = u32::try_from(attempts.clone().count().saturating_sub(1)).unwrap_or(u32::MAX);
        let first_sent = attempts.map(|attempt| attempt.at).min();
        let since = record.waiting_since.map(|since| first_sent.map_or(since, |sent| since.max(sent)));
        let now = self.clock.now();
        let waited = since.and_then(|since| (now - since).to_std().ok()).unwrap_or_default();
        pace::retry_pause(tries, waited, self.settings.retry_first, self.settings.retry_max)
            .min(self.patience(record, now))
    }

    /// How long the batch may still wait.
    fn patience(&self, record: &BackupRecord, now: DateTime<Utc>) -> Duration {
        let waited = record.waiting_since.and_then(|since| (now - since).to_std().ok()).unwrap_or_default();
        let left = (record.deadline_at - now).to_std().unwrap_or_default();
        left.min(self.settings.wait_limit.saturating_sub(waited))
    }

    fn waited_too_long(&self, record: &BackupRecord, now: DateTime<Utc>) -> Option<Failure> {
        if !self.patience(record, now).is_zero() {
            return None;
        }
        Some(record.note.clone().unwrap_or_else(|| {
            Failure::new(
                ErrorCode::DeadlineExceeded,
                "the deadline passed before the backup could be started",
            )
        }))
    }

    pub(crate) fn count_outcome(&self, record: &BackupRecord) {
        let duration = record.duration(self.clock.now()).as_secs_f64();
        let target = record.target.to_string();
        match &record.failure {
            None => metrics::counter!("backup_success_total", "target" => target.clone()).increment(1),
            Some(failure) => {
                metrics::counter!("backup_failure_total", "target" => target.clone(), "error_code" => failure.code.as_str())
                    .increment(1);
            }
        }
        metrics::histogram!("backup_duration_seconds", "target" => target).record(duration);
    }
}

/// Says what became a surplus with a step that was just committed.
fn report_new_surplus(before: &BackupRecord, record: &BackupRecord) {
    let is_new = |surplus: &&Surplus| before.surplus.iter().all(|known| known.task != surplus.task);
    for surplus in record.surplus.iter().filter(is_new) {
        surplus.report(record);
    }
}

/// YBA's answer to the request, and its last word about the backup.
fn strategy_response(accepted: Option<serde_json::Value>, backup: serde_json::Value) -> serde_json::Value {
    let mut answer = match accepted {
        Some(serde_json::Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    answer.insert("backup".to_owned(), backup);
    serde_json::Value::Object(answer)
}
