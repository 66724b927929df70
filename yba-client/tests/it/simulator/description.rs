//! What the simulator answers, against the published description of YBA's API.

use std::time::Duration;

use yba_client::{
    BackupQuery, CreateRestore, CreateSchedule, EditBackup, PitrSettings, Recurrence, RequestId,
    RestorePreflight, RestoreQuery, RestoreSource, ScheduleQuery, SecretString, TableType, TaskQuery,
    TimeUnit,
    simulator::{Endpoint, Simulator, UniverseSpec},
};

use super::{MINUTE, completed, completed_as, full, start, still};
use crate::openapi::{assert_only_known, description, faults_of_answer};

/// Where the description is wrong or older than what we know: the entries of the schedule list are of
/// another type than it says, with these members more.
const KNOWN_ERRORS: &[(&str, &str)] = &[
    ("POST /api/v1/customers/{cUUID}/schedules/page.entities[].backupInfo", MISTYPED),
    ("POST /api/v1/customers/{cUUID}/schedules/page.entities[].customerUUID", MISTYPED),
    ("POST /api/v1/customers/{cUUID}/schedules/page.entities[].incrementalBackupFrequency", MISTYPED),
    ("POST /api/v1/customers/{cUUID}/schedules/page.entities[].incrementalBackupFrequencyTimeUnit", MISTYPED),
    ("POST /api/v1/customers/{cUUID}/schedules/page.entities[].nextExpectedTask", MISTYPED),
    ("POST /api/v1/customers/{cUUID}/schedules/page.entities[].prevCompletedTask", MISTYPED),
    ("POST /api/v1/customers/{cUUID}/schedules/page.entities[].tableByTableBackup", MISTYPED),
];
const MISTYPED: &str = "a ScheduleResp, described as a Schedule";

/// Lets the simulator give every answer it has.
async fn tell_everything(yba: &Simulator) {
    let client = yba.client();
    let base = completed(yba).await.backup_uuid;
    completed_as(yba, &full(yba).base(&base)).await;
    yba.fail_next_backup(&yba.universe(), "AccessDenied");
    let failed = completed_as(yba, &full(yba).keyspaces(["orders"])).await;
    let backups = client.backups();
    let chain = backups.increments(&base).await.expect("a chain");
    backups.page(&BackupQuery::new().with_total()).await.expect("a page");
    backups.restorable_keyspaces(&base).await.expect("keyspaces");
    backups.edit(&base, &EditBackup::expire_in(MINUTE, TimeUnit::Minutes)).await.expect("an edited backup");
    backups.get(&base).await.expect("a backup");
    let task = failed.task_uuid.expect("a task");
    client.tasks().get(&task).await.expect("a task");
    client.tasks().failed_subtasks(&task).await.expect("failed subtasks");
    client.tasks().list(None).await.expect("a list");
    client.tasks().page(&TaskQuery::new()).await.expect("a page");
    restores(yba, chain[0].response_list[0].default_location.as_deref().expect("a place")).await;
    schedules(yba).await;
    universes(yba).await;
    let running = start(&client, &full(yba)).await.expect("a backup").task;
    client.tasks().abort(&running).await.expect("an abort");
    client.session().info().await.expect("a session");
    client.app_version().await.expect("a version");
    let password = SecretString::from("password");
    client.session().log_in("admin@example.com", &password).await.expect("a token");
    yba.client().session().regenerate_token(None).await.expect("a token");
}

async fn restores(yba: &Simulator, place: &str) {
    let client = yba.client();
    let base = yba.backups()[0].id.clone();
    let preflight = RestorePreflight::new(yba.universe(), base);
    client.restores().preflight(&preflight).await.expect("a report");
    let source = RestoreSource::new(TableType::Ysql, "drill", place);
    let restore = CreateRestore::new(yba.universe(), yba.storage_config(), [source]);
    client.restores().create(&restore, &RequestId::new()).await.expect("a restore");
    yba.advance(MINUTE);
    client.restores().page(&RestoreQuery::new()).await.expect("a page");
    let pitr = client.pitr(yba.universe());
    let settings = PitrSettings::new(MINUTE, MINUTE * 2);
    pitr.create(&TableType::Ysql, "orders", &settings, &RequestId::new()).await.expect("a task");
    yba.advance(MINUTE);
    pitr.list().await.expect("a list");
}

async fn schedules(yba: &Simulator) {
    let client = yba.client();
    let daily = Recurrence::Every { period: Duration::from_hours(24), unit: TimeUnit::Days };
    let schedule = CreateSchedule::full("nightly", full(yba), daily.clone());
    client.schedules().create(&schedule, &RequestId::new()).await.expect("a task");
    let page = client.schedules().page(&ScheduleQuery::new()).await.expect("a page");
    client.schedules().get(&page.entities[0].schedule_uuid).await.expect("a schedule");
    let now = CreateSchedule::full("now", full(yba), daily);
    client.schedules().create_now(&now).await.expect("a schedule");
}

async fn universes(yba: &Simulator) {
    let client = yba.client();
    let other = yba.add_universe(UniverseSpec::new("other").keyspaces(["orders"]));
    yba.lock_universe(&other, "SoftwareUpgrade");
    client.universes().list().await.expect("a list");
    client.universes().get(&other).await.expect("a universe");
    client.universes().namespaces(&other).await.expect("keyspaces");
    client.universes().tables(&other).await.expect("tables");
    client.universes().set_backups_allowed(&other, true).await.expect("the switch");
    client.storage_configs().list().await.expect("a list");
    client.customers().list().await.expect("a list");
    client.customers().get().await.expect("a customer");
}

#[tokio::test]
async fn the_simulator_answers_as_the_published_description_says() {
    let Some(spec) = description("the_simulator_answers_as_the_published_description_says") else { return };
    let yba = still().await;
    tell_everything(&yba).await;
    let mut found = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for request in yba.requests() {
        assert_eq!(request.status, 200, "{request:?}");
        found.extend(faults_of_answer(spec, &request.method, &request.path, &request.answer()));
        seen.insert(request.endpoint);
    }
    assert!(seen.len() >= 32 && !seen.contains(&Endpoint::Unknown), "{seen:?}");
    assert_only_known(found, KNOWN_ERRORS);
}
