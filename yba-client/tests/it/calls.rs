//! Every call the client can make, with every option set, for checks that want to see them all.

use std::time::Duration;

use chrono::{DateTime, Utc};
use yba_client::{
    BackupCategory, BackupQuery, BackupState, CreateBackup, CreateRestore, CreateSchedule, EditBackup,
    EditSchedule, KeyspaceSelection, KeyspaceTables, PitrSettings, Recurrence, RequestId, RestorePreflight,
    RestoreQuery, RestoreSource, RestoreState, ScheduleQuery, ScheduleState, SecretString, TableType,
    TaskQuery, TaskState, TimeUnit, YbaClient,
};

const HOUR: Duration = Duration::from_hours(1);

fn backup() -> CreateBackup {
    let mut tables = KeyspaceTables::all_of("orders");
    tables.table_name_list = vec!["lines".to_owned()];
    tables.table_uuid_list = vec!["table-1".to_owned()];
    CreateBackup::full("u-1", "s-1", TableType::Ycql)
        .tables([tables])
        .retain(HOUR, TimeUnit::Hours)
        .sse(true)
        .use_tablespaces(true)
        .use_roles(true)
        .parallelism(8)
        .parallel_db_backups(2)
        .table_by_table(true)
        .kms_config("kms-1")
        .category(BackupCategory::YbController)
        .point_in_time_restore(true)
}

/// Makes every call once or twice. The answers do not matter; most will be refused as unreadable.
pub(crate) async fn make_all(client: &YbaClient, now: DateTime<Utc>) {
    backups(client, now).await;
    tasks_and_universes(client, now).await;
    restores_and_pitr(client, now).await;
    schedules(client).await;
    let session = client.session();
    drop(session.info().await);
    drop(session.log_in("me@example.com", &SecretString::from("secret")).await);
    drop(session.regenerate_token(Some(1)).await);
    drop(client.app_version().await);
    drop(client.ha_leader().await);
    drop(client.customers().list().await);
    drop(client.customers().get().await);
    drop(client.storage_configs().list().await);
}

async fn backups(client: &YbaClient, now: DateTime<Utc>) {
    let backups = client.backups();
    let id = "b-1".into();
    drop(backups.create(&backup().base("b-1"), &RequestId::new()).await);
    drop(backups.get(&id).await);
    drop(backups.of_task(&"u-1".into(), &"t-1".into()).await);
    let query = BackupQuery::new()
        .universe("u-1")
        .storage_config("s-1")
        .schedule("sch-1")
        .backup("b-1")
        .keyspace("orders")
        .state(BackupState::Completed)
        .created_between(now, now)
        .with_total();
    drop(backups.page(&query).await);
    drop(backups.increments(&id).await);
    drop(backups.restorable_keyspaces(&id).await);
    drop(backups.edit(&id, &EditBackup::expire_in(HOUR, TimeUnit::Hours).storage_config("s-2")).await);
    drop(backups.delete(&["b-1".into()], true).await);
    drop(backups.stop(&id).await);
}

async fn tasks_and_universes(client: &YbaClient, now: DateTime<Utc>) {
    let (tasks, id) = (client.tasks(), "t-1".into());
    drop(tasks.get(&id).await);
    drop(tasks.failed_subtasks(&id).await);
    drop(tasks.list(Some(&"u-1".into())).await);
    drop(tasks.abort(&id).await);
    let query = TaskQuery::new().target("u-1").state(TaskState::Running).created_between(now, now);
    drop(tasks.page(&query).await);
    let (universes, id) = (client.universes(), "u-1".into());
    drop(universes.find("payments").await);
    drop(universes.get(&id).await);
    drop(universes.namespaces(&id).await);
    drop(universes.tables(&id).await);
    drop(universes.set_backups_allowed(&id, true).await);
}

async fn restores_and_pitr(client: &YbaClient, now: DateTime<Utc>) {
    let restores = client.restores();
    let preflight = RestorePreflight::new("u-1", "b-1")
        .keyspace(KeyspaceSelection::all_of("orders"))
        .to_point_in_time(now);
    drop(restores.preflight(&preflight).await);
    let source = RestoreSource::new(TableType::Ycql, "orders", "s3://b")
        .tables(["lines"])
        .sse(true)
        .use_tablespaces(true)
        .rename_owner("a", "b");
    let restore = CreateRestore::new("u-1", "s-1", [source])
        .category(BackupCategory::YbController)
        .kms_config("kms-1")
        .parallelism(4)
        .to_point_in_time(now);
    drop(restores.create(&restore, &RequestId::new()).await);
    let query = RestoreQuery::new().restore("r-1").universe("u-1").state(RestoreState::Completed);
    drop(restores.page(&query).await);

    let (pitr, id) = (client.pitr("u-1"), "p-1".into());
    let settings = PitrSettings::new(HOUR, HOUR * 24);
    drop(pitr.list().await);
    let named = settings.clone().name("pitr");
    drop(pitr.create(&TableType::Ysql, "orders", &named, &RequestId::new()).await);
    drop(pitr.update(&id, &settings, &RequestId::new()).await);
    drop(pitr.delete(&id, &RequestId::new()).await);
    drop(pitr.restore(&id, now, &RequestId::new()).await);
}

async fn schedules(client: &YbaClient) {
    let (schedules, id, universe) = (client.schedules(), "sch-1".into(), "u-1".into());
    let daily = Recurrence::Every { period: HOUR * 24, unit: TimeUnit::Days };
    let every = CreateSchedule::full("nightly", backup(), daily.clone())
        .increments_every(HOUR, TimeUnit::Hours)
        .keep_at_least(3);
    let cron = CreateSchedule::full("cron", backup(), Recurrence::Cron("0 2 * * *".to_owned()));
    drop(schedules.create(&every, &RequestId::new()).await);
    drop(schedules.create_now(&cron).await);
    drop(schedules.get(&id).await);
    drop(schedules.page(&ScheduleQuery::new().universe("u-1").state(ScheduleState::Active)).await);
    let change = EditSchedule::recurrence(&daily).increments_every(HOUR, TimeUnit::Hours).retain(HOUR);
    drop(schedules.edit(&universe, &id, &change, &RequestId::new()).await);
    drop(schedules.pause(&universe, &id).await);
    drop(schedules.resume(&universe, &id, true).await);
    drop(schedules.delete(&universe, &id, &RequestId::new()).await);
    drop(schedules.delete_now(&id).await);
}
