//! `/batches`: what was asked for before, and taking it back.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::PathRejection, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use backup_core::{BatchId, Error, ErrorCode, MAX_TEXT};

use super::at_its_end;
use crate::{
    connections::Hurry,
    error::ApiError,
    state::AppState,
    wire::{
        Base,
        backup_process::BackupProcessBody,
        batches::{BatchPage, read_filter},
        prefer::{PREFERENCE_APPLIED, Preferences},
        shown,
    },
};

/// `GET /batches/{id}`: the batch as it is, or at its end where the caller prefers to wait.
pub(crate) async fn show(
    State(state): State<AppState>,
    batch: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    hurry: Hurry,
) -> Result<Response, ApiError> {
    let batch = batch_id(batch)?;
    let preferences = Preferences { respond_async: false, ..Preferences::read(&headers) };
    let record = state.orchestrator().find(&batch).await?;
    let record = at_its_end(&state, record, preferences.wait.unwrap_or_default(), &hurry).await;
    let body = Json(BackupProcessBody::of_record(&record, state.config().zone));
    let applied = preferences.applied(false).map(|value| [(PREFERENCE_APPLIED, value)]);
    Ok((applied.into_iter().flatten().collect::<HeaderMap>(), body).into_response())
}

/// `GET /batches`: a page of them, newest first.
pub(crate) async fn list(
    State(state): State<AppState>,
    base: Base,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Json<BatchPage>, ApiError> {
    let Query(pairs) =
        query.map_err(|rejection| ApiError::refused(rejection.status(), rejection.body_text()))?;
    let filter = read_filter(&pairs)?;
    let page = state.orchestrator().list(&filter).await?;
    Ok(Json(BatchPage::new(&page, &filter, &base, state.config().zone)))
}

/// `POST /batches/{id}/cancel`: 202 when it was asked for, 200 when the batch is cancelled already, 409 when it ended
/// otherwise.
pub(crate) async fn cancel(
    State(state): State<AppState>,
    base: Base,
    batch: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let batch = batch_id(batch)?;
    let asked = state.orchestrator().cancel(&batch).await?;
    let record = state.orchestrator().find(&batch).await?;
    let cancelled = record.failure.as_ref().is_some_and(|failure| failure.code == ErrorCode::Cancelled);
    if !asked && !cancelled {
        let message = format!("batch \"{batch}\" is over: {}", record.batch_status());
        return Err(ApiError::refused(StatusCode::CONFLICT, message));
    }
    let status = if record.is_done() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let body = Json(BackupProcessBody::of_record(&record, state.config().zone));
    Ok((status, [(LOCATION, base.batch(&batch))], body).into_response())
}

/// An id that no batch can have is not looked for.
fn batch_id(path: Result<Path<String>, PathRejection>) -> Result<BatchId, ApiError> {
    match path {
        Ok(Path(batch)) if batch.chars().count() <= MAX_TEXT && !batch.chars().any(char::is_control) => {
            Ok(batch.into())
        }
        Ok(Path(batch)) => Err(Error::UnknownBatch(shown(&batch).into()).into()),
        Err(rejection) => Err(ApiError::refused(rejection.status(), rejection.body_text())),
    }
}
