//! Which hosts a request may name: over real connections, where clients write what they like.

use backup_core::testing::ScriptedStrategy;
use backup_http::Auth;

use crate::support::{Listening, Parts, ask, scripted, talk};

const PATHS: [&str; 9] = [
    "/backupProcess",
    "/batches",
    "/batches/x",
    "/batches/x/cancel",
    "/actuator",
    "/actuator/info",
    "/actuator/metrics/backup.duration",
    "/actuator/prometheus",
    "/nothing",
];
const PROBES: [&str; 3] = ["/actuator/health", "/actuator/health/liveness", "/actuator/health/readiness"];

fn open() -> Parts {
    scripted(&ScriptedStrategy::new())
        .config(|config| config.allowed_hosts = vec!["backups.example".to_owned()])
}

/// The status and the body of a GET of `target` with these lines as its headers.
async fn get(service: &Listening, target: &str, headers: &str) -> (u16, String) {
    let request = format!("GET {target} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    split(&talk(service.address, request.as_bytes()).await)
}

fn split(answer: &str) -> (u16, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_refused_everywhere_but_at_the_probes() {
    let app = open().start();
    let service = app.listen().await;
    for path in PATHS {
        let (status, body) = get(&service, path, "Host: evil.example:8989\r\n").await;
        assert_eq!(status, 403, "{path}");
        assert!(body.contains("server.allowed-hosts"), "{path}: {body}");
        let in_shape = path == "/backupProcess";
        assert_eq!(body.contains("\"extensionFields\""), in_shape, "{path}: {body}");
        let (status, _) = get(&service, path, "Host: localhost\r\nOrigin: http://evil.example\r\n").await;
        assert_eq!(status, 403, "{path}");
    }
    for path in PROBES {
        assert_eq!(get(&service, path, "Host: 192.0.2.1:8989\r\n").await.0, 200, "{path}");
    }
    for host in ["localhost:8989", "127.0.0.1", "[::1]:8989", "LOCALHOST.", "backups.example"] {
        assert_eq!(get(&service, "/batches", &format!("Host: {host}\r\n")).await.0, 200, "{host}");
    }
}

#[tokio::test]
async fn a_rebound_page_starts_nothing() {
    let app = open().start();
    let service = app.listen().await;
    let body = ask("db1").to_string();
    let rebound = format!(
        "POST /backupProcess HTTP/1.1\r\nHost: evil.example:8989\r\nOrigin: http://evil.example:8989\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let (status, answer) = split(&talk(service.address, rebound.as_bytes()).await);
    assert_eq!(status, 403);
    assert!(answer.contains("\"status\":\"FAILED\""), "{answer}");
    assert!(app.store.records().is_empty() && app.exceptions().is_empty());
}

#[tokio::test]
async fn a_request_names_exactly_one_host() {
    let token = "a-token-of-the-scheduler";
    let with_tokens = open().config(|config| config.auth = Auth::Tokens(vec![token.into()])).start();
    for (app, authorization) in
        [(open().start(), String::new()), (with_tokens, format!("Authorization: Bearer {token}\r\n"))]
    {
        let service = app.listen().await;
        for path in PATHS.into_iter().chain(PROBES) {
            for hosts in
                ["", "Host: localhost\r\nHost: localhost\r\n", "Host: user@localhost\r\n", "Host: a b\r\n"]
            {
                let headers = format!("{hosts}{authorization}");
                assert_eq!(get(&service, path, &headers).await.0, 400, "{path} {headers}");
            }
        }
    }
}

#[tokio::test]
async fn an_absolute_target_is_judged_by_the_host_that_it_names() {
    let service = open().start().listen().await;
    for (target, host, expected) in [
        ("http://localhost/batches", "localhost", 200),
        ("http://evil.example/batches", "evil.example", 403),
        ("http://evil.example/batches", "localhost", 400),
        ("http://localhost/batches", "evil.example", 400),
    ] {
        assert_eq!(get(&service, target, &format!("Host: {host}\r\n")).await.0, expected, "{target} {host}");
    }
}
