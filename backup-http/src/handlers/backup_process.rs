//! `POST /backupProcess`: a backup is asked for, and awaited.

use axum::{
    Extension,
    extract::{Request, State},
};
use backup_core::BackupRecord;
use tracing::Instrument;

use super::at_its_end;
use crate::{
    body,
    connections::Hurry,
    error::ApiError,
    state::AppState,
    telemetry::RequestId,
    wire::{
        Base,
        backup_process::{Answer, Asked},
        prefer::Preferences,
    },
};

/// Starts or joins a batch and waits for its end, as long as the caller prefers.
pub(crate) async fn run(
    State(state): State<AppState>,
    Extension(id): Extension<RequestId>,
    base: Base,
    hurry: Hurry,
    request: Request,
) -> Answer {
    let config = state.config();
    let (head, body) = request.into_parts();
    let preferences = Preferences::read(&head.headers);
    let asked = Asked::read(body::read(&head.headers, body, config).await, &head.headers, &id);
    let answer = match submit(&state, asked.clone()).await {
        Ok(record) => {
            let record = at_its_end(&state, record, preferences.limit(config.wait_timeout), &hurry).await;
            Answer::of_record(&record, &base, config.zone)
        }
        Err(error) => Answer::refused(&asked.request, &error),
    };
    let applied = preferences.applied(answer.is_accepted());
    answer.with_applied(applied).with_legacy_status(config.legacy_status_codes)
}

/// Takes the request as far as a committed intent, in a task of its own: a caller who hangs up in this moment must not
/// leave a batch that nobody follows.
async fn submit(state: &AppState, asked: Asked) -> Result<BackupRecord, ApiError> {
    let orchestrator = state.orchestrator().clone();
    let submission = async move {
        if let Some((error, api_error)) = asked.error().zip(asked.api_error()) {
            orchestrator.refuse(&asked.request, &error).await;
            return Err(api_error);
        }
        orchestrator.submit(asked.request).await.map_err(ApiError::from)
    };
    let submitted = state.submissions().spawn(submission.in_current_span()).await;
    submitted.unwrap_or_else(|panic| {
        tracing::error!(%panic, "a bug: the submission panicked");
        Err(ApiError::bug())
    })
}
