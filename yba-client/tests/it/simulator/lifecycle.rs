//! One backup after the other: tasks, rows, locks, chains, restarts.

use std::time::Duration;

use yba_client::{
    AbortAnswer, BackupId, BackupQuery, BackupState, CreateBackup, Leadership, Reach, RequestId, TableType,
    TaskId, TaskState, TimeUnit,
    simulator::{Endpoint, Outcome, Simulator, UniverseSpec},
};

use super::{MINUTE, completed, completed_as, full, start, still};

#[tokio::test]
async fn the_task_comes_first_and_the_backup_row_later() {
    let yba = still().await;
    let client = yba.client();
    let accepted = start(&client, &full(&yba)).await.unwrap();
    assert_eq!(accepted.resource, None);
    assert!(accepted.request_id_echoed);

    let task = client.tasks().get(&accepted.task).await.unwrap();
    assert_eq!(task.status, TaskState::Running);
    assert_eq!(task.title, "Creating Backup : universe-1");
    assert!(client.backups().of_task(&yba.universe(), &accepted.task).await.unwrap().is_empty());

    yba.advance(MINUTE / 2);
    let task = client.tasks().get(&accepted.task).await.unwrap();
    assert!((task.percent - 50.0).abs() < f64::EPSILON);
    let rows = client.backups().of_task(&yba.universe(), &accepted.task).await.unwrap();
    assert_eq!(rows[0].state, BackupState::InProgress);
    assert_eq!(rows[0].universe(), Some(&yba.universe()));

    yba.advance(MINUTE / 2);
    let task = client.tasks().get(&accepted.task).await.unwrap();
    assert_eq!(task.status, TaskState::Success);
    let row = client.backups().get(&rows[0].backup_uuid).await.unwrap();
    assert_eq!(row.state, BackupState::Completed);
    assert!(row.completion_time > row.create_time);
}

#[tokio::test]
async fn the_request_id_is_found_again_in_the_task_list_of_its_universe_only() {
    let yba = still().await;
    let client = yba.client();
    let id = RequestId::new();
    let accepted = client.backups().create(&full(&yba), &id).await.unwrap();

    let other = yba.add_universe("other");
    let tasks = client.tasks().list(Some(&yba.universe())).await.unwrap();
    let ours = tasks.iter().find(|task| task.correlation_id.as_ref() == Some(&id)).unwrap();
    assert_eq!(ours.id, accepted.task);
    assert_eq!(ours.target, "Backup");
    assert_eq!(ours.completion_time, None);
    assert!(client.tasks().list(Some(&other)).await.unwrap().is_empty());
    assert_eq!(client.tasks().list(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_old_server_forgets_the_request_id() {
    let yba = still().await;
    let client = yba.client();
    assert!(client.echoes_request_ids().await.unwrap());
    yba.disable_correlation();
    assert!(!client.echoes_request_ids().await.unwrap());
    let accepted = start(&client, &full(&yba)).await.unwrap();
    assert!(!accepted.request_id_echoed);
    assert_eq!(client.tasks().get(&accepted.task).await.unwrap().correlation_id, None);
}

#[tokio::test]
async fn a_universe_takes_one_backup_at_a_time() {
    let yba = still().await;
    yba.set_start_delay(Duration::from_secs(1));
    let client = yba.client();
    start(&client, &full(&yba)).await.unwrap();

    let busy = start(&client, &full(&yba)).await.unwrap_err();
    assert_eq!(busy.busy().unwrap().holder.as_deref(), Some("CreateBackup"));
    yba.advance(Duration::from_secs(1));
    let busy = start(&client, &full(&yba)).await.unwrap_err();
    assert_eq!((busy.status(), busy.reach()), (Some(409), Reach::Answered));
    assert!(busy.busy().unwrap().text.contains("locked state"));

    yba.advance(MINUTE);
    start(&client, &full(&yba)).await.unwrap();
    assert_eq!(yba.backups_started(&yba.universe()), 2);
}

#[tokio::test]
async fn without_a_queue_the_loser_of_a_race_fails_in_its_task_and_leaves_no_row() {
    let yba = Simulator::builder().manual_clock().without_task_queue().start().await;
    let client = yba.client();
    start(&client, &full(&yba)).await.unwrap();
    let loser = start(&client, &full(&yba)).await.unwrap();

    yba.advance(MINUTE);
    assert_eq!(client.tasks().get(&loser.task).await.unwrap().status, TaskState::Failure);
    assert!(client.backups().of_task(&yba.universe(), &loser.task).await.unwrap().is_empty());
    let failed = client.tasks().failed_subtasks(&loser.task).await.unwrap();
    assert!(failed[0].is_lost_race());
    assert_eq!(yba.backups().len(), 1);
}

#[tokio::test]
async fn another_operation_holds_the_universe_until_it_ends() {
    let yba = still().await;
    let client = yba.client();
    let upgrade = yba.lock_universe(&yba.universe(), "SoftwareUpgrade");
    assert!(start(&client, &full(&yba)).await.unwrap_err().busy().is_some());
    let universe = client.universes().get(&yba.universe()).await.unwrap();
    assert_eq!(universe.details.updating_task_uuid, Some(upgrade));
    assert_eq!(universe.details.updating_task.as_deref(), Some("SoftwareUpgrade"));

    yba.unlock_universe(&yba.universe());
    start(&client, &full(&yba)).await.unwrap();
}

#[tokio::test]
async fn a_failed_backup_keeps_its_row_and_its_subtask_says_why() {
    let yba = still().await;
    yba.fail_next_backup(&yba.universe(), "S3 said AccessDenied");
    let row = completed(&yba).await;
    assert_eq!(row.state, BackupState::Failed);
    let failed = yba.client().tasks().failed_subtasks(row.task_uuid.as_ref().unwrap()).await.unwrap();
    assert!(failed[0].error_string.as_ref().unwrap().contains("S3 said AccessDenied"));
    assert!(!failed[0].is_platform_interruption());
}

#[tokio::test]
async fn a_task_that_fails_early_leaves_no_row() {
    let yba = still().await;
    let client = yba.client();
    let named = yba.add_universe(UniverseSpec::new("named").keyspaces(["orders"]));
    let backup = CreateBackup::full(&named, yba.storage_config(), TableType::Ysql).keyspaces(["typo"]);
    let accepted = start(&client, &backup).await.unwrap();
    yba.advance(MINUTE);
    assert_eq!(client.tasks().get(&accepted.task).await.unwrap().status, TaskState::Failure);
    let failed = client.tasks().failed_subtasks(&accepted.task).await.unwrap();
    assert_eq!(failed[0].sub_task_group_type, "Preparation");
    assert!(yba.backups().is_empty());
}

#[tokio::test]
async fn the_list_shows_full_backups_and_the_chain_shows_the_rest() {
    let yba = still().await;
    let client = yba.client();
    let base = completed(&yba).await;
    let increment = completed_as(&yba, &full(&yba).base(&base.backup_uuid)).await;
    assert!(increment.is_increment() && !base.is_increment());

    let page = client.backups().page(&BackupQuery::new().universe(yba.universe())).await.unwrap();
    let [head] = &page.entities[..] else { panic!("{page:?}") };
    assert_eq!(head.common_backup_info.backup_uuid, base.backup_uuid);
    assert!(head.has_incremental_backups);
    let chain = client.backups().increments(&base.backup_uuid).await.unwrap();
    let ids: Vec<&BackupId> = chain.iter().map(|member| &member.backup_uuid).collect();
    assert_eq!(ids, [&increment.backup_uuid, &base.backup_uuid]);
}

#[tokio::test]
async fn an_increment_needs_a_completed_full_backup_to_build_on() {
    let yba = still().await;
    let client = yba.client();
    let base = completed(&yba).await;
    let increment = completed_as(&yba, &full(&yba).base(&base.backup_uuid)).await;

    for wrong in [BackupId::from("unknown"), increment.backup_uuid] {
        let refused = start(&client, &full(&yba).base(&wrong)).await.unwrap_err();
        assert!(refused.is_missing_base(), "{refused}");
    }
    let old = yba.add_universe(UniverseSpec::new("old").without_ybc());
    let on_script = CreateBackup::full(old, yba.storage_config(), TableType::Ysql).base(&base.backup_uuid);
    let refused = start(&client, &on_script).await.unwrap_err();
    assert_eq!(refused.api_text(), Some("Incremental backup not allowed for non-YBC universes"));
}

#[tokio::test]
async fn an_increment_prolongs_the_life_of_its_base() {
    let yba = still().await;
    let base = completed(&yba).await;
    yba.advance(Duration::from_hours(12));
    completed_as(&yba, &full(&yba).base(&base.backup_uuid)).await;
    let after = yba.client().backups().get(&base.backup_uuid).await.unwrap();
    assert!(after.expiry.unwrap() > base.expiry.unwrap() + chrono::TimeDelta::hours(11));
}

#[tokio::test]
async fn an_expired_chain_is_queued_then_removed_and_then_disappears() {
    let yba = still().await;
    let client = yba.client();
    let base = completed(&yba).await;
    yba.advance(Duration::from_hours(24) + Duration::from_mins(15));
    let row = client.backups().get(&base.backup_uuid).await.unwrap();
    assert_eq!(row.state, BackupState::QueuedForDeletion);
    let refused = start(&client, &full(&yba).base(&base.backup_uuid)).await.unwrap_err();
    assert!(refused.is_missing_base());

    // The next run of the collector, whenever it is within its fifteen minutes.
    let state = || yba.backups().iter().find(|row| row.id == base.backup_uuid).map(|row| row.state.clone());
    while state() == Some(BackupState::QueuedForDeletion) {
        yba.advance(Duration::from_secs(1));
    }
    assert_eq!(state(), Some(BackupState::DeleteInProgress));
    // A restart in the middle queues it again.
    yba.restart();
    let row = client.backups().get(&base.backup_uuid).await.unwrap();
    assert_eq!(row.state, BackupState::QueuedForDeletion);

    yba.advance(Duration::from_mins(15));
    yba.advance(Duration::from_secs(5));
    assert!(client.backups().get(&base.backup_uuid).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_paused_universe_keeps_its_expired_backups() {
    let yba = still().await;
    let base = completed(&yba).await;
    yba.set_paused(&yba.universe(), true);
    yba.advance(Duration::from_hours(48));
    let row = yba.client().backups().get(&base.backup_uuid).await.unwrap();
    assert_eq!(row.state, BackupState::Completed);
}

#[tokio::test]
async fn yba_refuses_in_words() {
    let yba = still().await;
    let client = yba.client();
    let refusal = async |backup: &CreateBackup| {
        let error = start(&client, backup).await.unwrap_err();
        assert_eq!((error.status(), error.reach()), (Some(400), Reach::Answered));
        error.api_text().unwrap().to_owned()
    };
    let unknown = CreateBackup::full("nobody", yba.storage_config(), TableType::Ysql);
    assert_eq!(refusal(&unknown).await, "Cannot find universe nobody");
    let nowhere = CreateBackup::full(yba.universe(), "nowhere", TableType::Ysql);
    assert_eq!(refusal(&nowhere).await, "Invalid StorageConfig UUID: nowhere");
    let plain = yba.add_universe(UniverseSpec::new("plain").without_ycql());
    let ycql = CreateBackup::full(plain, yba.storage_config(), TableType::Ycql);
    assert_eq!(refusal(&ycql).await, "Cannot take backups on YCQL tables if API is disabled");
    yba.set_take_backups(&yba.universe(), false);
    assert_eq!(refusal(&full(&yba)).await, "Taking backups on the universe is disabled");
    yba.set_take_backups(&yba.universe(), true);
    yba.retire_storage_config(&yba.storage_config());
    assert_eq!(refusal(&full(&yba)).await, "Cannot create backup as config is queued for deletion.");
    assert_eq!(yba.backups_started(&yba.universe()), 0);
}

#[tokio::test]
async fn an_abort_takes_a_moment_and_a_second_one_says_not_running() {
    let yba = still().await;
    let client = yba.client();
    let accepted = start(&client, &full(&yba)).await.unwrap();
    yba.advance(MINUTE / 2);
    assert_eq!(client.tasks().abort(&accepted.task).await.unwrap(), AbortAnswer::Aborting);
    assert_eq!(client.tasks().abort(&accepted.task).await.unwrap(), AbortAnswer::NotRunning);
    assert_eq!(client.tasks().get(&accepted.task).await.unwrap().status, TaskState::Abort);
    assert_eq!(yba.backups()[0].state, BackupState::Stopping);

    yba.advance(MINUTE);
    assert_eq!(client.tasks().get(&accepted.task).await.unwrap().status, TaskState::Aborted);
    assert_eq!(yba.backups()[0].state, BackupState::Stopped);
    start(&client, &full(&yba)).await.unwrap();
}

#[tokio::test]
async fn after_a_restart_an_aborted_backup_runs_again_under_the_same_id() {
    let yba = still().await;
    let client = yba.client();
    let id = RequestId::new();
    let accepted = client.backups().create(&full(&yba), &id).await.unwrap();
    yba.advance(MINUTE / 2);

    yba.shut_down();
    let stopping = start(&client, &full(&yba)).await.unwrap_err();
    assert!(stopping.is_stopping());
    assert_eq!(stopping.reach(), Reach::NotSent);
    yba.start_up();
    let task = client.tasks().get(&accepted.task).await.unwrap();
    assert_eq!(task.status, TaskState::Aborted);
    assert_eq!(yba.backups()[0].state, BackupState::Stopped);
    let listed = client.tasks().list(Some(&yba.universe())).await.unwrap();
    assert_eq!(listed[0].completion_time, None, "not closed, so it may come back");
    assert!(client.tasks().failed_subtasks(&accepted.task).await.unwrap()[0].is_platform_interruption());

    yba.advance(Duration::from_secs(1));
    let task = client.tasks().get(&accepted.task).await.unwrap();
    assert_eq!((task.status, task.correlation_id), (TaskState::Running, Some(id)));
    assert_eq!(yba.backups()[0].state, BackupState::InProgress);
    yba.advance(MINUTE);
    assert_eq!(client.tasks().get(&accepted.task).await.unwrap().status, TaskState::Success);
    assert_eq!(yba.backups().len(), 1);
    assert_eq!(yba.backups()[0].state, BackupState::Completed);
}

#[tokio::test]
async fn after_a_crash_a_task_reads_failure_and_then_runs_again() {
    let yba = still().await;
    let client = yba.client();
    let accepted = start(&client, &full(&yba)).await.unwrap();
    yba.advance(MINUTE / 2);
    yba.crash_and_restart();
    assert_eq!(client.tasks().get(&accepted.task).await.unwrap().status, TaskState::Failure);
    let failed = client.tasks().failed_subtasks(&accepted.task).await.unwrap();
    assert!(failed[0].is_platform_interruption());
    yba.advance(Duration::from_secs(1));
    assert_eq!(client.tasks().get(&accepted.task).await.unwrap().status, TaskState::Running);
}

#[tokio::test]
async fn a_script_backup_does_not_survive_a_restart() {
    let yba = still().await;
    let client = yba.client();
    let old = yba.add_universe(UniverseSpec::new("old").without_ybc());
    let backup = CreateBackup::full(&old, yba.storage_config(), TableType::Ysql);
    let accepted = start(&client, &backup).await.unwrap();
    yba.advance(MINUTE / 2);
    yba.restart();
    yba.advance(MINUTE);
    assert_eq!(client.tasks().get(&accepted.task).await.unwrap().status, TaskState::Failure);
    assert_eq!(yba.backups()[0].state, BackupState::Failed);
    start(&client, &backup).await.unwrap();
}

#[tokio::test]
async fn a_standby_answers_reads_from_its_old_copy_and_refuses_writes() {
    let yba = still().await;
    let client = yba.client();
    let accepted = start(&client, &full(&yba)).await.unwrap();
    yba.become_standby();
    yba.advance(MINUTE * 10);

    assert_eq!(client.tasks().get(&accepted.task).await.unwrap().status, TaskState::Running);
    let refused = start(&client, &full(&yba)).await.unwrap_err();
    assert!(refused.is_standby());
    assert_eq!(refused.reach(), Reach::NotSent);
    assert!(client.backups().page(&BackupQuery::new()).await.unwrap().entities.is_empty());
    assert_eq!(client.ha_leader().await.unwrap(), Leadership::Follower);

    yba.become_leader();
    assert_eq!(client.ha_leader().await.unwrap(), Leadership::Leader);
}

#[tokio::test]
async fn a_collected_task_is_not_known_but_its_backup_is() {
    let yba = still().await;
    let client = yba.client();
    let base = completed(&yba).await;
    yba.collect_tasks();
    let task: TaskId = base.task_uuid.clone().unwrap();
    let unknown = client.tasks().get(&task).await.unwrap_err();
    assert_eq!(unknown.status(), Some(400));
    assert!(unknown.is_not_found());
    assert_eq!(client.backups().get(&base.backup_uuid).await.unwrap().task_uuid, Some(task));
}

#[tokio::test]
async fn a_hanging_backup_ends_when_the_test_says_so() {
    let yba = still().await;
    let client = yba.client();
    yba.hang_next_backup(&yba.universe());
    let accepted = start(&client, &full(&yba).retain(MINUTE, TimeUnit::Minutes)).await.unwrap();
    yba.advance(Duration::from_hours(48));
    assert_eq!(client.tasks().get(&accepted.task).await.unwrap().status, TaskState::Running);
    yba.finish_task(&accepted.task, Outcome::failure("given up"));
    assert_eq!(client.tasks().get(&accepted.task).await.unwrap().status, TaskState::Failure);
    assert_eq!(yba.count(Endpoint::CreateBackup), 1);
}

#[tokio::test]
async fn what_the_call_does_not_check_the_task_does() {
    let yba = still().await;
    let client = yba.client();
    yba.set_paused(&yba.universe(), true);
    let paused = start(&client, &full(&yba)).await.unwrap();
    assert_eq!(client.tasks().get(&paused.task).await.unwrap().status, TaskState::Failure);
    yba.set_paused(&yba.universe(), false);

    yba.set_start_delay(MINUTE);
    let retired = start(&client, &full(&yba)).await.unwrap();
    yba.retire_storage_config(&yba.storage_config());
    yba.advance(MINUTE);
    let failed = client.tasks().failed_subtasks(&retired.task).await.unwrap();
    assert!(failed[0].error_string.as_ref().unwrap().contains("not in Active state"));
    assert!(yba.backups().is_empty());
}
