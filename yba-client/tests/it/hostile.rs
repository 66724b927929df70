//! A YBA that is wrong, hostile or slow, and things that answer in its place.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, header},
};
use yba_client::{
    CreateBackup, Error, ErrorKind, Proxy, Reach, RequestId, RetryPolicy, SecretString, TableType,
    TokenState, YbaClient,
};

use crate::support::{TOKEN, answering, answering_json, builder, client, plain, sent};

async fn created(server: &MockServer) -> Error {
    let order = CreateBackup::full("u", "s", TableType::Ysql);
    client(server)
        .backups()
        .create(&order, &RequestId::new())
        .await
        .expect_err("an order that YBA did not take")
}

fn page(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status)
        .set_body_raw("<html><head><title>Sign in</title></head></html>", "text/html")
}

#[tokio::test]
async fn what_is_not_yba_is_named_and_says_how_far_the_request_got() {
    let redirect = |status: u16| {
        ResponseTemplate::new(status)
            .insert_header("location", "https://login.example.com/sign-in?token=marker-31")
    };
    for (answer, reach) in [
        (redirect(301), Reach::NotSent),
        (redirect(302), Reach::NotSent),
        (redirect(303), Reach::NotSent),
        (redirect(307), Reach::NotSent),
        (redirect(308), Reach::NotSent),
        (page(200), Reach::NotSent),
        (page(401), Reach::NotSent),
        (page(403), Reach::NotSent),
        (plain(407, "who are you?"), Reach::NotSent),
        (plain(511, "sign in first"), Reach::NotSent),
        (page(404), Reach::Answered),
        (page(413), Reach::Answered),
        (page(500), Reach::Unknown),
        (page(502), Reach::Unknown),
        (page(503), Reach::Unknown),
        (page(504), Reach::Unknown),
    ] {
        let server = answering(answer).await;
        let error = created(&server).await;
        assert_eq!((error.kind(), error.reach(), error.attempts()), (ErrorKind::NotYba, reach, 1), "{error}");
        assert!(!error.is_unauthorized() && !error.is_not_found() && error.busy().is_none(), "{error}");
        assert!(!format!("{error} {error:?}").contains("marker-31"), "{error:?}");
        let is_redirect = error.status().is_some_and(|status| (300..400).contains(&status));
        assert_eq!(error.redirected_to(), is_redirect.then_some("https://login.example.com"));
        let words =
            if is_redirect { "a redirect to https://login.example.com" } else { "that is not YBA answered" };
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(sent(&server).await.len(), 1, "{error}");
    }
}

#[tokio::test]
async fn no_page_makes_a_leader() {
    for status in [200, 401, 403, 404, 407, 502, 503, 504] {
        let server = answering(page(status)).await;
        let never = builder(&server).retry(RetryPolicy::never()).build().unwrap();
        assert_eq!(never.ha_leader().await.unwrap_err().kind(), ErrorKind::NotYba, "{status}");
        assert_eq!(never.find_leader().await, None, "{status}");
    }
}

#[tokio::test]
async fn a_gateway_that_is_away_is_asked_again_and_a_sign_in_page_is_not() {
    for (status, attempts) in [(502, 3), (504, 3), (200, 1), (302, 1), (403, 1)] {
        let server = answering(page(status)).await;
        let error = client(&server).tasks().get(&"t".into()).await.unwrap_err();
        assert_eq!(error.attempts(), attempts, "{status}");
    }
}

#[tokio::test]
async fn an_id_without_the_form_of_one_is_not_followed() {
    for id in ["..", "a/b", "a\nb", "a\u{1b}]0;x\u{7}", "a\u{202e}b", &"a".repeat(1_000_000)] {
        let server = answering_json(json!({"taskUUID": id})).await;
        let error = created(&server).await;
        assert_eq!((error.kind(), error.reach()), (ErrorKind::Decode, Reach::Unknown));
        assert!(error.to_string().len() < 300 && !error.to_string().contains('\u{1b}'), "{error}");
    }
}

#[tokio::test]
async fn a_field_that_decides_nothing_may_be_anything() {
    for nonsense in [json!(null), json!("50"), json!(7), json!([1]), json!({"a": 1}), json!(true)] {
        let mut task = json!({"status": "Running"});
        for field in
            ["percent", "title", "target", "type", "createTime", "completionTime", "userEmail", "abortable"]
        {
            task[field] = nonsense.clone();
        }
        task["correlationId"] = nonsense.clone();
        let server = answering_json(task).await;
        let task = client(&server).tasks().get(&"t".into()).await.unwrap();
        assert_eq!(task.status.as_str(), "Running");
        assert!((0.0..=100.0).contains(&task.percent));
    }
}

#[tokio::test]
async fn every_text_is_bounded() {
    let long = "x".repeat(3_000_000);
    let server =
        answering_json(json!({"failedSubTasks": [{"errorString": long, "subTaskType": long}]})).await;
    let failed = client(&server).tasks().failed_subtasks(&"t".into()).await.unwrap();
    let text = failed[0].error_string.as_deref().unwrap();
    assert!(text.len() <= 4096 && text.ends_with("(cut; it had 3000000 bytes)"), "{}", text.len());
    assert!(failed[0].sub_task_type.len() <= 4096);
}

#[tokio::test]
async fn a_secret_that_yba_quotes_is_struck_out() {
    let escaped = format!("{{\"failedSubTasks\": [{{\"errorString\": \"\\u0074{} in S3\"}}]}}", &TOKEN[1..]);
    for body in [json!({"failedSubTasks": [{"errorString": format!("{TOKEN} in S3")}]}).to_string(), escaped]
    {
        let server = answering(plain(200, &body)).await;
        let failed = client(&server).tasks().failed_subtasks(&"t".into()).await.unwrap();
        assert_eq!(failed[0].error_string.as_deref(), Some("****** in S3"));
    }
    // Half a token at the place where a text is cut is a token too many.
    for padding in 1990..2060 {
        let server = answering(plain(400, &format!("{}{TOKEN}", "x".repeat(padding)))).await;
        let error = created(&server).await;
        assert!(!error.api_text().unwrap().contains(&TOKEN[..3]), "{padding}");
    }
}

#[tokio::test]
async fn the_raw_answer_keeps_no_secret_either() {
    let row = json!({"backupUUID": "b", "state": "Completed", "note": TOKEN, TOKEN: {"deep": [TOKEN]}});
    let server = answering_json(json!([row])).await;
    let rows = client(&server).backups().rows_of_task(&"u".into(), &"t".into()).await.unwrap();
    let raw = rows[0].as_ref().unwrap().raw.to_string();
    assert!(raw.contains("******") && !raw.contains(TOKEN), "{raw}");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_hides_no_other() {
    let rows = json!([{"state": "Completed"}, 7, {"backupUUID": "b", "state": "Completed"}]);
    let server = answering_json(rows).await;
    let rows = client(&server).backups().rows_of_task(&"u".into(), &"t".into()).await.unwrap();
    let read: Vec<bool> = rows.iter().map(Result::is_ok).collect();
    assert_eq!(read, [false, false, true]);
    assert_eq!(rows[0].as_ref().unwrap_err().raw, json!({"state": "Completed"}));
    assert!(client(&server).backups().of_task(&"u".into(), &"t".into()).await.is_err());
}

/// A directory for one test's token file.
struct TokenFile(std::path::PathBuf);

impl TokenFile {
    fn new(name: &str, token: &str) -> Self {
        let file = Self(std::env::temp_dir().join(format!("yba-client-{name}-{}", std::process::id())));
        file.write(token);
        file
    }

    fn write(&self, token: &str) {
        std::fs::write(&self.0, token).expect("a token file");
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn accepting(token: &str) -> MockServer {
    let server = MockServer::start().await;
    let accepted = ResponseTemplate::new(200).set_body_json(json!({"taskUUID": "t", "status": "Running"}));
    Mock::given(header("x-auth-yw-api-token", token))
        .respond_with(accepted)
        .with_priority(1)
        .mount(&server)
        .await;
    let refused = plain(401, "Unable To Authenticate User");
    Mock::given(any()).respond_with(refused).with_priority(2).mount(&server).await;
    server
}

#[tokio::test]
async fn a_token_that_was_replaced_in_its_file_is_taken_without_a_restart() {
    let (server, file) = (accepting("new-token-2").await, TokenFile::new("replaced", "old-token-1\n"));
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let client = YbaClient::builder(server.uri())
        .customer("c")
        .token_file(&file.0)
        .on_token(move |state| tell.lock().unwrap().push(state))
        .proxy(Proxy::None)
        .build()
        .unwrap();

    let refused = client.tasks().get(&"t".into()).await.unwrap_err();
    assert!(refused.is_token_refused() && refused.is_unauthorized());
    assert!(client.token_refused_for().is_some());
    assert_eq!(sent(&server).await.len(), 1, "the file holds no other token");

    file.write("new-token-2\n");
    let order = CreateBackup::full("u", "s", TableType::Ysql);
    let accepted = async {
        // Bounded: the file is not read for every refusal.
        loop {
            if let Ok(accepted) = client.backups().create(&order, &RequestId::new()).await {
                return accepted;
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(accepted.await.task, "t");
    assert_eq!(client.token_refused_for(), None);
    assert_eq!(*told.lock().unwrap(), [TokenState::Refused, TokenState::Accepted]);
}

#[tokio::test]
async fn a_file_that_breaks_leaves_the_token_in_force() {
    let (server, file) = (accepting("new-token-2").await, TokenFile::new("breaks", "old-token-1"));
    let client = YbaClient::builder(server.uri()).customer("c").token_file(&file.0).proxy(Proxy::None);
    let client = client.build().unwrap();
    file.write("two\nlines");
    assert!(client.tasks().get(&"t".into()).await.unwrap_err().is_token_refused());
    let headers: Vec<_> =
        sent(&server).await.iter().map(|s| s.header("x-auth-yw-api-token").map(str::to_owned)).collect();
    assert_eq!(headers, [Some("old-token-1".to_owned())]);
}

#[tokio::test]
async fn a_missing_right_is_no_refused_token_and_a_gateway_knows_nothing_of_it() {
    for (answer, is_refused) in [
        (plain(401, "Unable To Authenticate User"), true),
        (plain(401, "Unable to authorize user"), false),
        (plain(403, "User doesn't have access"), false),
        (page(401), false),
        (plain(500, "no"), false),
    ] {
        let client = client(&answering(answer).await);
        let error = client.universes().get(&"u".into()).await.unwrap_err();
        assert_eq!(
            (error.is_token_refused(), client.token_refused_for().is_some()),
            (is_refused, is_refused),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_call_through_a_proxy_carries_its_password_and_keeps_what_the_proxy_says_clean() {
    let proxy = MockServer::start().await;
    let refusal = "<html><title>sent Basic bWU6bWFya2VyLTMx, marker-31</title></html>";
    let answer = ResponseTemplate::new(407).set_body_raw(refusal, "text/html");
    Mock::given(header("proxy-authorization", "Basic bWU6bWFya2VyLTMx"))
        .respond_with(answer)
        .mount(&proxy)
        .await;
    let address = proxy.uri().replace("http://", "http://me:marker-31@");
    let client = YbaClient::builder("http://yba.invalid").customer("c").token(SecretString::from(TOKEN));
    let client = client.proxy(Proxy::Url(address)).retry(RetryPolicy::never()).build().unwrap();
    let error = client.universes().get(&"u".into()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::NotYba, Some(407)));
    assert_eq!(error.api_text(), Some("sent Basic ******, ******"));
}

#[test]
fn no_public_type_shows_a_secret() {
    let marker = || SecretString::from("marker-31");
    let address = "http://me:marker-31@proxy.example:3128";
    let proxy = Proxy::Url(address.to_owned());
    let pem = SecretString::from("marker-31 is no PEM");
    let builder = || YbaClient::builder("https://yba.example.com").token(marker()).proxy(proxy.clone());
    let client = builder().build().unwrap();
    let texts: Vec<String> = vec![
        format!("{proxy:?}"),
        format!("{:?}", builder()),
        format!("{:?}", builder().client_certificate(pem.clone())),
        format!("{client:?} {:?} {:?} {:?}", client.session(), client.tasks(), client.backups()),
        format!("{:?}", client.tasks().wait(&"t".into())),
        format!("{:?}", builder().client_certificate(pem).build().unwrap_err()),
        format!("{:?}", YbaClient::builder("https://me:marker-31@yba.example.com").build().unwrap_err()),
        format!("{:?}", YbaClient::builder("https://yba.example.com?token=marker-31").build().unwrap_err()),
        format!("{:?}", YbaClient::builder("yba.example.com?token=marker-31").build().unwrap_err()),
        format!("{:?}", builder().proxy(Proxy::Url("socks5://me:marker-31@p".into())).build().unwrap_err()),
        format!("{:?}", builder().token(SecretString::from("marker-31\n\u{0}x")).build().unwrap_err()),
        format!(
            "{:?}",
            YbaClient::builder("https://y.example").token_file("/nowhere/x").build().unwrap_err()
        ),
    ];
    for text in texts {
        assert!(!text.contains("marker-31"), "{text}");
    }
}

#[tokio::test]
async fn no_json_makes_the_client_keep_more_than_a_bounded_text() {
    let mut value = json!("x".repeat(100_000));
    for _ in 0..50 {
        value = json!({ "a": value, "b": [Value::Null] });
    }
    let server = answering_json(json!({"status": "Running", "details": value})).await;
    let task = client(&server).tasks().get(&"t".into()).await.unwrap();
    assert!(task.raw.to_string().len() < 10_000);
}

#[tokio::test]
async fn a_timeout_of_the_whole_call_is_a_setting() {
    let zero = YbaClient::builder("https://yba.example.com").total_timeout(Duration::ZERO).build();
    assert!(zero.unwrap_err().to_string().contains("timeout"));
}
