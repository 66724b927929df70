//! What a connection may do, and for how long: over real sockets.

use std::{net::SocketAddr, time::Duration};

use backup_core::{BackupTarget, ConfigResolver, ResolveError, testing::ScriptedStrategy};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{PATIENCE, Parts, ask, http_client, read, scripted};

/// Sends these bytes and gives back everything until the service closes the connection.
async fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(bytes).await.expect("a service that reads");
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    closed.expect("the service closes the connection").expect("in good order");
    String::from_utf8(answer).expect("text")
}

fn impatient() -> Parts {
    scripted(&ScriptedStrategy::new()).config(|config| config.read_timeout = Duration::from_millis(200))
}

#[tokio::test]
async fn a_client_that_never_finishes_its_headers_is_disconnected() {
    let service = impatient().start().listen().await;
    assert_eq!(talk(service.address, b"").await, "");
    let answer = talk(service.address, b"GET /actuator/health HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_client_that_never_finishes_its_body_is_told() {
    let app = impatient().start();
    let service = app.listen().await;
    let head =
        "POST /backupProcess HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{\"a\":";
    let answer = talk(service.address, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(
        answer.contains("did not arrive within 0.2 s") && answer.contains("\"status\":\"FAILED\""),
        "{answer}"
    );
    assert_eq!(app.exceptions().len(), 1);
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_refused() {
    let service = scripted(&ScriptedStrategy::new()).start().listen().await;
    let many = "X-One-More: y\r\n".repeat(100);
    let large = format!("X-Large: {}\r\n", "y".repeat(40_000));
    for headers in [many, large] {
        let request = format!("GET /actuator/health HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        let answer = talk(service.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn an_oversized_body_is_answered_over_a_real_connection() {
    let service = scripted(&ScriptedStrategy::new()).start().listen().await;
    let call = http_client().post(format!("{}/backupProcess", service.url)).body("x".repeat(500_000));
    assert_eq!(read(call.send().await.unwrap()).await.gist(), "413 FAILED INVALID_REQUEST");
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let service = scripted(&ScriptedStrategy::new()).start().listen().await;
    let client = http_client();
    for _ in 0..3 {
        let call = client.post(format!("{}/backupProcess", service.url)).body(ask("db1").to_string());
        assert_eq!(read(call.send().await.unwrap()).await.gist(), "200 COMPLETED -");
    }
}

/// A bug, for a test.
struct Panicking;

#[async_trait::async_trait]
impl ConfigResolver for Panicking {
    async fn resolve(&self, _category: &str) -> Result<std::sync::Arc<BackupTarget>, ResolveError> {
        panic!("a secret that a panic speaks of")
    }
}

#[tokio::test]
async fn a_bug_is_answered_500_in_the_shape_and_the_service_lives_on() {
    let app = Parts::new(Panicking).strategy(ScriptedStrategy::new()).start();
    let reply = app.process(&ask("db1")).await;
    assert_eq!(reply.gist(), "500 FAILED INTERNAL");
    assert!(!reply.text.contains("secret"), "{reply:?}");
    assert!(reply.header("x-request-id").is_some());
    assert_eq!(app.get("/actuator/health").await.status, 200);
}

#[tokio::test]
async fn a_bug_elsewhere_is_a_problem() {
    let app = scripted(&ScriptedStrategy::new()).start();
    app.store.fail_when(|operation, _| {
        assert_ne!(operation, "list", "a bug, for a test");
        false
    });
    let reply = app.get("/batches").await;
    assert_eq!((reply.status, reply.json()["error_code"].as_str()), (500, Some("INTERNAL")));
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
}
