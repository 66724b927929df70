//! Every call: exact method, path, headers and body, and an answer of the recorded kind read back.

use std::time::Duration;

use futures_util::TryStreamExt;
use serde_json::{Value, json};
use wiremock::{MockServer, ResponseTemplate};
use yba_client::{
    AbortAnswer, BackupCategory, BackupQuery, BackupState, CreateBackup, CreateRestore, CreateSchedule,
    EditBackup, EditSchedule, Error, ErrorKind, KeyspaceTables, Leadership, PitrSettings, PitrState,
    Recurrence, RequestId, RestorePreflight, RestoreQuery, RestoreSource, RestoreState, ScheduleQuery,
    ScheduleState, SecretString, SubtaskErrorCode, TableType, TaskQuery, TaskState, TimeUnit, YbaClient,
    parse_date,
};

use crate::support::{Sent, TOKEN, answering, answering_json, builder, client, refusal, sent};

const UNIVERSE: &str = "3f6c1c2e-64a5-4a0f-9a51-1c7d7f3e0001";
const BASE: &str = "/api/v1/customers/customer-1";

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("the fixture is there"))
        .expect("the fixture is JSON")
}

async fn serving(name: &str) -> (MockServer, YbaClient) {
    let server = answering_json(fixture(name)).await;
    let client = client(&server);
    (server, client)
}

async fn accepting() -> (MockServer, YbaClient) {
    let server = answering_json(json!({"taskUUID": "task-1", "resourceUUID": null})).await;
    let client = client(&server);
    (server, client)
}

/// The one request that was sent.
async fn only(server: &MockServer) -> Sent {
    let mut all = sent(server).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn full() -> CreateBackup {
    CreateBackup::full("u-1", "s-1", TableType::Ysql)
}

#[tokio::test]
async fn a_full_backup_is_posted_with_everything_yba_asks_for() {
    let (server, client) = accepting().await;
    let order = full().keyspaces(["orders", "ledger"]).retain(Duration::from_hours(24), TimeUnit::Days);
    let accepted = client.backups().create(&order, &RequestId::from("attempt-1")).await.unwrap();
    assert_eq!(accepted.task.as_str(), "task-1");
    assert_eq!((accepted.resource, accepted.request_id_echoed), (None, false));
    assert_eq!(accepted.body["taskUUID"], "task-1");

    let sent = only(&server).await;
    assert_eq!(sent.line, format!("POST {BASE}/backups"));
    assert_eq!(sent.header("x-auth-yw-api-token"), Some(TOKEN));
    assert_eq!(sent.header("x-request-id"), Some("attempt-1"));
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(sent.header("accept"), Some("application/json"));
    assert!(sent.header("user-agent").unwrap().starts_with("yba-client/"));
    assert_eq!(sent.header("traceparent"), None);
    let expected = json!({
        "universeUUID": "u-1",
        "storageConfigUUID": "s-1",
        "backupType": "PGSQL_TABLE_TYPE",
        "keyspaceTableList": [{"keyspace": "orders"}, {"keyspace": "ledger"}],
        "timeBeforeDelete": 86_400_000,
        "expiryTimeUnit": "DAYS",
    });
    assert_eq!(sent.body, expected);
}

#[tokio::test]
async fn an_increment_is_the_same_call_with_a_base() {
    let (server, client) = accepting().await;
    let order = full().base("head-1");
    client.backups().create(&order, &RequestId::new()).await.unwrap();
    let expected = json!({
        "universeUUID": "u-1",
        "storageConfigUUID": "s-1",
        "backupType": "PGSQL_TABLE_TYPE",
        "baseBackupUUID": "head-1",
    });
    assert_eq!(only(&server).await.body, expected);
}

#[tokio::test]
async fn every_option_of_a_backup_has_its_field() {
    let (server, client) = accepting().await;
    let mut tables = KeyspaceTables::all_of("orders");
    tables.table_name_list = vec!["lines".to_owned()];
    tables.table_uuid_list = vec!["table-1".to_owned()];
    let order = CreateBackup::full("u-1", "s-1", TableType::Ycql)
        .tables([tables])
        .sse(true)
        .use_tablespaces(false)
        .use_roles(true)
        .parallelism(8)
        .parallel_db_backups(2)
        .table_by_table(true)
        .kms_config("kms-1")
        .category(BackupCategory::YbController)
        .point_in_time_restore(true)
        .retain_millis(0, TimeUnit::Days);
    client.backups().create(&order, &RequestId::new()).await.unwrap();
    let expected = json!({
        "universeUUID": "u-1",
        "storageConfigUUID": "s-1",
        "backupType": "YQL_TABLE_TYPE",
        "keyspaceTableList": [
            {"keyspace": "orders", "tableNameList": ["lines"], "tableUUIDList": ["table-1"]}
        ],
        "timeBeforeDelete": 0,
        "expiryTimeUnit": "DAYS",
        "sse": true,
        "useTablespaces": false,
        "useRoles": true,
        "parallelism": 8,
        "parallelDBBackups": 2,
        "tableByTableBackup": true,
        "kmsConfigUUID": "kms-1",
        "backupCategory": "YB_CONTROLLER",
        "enablePointInTimeRestore": true,
    });
    assert_eq!(only(&server).await.body, expected);
}

#[tokio::test]
async fn an_echoed_request_id_is_told() {
    let answer = ResponseTemplate::new(200)
        .set_body_json(json!({"taskUUID": "t"}))
        .insert_header("x-request-id", "attempt-1");
    let server = answering(answer).await;
    let client = client(&server);
    let ours = client.backups().create(&full(), &"attempt-1".into()).await.unwrap();
    assert!(ours.request_id_echoed);
    let overwritten = client.backups().create(&full(), &"attempt-2".into()).await.unwrap();
    assert!(!overwritten.request_id_echoed, "a proxy that sets its own id is noticed");
}

#[tokio::test]
async fn a_configured_url_is_used_as_given() {
    let (server, client) = accepting().await;
    let url = format!("{}/gateway/backups/incremental?x=1", server.uri());
    client.backups().create_at(&url, &full().base("b"), &"attempt-1".into()).await.unwrap();
    let sent = only(&server).await;
    assert_eq!(sent.line, "POST /gateway/backups/incremental?x=1");
    assert_eq!(sent.header("x-auth-yw-api-token"), Some(TOKEN));
    assert_eq!(sent.header("x-request-id"), Some("attempt-1"));
    assert_eq!(sent.body["baseBackupUUID"], "b");
}

#[tokio::test]
async fn the_last_backup_of_a_configured_url_is_an_array() {
    let server = answering_json(json!([
        {"backupUUID": "b-1", "createTime": "2025-03-25T10:15:30Z", "state": "Completed", "more": 1},
        {"backupUUID": "b-0", "createTime": 1_742_897_730_000_i64, "state": null},
    ]))
    .await;
    let url = format!("{}/last?limit=1&direction=DESC", server.uri());
    let last = client(&server).backups().last_at(&url).await.unwrap();
    assert_eq!(last[0].backup_uuid.as_str(), "b-1");
    assert_eq!(last[0].state, Some(BackupState::Completed));
    assert_eq!(last[0].create_time, last[1].create_time);
    assert_eq!(only(&server).await.line, "GET /last?limit=1&direction=DESC");
}

#[tokio::test]
async fn a_task_is_read_with_its_java_dates() {
    let (server, client) = serving("task").await;
    let task = client.tasks().get(&"t/1".into()).await.unwrap();
    assert_eq!(only(&server).await.line, format!("GET {BASE}/tasks/t%2F1"));
    assert_eq!(task.status, TaskState::Failure);
    assert!((task.percent - 66.666).abs() < 0.001);
    assert_eq!(task.create_time, parse_date("2025-03-25T10:15:30Z"));
    assert_eq!(task.completion_time, parse_date("2025-03-25T10:19:02Z"));
    assert_eq!(task.target_uuid.as_deref(), Some(UNIVERSE));
    assert_eq!(task.correlation_id, Some("0195cc2a-7c1e-7a60-9f0e-2b8f6f0a0001".into()));
    assert_eq!(task.raw["aFieldOfTomorrow"]["nested"][2], 3);
}

#[tokio::test]
async fn failed_subtasks_are_read_and_the_word_null_is_nothing() {
    let (server, client) = serving("failed_subtasks").await;
    let failed = client.tasks().failed_subtasks(&"t-1".into()).await.unwrap();
    assert_eq!(only(&server).await.line, format!("GET {BASE}/tasks/t-1/failed_subtasks"));
    assert!(failed[0].error_string.as_ref().unwrap().contains("AccessDenied"));
    assert_eq!(failed[0].error_code, Some(SubtaskErrorCode::UnknownError));
    assert_eq!((&failed[1].error_string, &failed[1].error_code), (&None, &None));
}

#[tokio::test]
async fn the_task_list_is_asked_for_by_universe_or_whole() {
    let (server, client) = serving("tasks_list").await;
    let tasks = client.tasks().list(Some(&"u-1".into())).await.unwrap();
    client.tasks().list(None).await.unwrap();
    let lines: Vec<String> = sent(&server).await.into_iter().map(|sent| sent.line).collect();
    assert_eq!(lines, [format!("GET {BASE}/tasks_list?uUUID=u-1"), format!("GET {BASE}/tasks_list")]);
    assert_eq!(tasks[0].target, "Backup");
    assert_eq!(tasks[0].completion_time, None);
    assert_eq!(tasks[1].type_name, "Expired Backup Deletion");
    assert_eq!(tasks[1].correlation_id, None);
}

#[tokio::test]
async fn tasks_can_be_paged() {
    let server = answering_json(json!({"entities": fixture("tasks_list"), "hasNext": false})).await;
    let query = TaskQuery::new().target("u-1").state(TaskState::Running).limit(2);
    let page = client(&server).tasks().page(&query).await.unwrap();
    assert_eq!(page.entities.len(), 2);
    let sent = only(&server).await;
    assert_eq!(sent.line, format!("POST {BASE}/tasks_list/page"));
    let expected = json!({
        "filter": {"targetUUIDList": ["u-1"], "status": ["Running"]},
        "sortBy": "createTime", "direction": "DESC", "offset": 0, "limit": 2, "needTotalCount": false,
    });
    assert_eq!(sent.body, expected);
}

#[tokio::test]
async fn an_abort_is_told_apart_by_its_message() {
    for (message, expected) in [
        ("Task is being aborted.", AbortAnswer::Aborting),
        ("Task is not running.", AbortAnswer::NotRunning),
        ("Something new", AbortAnswer::Other("Something new".to_owned())),
    ] {
        let server = answering_json(json!({"success": true, "message": message})).await;
        assert_eq!(client(&server).tasks().abort(&"t-1".into()).await.unwrap(), expected);
        assert_eq!(only(&server).await.line, format!("POST {BASE}/tasks/t-1/abort"));
    }
}

#[tokio::test]
async fn a_backup_is_read_with_its_universe_and_keyspaces() {
    let (server, client) = serving("backup").await;
    let backup = client.backups().get(&"b-1".into()).await.unwrap();
    assert_eq!(only(&server).await.line, format!("GET {BASE}/backups/b-1"));
    assert_eq!(backup.state, BackupState::Completed);
    assert!(backup.is_increment());
    assert_eq!(backup.universe().unwrap().as_str(), UNIVERSE);
    assert_eq!(backup.backup_info.keyspaces(), ["ledger", "orders"]);
    assert_eq!(backup.backup_info.time_before_delete, 2_592_000_000);
    assert_eq!(backup.expiry, parse_date("2025-04-24T10:19:02Z"));
    assert_eq!(backup.raw["firstSnapshotTime"], 1_742_897_735_000_i64);
}

#[tokio::test]
async fn the_backups_of_a_task_are_asked_for_by_universe_and_task() {
    let server = answering_json(json!([fixture("backup")])).await;
    let rows = client(&server).backups().of_task(&"u-1".into(), &"t-1".into()).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(only(&server).await.line, format!("GET {BASE}/universes/u-1/backups/tasks/t-1"));
}

#[tokio::test]
async fn the_backup_list_is_asked_for_with_every_filter() {
    let (server, client) = serving("backups_page").await;
    let day = |text| parse_date(text).unwrap();
    let query = BackupQuery::new()
        .universe("u-1")
        .storage_config("s-1")
        .schedule("sch-1")
        .backup("b-1")
        .keyspace("orders")
        .state(BackupState::Completed)
        .created_between(day("2025-03-24T00:00:00Z"), day("2025-03-25T00:00:00Z"))
        .oldest_first()
        .offset(5)
        .limit(10)
        .with_total();
    let page = client.backups().page(&query).await.unwrap();
    let head = &page.entities[0];
    assert_eq!(head.last_backup_state, Some(BackupState::Other("HalfWay".to_owned())));
    assert_eq!(head.expiry_time, None);
    assert_eq!(head.common_backup_info.response_list[0].keyspace.as_deref(), Some("orders"));
    let sent = only(&server).await;
    assert_eq!(sent.line, format!("POST {BASE}/backups/page"));
    let expected = json!({
        "filter": {
            "universeUUIDList": ["u-1"],
            "storageConfigUUIDList": ["s-1"],
            "scheduleUUIDList": ["sch-1"],
            "backupUUIDList": ["b-1"],
            "keyspaceList": ["orders"],
            "states": ["Completed"],
            "dateRangeStart": "2025-03-24T00:00:00Z",
            "dateRangeEnd": "2025-03-25T00:00:00Z",
        },
        "sortBy": "createTime", "direction": "ASC", "offset": 5, "limit": 10, "needTotalCount": true,
    });
    assert_eq!(sent.body, expected);
}

#[tokio::test]
async fn the_stream_walks_overlapping_pages_and_gives_each_entry_once() {
    let server = MockServer::start().await;
    let all: Vec<Value> = (0..55)
        .map(|n| json!({"commonBackupInfo": {"backupUUID": format!("b-{n:02}"), "state": "Completed"}}))
        .collect();
    wiremock::Mock::given(wiremock::matchers::any())
        .respond_with(move |request: &wiremock::Request| {
            let body: Value = request.body_json().unwrap();
            let number = |field: &str| usize::try_from(body[field].as_u64().unwrap()).unwrap();
            let (offset, limit) = (number("offset"), number("limit"));
            let page: Vec<&Value> = all.iter().skip(offset).take(limit).collect();
            let more = offset + limit < all.len();
            ResponseTemplate::new(200).set_body_json(json!({"entities": page, "hasNext": more}))
        })
        .mount(&server)
        .await;
    let client = client(&server);
    let rows: Vec<_> = client.backups().stream(BackupQuery::new().limit(20)).try_collect().await.unwrap();
    let ids: Vec<&str> = rows.iter().map(|row| row.common_backup_info.backup_uuid.as_str()).collect();
    let expected: Vec<String> = (0..55).map(|n| format!("b-{n:02}")).collect();
    assert_eq!(ids, expected);
    let offsets: Vec<Value> = sent(&server).await.iter().map(|sent| sent.body["offset"].clone()).collect();
    assert_eq!(offsets, [0, 18, 36], "pages of 20 that overlap by 2");
}

#[tokio::test]
async fn a_chain_is_read_newest_first() {
    let info = fixture("backups_page")["entities"][0]["commonBackupInfo"].clone();
    let server = answering_json(json!([info])).await;
    let chain = client(&server).backups().increments(&"b-1".into()).await.unwrap();
    assert!(!chain[0].is_increment());
    assert_eq!(only(&server).await.line, format!("GET {BASE}/backups/b-1/list_increments"));
}

#[tokio::test]
async fn what_can_be_restored_from_a_chain_is_read() {
    let server = answering_json(json!([{"keyspace": "orders", "tableNames": null}])).await;
    let selections = client(&server).backups().restorable_keyspaces(&"b-1".into()).await.unwrap();
    assert_eq!(selections[0].keyspace, "orders");
    assert_eq!(only(&server).await.line, format!("GET {BASE}/backups/b-1/restorable_keyspace_tables"));
}

#[tokio::test]
async fn the_life_of_a_backup_is_edited_in_milliseconds_from_now() {
    let (server, client) = serving("backup").await;
    let change = EditBackup::expire_in(Duration::from_hours(2), TimeUnit::Hours).storage_config("s-2");
    client.backups().edit(&"b-1".into(), &change).await.unwrap();
    client.backups().edit(&"b-1".into(), &EditBackup::keep_for_ever()).await.unwrap();
    let sent = sent(&server).await;
    assert_eq!(sent[0].line, format!("PUT {BASE}/backups/b-1"));
    let expected = json!({
        "timeBeforeDeleteFromPresentInMillis": 7_200_000,
        "expiryTimeUnit": "HOURS",
        "storageConfigUUID": "s-2",
    });
    assert_eq!(sent[0].body, expected);
    assert_eq!(sent[1].body, json!({"timeBeforeDeleteFromPresentInMillis": 0}));
}

#[tokio::test]
async fn a_deletion_tells_what_yba_silently_left_out() {
    let server = answering_json(json!({
        "taskUUID": ["t-1"],
        "ybpTaskList": [{"taskUUID": "t-1", "resourceUUID": "b-1"}],
    }))
    .await;
    let client = client(&server);
    let deletion = client.backups().delete(&["b-1".into(), "b-2".into()], true).await.unwrap();
    assert_eq!(deletion.accepted, [("b-1".into(), "t-1".into())]);
    assert_eq!(deletion.left_out, ["b-2"]);
    let sent = only(&server).await;
    assert_eq!(sent.line, format!("POST {BASE}/backups/delete"));
    let expected = json!({
        "deleteBackupInfos": [{"backupUUID": "b-1"}, {"backupUUID": "b-2"}],
        "deleteForcefully": true,
    });
    assert_eq!(sent.body, expected);
    assert_eq!(client.backups().delete(&[], false).await.unwrap_err().kind(), ErrorKind::Build);
}

#[tokio::test]
async fn a_script_backup_is_stopped_by_its_own_call() {
    let server = answering_json(json!({"success": true, "message": "Successfully stopped"})).await;
    client(&server).backups().stop(&"b-1".into()).await.unwrap();
    assert_eq!(only(&server).await.line, format!("POST {BASE}/backups/b-1/stop"));
}

#[tokio::test]
async fn universes_are_listed_found_and_read() {
    let server = answering_json(json!([fixture("universe")])).await;
    let client_ = client(&server);
    assert_eq!(client_.universes().list().await.unwrap()[0].name, "payments");
    assert!(client_.universes().find("payments").await.unwrap().is_some());
    assert!(client_.universes().find("pay").await.unwrap().is_none(), "a filter may match more than asked");
    let lines: Vec<String> = sent(&server).await.into_iter().map(|sent| sent.line).collect();
    assert_eq!(lines[0], format!("GET {BASE}/universes"));
    assert_eq!(lines[1], format!("GET {BASE}/universes?name=payments"));

    let (server, client) = serving("universe").await;
    let universe = client.universes().get(&UNIVERSE.into()).await.unwrap();
    assert_eq!(only(&server).await.line, format!("GET {BASE}/universes/{UNIVERSE}"));
    assert!(universe.details.update_in_progress && universe.details.ybc_installed);
    assert_eq!(universe.details.updating_task.as_deref(), Some("SoftwareUpgrade"));
    assert!(universe.details.clusters[0].user_intent.enable_ysql);
}

#[tokio::test]
async fn keyspaces_and_tables_of_a_universe_are_read() {
    let server = answering_json(json!([
        {"namespaceUUID": "n-1", "name": "orders", "tableType": "PGSQL_TABLE_TYPE"}
    ]))
    .await;
    let names = client(&server).universes().namespaces(&"u-1".into()).await.unwrap();
    assert_eq!(names[0].table_type, Some(TableType::Ysql));
    let line = only(&server).await.line;
    assert_eq!(line, format!("GET {BASE}/universes/u-1/namespaces?includeSystemNamespaces=false"));

    let server = answering_json(json!([
        {"tableUUID": "x", "tableName": "lines", "keySpace": "orders", "tableType": "YQL_TABLE_TYPE",
         "relationType": "INDEX_TABLE_RELATION", "sizeBytes": 12.5, "walSizeBytes": 0}
    ]))
    .await;
    let tables = client(&server).universes().tables(&"u-1".into()).await.unwrap();
    assert_eq!(tables[0].keyspace.as_deref(), Some("orders"));
    assert_eq!(only(&server).await.line, format!("GET {BASE}/universes/u-1/tables"));
}

#[tokio::test]
async fn backups_of_a_universe_can_be_switched_off() {
    let server = answering_json(json!({"success": true})).await;
    client(&server).universes().set_backups_allowed(&"u-1".into(), false).await.unwrap();
    let line = only(&server).await.line;
    assert_eq!(line, format!("PUT {BASE}/universes/u-1/update_backup_state?markActive=false"));
}

#[tokio::test]
async fn only_storage_configs_are_listed() {
    let (server, client) = serving("configs").await;
    let configs = client.storage_configs().list().await.unwrap();
    assert_eq!(configs.len(), 1);
    assert!(configs[0].is_active());
    assert_eq!(configs[0].location(), Some("s3://b"));
    assert_eq!(only(&server).await.line, format!("GET {BASE}/configs"));
    assert!(client.storage_configs().find_by_name("s3-primary").await.unwrap().is_some());
    assert!(client.storage_configs().find(&"nobody".into()).await.unwrap().is_none());
}

#[tokio::test]
async fn customers_are_listed_and_read() {
    let row =
        json!({"uuid": "customer-1", "code": "admin", "name": "Admin", "creationDate": "x", "customerId": 1});
    let server = answering_json(json!([row])).await;
    assert_eq!(client(&server).customers().list().await.unwrap()[0].code, "admin");
    assert_eq!(only(&server).await.line, "GET /api/v1/customers");
    let server =
        answering_json(json!({"uuid": "customer-1", "universeUUIDs": ["u-1"], "alertingData": null})).await;
    assert_eq!(client(&server).customers().get().await.unwrap().universes, ["u-1"]);
    assert_eq!(only(&server).await.line, format!("GET {BASE}"));
}

#[tokio::test]
async fn the_session_tells_the_customer() {
    let body = json!({"authToken": null, "apiToken": null, "customerUUID": "customer-1", "userUUID": null});
    let server = answering_json(body).await;
    let session = client(&server).session().info().await.unwrap();
    assert_eq!((session.customer, session.user), (Some("customer-1".into()), None));
    assert_eq!(only(&server).await.line, "GET /api/v1/session_info");
}

#[tokio::test]
async fn logging_in_sends_no_token_and_shows_none() {
    let body =
        json!({"authToken": null, "apiToken": "fresh-token-77", "apiTokenVersion": 3, "customerUUID": "c"});
    let server = answering_json(body.clone()).await;
    let client = YbaClient::builder(server.uri()).proxy(yba_client::Proxy::None).build().unwrap();
    let token = client.session().log_in("me@example.com", &SecretString::from("hunter2")).await.unwrap();
    assert_eq!(token.version, Some(3));
    assert!(!format!("{token:?}").contains("fresh-token-77"));
    let sent = only(&server).await;
    assert_eq!(sent.line, "POST /api/v1/api_login");
    assert_eq!(sent.header("x-auth-yw-api-token"), None);
    assert_eq!(sent.body, json!({"email": "me@example.com", "password": "hunter2"}));

    let server = answering_json(body).await;
    let client = builder(&server).build().unwrap();
    client.session().regenerate_token(Some(2)).await.unwrap();
    assert_eq!(only(&server).await.line, format!("PUT {BASE}/api_token?apiTokenVersion=2"));
}

#[tokio::test]
async fn an_answer_without_a_token_is_not_quoted() {
    let server = answering_json(json!({"apiToken": ["odd-token-88"]})).await;
    let error = client(&server).session().regenerate_token(None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(!format!("{error} {error:?}").contains("odd-token-88"));
}

#[tokio::test]
async fn the_version_needs_no_token() {
    let server = answering_json(json!({"version": "2024.2.0.0-b145", "build": 7})).await;
    let client = YbaClient::builder(server.uri()).proxy(yba_client::Proxy::None).build().unwrap();
    let version = client.app_version().await.unwrap();
    assert_eq!(version.numbers(), [2024, 2, 0, 0]);
    assert_eq!(version.details["build"], "7");
    let sent = only(&server).await;
    assert_eq!(sent.line, "GET /api/v1/app_version");
    assert_eq!(sent.header("x-auth-yw-api-token"), None);
}

#[tokio::test]
async fn the_two_404s_of_the_leader_question_are_told_apart() {
    for (answer, expected) in [
        (ResponseTemplate::new(200).set_body_json(json!({"success": true})), Leadership::Leader),
        (refusal(404, "YBA instance is HA follower"), Leadership::Follower),
        (refusal(404, "No HA Config exists"), Leadership::NotConfigured),
        (refusal(404, "HTTP Client Error: 404(Not Found), details: GET"), Leadership::NotSupported),
    ] {
        let server = answering(answer).await;
        assert_eq!(client(&server).ha_leader().await.unwrap(), expected);
        assert_eq!(only(&server).await.line, "GET /api/v1/ha_leader");
    }
    let odd = answering(refusal(404, "no such page")).await;
    let error: Error = client(&odd).ha_leader().await.unwrap_err();
    assert_eq!(error.status(), Some(404));
}

#[tokio::test]
async fn a_restore_names_each_keyspace_and_its_location() {
    let (server, client) = accepting().await;
    let source = RestoreSource::new(TableType::Ysql, "orders_drill", "s3://b/univ-3f6c/orders")
        .sse(true)
        .use_tablespaces(true)
        .rename_owner("app", "drill");
    let restore = CreateRestore::new("u-2", "s-1", [source])
        .category(BackupCategory::YbController)
        .kms_config("kms-1")
        .parallelism(4)
        .to_point_in_time(parse_date("2025-03-25T10:15:30Z").unwrap());
    client.restores().create(&restore, &"attempt-1".into()).await.unwrap();
    let sent = only(&server).await;
    assert_eq!(sent.line, format!("POST {BASE}/restore"));
    assert_eq!(sent.header("x-request-id"), Some("attempt-1"));
    let expected = json!({
        "universeUUID": "u-2",
        "storageConfigUUID": "s-1",
        "actionType": "RESTORE",
        "category": "YB_CONTROLLER",
        "kmsConfigUUID": "kms-1",
        "parallelism": 4,
        "restoreToPointInTimeMillis": 1_742_897_730_000_i64,
        "backupStorageInfoList": [{
            "backupType": "PGSQL_TABLE_TYPE",
            "keyspace": "orders_drill",
            "storageLocation": "s3://b/univ-3f6c/orders",
            "sse": true,
            "useTablespaces": true,
            "oldOwner": "app",
            "newOwner": "drill",
        }],
    });
    assert_eq!(sent.body, expected);
}

#[tokio::test]
async fn a_restore_that_yba_would_refuse_is_not_sent() {
    let server = MockServer::start().await;
    let client = client(&server);
    let good = || RestoreSource::new(TableType::Ysql, "orders", "s3://b");
    for (restore, field) in [
        (CreateRestore::new("u", "s", []), "backupStorageInfoList"),
        (CreateRestore::new("", "s", [good()]), "universeUUID"),
        (CreateRestore::new("u", "", [good()]), "storageConfigUUID"),
        (CreateRestore::new("u", "s", [RestoreSource::new(TableType::Ysql, " ", "s3://b")]), "keyspace"),
        (CreateRestore::new("u", "s", [RestoreSource::new(TableType::Ysql, "a", "")]), "storageLocation"),
        (CreateRestore::new("u", "s", [good().rename_owner("a", "b;drop")]), "newOwner"),
    ] {
        let error = client.restores().create(&restore, &RequestId::new()).await.unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
    }
    assert!(sent(&server).await.is_empty());
}

#[tokio::test]
async fn restores_are_tried_out_and_listed() {
    let server = answering_json(json!({
        "backupCategory": "YB_CONTROLLER", "hasKMSHistory": null,
        "perLocationBackupInfoMap": {"s3://b": {"isYSQLBackup": true}},
    }))
    .await;
    let report = client(&server).restores().preflight(&RestorePreflight::new("u-2", "b-1")).await.unwrap();
    assert!(report.locations.contains_key("s3://b"));
    let asked = only(&server).await;
    assert_eq!(asked.line, format!("POST {BASE}/restore/preflight"));
    assert_eq!(asked.body, json!({"universeUUID": "u-2", "backupUUID": "b-1"}));

    let (server, client) = serving("restores_page").await;
    let query = RestoreQuery::new().restore("r-1").universe("u-2").state(RestoreState::Completed);
    let page = client.restores().page(&query).await.unwrap();
    let restore = &page.entities[0];
    assert_eq!(restore.state, RestoreState::Completed);
    assert_eq!(restore.restore_keyspace_list[0].target_keyspace.as_deref(), Some("orders_drill"));
    let asked = only(&server).await;
    assert_eq!(asked.line, format!("POST {BASE}/restore/page"));
    let filter = json!({"restoreUUIDList": ["r-1"], "universeUUIDList": ["u-2"], "states": ["Completed"]});
    assert_eq!(asked.body["filter"], filter);
}

#[tokio::test]
async fn a_schedule_is_a_backup_with_a_name_and_a_recurrence() {
    let (server, client) = accepting().await;
    let day = Recurrence::Every { period: Duration::from_hours(24), unit: TimeUnit::Days };
    let schedule = CreateSchedule::full("nightly", full(), day)
        .increments_every(Duration::from_hours(1), TimeUnit::Hours)
        .keep_at_least(3);
    client.schedules().create(&schedule, &"attempt-1".into()).await.unwrap();
    let sent = only(&server).await;
    assert_eq!(sent.line, format!("POST {BASE}/create_backup_schedule_async"));
    let expected = json!({
        "scheduleName": "nightly",
        "universeUUID": "u-1",
        "storageConfigUUID": "s-1",
        "backupType": "PGSQL_TABLE_TYPE",
        "schedulingFrequency": 86_400_000,
        "frequencyTimeUnit": "DAYS",
        "incrementalBackupFrequency": 3_600_000,
        "incrementalBackupFrequencyTimeUnit": "HOURS",
        "minNumBackupsToRetain": 3,
    });
    assert_eq!(sent.body, expected);

    let server = answering_json(json!({"scheduleUUID": "sch-1", "scheduleName": "cron"})).await;
    let cron = CreateSchedule::full("cron", full(), Recurrence::Cron("0 2 * * *".to_owned()));
    crate::support::client(&server).schedules().create_now(&cron).await.unwrap();
    let sent = only(&server).await;
    assert_eq!(sent.line, format!("POST {BASE}/create_backup_schedule"));
    assert_eq!(sent.body["cronExpression"], "0 2 * * *");
    assert_eq!(sent.body.get("schedulingFrequency"), None);
}

#[tokio::test]
async fn a_schedule_that_yba_would_refuse_is_not_sent() {
    let server = MockServer::start().await;
    let client = client(&server);
    let every = |hours| Recurrence::Every { period: Duration::from_hours(hours), unit: TimeUnit::Hours };
    for (schedule, field) in [
        (CreateSchedule::full(" ", full(), every(1)), "scheduleName"),
        (CreateSchedule::full("n", full().base("b"), every(1)), "baseBackupUUID"),
        (CreateSchedule::full("n", full(), every(0)), "schedulingFrequency"),
        (CreateSchedule::full("n", full(), Recurrence::Cron("* *".to_owned())), "cronExpression"),
        (
            CreateSchedule::full("n", full(), every(2))
                .increments_every(Duration::from_hours(2), TimeUnit::Hours),
            "incrementalBackupFrequency",
        ),
    ] {
        let error = client.schedules().create(&schedule, &RequestId::new()).await.unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
    }
    assert!(sent(&server).await.is_empty());
}

#[tokio::test]
async fn schedules_are_listed_found_and_read() {
    let (server, client) = serving("schedules_page").await;
    let query = ScheduleQuery::new().universe("u-1").state(ScheduleState::Active);
    let page = client.schedules().page(&query).await.unwrap();
    assert_eq!(page.entities[0].universe(), Some(UNIVERSE.into()));
    assert_eq!(page.entities[0].next_schedule_task_time, parse_date("2025-03-26T00:00:00Z"));
    assert!(page.entities[0].increment_backlog_status);
    let sent = only(&server).await;
    assert_eq!(sent.line, format!("POST {BASE}/schedules/page"));
    let expected = json!({
        "filter": {"universeUUIDList": ["u-1"], "status": ["Active"], "taskTypes": ["CreateBackup"]},
        "sortBy": "scheduleName", "direction": "ASC", "offset": 0, "limit": 50, "needTotalCount": false,
    });
    assert_eq!(sent.body, expected);
    assert!(client.schedules().find(&"u-1".into(), "nightly").await.unwrap().is_some());
    assert!(client.schedules().find(&"u-1".into(), "weekly").await.unwrap().is_none());

    let server = answering_json(json!({
        "scheduleUUID": "sch-1", "scheduleName": "nightly", "ownerUUID": "u-1", "status": "Stopped",
        "nextScheduleTaskTime": "2025-03-26T00:00:00Z", "frequency": 0, "cronExpression": "0 2 * * *",
    }))
    .await;
    let schedule = crate::support::client(&server).schedules().get(&"sch-1".into()).await.unwrap();
    assert_eq!(schedule.universe(), Some("u-1".into()));
    assert_eq!(only(&server).await.line, format!("GET {BASE}/schedules/sch-1"));
}

#[tokio::test]
async fn a_schedule_is_edited_paused_resumed_and_deleted() {
    let (server, client) = accepting().await;
    let (universe, schedule) = ("u-1".into(), "sch-1".into());
    let change =
        EditSchedule::recurrence(&Recurrence::Cron("0 3 * * *".to_owned())).retain(Duration::from_secs(60));
    client.schedules().edit(&universe, &schedule, &change, &"a-1".into()).await.unwrap();
    client.schedules().pause(&universe, &schedule).await.unwrap();
    client.schedules().resume(&universe, &schedule, true).await.unwrap();
    client.schedules().delete(&universe, &schedule, &"a-2".into()).await.unwrap();
    client.schedules().delete_now(&schedule).await.unwrap();
    let sent = sent(&server).await;
    let lines: Vec<&str> = sent.iter().map(|sent| sent.line.as_str()).collect();
    let of = format!("{BASE}/universes/u-1/schedules/sch-1");
    let expected = [
        format!("PUT {of}/edit_backup_schedule_async"),
        format!("PUT {of}/pause_resume"),
        format!("PUT {of}/pause_resume"),
        format!("DELETE {of}/delete_backup_schedule_async"),
        format!("DELETE {BASE}/schedules/sch-1/delete"),
    ];
    assert_eq!(lines, expected);
    assert_eq!(sent[0].body, json!({"cronExpression": "0 3 * * *", "timeBeforeDelete": 60_000}));
    assert_eq!(sent[1].body, json!({"status": "Stopped", "runImmediateBackupOnResume": false}));
    assert_eq!(sent[2].body, json!({"status": "Active", "runImmediateBackupOnResume": true}));
}

#[tokio::test]
async fn point_in_time_recovery_is_configured_per_keyspace() {
    let (server, client) = accepting().await;
    let pitr = client.pitr("u-1");
    let settings = PitrSettings::new(Duration::from_hours(24), Duration::from_hours(168));
    let named = settings.clone().name("orders-pitr");
    pitr.create(&TableType::Ysql, "orders", &named, &"a-1".into()).await.unwrap();
    pitr.update(&"p-1".into(), &settings, &"a-2".into()).await.unwrap();
    pitr.delete(&"p-1".into(), &"a-3".into()).await.unwrap();
    pitr.restore(&"p-1".into(), parse_date("1742897730000").unwrap(), &"a-4".into()).await.unwrap();
    let sent_ = sent(&server).await;
    let lines: Vec<&str> = sent_.iter().map(|sent| sent.line.as_str()).collect();
    let of = format!("{BASE}/universes/u-1");
    let expected = [
        format!("POST {of}/keyspaces/PGSQL_TABLE_TYPE/orders/pitr_config"),
        format!("PUT {of}/pitr_config/p-1"),
        format!("DELETE {of}/pitr_config/p-1"),
        format!("POST {of}/pitr"),
    ];
    assert_eq!(lines, expected);
    let body =
        json!({"name": "orders-pitr", "retentionPeriodInSeconds": 604_800, "intervalInSeconds": 86_400});
    assert_eq!(sent_[0].body, body);
    assert_eq!(sent_[3].body, json!({"pitrConfigUUID": "p-1", "restoreTimeInMillis": 1_742_897_730_000_i64}));

    let (server, client) = serving("pitr_configs").await;
    let configs = client.pitr("u-1").list().await.unwrap();
    assert_eq!(configs[0].state, Some(PitrState::Complete));
    assert_eq!(configs[0].latest, parse_date("2025-03-25T10:15:30Z"));
    assert_eq!(only(&server).await.line, format!("GET {of}/pitr_config"));
    let backwards = PitrSettings::new(Duration::from_secs(10), Duration::from_secs(10));
    let error = client.pitr("u-1").update(&"p-1".into(), &backwards, &"a-5".into()).await.unwrap_err();
    assert!(error.to_string().contains("retentionPeriodInSeconds"), "{error}");
}

#[tokio::test]
async fn an_address_may_have_a_path_of_its_own() {
    let server = answering_json(json!({"status": "Running"})).await;
    let behind = YbaClient::builder(format!("{}/yba/", server.uri()))
        .customer("customer-1")
        .token(SecretString::from(TOKEN))
        .proxy(yba_client::Proxy::None)
        .build()
        .unwrap();
    behind.tasks().get(&"t-1".into()).await.unwrap();
    assert_eq!(only(&server).await.line, format!("GET /yba{BASE}/tasks/t-1"));
}

#[tokio::test]
async fn a_call_without_customer_or_token_says_what_is_missing() {
    let server = MockServer::start().await;
    let bare = YbaClient::builder(server.uri()).proxy(yba_client::Proxy::None).build().unwrap();
    let error = bare.tasks().get(&"t".into()).await.unwrap_err();
    assert!(error.to_string().contains("without a customer"), "{error}");
    let error = bare.session().info().await.unwrap_err();
    assert!(error.to_string().contains("without a token"), "{error}");
    assert!(sent(&server).await.is_empty());
}

#[tokio::test]
async fn a_trace_is_passed_on_and_every_call_is_reported() {
    let server = answering_json(json!({"status": "Running"})).await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let reports = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let collected = reports.clone();
    let client = builder(&server)
        .trace_parent(move || Some(parent.to_owned()))
        .on_call(move |report| collected.lock().unwrap().push(report.clone()))
        .build()
        .unwrap();
    client.tasks().get(&"t-1".into()).await.unwrap();
    client.backups().get(&"b-1".into()).await.unwrap_err();
    assert_eq!(sent(&server).await[0].header("traceparent"), Some(parent));
    let reports = reports.lock().unwrap();
    assert_eq!((reports[0].operation, reports[0].status, reports[0].failure), ("tasks.get", Some(200), None));
    assert_eq!(reports[0].path, "/api/v1/customers/{customer}/tasks/{task}");
    assert_eq!((reports[1].operation, reports[1].failure), ("backups.get", Some(ErrorKind::Decode)));
}
