//! The end of the service: nobody waits in vain, and nothing is lost.

use std::time::Duration;

use backup_core::{Phase, testing::ScriptedStrategy};
use tokio::net::TcpStream;
use yba_client::simulator::Endpoint;

use crate::support::{PATIENCE, ask, http_client, logs, quick_yba, read, scripted, simulated, until};

#[tokio::test]
async fn whoever_waits_is_answered_202_and_the_batch_is_left_to_the_next_start() {
    let yba = quick_yba().await;
    yba.hang_next_backup(&yba.universe());
    let app = simulated(&yba).start();
    let service = app.listen().await;
    let call = http_client().post(format!("{}/backupProcess", service.url)).body(ask("db1").to_string());
    let waiting = tokio::spawn(call.send());
    until(async || yba.count(Endpoint::GetTask), |looks| *looks > 0).await;

    service.stop.cancel();
    let reply = read(waiting.await.unwrap().unwrap()).await;
    assert_eq!(reply.gist(), "202 IN_PROGRESS -");
    assert_eq!(reply.header("location"), Some(format!("/batches/{}", reply.batch()).as_str()));
    tokio::time::timeout(PATIENCE, service.server).await.expect("it ends").unwrap();
    let record = app.store.records().remove(0);
    assert_eq!(record.phase, Phase::Running, "recorded, and open");
}

#[tokio::test]
async fn a_service_that_is_told_to_stop_is_not_ready_any_more() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let service = app.listen().await;
    assert_eq!(app.get("/actuator/health/readiness").await.status, 200);
    service.stop.cancel();
    tokio::time::timeout(PATIENCE, service.server).await.expect("it ends").unwrap();
    let readiness = app.get("/actuator/health/readiness").await;
    assert_eq!((readiness.status, readiness.json()["status"].as_str()), (503, Some("OUT_OF_SERVICE")));
    let health = app.get("/actuator/health").await.json();
    assert_eq!(health["status"], "OUT_OF_SERVICE");
    assert_eq!(health["components"]["db"]["status"], "UP");
    assert_eq!(app.get("/actuator/health/liveness").await.status, 200);
}

#[tokio::test]
async fn a_connection_that_never_ends_does_not_hold_the_end_up() {
    let app = scripted(&ScriptedStrategy::new())
        .config(|config| config.shutdown_timeout = Duration::from_millis(200))
        .start();
    let service = app.listen().await;
    let mut stuck = TcpStream::connect(service.address).await.unwrap();
    let head =
        b"POST /backupProcess HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: never-ends\r\nContent-Length: 100\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stuck, head).await.unwrap();
    until(async || logs(), |logs| logs.contains("never-ends")).await;
    service.stop.cancel();
    tokio::time::timeout(PATIENCE, service.server).await.expect("it ends").unwrap();
}
