//! `/actuator/metrics` and `/actuator/prometheus`: the same numbers in two shapes.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::PathRejection, rejection::QueryRejection},
    http::header::CONTENT_TYPE,
    response::IntoResponse,
};

use crate::{
    error::ApiError,
    state::AppState,
    wire::{
        metrics::{MetricNames, MetricView, read_tags},
        shown,
    },
};

/// The version of the text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /actuator/metrics`: the names.
pub(crate) async fn names(State(state): State<AppState>) -> Json<MetricNames> {
    Json(MetricNames::of(&rendered(&state)))
}

/// `GET /actuator/metrics/{name}?tag=key:value`: one of them.
pub(crate) async fn show(
    State(state): State<AppState>,
    name: Result<Path<String>, PathRejection>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Json<MetricView>, ApiError> {
    let Path(name) =
        name.map_err(|rejection| ApiError::refused(rejection.status(), rejection.body_text()))?;
    let Query(pairs) =
        query.map_err(|rejection| ApiError::refused(rejection.status(), rejection.body_text()))?;
    let tags = read_tags(&pairs)?;
    let view = MetricView::of(&name, &tags, &rendered(&state));
    view.map(Json).ok_or_else(|| ApiError::absent(format!("there is no metric \"{}\"", shown(&name))))
}

/// `GET /actuator/prometheus`: all of them, in the text format.
pub(crate) async fn prometheus(State(state): State<AppState>) -> impl IntoResponse {
    ([(CONTENT_TYPE, EXPOSITION)], rendered(&state))
}

fn rendered(state: &AppState) -> String {
    let in_flight = state.orchestrator().in_flight();
    state.meters().map(|meters| meters.render(in_flight)).unwrap_or_default()
}
