//! Deletion, restores, schedules, point-in-time recovery, sessions, and the gateway that never was.

use std::time::Duration;

use yba_client::{
    BackupQuery, BackupState, CreateBackup, CreateRestore, CreateSchedule, EditBackup, EditSchedule,
    ErrorKind, PitrSettings, PitrState, Proxy, Recurrence, RequestId, RestorePreflight, RestoreQuery,
    RestoreSource, RestoreState, ScheduleState, SecretString, TableType, TaskQuery, TaskState, TimeUnit,
    YbaClient,
    simulator::{Endpoint, Outcome, Simulator, UniverseSpec},
};

use super::{MINUTE, completed, completed_as, full, start, still};

const HOUR: Duration = Duration::from_hours(1);

fn daily() -> Recurrence {
    Recurrence::Every { period: HOUR * 24, unit: TimeUnit::Days }
}

#[tokio::test]
async fn a_deletion_leaves_out_what_yba_leaves_out() {
    let yba = still().await;
    let client = yba.client();
    let base = completed(&yba).await.backup_uuid;
    let increment = completed_as(&yba, &full(&yba).base(&base)).await.backup_uuid;
    let unknown = "unknown".into();
    let asked = [increment.clone(), unknown, base.clone()];
    let deletion = client.backups().delete(&asked, false).await.unwrap();
    assert_eq!(deletion.left_out, asked[..2]);
    let (_, task) = &deletion.accepted[0];
    assert_eq!(client.tasks().get(task).await.unwrap().status, TaskState::Success);

    let row = client.backups().get(&base).await.unwrap();
    assert_eq!(row.state, BackupState::QueuedForDeletion, "the task's success only means queued");
    yba.advance(MINUTE * 16);
    for id in [&base, &increment] {
        assert!(client.backups().get(id).await.unwrap_err().is_not_found());
    }
}

#[tokio::test]
async fn a_chain_with_a_member_in_progress_is_not_deleted() {
    let yba = still().await;
    let client = yba.client();
    let base = completed(&yba).await.backup_uuid;
    start(&client, &full(&yba).base(&base)).await.unwrap();
    yba.advance(MINUTE / 2);
    let deletion = client.backups().delete(std::slice::from_ref(&base), false).await.unwrap();
    let task = &deletion.accepted[0].1;
    assert_eq!(client.tasks().get(task).await.unwrap().status, TaskState::Failure);
    assert_eq!(client.backups().get(&base).await.unwrap().state, BackupState::Completed);
}

#[tokio::test]
async fn a_full_backup_can_be_given_another_life_and_an_increment_cannot() {
    let yba = still().await;
    let client = yba.client();
    let base = completed(&yba).await.backup_uuid;
    let increment = completed_as(&yba, &full(&yba).base(&base)).await.backup_uuid;
    let change = EditBackup::expire_in(HOUR, TimeUnit::Hours);
    let edited = client.backups().edit(&base, &change).await.unwrap();
    assert_eq!(edited.expiry.unwrap().timestamp(), (yba.now() + HOUR).timestamp());
    let kept = client.backups().edit(&base, &EditBackup::keep_for_ever()).await.unwrap();
    assert_eq!(kept.expiry, None);
    let refused = client.backups().edit(&increment, &change).await.unwrap_err();
    assert_eq!(refused.api_text(), Some("Cannot edit an incremental backup"));
}

#[tokio::test]
async fn only_a_script_backup_can_be_stopped() {
    let yba = still().await;
    let client = yba.client();
    let old = yba.add_universe(UniverseSpec::new("old").without_ybc());
    start(&client, &full(&yba)).await.unwrap();
    start(&client, &CreateBackup::full(old, yba.storage_config(), TableType::Ysql)).await.unwrap();
    yba.advance(MINUTE / 2);
    let rows = yba.backups();
    let script = rows.iter().find(|row| row.universe != yba.universe()).unwrap();
    let ybc = rows.iter().find(|row| row.universe == yba.universe()).unwrap();
    client.backups().stop(&script.id).await.unwrap();
    assert_eq!(client.backups().stop(&ybc.id).await.unwrap_err().status(), Some(400));
}

#[tokio::test]
async fn a_restore_makes_the_keyspace_under_its_new_name_once() {
    let yba = still().await;
    let client = yba.client();
    let base = completed_as(&yba, &full(&yba).keyspaces(["orders"])).await.backup_uuid;
    let chain = client.backups().increments(&base).await.unwrap();
    let place = chain[0].response_list[0].default_location.clone().unwrap();
    let report = client.restores().preflight(&RestorePreflight::new(yba.universe(), &base)).await.unwrap();
    assert!(report.locations.contains_key(&place));

    let drill = yba.add_universe("drill");
    let source = RestoreSource::new(TableType::Ysql, "orders_drill", place);
    let restore = CreateRestore::new(&drill, yba.storage_config(), [source]);
    let task = client.restores().create(&restore, &RequestId::new()).await.unwrap().task;
    assert!(
        start(&client, &CreateBackup::full(&drill, yba.storage_config(), TableType::Ysql))
            .await
            .unwrap_err()
            .busy()
            .is_some()
    );
    yba.advance(MINUTE);
    assert_eq!(client.tasks().get(&task).await.unwrap().status, TaskState::Success);
    let page = client.restores().page(&RestoreQuery::new().universe(&drill)).await.unwrap();
    assert_eq!(page.entities[0].state, RestoreState::Completed);
    assert_eq!(page.entities[0].source_universe_uuid, Some(yba.universe()));
    assert_eq!(page.entities[0].restore_keyspace_list[0].source_keyspace.as_deref(), Some("orders"));

    let again = client.restores().create(&restore, &RequestId::new()).await.unwrap().task;
    yba.advance(MINUTE);
    let failed = client.tasks().failed_subtasks(&again).await.unwrap();
    assert!(failed[0].error_string.as_ref().unwrap().contains("attempting overwrite"));
    let failed = RestoreQuery::new().state(RestoreState::Failed);
    assert_eq!(client.restores().page(&failed).await.unwrap().entities.len(), 1);
}

#[tokio::test]
async fn a_restore_survives_a_restart_and_can_be_made_to_fail() {
    let yba = still().await;
    let client = yba.client();
    let restore = |name: &str| {
        let source = RestoreSource::new(TableType::Ysql, name, "s3://anywhere");
        CreateRestore::new(yba.universe(), yba.storage_config(), [source])
    };
    let task = client.restores().create(&restore("a"), &RequestId::new()).await.unwrap().task;
    yba.advance(MINUTE / 2);
    yba.restart();
    yba.advance(MINUTE * 2);
    assert_eq!(client.tasks().get(&task).await.unwrap().status, TaskState::Success);
    yba.plan_next_restore(&yba.universe(), Outcome::failure("checksum mismatch"));
    let task = client.restores().create(&restore("b"), &RequestId::new()).await.unwrap().task;
    yba.advance(MINUTE);
    assert_eq!(client.tasks().get(&task).await.unwrap().status, TaskState::Failure);
}

#[tokio::test]
async fn a_preflight_answers_every_problem_with_a_400() {
    let yba = still().await;
    let refused = yba.client().restores().preflight(&RestorePreflight::new(yba.universe(), "unknown")).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.status(), Some(400));
    assert!(refused.api_text().unwrap().starts_with("Running restore preflight failed for universe"));
}

/// Makes a schedule and lets its task succeed.
async fn scheduled(yba: &Simulator, schedule: &CreateSchedule) -> yba_client::Schedule {
    let client = yba.client();
    client.schedules().create(schedule, &RequestId::new()).await.expect("YBA takes the schedule");
    let found = client.schedules().find(&yba.universe(), schedule.name()).await;
    found.expect("YBA answers").expect("the schedule is there")
}

#[tokio::test]
async fn a_schedule_takes_full_backups_and_increments_in_between() {
    let yba = still().await;
    let client = yba.client();
    let schedule =
        CreateSchedule::full("nightly", full(&yba), daily()).increments_every(HOUR * 6, TimeUnit::Hours);
    let schedule = scheduled(&yba, &schedule).await;
    assert_eq!(schedule.universe(), Some(yba.universe()));

    yba.advance(HOUR * 49);
    let rows = yba.backups();
    let fulls = rows.iter().filter(|row| row.id == row.base).count();
    // The first increment, after 6 hours, finds nothing to build on and becomes a full backup.
    assert_eq!((fulls, rows.len() - fulls), (2, 6), "{rows:#?}");
    let heads = client.backups().page(&BackupQuery::new().schedule(&schedule.schedule_uuid)).await.unwrap();
    assert_eq!(heads.entities.len(), fulls);
    assert_eq!(heads.entities[0].schedule_name.as_deref(), Some("nightly"));
    assert!(!heads.entities[0].on_demand);
    let tasks = client.tasks().list(Some(&yba.universe())).await.unwrap();
    assert!(tasks.iter().any(|task| task.type_name == "nightly" && task.correlation_id.is_none()));
}

#[tokio::test]
async fn a_blocked_run_is_made_up_for_and_a_paused_universe_s_is_not() {
    let yba = still().await;
    let client = yba.client();
    let schedule = scheduled(&yba, &CreateSchedule::full("nightly", full(&yba), daily())).await;
    yba.lock_universe(&yba.universe(), "SoftwareUpgrade");
    yba.advance(HOUR * 25);
    assert!(yba.backups().is_empty());
    assert!(client.schedules().get(&schedule.schedule_uuid).await.unwrap().backlog_status);
    yba.unlock_universe(&yba.universe());
    yba.advance(MINUTE * 4);
    assert_eq!(yba.backups().len(), 1);

    yba.set_paused(&yba.universe(), true);
    yba.advance(HOUR * 25);
    yba.set_paused(&yba.universe(), false);
    let schedule = client.schedules().get(&schedule.schedule_uuid).await.unwrap();
    assert!(!schedule.backlog_status);
    yba.advance(MINUTE * 4);
    assert_eq!(yba.backups().len(), 1);
}

#[tokio::test]
async fn a_schedule_is_refused_in_yba_s_words() {
    let yba = still().await;
    let client = yba.client();
    scheduled(&yba, &CreateSchedule::full("nightly", full(&yba), daily())).await;
    let refusal = async |schedule: CreateSchedule| {
        let error = client.schedules().create(&schedule, &RequestId::new()).await.unwrap_err();
        assert_eq!(error.status(), Some(400), "{error}");
        error.api_text().unwrap().to_owned()
    };
    let cron = |text: &str| Recurrence::Cron(text.to_owned());
    let named = CreateSchedule::full("nightly", full(&yba), daily());
    assert_eq!(refusal(named).await, "Schedule with name nightly already exist");
    let often = CreateSchedule::full("often", full(&yba), cron("*/30 * * * *"));
    assert_eq!(refusal(often).await, "Duration between the cron schedules cannot be less than 1 hour");
    let odd = CreateSchedule::full("odd", full(&yba), cron("61 * * * *"));
    assert_eq!(refusal(odd).await, "Cron expression specified is invalid");
    let quick =
        CreateSchedule::full("quick", full(&yba), daily()).increments_every(MINUTE, TimeUnit::Minutes);
    assert!(refusal(quick).await.starts_with("Minimum incremental backup schedule duration"));
    let old = yba.add_universe(UniverseSpec::new("old").without_ybc());
    let on_script = CreateBackup::full(old, yba.storage_config(), TableType::Ysql);
    let on_script = CreateSchedule::full("s", on_script, daily()).increments_every(HOUR, TimeUnit::Hours);
    assert_eq!(refusal(on_script).await, "Incremental backup not allowed for non-YBC universes");
}

#[tokio::test]
async fn a_schedule_is_stopped_resumed_edited_and_deleted() {
    let yba = still().await;
    let client = yba.client();
    let universe = yba.universe();
    let id = scheduled(&yba, &CreateSchedule::full("nightly", full(&yba), daily())).await.schedule_uuid;
    let schedules = client.schedules();
    schedules.pause(&universe, &id).await.unwrap();
    let twice = schedules.pause(&universe, &id).await.unwrap_err();
    assert_eq!(twice.api_text(), Some("Schedule is already in Stopped state."));
    yba.advance(HOUR * 48);
    assert!(yba.backups().is_empty());

    schedules.resume(&universe, &id, true).await.unwrap();
    yba.advance(MINUTE * 4);
    assert_eq!(yba.backups().len(), 1, "it was asked to run at once");
    let weekly = EditSchedule::recurrence(&Recurrence::Cron("0 1 * * 0".to_owned()));
    schedules.edit(&universe, &id, &weekly, &RequestId::new()).await.unwrap();
    let edited = schedules.get(&id).await.unwrap();
    assert_eq!(edited.cron_expression.as_deref(), Some("0 1 * * 0"));
    assert_eq!((edited.status, edited.schedule_name.as_str()), (Some(ScheduleState::Active), "nightly"));

    let stranger = schedules.delete(&"other".into(), &id, &RequestId::new()).await.unwrap_err();
    assert_eq!(stranger.api_text(), Some("Schedule not owned by Universe."));
    schedules.delete(&universe, &id, &RequestId::new()).await.unwrap();
    assert!(schedules.get(&id).await.unwrap_err().is_not_found());
    assert_eq!(yba.backups().len(), 1, "its backups stay");
}

#[tokio::test]
async fn a_schedule_keeps_its_newest_backups_even_when_they_have_expired() {
    let yba = still().await;
    let backup = full(&yba).retain(HOUR, TimeUnit::Hours);
    scheduled(&yba, &CreateSchedule::full("nightly", backup, daily()).keep_at_least(2)).await;
    yba.advance(HOUR * 24 * 5);
    let kept = yba.backups();
    assert_eq!(kept.iter().filter(|row| row.state == BackupState::Completed).count(), 2, "{kept:#?}");
}

#[tokio::test]
async fn point_in_time_recovery_is_made_changed_used_and_removed() {
    let yba = still().await;
    let client = yba.client();
    let pitr = client.pitr(yba.universe());
    let settings = PitrSettings::new(HOUR, HOUR * 24);
    let task = pitr.create(&TableType::Ysql, "orders", &settings, &RequestId::new()).await.unwrap().task;
    assert!(pitr.list().await.unwrap().is_empty(), "it exists once its task has succeeded");
    assert!(start(&client, &full(&yba)).await.unwrap_err().busy().is_some());
    yba.advance(MINUTE);
    assert_eq!(client.tasks().get(&task).await.unwrap().status, TaskState::Success);
    let config = pitr.list().await.unwrap().remove(0);
    assert_eq!((config.state, config.db_name.as_deref()), (Some(PitrState::Complete), Some("orders")));

    pitr.update(&config.uuid, &PitrSettings::new(HOUR, HOUR * 48), &RequestId::new()).await.unwrap();
    yba.advance(MINUTE);
    assert_eq!(pitr.list().await.unwrap()[0].retention_period, 48 * 3600);
    let future = yba.now() + HOUR;
    assert_eq!(pitr.restore(&config.uuid, future, &RequestId::new()).await.unwrap_err().status(), Some(400));
    pitr.restore(&config.uuid, yba.now() - MINUTE, &RequestId::new()).await.unwrap();
    yba.advance(MINUTE);
    pitr.delete(&config.uuid, &RequestId::new()).await.unwrap();
    yba.advance(MINUTE);
    assert!(pitr.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_new_token_replaces_the_old_one() {
    let yba = still().await;
    let before = yba.client();
    let bare = YbaClient::builder(yba.url()).proxy(Proxy::None).build().unwrap();
    let wrong = bare.session().log_in("admin@example.com", &SecretString::from("guess")).await.unwrap_err();
    assert!(wrong.is_unauthorized());
    let token = bare.session().log_in("admin@example.com", &SecretString::from("password")).await.unwrap();
    assert_eq!(token.customer, Some(yba.customer()));
    assert!(before.session().info().await.unwrap_err().is_unauthorized());
    let client = YbaClient::builder(yba.url())
        .customer(yba.customer())
        .token(token.token)
        .proxy(Proxy::None)
        .build()
        .unwrap();
    client.session().regenerate_token(token.version).await.unwrap();
    let client = yba.client();
    assert_eq!(client.session().info().await.unwrap().customer, Some(yba.customer()));
    assert_eq!(client.customers().get().await.unwrap().universes, [yba.universe()]);
    assert_eq!(client.customers().list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn universes_tell_their_keyspaces_and_take_the_switch() {
    let yba = still().await;
    let client = yba.client();
    let named = yba.add_universe(UniverseSpec::new("named").id("universe-uuid-123").keyspaces(["orders"]));
    assert_eq!(named, "universe-uuid-123");
    assert_eq!(client.universes().namespaces(&named).await.unwrap()[0].name, "orders");
    assert_eq!(client.universes().tables(&named).await.unwrap()[0].keyspace.as_deref(), Some("orders"));
    assert_eq!(client.universes().find("named").await.unwrap().unwrap().universe_uuid, named);
    client.universes().set_backups_allowed(&named, false).await.unwrap();
    let refused = start(&client, &CreateBackup::full(&named, yba.storage_config(), TableType::Ysql)).await;
    assert_eq!(refused.unwrap_err().api_text(), Some("Taking backups on the universe is disabled"));
    assert_eq!(
        client.storage_configs().find(&yba.storage_config()).await.unwrap().unwrap().config_name,
        "s3"
    );
}

#[tokio::test]
async fn tasks_can_be_paged_by_target_and_state() {
    use futures_util::TryStreamExt;
    let yba = still().await;
    let client = yba.client();
    for _ in 0..3 {
        completed(&yba).await;
    }
    start(&client, &full(&yba)).await.unwrap();
    let done = TaskQuery::new().target(yba.universe()).state(TaskState::Success).limit(2);
    let tasks: Vec<_> = client.tasks().stream(done).try_collect().await.unwrap();
    assert_eq!(tasks.len(), 3);
}

#[tokio::test]
async fn the_gateway_that_never_was_exists_only_where_asked_for() {
    let yba = still().await;
    let base = completed(&yba).await.backup_uuid;
    let url =
        |yba: &Simulator, path: &str| format!("{}/api/v1/customers/{}{path}", yba.url(), yba.customer());
    let increment = full(&yba).base(&base);
    let client = yba.client();
    let missing = client.backups();
    let error =
        missing.create_at(&url(&yba, "/backups/incremental"), &increment, &"r".into()).await.unwrap_err();
    assert_eq!((error.status(), error.kind()), (Some(404), ErrorKind::Api));
    let error = missing.last_at(&url(&yba, "/backups?limit=1&direction=DESC")).await.unwrap_err();
    assert!(error.is_not_found());

    let yba = Simulator::builder().manual_clock().task_duration(MINUTE).legacy_gateway().start().await;
    let base = completed(&yba).await.backup_uuid;
    let client = yba.client();
    let last = client.backups().last_at(&url(&yba, "/backups?limit=1&direction=DESC")).await.unwrap();
    assert_eq!((&last[0].backup_uuid, &last[0].state), (&base, &Some(BackupState::Completed)));
    let increment = full(&yba).base(&base);
    client.backups().create_at(&url(&yba, "/backups/incremental"), &increment, &"r".into()).await.unwrap();
    assert_eq!(yba.count(Endpoint::LegacyIncremental), 1);
    assert_eq!(yba.backups_started(&yba.universe()), 2);
}
