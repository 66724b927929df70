//! Every route of the service.

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state, map_response},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    auth,
    error::ApiError,
    handlers::{backup_process, batches, health, info, method_not_allowed, metrics, not_found},
    host, limits,
    state::AppState,
    telemetry, wire,
};

/// The whole service.
///
/// | who may call | method | path |
/// |---|---|---|
/// | whoever has a token | POST | `/backupProcess` |
/// | whoever has a token | GET | `/batches`, `/batches/{id}` |
/// | whoever has a token | POST | `/batches/{id}/cancel` |
/// | whoever has a token | GET | `/actuator`, `/actuator/info`, `/actuator/metrics`, `/actuator/metrics/{name}`, `/actuator/prometheus` |
/// | everybody | GET | `/actuator/health`, `/actuator/health/liveness`, `/actuator/health/readiness` |
///
/// Without tokens, "whoever has a token" is whoever calls the service by a name of its own (see `host.rs`); a probe may
/// call health by any name.
pub fn router(state: AppState) -> Router {
    let original = Router::new().route("/backupProcess", post(backup_process::run));
    let ours = Router::new()
        .route("/batches", get(batches::list))
        .route("/batches/{id}", get(batches::show))
        .route("/batches/{id}/cancel", post(batches::cancel))
        .route("/actuator", get(health::links))
        .route("/actuator/info", get(info::info))
        .route("/actuator/metrics", get(metrics::names))
        .route("/actuator/metrics/{name}", get(metrics::show))
        .route("/actuator/prometheus", get(metrics::prometheus))
        .fallback(not_found);
    let open = Router::new()
        .route("/actuator/health", get(health::health))
        .route("/actuator/health/liveness", get(health::liveness))
        .route("/actuator/health/readiness", get(health::readiness));

    let open = open
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(host::require_one_host))
        .layer(CatchPanicLayer::custom(bug));
    let original = guarded(original, &state).layer(map_response(wire::backup_process::in_shape));
    original.merge(guarded(ours, &state)).merge(open).layer(from_fn(telemetry::observe)).with_state(state)
}

/// Routes for whoever may call.
fn guarded(routes: Router<AppState>, state: &AppState) -> Router<AppState> {
    routes
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(limits::refuse_long_targets))
        .layer(from_fn_with_state(state.clone(), auth::require_token))
        .layer(from_fn_with_state(state.clone(), host::refuse_foreign))
        .layer(CatchPanicLayer::custom(bug))
}

/// A handler panicked. The process goes on; what happened was printed where it happened.
fn bug(_panic: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a bug: the handler panicked");
    ApiError::bug().into_response()
}
