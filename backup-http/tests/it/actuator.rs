//! `/actuator`: the shapes that Spring users know.

use std::time::Duration;

use backup_core::testing::ScriptedStrategy;
use backup_http::{AppState, router};
use serde_json::{Value, json};

use crate::support::{ask, redacted, request, scripted, until};

#[tokio::test]
async fn health_tells_every_component() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let reply = app.get("/actuator/health").await;
    assert_eq!(reply.status, 200);
    insta::assert_json_snapshot!(reply.json(), @r#"
    {
      "components": {
        "db": {
          "status": "UP"
        },
        "livenessState": {
          "status": "UP"
        },
        "ping": {
          "status": "UP"
        },
        "readinessState": {
          "status": "UP"
        }
      },
      "groups": [
        "liveness",
        "readiness"
      ],
      "status": "UP"
    }
    "#);
    for probe in ["liveness", "readiness"] {
        let reply = app.get(&format!("/actuator/health/{probe}")).await;
        assert_eq!((reply.status, reply.json()), (200, json!({"status": "UP"})), "{probe}");
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_down_and_not_ready_but_alive() {
    let app = scripted(&ScriptedStrategy::new()).start();
    app.store.fail_when(|operation, _| operation == "check");
    let health = app.get("/actuator/health").await;
    assert_eq!(health.status, 503);
    assert_eq!(health.json()["status"], "DOWN");
    assert_eq!(health.json()["components"]["db"], json!({"status": "DOWN"}));
    let readiness = app.get("/actuator/health/readiness").await;
    assert_eq!((readiness.status, readiness.json()), (503, json!({"status": "OUT_OF_SERVICE"})));
    assert_eq!(app.get("/actuator/health/liveness").await.status, 200);

    app.store.heal();
    until(async || app.get("/actuator/health/readiness").await.status, |status| *status == 200).await;
}

/// Probes come from every load balancer at once; the store is asked once.
#[tokio::test]
async fn many_probes_are_one_look_at_the_store() {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    let app = scripted(&ScriptedStrategy::new()).start();
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    app.store.fail_when(move |operation, moment| {
        if operation == "check" && moment == backup_core::testing::Moment::Before {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        false
    });
    let started = std::time::Instant::now();
    for _ in 0..50 {
        app.get("/actuator/health/readiness").await;
    }
    let allowed = 1 + usize::try_from(started.elapsed().as_secs()).unwrap();
    assert!(looks.load(Ordering::SeqCst) <= allowed);
}

#[tokio::test]
async fn info_tells_what_runs() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let info = app.get("/actuator/info").await.json();
    assert_eq!(info["build"]["name"], "backup-http");
    assert_eq!(info["build"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["app"]["name"], "yugabytedb-backup");
}

#[tokio::test]
async fn the_actuator_links_lead_somewhere() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let links = app.get("/actuator").await.json();
    for (name, link) in links["_links"].as_object().unwrap() {
        if link["templated"] == false {
            assert_eq!(app.get(link["href"].as_str().unwrap()).await.status, 200, "{name}");
        }
    }
}

fn count(metric: &Value) -> &Value {
    &metric["measurements"][0]["value"]
}

/// All tests of this process count into one recorder, so this one uses a target of its own.
#[tokio::test]
async fn backups_are_counted_under_the_original_s_names() {
    use backup_core::{BackupTarget, FixedTargets};
    let target = BackupTarget::new("counted", "yba", "u", "s");
    let targets = FixedTargets::new([target], []).unwrap();
    let app = crate::support::Parts::new(targets).strategy(ScriptedStrategy::new()).start();
    assert_eq!(app.process(&ask("counted")).await.status, 200);

    let names = app.get("/actuator/metrics").await.json();
    for name in [
        "backup.initiated.count",
        "backup.success.count",
        "backup.failure.count",
        "backup.duration",
        "yba.api.request.duration",
        "database.retry.count",
    ] {
        assert!(names["names"].as_array().unwrap().contains(&json!(name)), "{name} in {names}");
        assert_eq!(app.get(&format!("/actuator/metrics/{name}")).await.status, 200, "{name}");
    }
    let of_target = "?tag=target:counted";
    for name in ["backup.initiated.count", "backup.success.count", "backup.duration"] {
        let metric = app.get(&format!("/actuator/metrics/{name}{of_target}")).await.json();
        assert_eq!(count(&metric), &json!(1.0), "{metric}");
    }
    let missing = app.get(&format!("/actuator/metrics/backup.failure.count{of_target}")).await;
    assert_eq!(missing.status, 404, "nothing failed: {missing:?}");
    let initiated = app.get(&format!("/actuator/metrics/backup.initiated.count{of_target}")).await.json();
    insta::assert_json_snapshot!(redacted(initiated), @r#"
    {
      "availableTags": [],
      "description": "Batches whose intent was recorded",
      "measurements": [
        {
          "statistic": "COUNT",
          "value": 1.0
        }
      ],
      "name": "backup.initiated.count"
    }
    "#);

    let prometheus = app.get("/actuator/prometheus").await;
    assert_eq!(prometheus.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(prometheus.text.contains("backup_initiated_total{target=\"counted\"} 1"), "{}", prometheus.text);
    assert!(prometheus.text.contains("# TYPE backup_duration_seconds histogram"));
    assert!(prometheus.text.contains("http_server_requests_seconds_count{"));
    assert!(prometheus.text.contains("uri=\"/backupProcess\""));
}

#[tokio::test]
async fn a_metric_that_is_not_there_is_a_problem() {
    let app = scripted(&ScriptedStrategy::new()).start();
    assert_eq!(app.get("/actuator/metrics/no.such.thing").await.status, 404);
    assert_eq!(app.get("/actuator/metrics/backup.duration?tag=target").await.status, 400);
}

#[tokio::test]
async fn a_service_without_meters_still_answers() {
    let app = scripted(&ScriptedStrategy::new()).start();
    let state = AppState::new(app.orchestrator.clone(), backup_http::ServerConfig::default());
    let request = request(axum::http::Method::GET, "/actuator/prometheus", axum::body::Body::empty());
    let response = tower::ServiceExt::oneshot(router(state), request).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_down_before_the_prober_gives_up() {
    let app = scripted(&ScriptedStrategy::new()).start_on(std::sync::Arc::new(Stuck));
    let started = tokio::time::Instant::now();
    let reply = app.get("/actuator/health/readiness").await;
    assert_eq!(reply.status, 503);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

/// A store that never answers.
#[derive(Debug)]
struct Stuck;

mod stuck {
    use std::{future::pending, time::Duration};

    use async_trait::async_trait;
    use backup_core::{
        BackupRecord, BatchId, IdempotencyKey, Phase, StoreError, TaskId, TrackingStore,
        store::{
            AuditClaim, AuditReport, AuditWork, BackupFilter, BackupPage, Beat, Claim, Claimed, Created,
            Follower, Hold, Lease, Refusal, Saved,
        },
    };
    use chrono::{DateTime, Utc};

    use super::Stuck;

    #[async_trait]
    impl TrackingStore for Stuck {
        async fn create(
            &self,
            _: &BackupRecord,
            _: Option<&IdempotencyKey>,
            _: Hold,
        ) -> Result<Created, StoreError> {
            pending().await
        }
        async fn reopen(&self, _: &BackupRecord, _: Hold) -> Result<Created, StoreError> {
            pending().await
        }
        async fn save(
            &self,
            _: &Lease,
            _: &BackupRecord,
            _: Phase,
            _: Duration,
        ) -> Result<Saved, StoreError> {
            pending().await
        }
        async fn claim(&self, _: &Claim) -> Result<Vec<Claimed>, StoreError> {
            pending().await
        }
        async fn heartbeat(&self, _: &[Lease], _: Hold) -> Result<Vec<Beat>, StoreError> {
            pending().await
        }
        async fn release(&self, _: &[Lease], _: Duration) -> Result<(), StoreError> {
            pending().await
        }
        async fn find(&self, _: &BatchId) -> Result<Option<BackupRecord>, StoreError> {
            pending().await
        }
        async fn follower(&self, _: &BatchId) -> Result<Option<Follower>, StoreError> {
            pending().await
        }
        async fn list(&self, _: &BackupFilter) -> Result<BackupPage, StoreError> {
            pending().await
        }
        async fn request_cancel(&self, _: &BatchId) -> Result<bool, StoreError> {
            pending().await
        }
        async fn claim_audits(&self, _: Duration, _: u32) -> Result<Vec<AuditWork>, StoreError> {
            pending().await
        }
        async fn record_audits(&self, _: &[AuditReport]) -> Result<Vec<Option<AuditClaim>>, StoreError> {
            pending().await
        }
        async fn doubt(&self, _: &BatchId, _: Duration) -> Result<(), StoreError> {
            pending().await
        }
        async fn counted(&self, _: &[TaskId]) -> Result<Vec<TaskId>, StoreError> {
            pending().await
        }
        async fn refuse(&self, _: &Refusal) -> Result<(), StoreError> {
            pending().await
        }
        async fn prune(&self, _: DateTime<Utc>, _: u32) -> Result<u64, StoreError> {
            pending().await
        }
        async fn check(&self) -> Result<(), StoreError> {
            pending().await
        }
    }
}
