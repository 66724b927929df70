//! The path against a small model of YBA, under everything that can go wrong at once: lost requests, lost answers, requests
//! that YBA is slow to accept, busy universes, restarts, standbys, a failing database, and replicas that die.
//!
//! What goes wrong is a list of choices that proptest makes, and shrinks when a promise is broken. The promises: every batch
//! ends, a success is a completed backup, one task counts, and every other task of the batch is on record after the audit.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use backup_core::{
    Attempt, AttemptId, BackupStrategy, BackupTarget, BatchId, Clock, ErrorCode, Failure, FixedTargets,
    Orchestrator, Plan, Settings, SurplusState, TaskId, TrackerStatus,
    strategy::{
        BackupView, BackupViewState, Found, ListedState, ListedTask, Observation, PlanError, Start,
        TaskFailure, TaskList, TaskView, Unavailable,
    },
    testing::{InMemoryStore, ManualClock, Moment, fixtures},
};
use chrono::{DateTime, NaiveDate, Utc};
use proptest::prelude::*;
use serde_json::Value;

use crate::world::request;

/// YBA may take this long to accept a request whose answer was lost: less than the settling time.
const SLOW_ACCEPTANCE: Duration = Duration::from_secs(40);
/// And even this long: more than the settling time, so that the request was posted again meanwhile.
const VERY_SLOW_ACCEPTANCE: Duration = Duration::from_secs(100);
/// How long a backup runs.
const RUN: Duration = Duration::from_secs(90);

/// A YBA that decides by a list of choices; when the list is used up, all is well.
#[derive(Clone)]
struct ModelYba {
    state: Arc<Mutex<State>>,
    clock: Arc<ManualClock>,
}

struct State {
    choices: VecDeque<u8>,
    tasks: Vec<Task>,
}

#[derive(Clone, Debug)]
struct Task {
    attempt: AttemptId,
    /// When YBA accepts it: later than it was sent for a slow request.
    born: Duration,
    /// Between these two, YBA restarts and shows it as aborted.
    aborted: Option<(Duration, Duration)>,
    ends: Duration,
    fails: bool,
    /// When it was asked to be aborted, while it ran.
    cancelled: Option<Duration>,
    /// Between the end of the task and the row's `Completed`.
    row_lag: Duration,
}

impl ModelYba {
    fn new(choices: Vec<u8>, clock: Arc<ManualClock>) -> Self {
        Self { state: Arc::new(Mutex::new(State { choices: choices.into(), tasks: Vec::new() })), clock }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    /// The next choice, 0 for "all is well".
    fn choose(&self, of: u8) -> u8 {
        self.lock().choices.pop_front().map_or(0, |choice| choice % of)
    }

    /// What was accepted by now. A request whose turn comes while the universe is locked is refused.
    fn tasks(&self) -> Vec<Task> {
        let now = self.clock.elapsed();
        let mut tasks = self.lock().tasks.clone();
        tasks.sort_by_key(|task| task.born);
        let mut free_at = Duration::ZERO;
        tasks.retain(|task| {
            let accepted = task.born <= now && task.born >= free_at;
            free_at = if accepted { task.ends } else { free_at };
            accepted
        });
        tasks
    }

    fn accept(&self, attempt: &Attempt, after: Duration) -> TaskId {
        let (restarts, fails, lags) = (self.choose(3) == 1, self.choose(5) == 1, self.choose(3) == 1);
        let born = self.clock.elapsed() + after;
        let task = Task {
            attempt: attempt.id,
            born,
            aborted: restarts.then_some((born + Duration::from_secs(10), born + Duration::from_secs(50))),
            ends: born + RUN,
            fails,
            cancelled: None,
            row_lag: if lags { Duration::from_secs(20) } else { Duration::ZERO },
        };
        self.lock().tasks.push(task);
        id_of(attempt.id)
    }

    fn listed(&self, task: &Task) -> ListedTask {
        let now = self.clock.elapsed();
        let state = if task.cancelled.is_some() || (now >= task.ends && task.fails) {
            ListedState::Over
        } else if now < task.ends {
            ListedState::Open
        } else {
            ListedState::Succeeded
        };
        let created = DateTime::UNIX_EPOCH + task.born;
        ListedTask {
            created: Some(created),
            ..ListedTask::new(id_of(task.attempt), Some(task.attempt), state)
        }
    }

    fn locked(&self) -> bool {
        let now = self.clock.elapsed();
        self.tasks().iter().any(|task| now < task.ends)
    }
}

fn id_of(attempt: AttemptId) -> TaskId {
    format!("task-{attempt}").into()
}

#[async_trait]
impl BackupStrategy for ModelYba {
    fn name(&self) -> &'static str {
        "full_backup"
    }

    async fn plan(&self, _target: &BackupTarget, _date: NaiveDate) -> Result<Plan, PlanError> {
        match self.choose(6) {
            1 => Err(PlanError::Unavailable(Unavailable::unreachable("no answer"))),
            _ => Ok(fixtures::plan()),
        }
    }

    async fn start(&self, _target: &BackupTarget, _plan: &Plan, attempt: &Attempt) -> Start {
        let lost = || Start::Unknown { cause: "timeout".into() };
        if self.locked() {
            return match self.choose(3) {
                1 => lost(),
                _ => Start::Busy { text: "locked".into() },
            };
        }
        match self.choose(8) {
            // The request is lost.
            1 => lost(),
            // The answer is lost.
            2 => {
                self.accept(attempt, Duration::ZERO);
                lost()
            }
            // The client gave up while YBA still checked the storage.
            3 => {
                self.accept(attempt, SLOW_ACCEPTANCE);
                lost()
            }
            7 => {
                self.accept(attempt, VERY_SLOW_ACCEPTANCE);
                lost()
            }
            4 => Start::NotSent { cause: Unavailable::unreachable("refused") },
            5 => Start::Busy { text: "upgrade".into() },
            6 if self.choose(4) == 1 => Start::Rejected(Failure::new(ErrorCode::YbaRejected, "no")),
            _ => Start::Accepted { task: self.accept(attempt, Duration::ZERO), response: Value::Null },
        }
    }

    async fn find(&self, _target: &BackupTarget, attempts: &[Attempt]) -> Result<Found, Unavailable> {
        if self.choose(4) == 1 {
            return Err(Unavailable::unreachable("a standby"));
        }
        let ours = |task: &&Task| attempts.iter().any(|attempt| attempt.id == task.attempt);
        let found: Vec<ListedTask> = self.tasks().iter().filter(ours).map(|task| self.listed(task)).collect();
        Ok(if found.is_empty() { Found::Nothing } else { Found::Tasks(found) })
    }

    async fn observe(
        &self,
        _target: &BackupTarget,
        _plan: Option<&Plan>,
        task: &TaskId,
    ) -> Result<Observation, Unavailable> {
        if self.choose(6) == 1 {
            return Err(Unavailable::unreachable("reset"));
        }
        let now = self.clock.elapsed();
        let tasks = self.tasks();
        let seen = tasks.iter().find(|t| id_of(t.attempt) == *task).expect("only known tasks are asked for");
        if seen.aborted.is_some_and(|(from, to)| from <= now && now < to) {
            return Ok(Observation {
                task: TaskView::Aborted { cause: "Platform shutdown".into() },
                backup: None,
            });
        }
        if seen.cancelled.is_some() {
            return Ok(Observation { task: TaskView::Aborted { cause: "asked to".into() }, backup: None });
        }
        if now < seen.ends {
            let task = TaskView::Open { state: "Running".into(), percent: 0.0 };
            return Ok(Observation { task, backup: None });
        }
        let backup = |state, word: &str| {
            Some(BackupView { id: "backup".into(), state, word: word.into(), response: Value::Null })
        };
        Ok(if seen.fails {
            let cause = "disk full".to_owned();
            let task = TaskView::Failed { cause, kind: TaskFailure::Own };
            Observation { task, backup: backup(BackupViewState::Over, "Failed") }
        } else if now < seen.ends + seen.row_lag {
            Observation { task: TaskView::Succeeded, backup: backup(BackupViewState::Open, "InProgress") }
        } else {
            Observation { task: TaskView::Succeeded, backup: backup(BackupViewState::Completed, "Completed") }
        })
    }

    async fn cancel(&self, _target: &BackupTarget, task: &TaskId) -> Result<(), Unavailable> {
        if self.choose(4) == 1 {
            return Err(Unavailable::unreachable("reset"));
        }
        let now = self.clock.elapsed();
        let runs =
            |seen: &&mut Task| id_of(seen.attempt) == *task && now < seen.ends && seen.cancelled.is_none();
        if let Some(running) = self.lock().tasks.iter_mut().find(runs) {
            (running.cancelled, running.ends) = (Some(now), now);
        }
        Ok(())
    }

    async fn tasks_since(
        &self,
        _target: &BackupTarget,
        _since: DateTime<Utc>,
    ) -> Result<TaskList, Unavailable> {
        if self.choose(4) == 1 {
            return Err(Unavailable::unreachable("reset"));
        }
        let tasks = self.tasks().iter().map(|task| self.listed(task)).collect();
        Ok(TaskList { tasks, ..TaskList::default() })
    }

    async fn leads(&self, _target: &BackupTarget) -> Result<(), Unavailable> {
        if self.choose(4) == 1 { Err(Unavailable::unreachable("a standby")) } else { Ok(()) }
    }
}

/// What happens to us, while YBA does what it does.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// Time passes, by so many sleepers.
    Pass(u8),
    /// The replica dies, and another is started.
    Die,
    /// The replica is stopped for an hour and continued; another is started meanwhile.
    Sleep,
    /// The next so many calls of the store fail, before or after their effect.
    StoreFails(u8, bool),
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        4 => (1u8..20).prop_map(Trouble::Pass),
        1 => Just(Trouble::Die),
        1 => Just(Trouble::Sleep),
        2 => (1u8..5, any::<bool>()).prop_map(|(calls, after)| Trouble::StoreFails(calls, after)),
    ]
}

struct Play {
    clock: Arc<ManualClock>,
    store: Arc<InMemoryStore>,
    yba: ModelYba,
    poll_first: Duration,
    replicas: Vec<Orchestrator>,
}

impl Play {
    fn new(choices: Vec<u8>, poll_first: Duration) -> Self {
        let clock = Arc::new(ManualClock::new());
        let store = Arc::new(InMemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let yba = ModelYba::new(choices, Arc::clone(&clock));
        let mut play = Self { clock, store, yba, poll_first, replicas: Vec::new() };
        play.start_replica();
        play
    }

    fn start_replica(&mut self) {
        let mut settings = Settings::default();
        settings.claim_interval = Some(Duration::from_secs(5));
        settings.audit_interval = None;
        settings.poll_first = self.poll_first;
        let orchestrator = Orchestrator::builder()
            .resolver(FixedTargets::new([fixtures::target()], []).expect("no clash"))
            .store(Arc::clone(&self.store) as _)
            .strategy(self.yba.clone())
            .clock(Arc::clone(&self.clock) as _)
            .settings(settings)
            .start()
            .expect("it can be built");
        self.replicas.push(orchestrator);
    }

    async fn quiet() {
        for _ in 0..60 {
            tokio::task::yield_now().await;
        }
    }

    async fn suffer(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Pass(sleepers) => {
                for _ in 0..sleepers {
                    self.clock.advance_to_next_sleeper();
                    Self::quiet().await;
                }
            }
            Trouble::Die => {
                if let Some(replica) = self.replicas.pop() {
                    replica.kill();
                }
                self.start_replica();
            }
            Trouble::Sleep => {
                self.clock.advance(Duration::from_hours(1));
                self.start_replica();
            }
            Trouble::StoreFails(calls, after) => {
                let moment = if after { Moment::After } else { Moment::Before };
                self.store.fail_next(calls.into(), moment);
            }
        }
        Self::quiet().await;
    }

    async fn submit(&mut self) -> BatchId {
        loop {
            let submitted = self.replicas.last().expect("there is one").submit(request()).await;
            match submitted {
                Ok(record) => return record.batch,
                // Nothing was recorded, or it was and the answer was lost: the caller's key would tell. Here it asks again.
                Err(_) => self.store.heal(),
            }
        }
    }

    /// Every replica dies, and another one audits, for longer than an audit takes.
    async fn audit(&mut self) {
        while let Some(replica) = self.replicas.pop() {
            replica.kill();
        }
        self.start_replica();
        let replica = self.replicas.last().expect("it was started").clone();
        for _ in 0..60 {
            let audit = replica.audit().await;
            audit.expect("the store is in reach");
            self.clock.advance(Duration::from_hours(1));
            Self::quiet().await;
        }
    }

    async fn all_end(&self) -> bool {
        for _ in 0..50_000 {
            Self::quiet().await;
            if self.store.records().iter().all(backup_core::BackupRecord::is_done) {
                return true;
            }
            self.clock.advance_to_next_sleeper();
        }
        false
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_one_task_counts_and_no_other_is_silent(
        choices in proptest::collection::vec(any::<u8>(), 0..60),
        troubles in proptest::collection::vec(trouble(), 0..12),
        batches in 1usize..4,
        at_once in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let poll_first = if at_once { Duration::ZERO } else { Settings::default().poll_first };
            let mut play = Play::new(choices, poll_first);
            for _ in 0..batches {
                play.submit().await;
            }
            for trouble in troubles {
                play.suffer(trouble).await;
            }
            play.store.heal();
            prop_assert!(play.all_end().await, "something stays open for ever: {:#?}", play.store.records());

            play.audit().await;

            let tasks = play.yba.tasks();
            for record in play.store.records() {
                prop_assert!(record.audit_until.is_none() && !record.in_doubt, "an audit never ends: {record:#?}");
                let started: Vec<_> =
                    tasks.iter().filter(|task| record.attempts.iter().any(|a| a.id == task.attempt)).collect();
                for task in &started {
                    let id = id_of(task.attempt);
                    let left_nothing = task.fails || task.cancelled.is_some();
                    let on_record = record.surplus.iter().any(|known| known.task == id && !known.is_open());
                    prop_assert!(
                        record.task.as_ref() == Some(&id) || on_record || left_nothing,
                        "a silent surplus: {record:#?} {started:#?}"
                    );
                }
                let own = started.iter().find(|task| record.task == Some(id_of(task.attempt)));
                let completed = own.is_some_and(|task| !task.fails && task.cancelled.is_none());
                let success = record.status() == TrackerStatus::Success;
                prop_assert!(completed || !success, "a success without a backup: {record:#?} {started:#?}");
                // A batch that failed although one of its attempts completed finds that one when it is run again.
                let kept = record.surplus.iter().filter(|known| known.state == SurplusState::Kept);
                let mut kept = kept.filter_map(|known| known.attempt);
                prop_assert!(success || kept.all(|id| record.lost.contains(&id)), "a lost backup: {record:#?}");
            }
            let recorded: usize = play.store.records().iter().map(|record| record.attempts.len()).sum();
            prop_assert!(tasks.len() <= recorded, "a backup that no record knows of");
            Ok(())
        })?;
    }
}
