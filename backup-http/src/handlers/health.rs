//! `/actuator/health` and its two probes. They are open to everybody, so they tell states and nothing else.

use std::time::Duration;

use axum::{Json, extract::State};
use backup_core::Orchestrator;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{
    error::chain,
    state::AppState,
    wire::{
        Base,
        health::{Health, Status},
    },
};

/// A look at the store is good for this long, however many probes ask.
const FRESH: Duration = Duration::from_secs(1);
/// A store that takes longer to say that it is there is not.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the store can be reached, asked once for everybody who wants to know at the same time.
#[derive(Debug, Default)]
pub(crate) struct StoreProbe {
    last: Mutex<Option<(Instant, bool)>>,
}

impl StoreProbe {
    /// Asks the store, unless it was asked a moment ago. A change is logged once.
    pub(crate) async fn is_up(&self, orchestrator: &Orchestrator) -> bool {
        let mut last = self.last.lock().await;
        let before = match *last {
            Some((at, up)) if at.elapsed() < FRESH => return up,
            Some((_, up)) => up,
            None => true,
        };
        let cause = match timeout(PATIENCE, orchestrator.check()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(chain(&error)),
            Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        match &cause {
            Some(cause) if before => tracing::error!(cause, "the store cannot be reached: not ready"),
            None if !before => tracing::info!("the store can be reached again"),
            _ => {}
        }
        *last = Some((Instant::now(), cause.is_none()));
        cause.is_none()
    }
}

/// `GET /actuator/health`: everything at once; 503 unless all of it is up.
pub(crate) async fn health(State(state): State<AppState>) -> Health {
    let db = db_status(&state).await;
    Health::with_components([
        ("db", db),
        ("livenessState", Status::Up),
        ("ping", Status::Up),
        ("readinessState", readiness_status(&state)),
    ])
}

/// `GET /actuator/health/liveness`: the process answers; restarting it would mend nothing else.
pub(crate) async fn liveness() -> Health {
    Health::of(Status::Up)
}

/// `GET /actuator/health/readiness`: whether requests can be recorded, and will still be answered.
pub(crate) async fn readiness(State(state): State<AppState>) -> Health {
    match (readiness_status(&state), db_status(&state).await) {
        (Status::Up, Status::Up) => Health::of(Status::Up),
        _ => Health::of(Status::OutOfService),
    }
}

/// `GET /actuator`: where everything is.
pub(crate) async fn links(base: Base) -> Json<serde_json::Value> {
    let link =
        |path: &str, templated: bool| serde_json::json!({ "href": base.path(path), "templated": templated });
    Json(serde_json::json!({ "_links": {
        "self": link("/actuator", false),
        "health": link("/actuator/health", false),
        "health-path": link("/actuator/health/{*path}", true),
        "info": link("/actuator/info", false),
        "metrics": link("/actuator/metrics", false),
        "metrics-requiredMetricName": link("/actuator/metrics/{requiredMetricName}", true),
        "prometheus": link("/actuator/prometheus", false),
    } }))
}

async fn db_status(state: &AppState) -> Status {
    if state.store().is_up(state.orchestrator()).await { Status::Up } else { Status::Down }
}

fn readiness_status(state: &AppState) -> Status {
    if state.stopping().is_cancelled() { Status::OutOfService } else { Status::Up }
}
