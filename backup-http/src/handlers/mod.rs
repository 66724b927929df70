//! The handlers, one file per resource. Each extracts, converts, calls the orchestrator, and converts back.

pub(crate) mod backup_process;
pub(crate) mod batches;
pub(crate) mod health;
pub(crate) mod info;
pub(crate) mod metrics;

use std::time::Duration;

use axum::http::{Method, StatusCode, Uri};
use backup_core::BackupRecord;

use crate::{
    connections::Hurry,
    error::{ApiError, chain},
    state::AppState,
    wire::shown,
};

/// The batch at its end, or as it is after `limit`, or when others need the connection. The batch is recorded: a store that cannot be asked how it goes does
/// not make it undone.
async fn at_its_end(state: &AppState, record: BackupRecord, limit: Duration, hurry: &Hurry) -> BackupRecord {
    if record.is_done() || limit.is_zero() {
        return record;
    }
    let waited = tokio::select! {
        waited = state.orchestrator().wait(&record.batch, Some(limit)) => waited,
        () = hurry.needed() => return record,
    };
    match waited {
        Ok(record) => record,
        Err(error) => {
            tracing::warn!(error = chain(&error), batch_id = %record.batch, "cannot ask how the batch goes");
            record
        }
    }
}

/// No route has this path.
pub(crate) async fn not_found(uri: Uri) -> ApiError {
    ApiError::absent(format!("there is nothing at {}", shown(uri.path())))
}

/// The route does not have this method. axum adds `Allow`.
pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    let message = format!("{} is not allowed at {}", shown(method.as_str()), shown(uri.path()));
    ApiError::refused(StatusCode::METHOD_NOT_ALLOWED, message)
}
