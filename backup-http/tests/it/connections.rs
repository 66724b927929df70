//! What a connection may do, and for how long: over real sockets.

use std::{net::SocketAddr, time::Duration};

use backup_core::{BackupTarget, ConfigResolver, ResolveError, testing::ScriptedStrategy};
use futures_util::future::join_all;
use rstest::rstest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::support::{
    PATIENCE, Parts, ask, http_client, quick_yba, read, rest_of, scripted, simulated, talk,
};

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(3600);
const HEALTH: &str = "GET /actuator/health HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LAST_HEALTH: &str = "GET /actuator/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn impatient() -> Parts {
    scripted(&ScriptedStrategy::new()).config(|config| config.read_timeout = Duration::from_millis(200))
}

#[tokio::test]
async fn a_client_that_never_finishes_its_headers_is_disconnected() {
    let service = impatient().start().listen().await;
    assert_eq!(talk(service.address, b"").await, "");
    let answer = talk(service.address, b"GET /actuator/health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_client_that_never_finishes_its_body_is_told() {
    let app = impatient().start();
    let service = app.listen().await;
    let head = "POST /backupProcess HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{\"a\":";
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
        let request = format!("GET /actuator/health HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
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
async fn an_announced_length_that_is_too_large_is_refused_at_once() {
    let app = scripted(&ScriptedStrategy::new()).config(|config| config.read_timeout = FOR_EVER).start();
    let service = app.listen().await;
    for expect in ["", "Expect: 100-continue\r\n"] {
        let head = format!(
            "POST /backupProcess HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10737418240\r\n{expect}\r\n"
        );
        let answer = talk(service.address, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("\"FAILED\""), "{answer}");
    }
    let head = "POST /backupProcess HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\
                Expect: 100-continue\r\n\r\n";
    assert!(talk(service.address, head.as_bytes()).await.starts_with("HTTP/1.1 413"), "not asked to go on");
}

#[rstest]
#[case::announced("Content-Length: 10737418240\r\n", "x")]
#[case::in_chunks("Transfer-Encoding: chunked\r\n", "4000\r\n")]
#[tokio::test]
async fn a_client_that_goes_on_sending_still_gets_its_answer(#[case] length: &str, #[case] begins: &str) {
    let service = scripted(&ScriptedStrategy::new()).start().listen().await;
    let (mut answers, mut sends) = TcpStream::connect(service.address).await.unwrap().into_split();
    let head = format!("POST /backupProcess HTTP/1.1\r\nHost: localhost\r\n{length}\r\n");
    let chunk =
        if begins.len() == 1 { "x".repeat(0x4000) } else { format!("{begins}{}\r\n", "x".repeat(0x4000)) };
    let sending = tokio::spawn(async move {
        let _ = sends.write_all(head.as_bytes()).await;
        while sends.write_all(chunk.as_bytes()).await.is_ok() {}
    });
    let mut answer = vec![0; 12];
    tokio::time::timeout(PATIENCE, answers.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
    drop(answers);
    tokio::time::timeout(PATIENCE, sending).await.expect("the connection ends").unwrap();
}

#[tokio::test]
async fn a_client_that_closes_its_sending_side_is_answered() {
    let yba = quick_yba().await;
    // They are all for one universe, and wait for each other.
    let app = simulated(&yba).settings(|settings| settings.wait_limit = FOR_EVER).start();
    let service = app.listen().await;
    let body = ask("db1").to_string();
    let request = format!(
        "POST /backupProcess HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let half_closing = async || {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        rest_of(&mut stream).await
    };
    let answers = join_all((0..12).map(|_| half_closing())).await;
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200")), "{answers:#?}");
    assert_eq!(app.store.records().len(), 12);
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head() {
    let service = impatient().start().listen().await;
    let mut idle = TcpStream::connect(service.address).await.unwrap();
    idle.write_all(HEALTH.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    // A connection that came later is closed by that time, and the idle one is still served.
    assert_eq!(talk(service.address, b"GET /actuator").await, "");
    idle.write_all(LAST_HEALTH.as_bytes()).await.unwrap();
    assert!(rest_of(&mut idle).await.contains("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let app = scripted(&ScriptedStrategy::new())
        .config(|config| config.keep_alive_timeout = Duration::from_millis(100))
        .start();
    let service = app.listen().await;
    assert!(talk(service.address, HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
}

/// A client that sends requests and never reads an answer, until the service takes no more of them.
async fn never_reads(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let stream = socket.connect(address).await.expect("a connection");
    let requests = "GET /actuator/prometheus HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50);
    let mut sent = 0;
    // The service stops reading when its answers are not taken. Then its side and ours are full.
    loop {
        let writable = tokio::time::timeout(Duration::from_millis(200), stream.writable()).await;
        if writable.is_err() {
            return stream;
        }
        match stream.try_write(&requests.as_bytes()[sent..]) {
            Ok(bytes) => sent = (sent + bytes) % requests.len(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return stream,
        }
    }
}

#[tokio::test]
async fn a_client_that_never_reads_is_let_go() {
    let app = scripted(&ScriptedStrategy::new())
        .config(|config| config.write_timeout = Duration::from_millis(500))
        .start();
    let service = app.listen().await;
    let mut stuck = never_reads(service.address).await;
    let writing = async { while stuck.write_all(HEALTH.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, writing).await.expect("the service closes the connection");
}

#[tokio::test]
async fn slow_clients_do_not_hold_a_stop_up() {
    let app = patient(10_000).start();
    let service = app.listen().await;
    let never_reads = join_all((0..5).map(|_| never_reads(service.address))).await;
    let mut half_a_head = TcpStream::connect(service.address).await.unwrap();
    half_a_head.write_all(b"GET /actuator/hea").await.unwrap();
    service.stop.cancel();
    tokio::time::timeout(PATIENCE, service.server).await.expect("it ends").unwrap();
    drop((never_reads, half_a_head));
}

#[tokio::test]
async fn a_full_service_answers_whoever_waits_for_a_backup_for_longest() {
    let yba = quick_yba().await;
    yba.hang_next_backup(&yba.universe());
    let service = waits_for_ever(simulated(&yba), 2).start().listen().await;
    let body = ask("db1").to_string();
    let request = format!(
        "POST /backupProcess HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=3600\r\nIdempotency-Key: one\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    assert!(talk(service.address, LAST_HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
    let answered = rest_of(&mut waiting[0]).await;
    assert!(answered.starts_with("HTTP/1.1 202") && answered.contains("IN_PROGRESS"), "{answered}");
}

/// A service that would wait for ever for its clients.
fn patient(max_connections: usize) -> Parts {
    waits_for_ever(scripted(&ScriptedStrategy::new()), max_connections)
}

fn waits_for_ever(parts: Parts, max_connections: usize) -> Parts {
    parts.config(|config| {
        config.read_timeout = FOR_EVER;
        config.keep_alive_timeout = FOR_EVER;
        config.write_timeout = FOR_EVER;
        config.shutdown_timeout = FOR_EVER;
        config.max_connections = max_connections;
    })
}

#[rstest]
#[case::silent("")]
#[case::half_a_head("GET /actuator/hea")]
#[case::idle(HEALTH)]
#[tokio::test]
async fn a_full_service_makes_room_by_closing_what_waits(#[case] sent: &str) {
    let service = patient(4).start().listen().await;
    let mut waiting = Vec::new();
    for _ in 0..10 {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    assert!(talk(service.address, LAST_HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_full_service_makes_room_by_closing_what_is_never_read() {
    let service = patient(2).start().listen().await;
    let stuck = join_all((0..2).map(|_| never_reads(service.address))).await;
    assert!(talk(service.address, LAST_HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
    drop(stuck);
}

#[rstest]
#[case::head("HEAD /batches", "200")]
#[case::options("OPTIONS /batches", "405")]
#[case::options_of_everything("OPTIONS *", "404")]
#[case::trace("TRACE /backupProcess", "405")]
#[case::delete("DELETE /batches/x", "405")]
#[case::unknown("BREW /actuator/health", "405")]
#[case::lower_case("get /batches", "405")]
#[case::traversal("GET /batches/../../etc/passwd", "404")]
#[case::encoded_traversal("GET /batches/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "404")]
#[case::encoded_slash("GET /batches%2Fx", "404")]
#[case::two_slashes("GET //batches", "404")]
#[case::null("GET /batches/a%00b", "404")]
#[case::invalid_utf8("GET /batches/%ff%fe", "400")]
#[case::cut_short("GET /batches/%f", "404")]
#[case::an_odd_query("GET /batches?%ff=%00&&=&limit", "400")]
#[case::case_matters("GET /BATCHES", "404")]
#[tokio::test]
async fn odd_requests_are_answered_without_a_bug(#[case] line: &str, #[case] status: &str) {
    let service = scripted(&ScriptedStrategy::new()).start().listen().await;
    let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = talk(service.address, request.as_bytes()).await;
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
}

#[tokio::test]
async fn a_long_target_is_refused() {
    let service = scripted(&ScriptedStrategy::new()).start().listen().await;
    for (length, status) in [(10_000, "414"), (100_000, "431")] {
        for target in
            [format!("/{}", "x".repeat(length)), format!("/batches?category={}", "x".repeat(length))]
        {
            let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            let answer = talk(service.address, request.as_bytes()).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{length}: {answer}");
        }
    }
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
