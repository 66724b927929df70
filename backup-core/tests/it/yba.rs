//! The two strategies against a simulated YBA, over real HTTP: how YBA behaves, and what reaches the wire. Every fault at every
//! call is in the matrix of `backup-store`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use backup_core::{
    BackupRecord, BackupRequest, BackupTarget, Clock, ErrorCode, FixedTargets, OnMissingBase, Orchestrator,
    Settings, SystemClock, TrackerStatus,
    strategy::{FullBackup, IncrementalBackup, YbaInstances},
    testing::{InMemoryStore, Moment},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use yba_client::{
    BackupState, CircuitBreaker, YbaClient,
    simulator::{Endpoint, Fault, Simulator},
};

/// An orchestrator in a hurry, with a full and an incremental target on one universe.
pub(crate) struct Shop {
    pub(crate) yba: Simulator,
    pub(crate) orchestrator: Orchestrator,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(adjust: impl Fn(&mut BackupTarget)) -> Self {
        let yba = Simulator::builder().task_duration(Duration::from_millis(30)).start().await;
        let target = |key: &str, strategy: &str| {
            let mut target =
                BackupTarget::new(key, "yba", yba.universe().as_str(), yba.storage_config().as_str());
            strategy.clone_into(&mut target.strategy);
            adjust(&mut target);
            target
        };
        let targets = [target("full", "full_backup"), target("incr", "incremental_backup")];
        let instances = YbaInstances::one("yba", yba.client());
        let orchestrator = Orchestrator::builder()
            .resolver(FixedTargets::new(targets, []).expect("no clash"))
            .store(Arc::new(InMemoryStore::new(Arc::new(SystemClock::new()))))
            .strategy(FullBackup::new(instances.clone()))
            .strategy(IncrementalBackup::new(instances))
            .settings(in_a_hurry())
            .start()
            .expect("it can be built");
        Self { yba, orchestrator }
    }

    pub(crate) async fn run(&self, category: &str) -> BackupRecord {
        let run = self.orchestrator.run(BackupRequest::new(category, "20250325"));
        tokio::time::timeout(Duration::from_secs(60), run).await.expect("it ends").expect("it is recorded")
    }

    pub(crate) fn started(&self) -> usize {
        self.yba.backups_started(&self.yba.universe())
    }
}

fn in_a_hurry() -> Settings {
    let mut settings = Settings::default();
    settings.poll_first = Duration::from_millis(5);
    settings.poll_max = Duration::from_millis(20);
    settings.retry_first = Duration::from_millis(10);
    settings.retry_max = Duration::from_millis(50);
    settings.settle_time = Duration::from_millis(150);
    settings.claim_interval = Some(Duration::from_millis(10));
    settings
}

pub(crate) fn failure(record: &BackupRecord) -> (ErrorCode, String) {
    let failure = record.failure.as_ref().expect("it failed");
    (failure.code, failure.message.clone())
}

#[tokio::test]
async fn a_full_backup_and_an_increment_on_it_complete() {
    let shop = Shop::with(|target| target.retention = Some(Duration::from_hours(72))).await;
    let full = shop.run("full").await;
    assert_eq!(full.status(), TrackerStatus::Success, "{:?}", full.failure);
    let increment = shop.run("incr").await;
    assert_eq!(increment.status(), TrackerStatus::Success, "{:?}", increment.failure);
    let full_id = full.backup.unwrap();
    assert_eq!(increment.plan.as_ref().unwrap().base, Some(full_id.clone()));
    assert_eq!(increment.response.unwrap()["backup"]["baseBackupUUID"], json!(full_id.as_str()));

    let posts = shop.yba.requests_to(Endpoint::CreateBackup);
    assert_eq!(
        posts[0].body,
        json!({
            "universeUUID": shop.yba.universe().as_str(),
            "storageConfigUUID": shop.yba.storage_config().as_str(),
            "backupType": "PGSQL_TABLE_TYPE",
            "timeBeforeDelete": 259_200_000,
            "expiryTimeUnit": "DAYS",
        })
    );
    assert_eq!(posts[1].body["baseBackupUUID"], json!(full_id.as_str()));
    assert_eq!(posts[0].header("x-request-id"), Some(full.attempts[0].id.to_string().as_str()));
}

#[tokio::test]
async fn an_open_task_costs_one_call_per_look() {
    let shop = Shop::open().await;
    shop.run("full").await;
    let looks = shop.yba.count(Endpoint::GetTask);
    assert_eq!(shop.yba.count(Endpoint::BackupsOfTask), 1);
    assert_eq!(shop.yba.total_count(), 1 + looks + 1, "one POST, the looks, one look at the backup");
}

#[tokio::test]
async fn keyspaces_are_listed_in_the_request() {
    let shop = Shop::with(|target| target.keyspaces = vec!["yugabyte".into()]).await;
    shop.run("full").await;
    let posts = shop.yba.requests_to(Endpoint::CreateBackup);
    assert_eq!(posts[0].body["keyspaceTableList"], json!([{ "keyspace": "yugabyte" }]));
}

#[tokio::test]
async fn an_increment_without_a_base_is_never_posted() {
    let shop = Shop::open().await;
    let (code, message) = failure(&shop.run("incr").await);
    assert_eq!(code, ErrorCode::NoBaseBackup);
    assert!(message.contains("has no full backup yet"), "{message}");
    assert_eq!(shop.yba.count(Endpoint::CreateBackup), 0);
}

#[tokio::test]
async fn an_increment_on_a_base_that_is_not_completed_is_never_posted() {
    let shop = Shop::open().await;
    let full = shop.run("full").await;
    shop.yba.set_backup_state(&full.backup.unwrap().as_str().into(), BackupState::Stopped);
    let (code, message) = failure(&shop.run("incr").await);
    assert_eq!(code, ErrorCode::NoBaseBackup);
    assert!(message.contains("is Stopped, not Completed"), "{message}");
    assert_eq!(shop.yba.count(Endpoint::CreateBackup), 1);
}

#[tokio::test]
async fn an_increment_without_a_base_becomes_a_full_backup_where_the_policy_says_so() {
    let shop = Shop::with(|target| target.on_missing_base = OnMissingBase::Full).await;
    let record = shop.run("incr").await;
    assert_eq!(record.status(), TrackerStatus::Success);
    let plan = record.plan.unwrap();
    assert_eq!(plan.strategy, "full_backup");
    assert!(plan.reason.starts_with("promoted to a full backup: "), "{}", plan.reason);
}

#[tokio::test]
async fn a_failed_task_brings_its_subtasks_text_into_the_record() {
    let shop = Shop::open().await;
    shop.yba.fail_next_backup(&shop.yba.universe(), "S3 upload failed: access denied");
    let (code, message) = failure(&shop.run("full").await);
    assert_eq!(code, ErrorCode::BackupFailed);
    assert!(message.contains("S3 upload failed: access denied"), "{message}");
}

#[tokio::test]
async fn a_task_that_fails_before_its_backup_row_is_a_failure_too() {
    let shop = Shop::open().await;
    shop.yba.fail_next_backup_without_row(&shop.yba.universe(), "Invalid Keyspaces or no tables to backup");
    let (code, message) = failure(&shop.run("full").await);
    assert_eq!(code, ErrorCode::BackupFailed);
    assert!(message.contains("no tables to backup"), "{message}");
}

#[tokio::test]
async fn a_universe_locked_by_an_upgrade_is_waited_for() {
    let shop = Shop::open().await;
    shop.yba.lock_universe(&shop.yba.universe(), "SoftwareUpgrade");
    let batch = shop.orchestrator.submit(BackupRequest::new("full", "20250325")).await.unwrap().batch;
    while shop.yba.count(Endpoint::CreateBackup) < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    shop.yba.unlock_universe(&shop.yba.universe());
    let record = shop.orchestrator.wait(&batch, Some(Duration::from_secs(30))).await.unwrap();
    assert_eq!(record.status(), TrackerStatus::Success, "{record:?}");
    assert_eq!(shop.started(), 1);
}

#[tokio::test]
async fn batches_that_wait_for_a_yba_that_is_away_neither_call_it_nor_record_attempts() {
    const BATCHES: usize = 60;
    let yba = Simulator::builder().start().await;
    yba.script(Endpoint::CreateBackup, Fault::plain(503, "YBA is shutting down").always());
    let client = YbaClient::builder(yba.url())
        .customer(yba.customer())
        .token(yba.token())
        .circuit_breaker(CircuitBreaker { failures: 5, pause: Duration::from_hours(1) })
        .build()
        .expect("a client");
    let target = |n: usize| {
        let universe = yba.add_universe(format!("universe-{n}"));
        BackupTarget::new(format!("db-{n}"), "yba", universe.as_str(), yba.storage_config().as_str())
    };
    let targets: Vec<_> = (0..BATCHES).map(target).collect();
    let store = Arc::new(InMemoryStore::new(Arc::new(SystemClock::new())));
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    store.fail_when(move |operation, moment| {
        counted.fetch_add(usize::from(operation == "save" && moment == Moment::Before), Ordering::SeqCst);
        false
    });
    let mut settings = in_a_hurry();
    settings.concurrency_per_instance = 8;
    let orchestrator = Orchestrator::builder()
        .resolver(FixedTargets::new(targets.clone(), []).expect("no clash"))
        .store(Arc::clone(&store) as _)
        .strategy(FullBackup::new(YbaInstances::one("yba", client)))
        .settings(settings)
        .start()
        .expect("it can be built");
    for target in &targets {
        orchestrator.submit(BackupRequest::new(target.key.as_str(), "20250325")).await.expect("recorded");
    }
    // Long enough that each batch has looked whether it may go, again and again.
    while looks.load(Ordering::SeqCst) < BATCHES * 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let posts = yba.count(Endpoint::CreateBackup);
    assert!((5..5 + 8).contains(&posts), "{posts} calls until the circuit was open");
    for record in store.records() {
        assert!(record.attempts.len() <= 1, "{record:#?}");
        assert!(record.note.is_some_and(|note| note.code == ErrorCode::YbaUnreachable));
    }
}

#[tokio::test]
async fn a_restart_of_yba_in_the_middle_is_survived() {
    let shop = Shop::open().await;
    shop.yba.set_task_duration(Duration::from_millis(300));
    shop.yba.set_resume_delay(Duration::from_millis(50));
    let batch = shop.orchestrator.submit(BackupRequest::new("full", "20250325")).await.unwrap().batch;
    // Before its row is there, a restart ends a task for good.
    while shop.yba.backups().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    shop.yba.restart();
    let record = shop.orchestrator.wait(&batch, Some(Duration::from_secs(30))).await.unwrap();
    assert_eq!(record.status(), TrackerStatus::Success, "{record:?}");
    assert_eq!(shop.started(), 1);
}

#[tokio::test]
async fn a_standby_is_not_believed_when_it_knows_nothing() {
    let shop = Shop::open().await;
    shop.yba.script(Endpoint::CreateBackup, Fault::DropAfterAcceptance);
    // What answers the look-ups at first is a standby that never heard of the task.
    shop.yba.script(
        Endpoint::ListTasks,
        Fault::Status { code: 200, body: "[]".into(), content_type: "application/json".into() }.times(8),
    );
    shop.yba.script(Endpoint::HaLeader, Fault::status(404, "YBA instance is HA follower").times(8));
    let record = shop.run("full").await;
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!((shop.started(), record.attempts.len()), (1, 1));
}

#[tokio::test]
async fn without_the_marker_a_lost_answer_is_found_by_its_backup_row() {
    let shop = Shop::open().await;
    shop.yba.disable_correlation();
    shop.yba.script(Endpoint::CreateBackup, Fault::DropAfterAcceptance);
    let record = shop.run("full").await;
    assert_eq!(record.status(), TrackerStatus::Success, "{record:?}");
    assert_eq!((shop.started(), record.attempts.len()), (1, 1));
}

#[tokio::test]
async fn a_cancelled_backup_is_aborted_at_yba() {
    let shop = Shop::open().await;
    shop.yba.hang_next_backup(&shop.yba.universe());
    let batch = shop.orchestrator.submit(BackupRequest::new("full", "20250325")).await.unwrap().batch;
    while shop.yba.count(Endpoint::GetTask) < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(shop.orchestrator.cancel(&batch).await.unwrap());
    let record = shop.orchestrator.wait(&batch, Some(Duration::from_secs(30))).await.unwrap();
    assert_eq!(failure(&record).0, ErrorCode::Cancelled);
    assert_eq!(shop.yba.count(Endpoint::AbortTask), 1);
    assert_eq!(shop.yba.backups()[0].state, BackupState::Stopped);
}

/// Final answers to the POST, with the code that each becomes.
#[tokio::test]
async fn refusals_keep_their_text_and_get_their_code() {
    let cases = [
        (Fault::status(400, "Please provide time unit for backup expiry"), ErrorCode::YbaRejected),
        (Fault::plain(401, "Unable To Authenticate User"), ErrorCode::YbaUnauthorized),
        (Fault::plain(403, "User doesn't have access"), ErrorCode::YbaUnauthorized),
        (Fault::status(404, "no such thing"), ErrorCode::YbaRejected),
        (Fault::status(409, "a conflict of another kind"), ErrorCode::YbaRejected),
        (Fault::status(400, "No previous successful backup found"), ErrorCode::NoBaseBackup),
    ];
    for (fault, expected) in cases {
        let shop = Shop::open().await;
        shop.yba.script(Endpoint::CreateBackup, fault.clone());
        let (code, message) = failure(&shop.run("full").await);
        assert_eq!(code, expected, "{fault:?}: {message}");
        let Fault::Status { body, .. } = fault else { unreachable!() };
        let words = body.trim_start_matches("{\"error\":\"").split('"').next().unwrap();
        assert!(message.contains(words), "{message} does not hold {words}");
        assert_eq!((shop.started(), shop.yba.count(Endpoint::CreateBackup)), (0, 1));
    }
}

#[tokio::test]
async fn a_legacy_url_is_used_as_given_and_left_when_real_yba_has_no_such_route() {
    let shop = Shop::open().await;
    let base = format!("{}/api/v1/customers/{}", shop.yba.url(), shop.yba.customer());
    let mut full =
        BackupTarget::new("full", "yba", shop.yba.universe().as_str(), shop.yba.storage_config().as_str());
    full.legacy_urls.full_backup = Some(format!("{base}/backups"));
    let mut incr = full.clone();
    incr.key = "incr".into();
    incr.strategy = "incremental_backup".into();
    incr.legacy_urls.incremental_backup = Some(format!("{base}/backups/incremental"));
    incr.legacy_urls.last_backup = Some(format!("{base}/backups?limit=1&direction=DESC"));
    let instances = YbaInstances::one("yba", shop.yba.client());
    let orchestrator = Orchestrator::builder()
        .resolver(FixedTargets::new([full, incr], []).unwrap())
        .store(Arc::new(InMemoryStore::new(Arc::new(SystemClock::new()))))
        .strategy(FullBackup::new(instances.clone()))
        .strategy(IncrementalBackup::new(instances))
        .settings(in_a_hurry())
        .start()
        .expect("it can be built");
    let shop = Shop { yba: shop.yba, orchestrator };
    assert_eq!(shop.run("full").await.status(), TrackerStatus::Success);
    for _ in 0..2 {
        let record = shop.run("incr").await;
        assert_eq!(record.status(), TrackerStatus::Success, "{:?}", record.failure);
    }
    let unknown: Vec<_> = shop.yba.requests().into_iter().filter(|request| request.status == 404).collect();
    assert_eq!(unknown.len(), 2, "each absent route is asked once: {unknown:?}");
}

/// A wall clock that can be wrong.
#[derive(Debug)]
struct WrongClock {
    right: SystemClock,
    ahead_secs: AtomicI64,
}

#[async_trait::async_trait]
impl Clock for WrongClock {
    fn now(&self) -> DateTime<Utc> {
        self.right.now() + TimeDelta::seconds(self.ahead_secs.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        self.right.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.right.sleep(duration).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_put_right_between_two_runs_doubles_nothing() {
    let yba = Simulator::builder().task_duration(Duration::from_millis(30)).start().await;
    yba.disable_correlation();
    let target = BackupTarget::new("full", "yba", yba.universe().as_str(), yba.storage_config().as_str());
    let clock = Arc::new(WrongClock { right: SystemClock::new(), ahead_secs: 3600.into() });
    let orchestrator = Orchestrator::builder()
        .resolver(FixedTargets::new([target], []).expect("no clash"))
        .store(Arc::new(InMemoryStore::new(Arc::clone(&clock) as _)))
        .strategy(FullBackup::new(YbaInstances::one("yba", yba.client())))
        .clock(Arc::clone(&clock) as _)
        .settings(in_a_hurry())
        .start()
        .expect("it can be built");
    yba.script(Endpoint::CreateBackup, Fault::status(400, "mend this"));
    let first = orchestrator.run(BackupRequest::new("full", "20250325")).await.unwrap();
    assert_eq!(failure(&first).0, ErrorCode::YbaRejected);

    // Run again, and the answer is lost.
    clock.ahead_secs.store(0, Ordering::SeqCst);
    yba.script(Endpoint::CreateBackup, Fault::DropAfterAcceptance);
    let mut again = BackupRequest::new("full", "20250325");
    again.batch = Some(first.batch.to_string());
    let record = orchestrator.run(again).await.unwrap();
    assert_eq!(record.status(), TrackerStatus::Success);
    assert_eq!(yba.backups_started(&yba.universe()), 1);
}
