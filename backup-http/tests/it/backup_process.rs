//! `POST /backupProcess` when all is well, or at least understood.

use std::{sync::Arc, time::Duration};

use backup_core::{
    Attempt, BackupRecord, BackupStrategy, BackupTarget, FixedTargets, Plan, TaskId,
    strategy::{Found, Observation, PlanError, Start, TaskList, Unavailable},
    testing::{Moment, ScriptedStrategy, fixtures},
};
use backup_store::StoreConfig;
use chrono::{DateTime, NaiveDate, Utc};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::Notify;
use yba_client::simulator::{Endpoint, Fault, Simulator};

use crate::support::{
    PATIENCE, Parts, Reply, ask, http_client, logs, on_simulator, quick_yba, read, redacted, scripted,
    simulated, until,
};

#[tokio::test]
async fn a_full_backup_is_awaited_and_answered_in_the_original_shape() {
    let yba = quick_yba().await;
    let app = simulated(&yba).start();
    let reply = app.process(&ask("DB1_CODE")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    insta::assert_json_snapshot!(redacted(reply.json()), @r#"
    {
      "batchCategory": "DB1_CODE",
      "batchMode": "SCHEDULED",
      "endTime": "[local time]",
      "extensionFields": {
        "backup_response": "[JSON string with 3]",
        "backup_uuid": "[uuid]",
        "task_uuid": "[uuid]"
      },
      "id": {
        "batchExecutionDate": "2025-03-25",
        "batchExecutionId": "[uuid]"
      },
      "startTime": "[local time]",
      "status": "COMPLETED"
    }
    "#);
    let response: Value = serde_json::from_str(&reply.extension("backup_response")).unwrap();
    assert_eq!(response["taskUUID"].as_str(), Some(reply.extension("task_uuid").as_str()));
    assert_eq!(response["backup"]["state"], "Completed");
    assert_eq!(yba.backups_started(&yba.universe()), 1);
}

#[tokio::test]
async fn an_increment_follows_its_full_backup() {
    let yba = quick_yba().await;
    let app = simulated(&yba).start();
    assert_eq!(app.process(&ask("db1")).await.status, 200);
    assert_eq!(app.process(&ask("db2")).await.gist(), "200 COMPLETED -");
    assert!(yba.requests_to(Endpoint::CreateBackup)[1].body["baseBackupUUID"].is_string());
}

#[tokio::test]
async fn an_increment_without_a_base_is_a_conflict_and_nothing_is_posted() {
    let yba = quick_yba().await;
    let app = simulated(&yba).start();
    let reply = app.process(&ask("db2")).await;
    assert_eq!(reply.gist(), "409 FAILED NO_BASE_BACKUP");
    assert!(reply.extension("error_message").contains("full backup"), "{reply:?}");
    assert_eq!(yba.count(Endpoint::CreateBackup), 0);
    assert_eq!(app.exceptions()[0].0, "NO_BASE_BACKUP");
}

/// Takes its time: the task runs until the test ends it.
async fn slow_yba() -> Simulator {
    let yba = quick_yba().await;
    yba.hang_next_backup(&yba.universe());
    yba
}

fn finish(yba: &Simulator) {
    let open = yba.tasks().into_iter().find(|task| task.completed.is_none()).expect("an open task");
    yba.finish_task(&open.id, yba_client::simulator::Outcome::Success);
}

#[tokio::test]
async fn a_backup_that_takes_longer_than_the_wait_is_answered_202_and_goes_on() {
    let yba = slow_yba().await;
    let app = simulated(&yba).config(|config| config.wait_timeout = Duration::from_millis(100)).start();
    let reply = app.process(&ask("db1")).await;
    assert_eq!(reply.gist(), "202 IN_PROGRESS -");
    let location = reply.header("location").unwrap().to_owned();
    assert_eq!(location, format!("/batches/{}", reply.batch()));
    assert_eq!(reply.header("preference-applied"), None);
    let is_running = |reply: &Reply| reply.json()["extensionFields"]["phase"] == "RUNNING";
    let running = until(async || app.get(&location).await, is_running).await;
    insta::assert_json_snapshot!(redacted(running.json()), @r#"
    {
      "batchCategory": "db1",
      "batchMode": "SCHEDULED",
      "endTime": null,
      "extensionFields": {
        "backup_response": "[JSON string with 2]",
        "phase": "RUNNING",
        "task_uuid": "[uuid]"
      },
      "id": {
        "batchExecutionDate": "2025-03-25",
        "batchExecutionId": "[uuid]"
      },
      "startTime": "[local time]",
      "status": "IN_PROGRESS"
    }
    "#);

    finish(&yba);
    let done = until(async || app.get(&location).await, |reply| reply.json()["status"] == "COMPLETED").await;
    assert_eq!(done.status, 200);
    assert!(done.json()["endTime"].is_string());
}

#[tokio::test]
async fn respond_async_is_answered_at_once() {
    let yba = slow_yba().await;
    let app = simulated(&yba).start();
    let reply = app.process_with(&ask("db1"), &[("prefer", "respond-async")]).await;
    assert_eq!(reply.gist(), "202 IN_PROGRESS -");
    assert_eq!(reply.header("preference-applied"), Some("respond-async"));
    assert_eq!(reply.header("location"), Some(format!("/batches/{}", reply.batch()).as_str()));
}

#[rstest]
#[case::zero(&["wait=0"], "wait=0")]
#[case::both(&["respond-async, wait=0"], "respond-async, wait=0")]
#[case::two_headers(&["respond-async", "wait=0; foo=bar"], "respond-async, wait=0")]
#[tokio::test]
async fn a_preferred_wait_is_kept(#[case] prefer: &[&str], #[case] applied: &str) {
    let yba = slow_yba().await;
    let app = simulated(&yba).start();
    let headers: Vec<_> = prefer.iter().map(|value| ("prefer", *value)).collect();
    let reply = app.process_with(&ask("db1"), &headers).await;
    assert_eq!(reply.gist(), "202 IN_PROGRESS -");
    assert_eq!(reply.header("preference-applied"), Some(applied));
}

#[tokio::test]
async fn a_preferred_wait_ends_with_the_backup() {
    let yba = quick_yba().await;
    let app = simulated(&yba).config(|config| config.wait_timeout = Duration::ZERO).start();
    let reply = app.process_with(&ask("db1"), &[("prefer", "wait=600")]).await;
    assert_eq!(reply.gist(), "200 COMPLETED -");
    assert_eq!(reply.header("preference-applied"), Some("wait=600"));
}

#[tokio::test]
async fn an_unknown_preference_changes_nothing() {
    let yba = quick_yba().await;
    let app = simulated(&yba).start();
    let reply = app.process_with(&ask("db1"), &[("prefer", "handling=strict, wait=soon")]).await;
    assert_eq!(reply.gist(), "200 COMPLETED -");
    assert_eq!(reply.header("preference-applied"), None);
}

#[tokio::test]
async fn a_completed_batch_is_answered_again_and_nothing_is_started() {
    let yba = quick_yba().await;
    let app = simulated(&yba).start();
    let first = app.process(&ask("db1")).await;
    let mut again = ask("db1");
    again["batchExecutionId"] = json!(first.batch());
    let second = app.process(&again).await;
    assert_eq!((second.status, second.json()), (200, first.json()));
    assert_eq!(yba.count(Endpoint::CreateBackup), 1);
}

#[tokio::test]
async fn a_batch_in_progress_is_joined() {
    let yba = slow_yba().await;
    let app = Arc::new(simulated(&yba).start());
    let first = app.process_with(&ask("db1"), &[("prefer", "respond-async")]).await;
    let mut join = ask("db1");
    join["batchExecutionId"] = json!(first.batch());
    let joined = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.process(&join).await }
    });
    until(async || yba.count(Endpoint::GetTask), |looks| *looks > 0).await;
    finish(&yba);
    let joined = joined.await.unwrap();
    assert_eq!(joined.gist(), "200 COMPLETED -");
    assert_eq!(joined.batch(), first.batch());
    assert_eq!(yba.count(Endpoint::CreateBackup), 1);
    let id = joined.header("x-request-id").unwrap();
    let logs = logs();
    let line = logs.lines().find(|line| line.contains(id) && line.contains("answered")).expect("a line");
    assert!(line.contains(&format!("batch_id={}", first.batch())), "{line}");
}

#[tokio::test]
async fn a_failed_batch_is_run_again_as_a_further_attempt_of_the_same_batch() {
    let yba = quick_yba().await;
    yba.fail_next_backup(&yba.universe(), "disk full");
    let app = simulated(&yba).start();
    let failed = app.process(&ask("db1")).await;
    assert_eq!(failed.gist(), "502 FAILED BACKUP_FAILED");
    let mut again = ask("db1");
    again["batchExecutionId"] = json!(failed.batch());
    let second = app.process(&again).await;
    assert_eq!(second.gist(), "200 COMPLETED -");
    assert_eq!(second.batch(), failed.batch());
    assert_eq!(app.store.records().len(), 1);
    assert_eq!(app.store.records()[0].attempts.len(), 2);
}

#[tokio::test]
async fn an_unknown_batch_is_not_made_up() {
    let yba = ScriptedStrategy::new();
    let app = scripted(&yba).start();
    let mut named = ask("db1");
    named["batchExecutionId"] = json!("no-such-batch");
    let reply = app.process(&named).await;
    assert_eq!(reply.status, 404);
    insta::assert_json_snapshot!(reply.json(), @r#"
    {
      "batchCategory": "db1",
      "batchMode": "SCHEDULED",
      "endTime": null,
      "extensionFields": {
        "error_code": "INVALID_REQUEST",
        "error_message": "there is no batch \"no-such-batch\""
      },
      "id": {
        "batchExecutionDate": "2025-03-25",
        "batchExecutionId": "no-such-batch"
      },
      "startTime": null,
      "status": "FAILED"
    }
    "#);
    assert!(app.store.records().is_empty() && yba.posted().is_empty());
}

#[tokio::test]
async fn a_batch_of_another_category_or_date_is_a_conflict() {
    let yba = ScriptedStrategy::new();
    let app = scripted(&yba).start();
    let first = app.process(&ask("db1")).await;
    let mut other = ask("db1");
    other["batchExecutionId"] = json!(first.batch());
    other["batchTransactionDate"] = json!("20250326");
    let reply = app.process(&other).await;
    assert_eq!(reply.gist(), "409 FAILED INVALID_REQUEST");
    assert!(reply.extension("error_message").contains("2025-03-25"), "{reply:?}");
}

#[tokio::test]
async fn one_key_makes_one_batch_however_many_callers_send_it() {
    let yba = quick_yba().await;
    let app = Arc::new(simulated(&yba).start());
    let calls: Vec<_> = (0..20)
        .map(|n| {
            let app = Arc::clone(&app);
            // Bare, or quoted as the IETF draft wants: the same key.
            let key = if n % 2 == 0 { "nightly-2025-03-25" } else { "\"nightly-2025-03-25\"" };
            tokio::spawn(async move { app.process_with(&ask("db1"), &[("idempotency-key", key)]).await })
        })
        .collect();
    let mut batches = Vec::new();
    for call in calls {
        let reply = call.await.unwrap();
        assert_eq!(reply.gist(), "200 COMPLETED -");
        batches.push(reply.batch());
    }
    batches.dedup();
    assert_eq!(batches.len(), 1);
    assert_eq!(yba.count(Endpoint::CreateBackup), 1);
    assert_eq!(app.store.records().len(), 1);
}

#[tokio::test]
async fn a_key_that_is_used_for_something_else_is_a_conflict() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let key = [("idempotency-key", "k1")];
    assert_eq!(app.process_with(&ask("db1"), &key).await.status, 200);
    let mut other = ask("db1");
    other["batchTransactionDate"] = json!("20250326");
    assert_eq!(app.process_with(&other, &key).await.gist(), "409 FAILED INVALID_REQUEST");
}

#[tokio::test]
async fn both_forms_of_a_date_and_a_number_that_looks_like_one_are_taken() {
    let app = scripted(&ScriptedStrategy::new()).start();
    for date in [json!("20250325"), json!("2025-03-25"), json!(" 20250325 "), json!(20_250_325)] {
        let reply = app.process(&json!({"batchCategoryCode": "db1", "batchTransactionDate": date})).await;
        assert_eq!(reply.gist(), "200 COMPLETED -", "{date}");
        assert_eq!(reply.json()["id"]["batchExecutionDate"], "2025-03-25");
    }
}

#[tokio::test]
async fn fields_that_nobody_knows_are_ignored_as_the_original_did() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let mut body = ask("db1");
    body["batchExecutionId"] = Value::Null;
    body["extra"] = json!({"a": [1]});
    assert_eq!(app.process(&body).await.gist(), "200 COMPLETED -");
}

#[tokio::test]
async fn with_legacy_codes_everything_is_answered_200_and_the_body_tells() {
    let yba = quick_yba().await;
    yba.script(Endpoint::CreateBackup, Fault::status(400, "no such thing"));
    let app = simulated(&yba).config(|config| config.legacy_status_codes = true).start();
    assert_eq!(app.process(&ask("db1")).await.gist(), "200 FAILED YBA_REJECTED");
    assert_eq!(app.process(&ask("nope")).await.gist(), "200 FAILED UNKNOWN_CATEGORY");
    assert_eq!(app.post("/backupProcess", "{").await.gist(), "200 FAILED INVALID_REQUEST");
    assert_eq!(app.process(&ask("db1")).await.gist(), "200 COMPLETED -");

    yba.hang_next_backup(&yba.universe());
    let running = app.process_with(&ask("db1"), &[("prefer", "respond-async")]).await;
    assert_eq!(running.gist(), "200 IN_PROGRESS -");
    assert!(running.header("location").is_some());
}

#[tokio::test]
async fn a_client_that_hangs_up_stops_nothing() {
    let yba = slow_yba().await;
    let app = simulated(&yba).start();
    let service = app.listen().await;
    let call = http_client().post(format!("{}/backupProcess", service.url)).body(ask("db1").to_string());
    let call = tokio::spawn(call.send());
    until(async || yba.count(Endpoint::GetTask), |looks| *looks > 0).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());

    finish(&yba);
    let records =
        until(async || app.store.records(), |records| records.iter().all(BackupRecord::is_done)).await;
    assert_eq!(records.len(), 1);
    assert!(records[0].failure.is_none(), "{records:?}");
}

/// Whoever plans takes his time, and by then the client is gone: the batch is recorded and followed all the same.
#[tokio::test]
async fn a_client_that_hangs_up_in_the_middle_of_the_submission_stops_nothing_either() {
    let planning = Arc::new(Notify::new());
    let yba = SlowPlan { yba: ScriptedStrategy::new(), planning: Arc::clone(&planning) };
    let app = Parts::new(FixedTargets::new([fixtures::target()], []).unwrap()).strategy(yba).start();
    let service = app.listen().await;
    let call = http_client().post(format!("{}/backupProcess", service.url)).body(ask("db1").to_string());
    let call = tokio::spawn(call.send());
    planning.notified().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let is_done =
        |records: &Vec<BackupRecord>| !records.is_empty() && records.iter().all(BackupRecord::is_done);
    let records = until(async || app.store.records(), is_done).await;
    assert!(records[0].failure.is_none() && records[0].attempts.len() == 1, "{records:?}");
}

/// A strategy that is asked for its plan, says so, and takes a moment.
struct SlowPlan {
    yba: ScriptedStrategy,
    planning: Arc<Notify>,
}

#[async_trait::async_trait]
impl BackupStrategy for SlowPlan {
    fn name(&self) -> &str {
        self.yba.name()
    }

    async fn plan(&self, target: &BackupTarget, date: NaiveDate) -> Result<Plan, PlanError> {
        self.planning.notify_one();
        tokio::time::sleep(Duration::from_millis(100)).await;
        BackupStrategy::plan(&self.yba, target, date).await
    }

    async fn start(&self, target: &BackupTarget, plan: &Plan, attempt: &Attempt) -> Start {
        BackupStrategy::start(&self.yba, target, plan, attempt).await
    }

    async fn find(&self, target: &BackupTarget, attempts: &[Attempt]) -> Result<Found, Unavailable> {
        BackupStrategy::find(&self.yba, target, attempts).await
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

#[tokio::test]
async fn a_store_that_fails_is_answered_503_and_nothing_was_started() {
    let yba = ScriptedStrategy::new();
    let app = scripted(&yba).start();
    app.store.fail_when(|operation, moment| operation == "create" && moment == Moment::Before);
    let reply = app.process(&ask("db1")).await;
    assert_eq!(reply.gist(), "503 FAILED STORE_UNAVAILABLE");
    assert!(reply.extension("error_advice").contains("the same Idempotency-Key"), "{reply:?}");
    assert!(yba.posted().is_empty());
}

#[tokio::test]
async fn a_store_that_fails_while_somebody_waits_does_not_undo_the_batch() {
    let yba = slow_yba().await;
    let app = simulated(&yba).config(|config| config.wait_timeout = Duration::from_millis(50)).start();
    app.store.fail_when(|operation, _| operation == "find");
    let reply = app.process(&ask("db1")).await;
    assert_eq!(reply.gist(), "202 IN_PROGRESS -");
    assert!(reply.header("location").is_some());
}

#[tokio::test]
async fn the_caller_s_request_id_comes_back_and_is_on_every_line_of_the_backup() {
    let yba = quick_yba().await;
    let app = simulated(&yba).start();
    let id = "caller-4711-a_b.c";
    let reply = app.process_with(&ask("db1"), &[("x-request-id", id)]).await;
    assert_eq!(reply.header("x-request-id"), Some(id));
    let batch = reply.batch();
    let logs = logs();
    let lines: Vec<&str> = logs.lines().filter(|line| line.contains(&batch)).collect();
    assert!(lines.iter().any(|line| line.contains("recorded")), "{lines:?}");
    for line in lines {
        assert!(line.contains(id) && line.contains("business_date=2025-03-25"), "{line}");
    }
    let generated = app.process_with(&ask("db1"), &[("x-request-id", "not printable \u{e9}")]).await;
    assert!(uuid::Uuid::parse_str(generated.header("x-request-id").unwrap()).is_ok());
}

#[tokio::test]
async fn fifty_backups_at_once_on_fifty_universes_all_complete_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("backups.db").display());
    fifty_backups_at_once(&StoreConfig::new(url)).await;
}

#[tokio::test]
async fn fifty_backups_at_once_on_fifty_universes_all_complete_on_postgresql() {
    const NAME: &str = "fifty_backups_at_once_on_fifty_universes_all_complete_on_postgresql";
    let Some(server) = pg_harness::Server::shared() else {
        return pg_harness::skip(NAME, pg_harness::NOT_FOUND);
    };
    let database = server.database();
    fifty_backups_at_once(&StoreConfig::new(database.url())).await;
    // The original's query.
    let rows = database.psql(
        "SET search_path = epricing; SELECT batch_id, backup_status, backup_type, start_time, end_time \
         FROM batch_db_schedule_event_tracker WHERE business_date = '2025-03-25'",
    );
    assert_eq!(rows.lines().filter(|row| row.contains("SUCCESS")).count(), 50, "{rows}");
}

async fn fifty_backups_at_once(store: &StoreConfig) {
    let store = backup_store::connect(store).await.expect("a store");
    let yba = quick_yba().await;
    let targets: Vec<BackupTarget> = (0..50)
        .map(|n| {
            let universe = yba.add_universe(format!("universe-{n}"));
            BackupTarget::new(format!("db{n}"), "yba", universe.as_str(), yba.storage_config().as_str())
        })
        .collect();
    let app = on_simulator(&yba, targets).start_on(store);
    let service = app.listen().await;
    let client = http_client();
    let calls: Vec<_> = (0..50)
        .map(|n| {
            let body = ask(&format!("db{n}")).to_string();
            let call = client.post(format!("{}/backupProcess", service.url)).body(body);
            tokio::spawn(async move { read(call.send().await.expect("an answer")).await })
        })
        .collect();
    for call in calls {
        let reply = tokio::time::timeout(PATIENCE, call).await.expect("in time").expect("no panic");
        assert_eq!(reply.gist(), "200 COMPLETED -", "{reply:?}");
    }
    assert_eq!(yba.count(Endpoint::CreateBackup), 50);
    let page = app.get("/batches?status=COMPLETED&limit=1000").await.json();
    assert_eq!(page["batches"].as_array().expect("a list").len(), 50);
    service.stop.cancel();
    tokio::time::timeout(PATIENCE, service.server).await.expect("it ends").expect("no panic");
}
