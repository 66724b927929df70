//! What can go wrong with one call, and what the client makes of it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use yba_client::{
    ErrorKind, ExposeSecret, Proxy, Reach, RequestId, SecretString, YbaClient,
    simulator::{Endpoint, Fault, Role, Simulator},
};

use super::{full, start, still};

#[tokio::test]
async fn a_connection_dropped_after_acceptance_has_started_the_backup() {
    let yba = still().await;
    let client = yba.client();
    yba.script(Endpoint::CreateBackup, Fault::DropAfterAcceptance);
    let id = RequestId::new();
    let lost = client.backups().create(&full(&yba), &id).await.unwrap_err();
    assert_eq!((lost.kind(), lost.reach(), lost.attempts()), (ErrorKind::Interrupted, Reach::Unknown, 1));
    assert_eq!(lost.request_id(), Some(&id));

    let tasks = client.tasks().list(Some(&yba.universe())).await.unwrap();
    assert_eq!(tasks[0].correlation_id, Some(id));
    assert_eq!(yba.count(Endpoint::CreateBackup), 1, "the client must not have asked again");
    assert_eq!(yba.backups_started(&yba.universe()), 1);
}

#[tokio::test]
async fn a_connection_dropped_before_acceptance_looks_the_same_and_started_nothing() {
    let yba = still().await;
    let client = yba.client();
    yba.script(Endpoint::CreateBackup, Fault::DropBeforeAcceptance);
    let lost = start(&client, &full(&yba)).await.unwrap_err();
    assert_eq!(lost.reach(), Reach::Unknown);
    assert_eq!(yba.backups_started(&yba.universe()), 0);
    assert!(client.tasks().list(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn every_way_to_lose_an_answer_leaves_the_outcome_unknown() {
    for fault in [Fault::Reset, Fault::Truncated, Fault::Unreadable200] {
        let yba = still().await;
        yba.script(Endpoint::CreateBackup, fault.clone());
        let lost = start(&yba.client(), &full(&yba)).await.unwrap_err();
        assert_eq!(lost.reach(), Reach::Unknown, "{fault:?}: {lost}");
        assert_eq!(yba.backups_started(&yba.universe()), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_409_without_its_text_is_no_refusal() {
    let yba = still().await;
    yba.lock_universe(&yba.universe(), "EditUniverse");
    yba.script(Endpoint::CreateBackup, Fault::Truncated);
    let lost = start(&yba.client(), &full(&yba)).await.unwrap_err();
    assert_eq!(
        (lost.reach(), lost.status()),
        (Reach::Unknown, None),
        "busy or refused, nobody can tell: {lost}"
    );
    let busy = start(&yba.client(), &full(&yba)).await.unwrap_err();
    assert!(busy.busy().is_some(), "{busy}");
}

#[tokio::test]
async fn a_gateway_error_page_is_reduced_to_its_title() {
    let yba = still().await;
    yba.script(Endpoint::CreateBackup, Fault::Html.times(1).work_done());
    let error = start(&yba.client(), &full(&yba)).await.unwrap_err();
    assert_eq!((error.status(), error.api_text()), (Some(502), Some("502 Bad Gateway")));
    assert_eq!(error.reach(), Reach::Unknown);
    assert_eq!(yba.backups_started(&yba.universe()), 1);
}

#[tokio::test]
async fn a_late_answer_is_a_timeout_and_the_work_is_done() {
    let yba = still().await;
    let client = YbaClient::builder(yba.url())
        .customer(yba.customer())
        .token(yba.token())
        .proxy(Proxy::None)
        .read_timeout(Duration::from_millis(700))
        .build()
        .unwrap();
    yba.script(Endpoint::CreateBackup, Fault::Delay(Duration::from_secs(20)));
    let late = start(&client, &full(&yba)).await.unwrap_err();
    assert_eq!((late.kind(), late.reach()), (ErrorKind::Timeout, Reach::Unknown));
    assert_eq!(yba.backups_started(&yba.universe()), 1);
}

#[tokio::test]
async fn a_read_survives_two_lost_answers() {
    let yba = still().await;
    let client = yba.client();
    let accepted = start(&client, &full(&yba)).await.unwrap();
    yba.script(Endpoint::GetTask, Fault::DropAfterAcceptance);
    yba.script(Endpoint::GetTask, Fault::Html);
    client.tasks().get(&accepted.task).await.unwrap();
    assert_eq!(yba.count(Endpoint::GetTask), 3);
}

#[tokio::test]
async fn a_server_that_is_down_was_not_reached() {
    let yba = still().await;
    let client = yba.client();
    yba.go_down().await;
    let refused = start(&client, &full(&yba)).await.unwrap_err();
    assert_eq!((refused.kind(), refused.reach()), (ErrorKind::Connect, Reach::NotSent));
    yba.come_up().await;
    start(&client, &full(&yba)).await.unwrap();
}

#[tokio::test]
async fn a_fault_can_wait_for_its_universe_and_its_turn() {
    let yba = still().await;
    let client = yba.client();
    let other = yba.add_universe("other");
    yba.script(Endpoint::CreateBackup, Fault::status(500, "boom").on(&other));
    start(&client, &full(&yba)).await.unwrap();
    yba.script(Endpoint::GetUniverse, Fault::status(400, "boom").always().after(1));
    client.universes().get(&other).await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.universes().get(&other).await.unwrap_err().api_text(), Some("boom"));
    }
    yba.clear_scripts();
    client.universes().get(&other).await.unwrap();
}

#[tokio::test]
async fn a_wrong_token_is_401_in_plain_text_and_appears_nowhere() {
    let yba = still().await;
    let client = YbaClient::builder(yba.url())
        .customer(yba.customer())
        .token(SecretString::from("wrong-token-9f2"))
        .proxy(Proxy::None)
        .build()
        .unwrap();
    let error = start(&client, &full(&yba)).await.unwrap_err();
    assert!(error.is_unauthorized());
    assert_eq!(error.api_text(), Some("Unable To Authenticate User"));
    let shown = format!("{error} {error:?} {client:?} {:?}", yba.requests());
    assert!(!shown.contains("wrong-token-9f2"), "{shown}");
}

#[tokio::test]
async fn what_a_role_may_not_do_is_403_or_with_the_newer_model_401() {
    let yba = still().await;
    let client = yba.client();
    let accepted = start(&client, &full(&yba)).await.unwrap();
    yba.set_role(Role::BackupAdmin);
    assert_eq!(client.tasks().abort(&accepted.task).await.unwrap_err().status(), Some(403));
    yba.set_role(Role::ReadOnly);
    client.tasks().get(&accepted.task).await.unwrap();
    assert_eq!(start(&client, &full(&yba)).await.unwrap_err().status(), Some(403));
    yba.use_new_access_model();
    let error = start(&client, &full(&yba)).await.unwrap_err();
    assert_eq!((error.status(), error.api_text()), (Some(401), Some("Unable to authorize user")));
}

#[tokio::test]
async fn more_requests_than_the_mock_server_may_remember_all_get_their_answer() {
    let yba = still().await;
    yba.record_requests(false);
    let client = yba.client();
    let calls = (0..40).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            for _ in 0..130 {
                client.app_version().await.unwrap();
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert_eq!(yba.count(Endpoint::AppVersion), 5_200);
    assert!(yba.requests().is_empty());
}

/// Sends bytes as they are, and reads until the answer is complete.
async fn raw(yba: &Simulator, request: &[&str]) -> String {
    let mut stream =
        tokio::net::TcpStream::connect(yba.url().trim_start_matches("http://")).await.expect("a connection");
    for part in request {
        stream.write_all(part.as_bytes()).await.expect("room");
        stream.flush().await.expect("room");
        tokio::task::yield_now().await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    answer
}

#[tokio::test]
async fn other_clients_may_send_in_chunks_or_ask_for_the_head_alone() {
    let yba = still().await;
    let path = format!("/api/v1/customers/{}/backups", yba.customer());
    let token = yba.token();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-auth-yw-api-token: {}\r\n\
         transfer-encoding: chunked\r\n\r\n",
        token.expose_secret(),
    );
    let body = format!(
        r#"{{"universeUUID":"{}","storageConfigUUID":"{}","backupType":"PGSQL_TABLE_TYPE"}}"#,
        yba.universe(),
        yba.storage_config(),
    );
    let (first, second) = body.split_at(20);
    let chunks = format!("14\r\n{first}\r\n{:x};note=1\r\n{second}\r\n0\r\n", second.len());
    let answer = raw(&yba, &[&head, &chunks, "\r\n"]).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("taskUUID"), "{answer}");
    assert_eq!(yba.backups_started(&yba.universe()), 1);

    let head =
        raw(&yba, &["HEAD /api/v1/app_version HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"]).await;
    assert!(head.starts_with("HTTP/1.1 404") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn an_answer_that_drips_holds_a_call_no_longer_than_the_whole_call_may_take() {
    let yba = still().await;
    yba.script(Endpoint::AppVersion, Fault::Drip(Duration::from_millis(20)).always());
    let client = YbaClient::builder(yba.url())
        .proxy(Proxy::None)
        .max_concurrent_requests(1)
        .read_timeout(Duration::from_secs(30))
        .total_timeout(Duration::from_millis(200))
        .retry(yba_client::RetryPolicy::never())
        .build()
        .unwrap();
    let error = client.app_version().await.unwrap_err();
    assert_eq!((error.kind(), error.reach()), (ErrorKind::Timeout, Reach::Unknown), "{error}");
    // Its place is free again.
    client.ha_leader().await.unwrap();
}

#[tokio::test]
async fn the_simulator_answers_what_is_not_so_and_in_whose_place_it_likes() {
    let yba = still().await;
    let client = yba.client();
    let task = start(&client, &full(&yba)).await.unwrap().task;
    yba.advance(super::MINUTE);
    let rows = || client.backups();
    yba.script(Endpoint::BackupsOfTask, Fault::rewritten("/0/taskUUID", serde_json::json!("t2")));
    assert_eq!(rows().of_task(&yba.universe(), &task).await.unwrap()[0].task_uuid, Some("t2".into()));
    yba.script(Endpoint::BackupsOfTask, Fault::rewritten("/0/backupUUID", None::<serde_json::Value>));
    assert!(rows().rows_of_task(&yba.universe(), &task).await.unwrap()[0].is_err());
    let row = serde_json::json!({"backupUUID": "b2", "state": "Completed"});
    yba.script(Endpoint::BackupsOfTask, Fault::RowBefore(row));
    let both = rows().of_task(&yba.universe(), &task).await.unwrap();
    assert_eq!(
        (both.len(), both[0].backup_uuid.as_str(), both[1].task_uuid.as_ref()),
        (2, "b2", Some(&task))
    );

    let location = "https://login.example.com/x".to_owned();
    yba.script(Endpoint::CreateBackup, Fault::Redirect { code: 302, location });
    let away = start(&client, &full(&yba)).await.unwrap_err();
    assert_eq!((away.reach(), away.redirected_to()), (Reach::NotSent, Some("https://login.example.com")));
    yba.script(Endpoint::CreateBackup, Fault::sign_in_page());
    assert_eq!(start(&client, &full(&yba)).await.unwrap_err().reach(), Reach::NotSent);
    assert_eq!(yba.backups_started(&yba.universe()), 1);
}
