//! The audit against a simulated YBA, over real HTTP: what it finds, what it does there, and how many calls it makes.

use std::{sync::Arc, time::Duration};

use backup_core::{
    BackupRecord, BackupRequest, BackupTarget, BatchId, Clock as _, FixedTargets, OnSurplus, Orchestrator,
    OwnerId, Phase, Settings, SurplusState, SystemClock, TrackerStatus, TrackingStore,
    store::{Created, Hold},
    strategy::{FULL, FullBackup, YbaInstances},
    testing::{InMemoryStore, fixtures},
};
use chrono::TimeDelta;
use rstest::rstest;
use yba_client::{
    BackupState, CreateBackup, RequestId, TableType, TaskState, UniverseId,
    simulator::{Endpoint, Fault, Simulator, SimulatorBuilder},
};

/// A YBA, an orchestrator in a hurry that audits all the time, and its records.
struct Shop {
    yba: Simulator,
    store: Arc<InMemoryStore>,
    orchestrator: Orchestrator,
}

impl Shop {
    async fn open(yba: SimulatorBuilder, on_surplus: OnSurplus) -> Self {
        let yba = yba.task_duration(Duration::from_millis(20)).start().await;
        let mut target =
            BackupTarget::new("full", "yba", yba.universe().as_str(), yba.storage_config().as_str());
        target.on_surplus = on_surplus;
        let store = Arc::new(InMemoryStore::new(Arc::new(SystemClock::new())));
        let orchestrator = Orchestrator::builder()
            .resolver(FixedTargets::new([target], []).expect("no clash"))
            .store(Arc::clone(&store) as _)
            .strategy(FullBackup::new(YbaInstances::one("yba", yba.client())))
            .settings(in_a_hurry())
            .start()
            .expect("it starts");
        Self { yba, store, orchestrator }
    }

    /// A batch whose first request hangs somewhere, and whose second one succeeds.
    async fn run_with_a_late_request(&self) -> BackupRecord {
        self.yba.script(Endpoint::CreateBackup, Fault::DropBeforeAcceptance.times(1));
        let record = self.orchestrator.run(BackupRequest::new("full", "20250325")).await.expect("recorded");
        assert_eq!((record.status(), record.attempts.len()), (TrackerStatus::Success, 2), "{record:?}");
        record
    }

    /// The request of the first attempt arrives.
    async fn deliver(&self, record: &BackupRecord) {
        let id = RequestId::from(record.attempts[0].id.as_uuid());
        self.yba.client().backups().create(&self.order(&self.yba.universe()), &id).await.expect("accepted");
    }

    fn order(&self, universe: &UniverseId) -> CreateBackup {
        CreateBackup::full(universe.clone(), self.yba.storage_config(), TableType::Ysql)
    }

    async fn until(&self, batch: &BatchId, wanted: impl Fn(&BackupRecord) -> bool) -> BackupRecord {
        let seen = async {
            loop {
                let record = self.orchestrator.find(batch).await.expect("it is there");
                if wanted(&record) {
                    return record;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), seen).await.expect("it comes to pass")
    }

    async fn surplus(&self, batch: &BatchId, state: SurplusState) -> BackupRecord {
        self.until(batch, |record| record.surplus.iter().any(|surplus| surplus.state == state)).await
    }
}

fn in_a_hurry() -> Settings {
    let mut settings = Settings::default();
    settings.poll_first = Duration::from_millis(5);
    settings.poll_max = Duration::from_millis(20);
    settings.settle_time = Duration::from_millis(150);
    settings.claim_interval = Some(Duration::from_millis(10));
    settings.audit_interval = Some(Duration::from_millis(10));
    settings
}

#[tokio::test]
async fn a_late_request_is_aborted_while_its_task_runs() {
    let shop = Shop::open(Simulator::builder(), OnSurplus::Keep).await;
    let record = shop.run_with_a_late_request().await;
    shop.yba.hang_next_backup(&shop.yba.universe());
    shop.deliver(&record).await;
    let after = shop.surplus(&record.batch, SurplusState::Aborted).await;
    assert_eq!(after.surplus[0].attempt, Some(record.attempts[0].id));
    let tasks = shop.yba.tasks();
    let state = |id: &str| tasks.iter().find(|task| task.id.as_str() == id).map(|task| task.state.clone());
    assert_eq!(state(after.surplus[0].task.as_str()), Some(TaskState::Aborted));
    assert_eq!(state(record.task.unwrap().as_str()), Some(TaskState::Success));
}

/// Hundreds of tasks have been started since, and YBA's list shows only the newest.
#[tokio::test]
async fn a_surplus_that_completed_long_ago_is_found_beyond_the_cut_of_the_list() {
    let mut yba = Simulator::builder();
    yba = yba.task_list_limit(3);
    let shop = Shop::open(yba, OnSurplus::Keep).await;
    let record = shop.run_with_a_late_request().await;
    shop.orchestrator.shutdown().await;
    shop.deliver(&record).await;
    let others: Vec<UniverseId> = (0..30).map(|n| shop.yba.add_universe(format!("other-{n}"))).collect();
    for universe in &others {
        let order = shop.order(universe);
        shop.yba.client().backups().create(&order, &RequestId::new()).await.expect("accepted");
    }
    // Another replica audits.
    let target =
        BackupTarget::new("full", "yba", shop.yba.universe().as_str(), shop.yba.storage_config().as_str());
    let other = Orchestrator::builder()
        .resolver(FixedTargets::new([target], []).expect("no clash"))
        .store(Arc::clone(&shop.store) as _)
        .strategy(FullBackup::new(YbaInstances::one("yba", shop.yba.client())))
        .settings(in_a_hurry())
        .start()
        .expect("it starts");
    let shop = Shop { orchestrator: other, ..shop };
    let after = shop.surplus(&record.batch, SurplusState::Kept).await;
    let backup = after.surplus[0].backup.as_ref().expect("it is named");
    assert!(shop.yba.backups().iter().any(|row| row.id.as_str() == backup.as_str()));
    assert_ne!(Some(backup), record.backup.as_ref());
}

#[rstest]
#[case::nothing_builds_on_it(false)]
#[case::an_increment_builds_on_it(true)]
#[tokio::test]
async fn a_surplus_is_deleted_unless_an_increment_builds_on_it(#[case] has_increment: bool) {
    let shop = Shop::open(Simulator::builder(), OnSurplus::Delete).await;
    let record = shop.run_with_a_late_request().await;
    // Nobody looks before the increment is there.
    shop.orchestrator.shutdown().await;
    shop.deliver(&record).await;
    let row_of_surplus = || {
        let own = record.backup.as_ref().expect("it has one").as_str().to_owned();
        shop.yba
            .backups()
            .into_iter()
            .find(|row| row.id.as_str() != own && row.state == BackupState::Completed)
    };
    let row = loop {
        if let Some(row) = row_of_surplus() {
            break row;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    if has_increment {
        let order = shop.order(&shop.yba.universe()).base(row.id.clone());
        let task =
            shop.yba.client().backups().create(&order, &RequestId::new()).await.expect("accepted").task;
        shop.yba.client().tasks().wait(&task).await.expect("it ends");
    }
    let target = {
        let mut target = BackupTarget::new(
            "full",
            "yba",
            shop.yba.universe().as_str(),
            shop.yba.storage_config().as_str(),
        );
        target.on_surplus = OnSurplus::Delete;
        target
    };
    let other = Orchestrator::builder()
        .resolver(FixedTargets::new([target], []).expect("no clash"))
        .store(Arc::clone(&shop.store) as _)
        .strategy(FullBackup::new(YbaInstances::one("yba", shop.yba.client())))
        .settings(in_a_hurry())
        .start()
        .expect("it starts");
    let shop = Shop { orchestrator: other, ..shop };
    if has_increment {
        shop.surplus(&record.batch, SurplusState::Kept).await;
        let looks = shop.yba.count(Endpoint::ListIncrements);
        while shop.yba.count(Endpoint::ListIncrements) < looks + 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(shop.yba.count(Endpoint::DeleteBackups), 0);
    } else {
        shop.surplus(&record.batch, SurplusState::Deleted).await;
        let deleted = shop.yba.requests_to(Endpoint::DeleteBackups);
        assert!(
            deleted.iter().all(|request| request.body.to_string().contains(row.id.as_str())),
            "{deleted:?}"
        );
        assert!(!deleted.is_empty());
    }
    let own = record.backup.as_ref().expect("it has one");
    let rows = shop.yba.backups();
    let own = rows.iter().find(|row| row.id.as_str() == own.as_str()).expect("it is there");
    assert_eq!(own.state, BackupState::Completed);
}

/// A thousand batches under audit cost as many calls as one: a list, and a page where the list may be cut.
#[tokio::test]
async fn a_thousand_audits_cost_one_list() {
    const BATCHES: usize = 1000;
    let yba = Simulator::builder().start().await;
    let clock = Arc::new(SystemClock::new());
    let store = Arc::new(InMemoryStore::new(clock.clone()));
    let target = |n: usize| {
        BackupTarget::new(format!("db-{n}"), "yba", format!("universe-{n}"), yba.storage_config().as_str())
    };
    let now = clock.now();
    for n in 0..BATCHES {
        let mut record = fixtures::record_on(&format!("universe-{n}"), now - TimeDelta::hours(1));
        record.target = format!("db-{n}").into();
        assert_eq!(record.strategy(), Some(FULL));
        record.submit(now - TimeDelta::hours(1)).expect("planned");
        let hold = Hold { owner: OwnerId::generate(), lease: Duration::from_secs(30) };
        let created = store.create(&record, None, hold).await.expect("created");
        let Created::New { lease: Some(lease), .. } = created else { panic!("{created:?}") };
        record.run(format!("task-{n}").into(), None, now).expect("submitting");
        record.succeed(None, serde_json::Value::Null, now).expect("running");
        (record.in_doubt, record.audit_until) = (true, Some(now + TimeDelta::hours(25)));
        store.save(&lease, &record, Phase::Submitting, Duration::ZERO).await.expect("saved");
    }
    let mut settings = in_a_hurry();
    (settings.claim_interval, settings.audit_interval) = (None, None);
    let orchestrator = Orchestrator::builder()
        .resolver(FixedTargets::new((0..BATCHES).map(target), []).expect("no clash"))
        .store(Arc::clone(&store) as _)
        .strategy(FullBackup::new(YbaInstances::one("yba", yba.client())))
        .settings(settings)
        .start()
        .expect("it starts");
    assert_eq!(orchestrator.audit().await.expect("audited"), BATCHES);
    assert_eq!(yba.count(Endpoint::ListTasks), 1);
    assert_eq!(yba.total_count(), yba.count(Endpoint::ListTasks) + yba.count(Endpoint::PageTasks));
    assert!(yba.count(Endpoint::PageTasks) <= 1);
    assert_eq!(orchestrator.audit().await.expect("audited"), 0, "none is due");
    orchestrator.shutdown().await;
}
