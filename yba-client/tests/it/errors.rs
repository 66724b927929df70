//! How far a call got, in YBA's words or without them.

use std::{error::Error as _, time::Duration};

use proptest::prelude::*;
use serde_json::json;
use wiremock::{MockServer, ResponseTemplate};
use yba_client::{
    CreateBackup, Error, ErrorKind, Proxy, Reach, RequestId, RetryPolicy, SecretString, TableType, YbaClient,
};

use crate::support::{TOKEN, answering, builder, client, plain, refusal, sent};

async fn created(server: &MockServer) -> Error {
    let order = CreateBackup::full("u", "s", TableType::Ysql);
    let answer = client(server).backups().create(&order, &RequestId::from("request-1")).await;
    answer.expect_err("the server refuses")
}

#[tokio::test]
async fn all_four_shapes_of_refusal_are_read() {
    let structured = json!({"success": false, "error": {
        "storageConfigUUID": ["This field is required"], "backupType": ["Invalid value"],
    }});
    for (answer, text) in [
        (
            refusal(400, "Please provide time unit for backup expiry"),
            "Please provide time unit for backup expiry",
        ),
        (
            ResponseTemplate::new(400).set_body_json(structured),
            "backupType: Invalid value; storageConfigUUID: This field is required",
        ),
        (plain(401, "Unable To Authenticate User"), "Unable To Authenticate User"),
        (
            ResponseTemplate::new(502)
                .set_body_raw("<html>\n<head><title>502 Bad Gateway</title></head></html>", "text/html"),
            "502 Bad Gateway",
        ),
        (plain(500, ""), "(no text)"),
        (
            ResponseTemplate::new(400).set_body_json(json!({"success": false, "error": null})),
            "error: ; success: false",
        ),
        (ResponseTemplate::new(500).set_body_raw("<div>oops</div>", "text/html"), "(an HTML page)"),
    ] {
        let error = created(&answering(answer).await).await;
        assert_eq!(error.api_text(), Some(text));
        assert!(matches!(error.kind(), ErrorKind::Api | ErrorKind::NotYba));
    }
}

#[tokio::test]
async fn the_three_texts_of_a_busy_universe_are_known_and_no_other_409_is_busy() {
    let cases = [
        ("Cannot run Backup task since the universe u is currently in a locked state.", Some(None)),
        (
            "Task CreateBackup cannot be queued on existing task SoftwareUpgrade",
            Some(Some("SoftwareUpgrade")),
        ),
        ("Queue is already full with max capacity 2", Some(None)),
        ("Cannot edit schedule as it is running.", None),
    ];
    for (text, expected) in cases {
        let error = created(&answering(refusal(409, text)).await).await;
        let busy = error.busy();
        assert_eq!(busy.as_ref().map(|busy| busy.holder.as_deref()), expected, "{text}");
        assert_eq!(error.reach(), Reach::Answered);
        assert!(busy.is_none_or(|busy| busy.text == text));
    }
    let other = created(&answering(refusal(400, cases[0].0)).await).await;
    assert_eq!(other.busy(), None, "the same words with another status are a refusal");
}

#[tokio::test]
async fn what_the_server_may_have_done_follows_from_status_and_text() {
    for (answer, reach) in [
        (refusal(400, "no"), Reach::Answered),
        (plain(401, "Unable To Authenticate User"), Reach::Answered),
        (plain(403, "User doesn't have access"), Reach::Answered),
        (refusal(404, "no"), Reach::Answered),
        (refusal(409, "no"), Reach::Answered),
        (plain(408, "Request Timeout"), Reach::Unknown),
        (plain(500, "boom"), Reach::Unknown),
        (plain(502, "boom"), Reach::Unknown),
        (plain(503, "Service Unavailable"), Reach::Unknown),
        (plain(503, "API not available for follower YBA"), Reach::NotSent),
        (plain(503, "YBA is shutting down"), Reach::NotSent),
        (plain(302, "Found").insert_header("location", "http://127.0.0.1:1/elsewhere"), Reach::NotSent),
        (plain(200, "{\"taskUUID\":"), Reach::Unknown),
        (ResponseTemplate::new(200).set_body_json(json!({})), Reach::Unknown),
        (ResponseTemplate::new(200).set_body_json(json!({"taskUUID": ""})), Reach::Unknown),
        (ResponseTemplate::new(204), Reach::Unknown),
    ] {
        let server = answering(answer).await;
        let error = created(&server).await;
        assert_eq!(error.reach(), reach, "{error}");
        assert_eq!(sent(&server).await.len(), 1, "nothing is followed or repeated: {error}");
    }
}

#[tokio::test]
async fn a_known_text_tells_not_found_and_a_missing_base() {
    for text in [
        "Invalid customer or backup UUID",
        "Invalid Customer Task UUID: 7d0a",
        "Not able to find task 7d0a",
        "Invalid task info UUID: 7d0a",
        "Cannot find universe 7d0a",
    ] {
        assert!(created(&answering(refusal(400, text)).await).await.is_not_found(), "{text}");
    }
    assert!(
        !created(&answering(refusal(400, "Taking backups on the universe is disabled")).await)
            .await
            .is_not_found()
    );
    let text = "No previous successful backup found, please trigger a new base backup.";
    let error = created(&answering(refusal(400, text)).await).await;
    assert!(error.is_missing_base() && !error.is_not_found());
}

#[tokio::test]
async fn an_error_names_the_call_and_shows_no_secret() {
    let echo = format!("you sent {TOKEN} in a header");
    let error = created(&answering(plain(500, &echo)).await).await;
    assert_eq!(error.operation(), "backups.create");
    assert_eq!(error.path(), "/api/v1/customers/{customer}/backups");
    assert_eq!(error.request_id(), Some(&RequestId::from("request-1")));
    assert_eq!(
        error.to_string(),
        "backups.create (POST /api/v1/customers/{customer}/backups): YBA answered 500: \
         you sent ****** in a header"
    );
    assert!(!format!("{error:?}").contains(TOKEN));
}

#[tokio::test]
async fn a_closed_port_was_not_reached() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let dead = YbaClient::builder(address).proxy(Proxy::None).retry(RetryPolicy::never()).build().unwrap();
    let error = dead.app_version().await.unwrap_err();
    assert_eq!((error.kind(), error.reach()), (ErrorKind::Connect, Reach::NotSent), "{error}");
    assert!(error.source().is_some());
    assert_eq!((error.status(), error.api_text()), (None, None));
}

#[tokio::test]
async fn a_complaint_about_an_answer_does_not_quote_it() {
    let answer = json!("the \"secret\" marker-31");
    let server = answering(ResponseTemplate::new(200).set_body_json(answer)).await;
    let error = client(&server).tasks().get(&"t".into()).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("invalid type: string"), "{text}");
    assert!(!text.contains("secret") && !text.contains("marker-31"), "{text}");
}

#[tokio::test]
async fn an_answer_larger_than_the_limit_is_unreadable() {
    let server = answering(plain(200, &"x".repeat(2000))).await;
    let small = builder(&server).max_body(1000).build().unwrap();
    let error = small.tasks().get(&"t".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains("larger than 1000 bytes"), "{error}");
}

#[tokio::test]
async fn a_long_error_text_is_cut() {
    let server = answering(plain(400, &"ä".repeat(100_000))).await;
    let error = created(&server).await;
    assert!(error.api_text().unwrap().len() <= 2048);
    assert!(error.to_string().len() < 1000);
}

#[tokio::test]
async fn a_url_of_another_origin_gets_neither_request_nor_token() {
    let ours = answering(ResponseTemplate::new(200).set_body_json(json!({"taskUUID": "t"}))).await;
    let theirs = answering(ResponseTemplate::new(200).set_body_json(json!({"taskUUID": "t"}))).await;
    let order = CreateBackup::full("u", "s", TableType::Ysql);
    let path = "/api/v1/customers/c/backups/incremental";
    let client = builder(&ours).build().unwrap();
    client.backups().create_at(&format!("{}{path}", ours.uri()), &order, &"r".into()).await.unwrap();

    let userinfo = ours.uri().replace("http://", "http://user:password@");
    for url in
        [format!("{}{path}", theirs.uri()), format!("{userinfo}{path}"), "ftp://x".into(), "nonsense".into()]
    {
        let error = client.backups().create_at(&url, &order, &"r".into()).await.unwrap_err();
        assert_eq!((error.kind(), error.reach()), (ErrorKind::Build, Reach::NotSent), "{url}");
        assert!(!error.to_string().contains("password"), "{error}");
    }
    assert!(sent(&theirs).await.is_empty());
    let trusting = builder(&ours).allowed_host(theirs.uri()).build().unwrap();
    trusting.backups().create_at(&format!("{}{path}", theirs.uri()), &order, &"r".into()).await.unwrap();
}

#[test]
fn settings_that_cannot_work_are_named() {
    let good = || YbaClient::builder("https://yba.example.com");
    let words = |builder: yba_client::YbaClientBuilder| builder.build().unwrap_err().to_string();
    assert!(words(YbaClient::builder("yba.example.com")).contains("address"));
    assert!(words(YbaClient::builder("ftp://yba.example.com")).contains("http://"));
    let secret = words(YbaClient::builder("https://me:hunter2@yba.example.com"));
    assert!(secret.contains("token") && !secret.contains("hunter2"), "{secret}");
    assert!(words(good().token(SecretString::from(""))).contains("token is empty"));
    assert!(words(good().token(SecretString::from("a\nb"))).contains("token"));
    assert!(words(good().read_timeout(Duration::ZERO)).contains("timeout"));
    assert!(words(good().ca_certificate("no pem")).contains("CA certificate"));
    assert!(words(good().client_certificate(SecretString::from("no pem"))).contains("client certificate"));
    assert!(words(good().max_concurrent_requests(0)).contains("max_concurrent_requests"));
    assert!(good().build().is_ok());
}

#[tokio::test]
async fn what_yba_would_refuse_is_not_sent() {
    let server = MockServer::start().await;
    let client = client(&server);
    let order = || CreateBackup::full("u", "s", TableType::Ysql);
    for (order, field) in [
        (CreateBackup::full("", "s", TableType::Ysql), "universeUUID"),
        (CreateBackup::full("u", "", TableType::Ysql), "storageConfigUUID"),
        (order().keyspaces(["a", "a"]), "keyspaceTableList"),
        (order().keyspaces([" "]), "keyspaceTableList"),
        (order().retain_millis(-1, yba_client::TimeUnit::Days), "timeBeforeDelete"),
        (order().parallel_db_backups(0), "parallelDBBackups"),
        (order().base(""), "baseBackupUUID"),
    ] {
        let error = client.backups().create(&order, &RequestId::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Build);
        assert!(error.to_string().contains(field), "{error}");
    }
    let error = client.backups().create(&order(), &RequestId::from("a\nb")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Build);
    assert!(sent(&server).await.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_answer_makes_the_client_panic(
        status in 200_u16..600, body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = answering(ResponseTemplate::new(status).set_body_bytes(body)).await;
            let error = created(&server).await;
            prop_assert!(!error.to_string().is_empty());
            Ok(())
        })?;
    }
}
