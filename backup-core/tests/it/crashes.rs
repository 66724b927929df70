//! Crashes, lost leases and a database that fails: nothing is lost, nothing is done twice.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use backup_core::{
    Attempt, BackupRequest, BackupStrategy, BackupTarget, ErrorCode, Failure, Phase, Plan, TaskId,
    TrackerStatus,
    strategy::{Found, Observation, PlanError, Start, TaskList, Unavailable},
    testing::{Moment, ScriptedStrategy, fixtures},
};
use chrono::{DateTime, NaiveDate, Utc};
use rstest::rstest;
use tokio::sync::Notify;

use crate::world::{World, request};

#[tokio::test]
async fn a_replica_that_dies_while_polling_is_followed_by_another() {
    let world = World::new(ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 10));
    let first = world.replica();
    let batch = first.submit(request()).await.unwrap().batch;
    world.until(&batch, |record| record.phase == Phase::Running).await;
    let died_at = world.elapsed();
    first.kill();

    let _second = world.replica();
    let looked = world.yba.looked();
    while world.yba.looked() == looked {
        world.pass(Duration::from_millis(100)).await;
    }
    let delay = world.elapsed().saturating_sub(died_at);
    assert!(delay <= Duration::from_secs(32), "taken over within one lease, not after {delay:?}");
    assert_eq!(world.end_of(&batch).await.status(), TrackerStatus::Success);
    assert_eq!(world.yba.posted().len(), 1);
}

#[tokio::test]
async fn a_replica_that_dies_after_the_post_leaves_an_attempt_that_is_found_again() {
    let world = World::new(ScriptedStrategy::new().then_find(Ok(Found::task("task-1", None))));
    let first = world.replica();
    // The answer of the POST never reaches the store: every write after the intent fails.
    world.store.fail_when(|operation, _| operation == "save");
    let batch = first.submit(request()).await.unwrap().batch;
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(world.yba.posted().len(), 1);
    first.kill();
    world.store.heal();

    let _second = world.replica();
    let record = world.end_of(&batch).await;
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!(record.task.unwrap().as_str(), "task-1");
    assert_eq!(world.yba.posted().len(), 1);
}

#[tokio::test]
async fn a_shutdown_leaves_open_batches_to_the_next_start_at_once() {
    let world = World::new(ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 5));
    let first = world.replica();
    let batch = first.submit(request()).await.unwrap().batch;
    world.until(&batch, |record| record.phase == Phase::Running).await;
    first.shutdown().await;
    assert_eq!(world.record(&batch).phase, Phase::Running, "it stays recorded");

    let second = world.replica();
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(second.in_flight(), 1, "no lease has to expire");
    assert_eq!(world.end_of(&batch).await.status(), TrackerStatus::Success);
    assert_eq!(world.yba.posted().len(), 1);
}

#[tokio::test]
async fn a_database_that_fails_after_any_write_loses_and_doubles_nothing() {
    for failing in 1..8 {
        for moment in [Moment::Before, Moment::After] {
            let world = World::new(ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 2));
            let orchestrator = world.replica();
            world.quiet().await;
            let batch = orchestrator.submit(request()).await.unwrap().batch;
            world.store.fail_next(failing, moment);
            let record = world.end_of(&batch).await;
            assert_eq!(record.status(), TrackerStatus::Success, "{failing} failures {moment:?} the write");
            assert_eq!(world.yba.posted().len(), 1, "{failing} failures {moment:?} the write");
        }
    }
}

#[tokio::test]
async fn a_replica_that_slept_past_its_lease_changes_nothing() {
    let world = World::new(ScriptedStrategy::new().then_look(ScriptedStrategy::open(), 40));
    let sleeper = world.replica();
    let batch = sleeper.submit(request()).await.unwrap().batch;
    world.until(&batch, |record| record.phase == Phase::Running).await;
    // An hour in one step: no heartbeat in between, as for a stopped process.
    world.clock.advance(Duration::from_hours(1));
    let _other = world.replica();
    let record = world.end_of(&batch).await;
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!(world.yba.posted().len(), 1);
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(sleeper.in_flight(), 0);
}

/// A strategy whose first POST is sent only when the gate opens: a process that was stopped right before.
struct Gated {
    yba: ScriptedStrategy,
    gate: Arc<Notify>,
}

#[async_trait]
impl BackupStrategy for Gated {
    fn name(&self) -> &'static str {
        "full_backup"
    }

    async fn plan(&self, target: &BackupTarget, date: NaiveDate) -> Result<Plan, PlanError> {
        self.yba.plan(target, date).await
    }

    async fn start(&self, target: &BackupTarget, plan: &Plan, attempt: &Attempt) -> Start {
        self.gate.notified().await;
        self.yba.start(target, plan, attempt).await
    }

    async fn find(&self, target: &BackupTarget, attempts: &[Attempt]) -> Result<Found, Unavailable> {
        self.yba.find(target, attempts).await
    }

    async fn observe(
        &self,
        target: &BackupTarget,
        plan: Option<&Plan>,
        task: &TaskId,
    ) -> Result<Observation, Unavailable> {
        self.yba.observe(target, plan, task).await
    }

    async fn cancel(&self, target: &BackupTarget, task: &TaskId) -> Result<(), Unavailable> {
        self.yba.cancel(target, task).await
    }

    async fn tasks_since(
        &self,
        target: &BackupTarget,
        since: DateTime<Utc>,
    ) -> Result<TaskList, Unavailable> {
        self.yba.tasks_since(target, since).await
    }
}

#[rstest]
#[case::its_answer_arrives(None)]
#[case::its_answer_is_lost_too(Some(Start::Unknown { cause: "reset".into() }))]
#[tokio::test]
async fn a_request_that_a_stopped_process_sends_too_late_is_aborted(#[case] answer: Option<Start>) {
    let mut world = World::new(ScriptedStrategy::new());
    let gate = Arc::new(Notify::new());
    // It does not take its own work up again: another replica is quicker.
    let claim_interval = world.settings.claim_interval.take();
    let sleeper = world.replica_with(Gated { yba: world.yba.clone(), gate: Arc::clone(&gate) });
    let batch = sleeper.submit(request()).await.unwrap().batch;
    world.quiet().await;
    // While it is stopped, it renews nothing.
    world.store.fail_when(|operation, _| operation == "heartbeat");
    world.clock.advance(Duration::from_hours(1));
    world.settings.claim_interval = claim_interval;
    let other = world.replica();
    world.pass(Duration::from_secs(2)).await;
    assert_eq!(other.in_flight(), 1);
    world.store.heal();

    let record = world.end_of(&batch).await;
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!(world.yba.posted(), [record.attempts[1].id]);

    let surplus = TaskId::from(format!("task-{}", record.attempts[0].id));
    if let Some(lost) = answer {
        world.yba.start_next(lost);
        world.yba.find_next(Ok(Found::task(surplus.clone(), None)));
    }
    world.pass(Duration::from_mins(5)).await;
    gate.notify_one();
    world.pass(Duration::from_secs(2)).await;
    assert_eq!(world.yba.posted().len(), 2, "it is sent, and nobody can stop that");
    assert_eq!(world.yba.aborted(), [surplus]);
    let audited = world.record(&batch);
    assert!(audited.in_doubt && audited.audit_until > record.audit_until, "and looked for from now on");
}

/// A further run may follow that task by the time YBA aborts it; so only an audit may, which has put it on record.
#[tokio::test]
async fn a_request_that_is_sent_too_late_for_a_failed_batch_is_left_to_the_audit() {
    let mut world = World::new(ScriptedStrategy::new());
    let gate = Arc::new(Notify::new());
    let claim_interval = world.settings.claim_interval.take();
    let sleeper = world.replica_with(Gated { yba: world.yba.clone(), gate: Arc::clone(&gate) });
    let batch = sleeper.submit(request()).await.unwrap().batch;
    world.quiet().await;
    world.store.fail_when(|operation, _| operation == "heartbeat");
    world.clock.advance(Duration::from_hours(1));
    world.settings.claim_interval = claim_interval;
    let refused = Failure::new(ErrorCode::YbaRejected, "no such storage config");
    world.yba.start_next(Start::Rejected(refused));
    let _other = world.replica();
    world.pass(Duration::from_secs(2)).await;
    world.store.heal();
    let record = world.end_of(&batch).await;
    assert_eq!(record.status(), TrackerStatus::Failed);

    gate.notify_one();
    world.pass(Duration::from_secs(2)).await;
    assert_eq!(world.yba.posted().len(), 2, "it is sent, and nobody can stop that");
    assert!(world.yba.aborted().is_empty(), "nothing on record says that it may be aborted");
    assert!(world.record(&batch).audit_until.is_some());
}

#[tokio::test]
async fn an_attempt_that_comes_to_life_after_it_was_given_up_is_adopted() {
    let world = World::new(
        ScriptedStrategy::new()
            .then_start(Start::Unknown { cause: "timeout".into() })
            .then_start(Start::Busy { text: "CreateBackup".into() }),
    );
    let orchestrator = world.replica();
    let batch = orchestrator.submit(request()).await.unwrap().batch;
    let waiting = world.until(&batch, |record| record.phase == Phase::Waiting).await;
    assert_eq!(waiting.lost, [waiting.attempts[0].id]);
    // What the universe is busy with is the first attempt, which YBA had been slow to accept.
    world.yba.find_next(Ok(Found::task("task-1", None)));
    let record = world.end_of(&batch).await;
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!((record.task, record.lost), (Some("task-1".into()), vec![]));
    assert_eq!(world.yba.posted().len(), 2);
}

#[tokio::test]
async fn three_replicas_share_the_work_and_start_each_backup_once() {
    let world = World::new(ScriptedStrategy::new());
    let replicas = [world.replica(), world.replica(), world.replica()];
    let mut batches = Vec::new();
    for n in 0..30 {
        batches.push(replicas[n % 3].submit(request()).await.unwrap().batch);
    }
    for batch in &batches {
        assert_eq!(world.end_of(batch).await.status(), TrackerStatus::Success);
    }
    assert_eq!(world.yba.posted().len(), 30);
}

#[tokio::test]
async fn a_shutdown_before_the_request_is_sent_needs_no_look_up() {
    let targets = [fixtures::target(), BackupTarget::new("slow", "hangs", "u", "s")];
    let mut world = World::new(ScriptedStrategy::new().hangs_at("hangs")).with_targets(targets);
    (world.settings.concurrency, world.settings.shutdown_timeout) = (1, Duration::ZERO);
    let first = world.replica();
    first.submit(BackupRequest::new("slow", "20250325")).await.unwrap();
    world.quiet().await;
    // The one step that may be under way hangs: this one is recorded, and not sent.
    let batch = first.submit(request()).await.unwrap().batch;
    world.quiet().await;
    first.shutdown().await;
    assert_eq!(world.record(&batch).phase, Phase::Waiting);

    world.settings.concurrency = 64;
    let _second = world.replica();
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(
        world.record(&batch).status(),
        TrackerStatus::Success,
        "without waiting for the settling time"
    );
}

#[tokio::test]
async fn a_yba_that_hangs_does_not_hold_up_another() {
    let targets = ["slow", "quick"].into_iter().flat_map(|yba| {
        (0..10).map(move |n| BackupTarget::new(format!("{yba}{n}"), yba, format!("u{n}"), "s"))
    });
    let mut world = World::new(ScriptedStrategy::new().hangs_at("slow")).with_targets(targets);
    world.settings.concurrency_per_instance = 3;
    world.settings.concurrency = 6;
    let orchestrator = world.replica();
    let mut quick = Vec::new();
    for yba in ["slow", "quick"] {
        for n in 0..10 {
            let request = BackupRequest::new(format!("{yba}{n}"), "20250325");
            let batch = orchestrator.submit(request).await.unwrap().batch;
            if yba == "quick" {
                quick.push(batch);
            }
        }
    }
    for batch in &quick {
        assert_eq!(world.end_of(batch).await.status(), TrackerStatus::Success);
    }
    assert_eq!(world.yba.posted().len(), 10, "what hangs was never answered");
}
