//! Who may call.

use axum::{body::Body, http::Method};
use backup_core::testing::ScriptedStrategy;
use backup_http::Auth;
use rstest::rstest;

use crate::support::{Reply, TestApp, ask, logs, request, scripted, talk, until};

const TOKEN: &str = "a-token-of-the-scheduler";

fn guarded() -> TestApp {
    let tokens = [TOKEN, "the-token-that-comes-after-it"].map(Into::into).to_vec();
    scripted(&ScriptedStrategy::new()).config(|config| config.auth = Auth::Tokens(tokens)).start()
}

async fn call(app: &TestApp, method: Method, path: &str, authorization: Option<&str>) -> Reply {
    let mut request = request(method, path, Body::from(ask("db1").to_string()));
    if let Some(value) = authorization {
        request.headers_mut().insert("authorization", value.parse().expect("a header"));
    }
    app.send(request).await
}

#[tokio::test]
async fn without_a_token_nothing_but_health_is_open() {
    let app = guarded();
    for path in ["/actuator/health", "/actuator/health/liveness", "/actuator/health/readiness"] {
        assert_eq!(app.get(path).await.status, 200, "{path}");
    }
    for path in [
        "/batches",
        "/batches/x",
        "/actuator",
        "/actuator/info",
        "/actuator/metrics",
        "/actuator/metrics/backup.duration",
        "/actuator/prometheus",
        "/nothing",
    ] {
        let reply = app.get(path).await;
        assert_eq!(reply.status, 401, "{path}");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"backup-http\""));
        assert_eq!(reply.json()["error_code"], "UNAUTHENTICATED");
    }
    assert_eq!(app.post("/batches/x/cancel", "").await.status, 401);
}

#[tokio::test]
async fn backup_process_refuses_in_its_own_shape_and_records_nothing() {
    let app = guarded();
    let reply = app.process(&ask("db1")).await;
    assert_eq!(reply.gist(), "401 FAILED UNAUTHENTICATED");
    assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"backup-http\""));
    assert!(app.store.records().is_empty() && app.exceptions().is_empty());
}

#[rstest]
#[case::the_first(Some("Bearer a-token-of-the-scheduler"), 200)]
#[case::the_second(Some("bearer the-token-that-comes-after-it"), 200)]
#[case::a_part(Some("Bearer a-token-of-the-schedule"), 401)]
#[case::more(Some("Bearer a-token-of-the-schedulerX"), 401)]
#[case::another_scheme(Some("Basic a-token-of-the-scheduler"), 401)]
#[case::empty(Some("Bearer "), 401)]
#[case::none(None, 401)]
#[tokio::test]
async fn only_a_known_token_opens(#[case] authorization: Option<&str>, #[case] status: u16) {
    let app = guarded();
    let reply = call(&app, Method::POST, "/backupProcess", authorization).await;
    assert_eq!(reply.status, status, "{reply:?}");
    if authorization.is_some_and(|value| value.starts_with("Bearer a-token-of-the-schedule") && status == 401)
    {
        assert!(reply.header("www-authenticate").unwrap().contains("invalid_token"));
    }
}

#[tokio::test]
async fn whoever_guesses_is_slowed_and_said_and_a_known_token_is_not_slowed() {
    let app = guarded();
    let service = app.listen().await;
    let guess = "GET /batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer guess-7f3a\r\n\r\n";
    // Over one connection: the first ones are answered at once, then one waits and the connection ends with it.
    let answers = talk(service.address, guess.repeat(100).as_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.1 401").count(), 4, "{answers}");
    assert_eq!(answers.matches("connection: close").count(), 1, "{answers}");
    let known = call(&app, Method::GET, "/batches", Some("Bearer a-token-of-the-scheduler")).await;
    assert_eq!(known.status, 200);
    let said = |logs: &String| logs.contains("tokens that are not known were presented caller=127.0.0.1");
    until(async || logs(), said).await;
    assert!(!logs().contains("guess-7f3a"));
    let refused = r#"http_server_refused_total{reason="token"}"#;
    let metrics =
        call(&app, Method::GET, "/actuator/prometheus", Some("Bearer a-token-of-the-scheduler")).await;
    assert!(metrics.text.contains(refused), "{metrics:?}");
    assert!(app.exceptions().is_empty(), "nothing is recorded of it");
}
