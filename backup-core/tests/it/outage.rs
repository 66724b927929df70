//! A YBA that is away with a thousand batches waiting for it, and what they do when it comes back.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use backup_core::{
    Attempt, BackupRequest, BackupStrategy, BackupTarget, Clock, Plan, TaskId, TrackerStatus,
    strategy::{FULL, Found, Observation, PlanError, Start, TaskList, Unavailable},
    testing::{ManualClock, Moment, ScriptedStrategy, fixtures},
};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;

use crate::world::World;

const BATCHES: usize = 1_000;
const AT_ONCE: usize = 16;
const LATENCY: Duration = Duration::from_millis(100);
const FAILURES: usize = 10;
const PAUSE: Duration = Duration::from_secs(30);

/// A YBA behind a circuit breaker, as the client has it: after ten calls without an answer none is made for half a
/// minute, and then one.
#[derive(Clone, Debug)]
struct FarYba {
    clock: Arc<ManualClock>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    is_away: bool,
    failures: usize,
    held_until: Duration,
    under_way: usize,
    most_under_way: usize,
    /// When each call was made that left the process.
    calls: Vec<Duration>,
    /// When each universe's backups were accepted.
    started: BTreeMap<String, Vec<Duration>>,
}

impl FarYba {
    fn new(clock: &Arc<ManualClock>) -> Self {
        Self { clock: Arc::clone(clock), seen: Arc::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no panic")
    }

    fn is_held_back(&self) -> bool {
        self.clock.elapsed() < self.seen().held_until
    }

    /// One call, which takes its time.
    async fn call(&self) -> Result<(), Unavailable> {
        if self.is_held_back() {
            return Err(Unavailable::unreachable("held back"));
        }
        {
            let (now, mut seen) = (self.clock.elapsed(), self.seen());
            if seen.failures >= FAILURES {
                seen.held_until = now + PAUSE;
            }
            seen.calls.push(now);
            seen.under_way += 1;
            seen.most_under_way = seen.most_under_way.max(seen.under_way);
        }
        self.clock.sleep(LATENCY).await;
        let (now, mut seen) = (self.clock.elapsed(), self.seen());
        seen.under_way -= 1;
        if !seen.is_away {
            (seen.failures, seen.held_until) = (0, Duration::ZERO);
            return Ok(());
        }
        seen.failures += 1;
        if seen.failures >= FAILURES {
            seen.held_until = now + PAUSE;
        }
        Err(Unavailable::unreachable("connection refused"))
    }
}

#[async_trait]
impl BackupStrategy for FarYba {
    fn name(&self) -> &str {
        FULL
    }

    async fn plan(&self, _: &BackupTarget, _: NaiveDate) -> Result<Plan, PlanError> {
        if self.is_held_back() {
            return Err(PlanError::Unavailable(Unavailable::unreachable("held back")));
        }
        Ok(fixtures::plan())
    }

    async fn start(&self, target: &BackupTarget, _: &Plan, attempt: &Attempt) -> Start {
        if let Err(cause) = self.call().await {
            return Start::NotSent { cause };
        }
        let now = self.clock.elapsed();
        self.seen().started.entry(target.universe.to_string()).or_default().push(now);
        Start::Accepted { task: format!("task-{}", attempt.id).into(), response: json!({}) }
    }

    async fn find(&self, _: &BackupTarget, _: &[Attempt]) -> Result<Found, Unavailable> {
        self.call().await.map(|()| Found::Nothing)
    }

    async fn observe(
        &self,
        _: &BackupTarget,
        _: Option<&Plan>,
        _: &TaskId,
    ) -> Result<Observation, Unavailable> {
        self.call().await?;
        ScriptedStrategy::completed()
    }

    async fn cancel(&self, _: &BackupTarget, _: &TaskId) -> Result<(), Unavailable> {
        self.call().await
    }

    async fn tasks_since(&self, _: &BackupTarget, _: DateTime<Utc>) -> Result<TaskList, Unavailable> {
        self.call().await.map(|()| TaskList::default())
    }
}

fn targets() -> impl Iterator<Item = BackupTarget> {
    (0..BATCHES).map(|n| BackupTarget::new(format!("db-{n}"), "yba", format!("universe-{n}"), "storage"))
}

/// The most that happened within one second.
fn most_in_a_second(mut times: Vec<Duration>) -> usize {
    times.sort();
    let second = Duration::from_secs(1);
    let from = |n: usize| times[n..].iter().take_while(|time| **time < times[n] + second).count();
    (0..times.len()).map(from).max().unwrap_or_default()
}

/// Counts the steps that are written.
fn writes(world: &World) -> Arc<AtomicUsize> {
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&writes);
    world.store.fail_when(move |operation, moment| {
        counted.fetch_add(usize::from(operation == "save" && moment == Moment::Before), Ordering::SeqCst);
        false
    });
    writes
}

#[tokio::test]
async fn a_thousand_batches_wait_quietly_and_come_back_one_after_the_other() {
    let mut world = World::new(ScriptedStrategy::new()).with_targets(targets());
    world.settings.concurrency_per_instance = AT_ONCE;
    let yba = FarYba::new(&world.clock);
    let replica = world.replica_with(yba.clone());
    yba.seen().is_away = true;
    for target in targets() {
        replica.submit(BackupRequest::new(target.key.as_str(), "20250325")).await.expect("recorded");
    }

    let writes = writes(&world);
    for minute in 0..10 {
        let (calls, written) = (yba.seen().calls.len(), writes.load(Ordering::SeqCst));
        world.pass(Duration::from_mins(1)).await;
        let calls = yba.seen().calls.len() - calls;
        assert!(calls <= 4, "{calls} calls in minute {minute}, for {BATCHES} batches");
        // Once the pauses have grown to half a minute and more: each batch looks up now and then, and goes on waiting.
        let written = writes.load(Ordering::SeqCst) - written;
        assert!(minute < 2 || written <= 2 * BATCHES, "{written} writes in minute {minute}");
    }
    let calls = yba.seen().calls.len();
    assert!(calls <= FAILURES + AT_ONCE + 40, "{calls} calls, the first ones included");
    let attempts: usize = world.store.records().iter().map(|record| record.attempts.len()).sum();
    assert!(attempts < 2 * BATCHES, "{attempts} attempts were recorded for calls that were held back");

    yba.seen().is_away = false;
    for _ in 0..20 {
        world.pass(Duration::from_secs(15)).await;
        if world.store.records().iter().all(backup_core::BackupRecord::is_done) {
            break;
        }
    }
    let records = world.store.records();
    assert_eq!(records.len(), BATCHES);
    for record in &records {
        assert_eq!(record.status(), TrackerStatus::Success, "{record:#?}");
    }
    let seen = yba.seen();
    assert_eq!(seen.started.len(), BATCHES);
    assert!(seen.started.values().all(|starts| starts.len() == 1), "each universe is backed up once");
    assert!(seen.most_under_way <= AT_ONCE, "{} calls at once", seen.most_under_way);
    let most = most_in_a_second(seen.started.values().flatten().copied().collect());
    assert!(most <= BATCHES / 10, "{most} backups were started within a second");
}
