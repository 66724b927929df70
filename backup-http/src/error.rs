//! Which error becomes which status: the only place that decides it.

use axum::{
    Extension,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use backup_core::{Error, ErrorCode, Failure, RequestFault, RequestFaults};

use crate::wire::problem::Problem;

/// Who called was not recognised: the one code that the core does not know.
pub(crate) const UNAUTHENTICATED: &str = "UNAUTHENTICATED";

/// The status of a failure. A code that is new in the core is a bug here until it has its line.
pub(crate) fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidRequest => StatusCode::BAD_REQUEST,
        ErrorCode::UnknownCategory => StatusCode::NOT_FOUND,
        // What is there contradicts what was asked for: no base, a universe that is taken, a wish to cancel.
        ErrorCode::NoBaseBackup | ErrorCode::UniverseBusy | ErrorCode::Cancelled => StatusCode::CONFLICT,
        // YBA refused, or the backup failed there.
        ErrorCode::YbaRejected
        | ErrorCode::YbaUnauthorized
        | ErrorCode::BackupFailed
        | ErrorCode::Aborted
        | ErrorCode::Diverged
        | ErrorCode::TaskLost => StatusCode::BAD_GATEWAY,
        ErrorCode::YbaUnreachable | ErrorCode::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        // Not 503: a half-set target does not mend itself, so nothing should try again by itself.
        ErrorCode::TargetNotConfigured | ErrorCode::Internal | _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A call that is not answered with what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// For programs.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) message: String,
    /// What a person should do next, where we know.
    pub(crate) advice: Option<String>,
}

impl ApiError {
    /// The caller's mistake.
    pub(crate) fn refused(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, code: ErrorCode::InvalidRequest.as_str(), message: message.into(), advice: None }
    }

    /// A caller that is not known, or not allowed.
    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self { code: UNAUTHENTICATED, ..Self::refused(StatusCode::UNAUTHORIZED, message) }
    }

    /// A bug. What it was is in the log.
    pub(crate) fn bug() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: ErrorCode::Internal.as_str(),
            message: "internal error; the log has it under this answer's X-Request-ID".to_owned(),
            advice: None,
        }
    }

    /// Something that this service does not have because it runs without it.
    pub(crate) fn absent(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::NOT_FOUND, message)
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::UnknownBatch(_) => StatusCode::NOT_FOUND,
            Error::Conflict(_) => StatusCode::CONFLICT,
            other => status_of(other.code()),
        };
        if status.is_server_error() {
            tracing::error!(error = chain(&error), "the request failed");
        }
        let Failure { code, message, advice } = error.to_failure();
        Self { status, code: code.as_str(), message, advice }
    }
}

/// A request that cannot be read, as the core's error.
pub(crate) fn unreadable(faults: Vec<RequestFault>) -> Error {
    Error::Invalid(RequestFaults(faults))
}

/// Every endpoint but `/backupProcess` answers an error as RFC 9457 says. The error goes along, for whoever has a
/// shape of its own.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (Extension(self.clone()), Problem::from(self)).into_response()
    }
}

/// An error with its causes, for a log line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the documentation: every code has one line, and a code that is added fails here.
    #[test]
    fn every_code_has_its_status() {
        let table: Vec<String> =
            ErrorCode::ALL.iter().map(|code| format!("{} {code}", status_of(*code).as_u16())).collect();
        insta::assert_snapshot!(table.join("\n"), @r#"
        400 INVALID_REQUEST
        404 UNKNOWN_CATEGORY
        500 TARGET_NOT_CONFIGURED
        409 NO_BASE_BACKUP
        502 YBA_REJECTED
        502 YBA_UNAUTHORIZED
        503 YBA_UNREACHABLE
        409 UNIVERSE_BUSY
        502 BACKUP_FAILED
        502 ABORTED
        409 CANCELLED
        502 DIVERGED
        504 DEADLINE_EXCEEDED
        502 TASK_LOST
        500 SURPLUS
        503 STORE_UNAVAILABLE
        500 INTERNAL
        "#);
    }

    #[test]
    fn the_table_of_the_documentation_is_this_one() {
        let document = include_str!("../../docs/http-api.md");
        for code in ErrorCode::ALL {
            let line = format!("| `{code}` | {} |", status_of(*code).as_u16());
            assert!(document.lines().any(|documented| documented == line), "docs/http-api.md lacks {line}");
        }
    }

    #[test]
    fn a_batch_that_is_not_there_and_a_contradiction_have_a_status_of_their_own() {
        assert_eq!(ApiError::from(Error::UnknownBatch("b1".into())).status, StatusCode::NOT_FOUND);
        assert_eq!(ApiError::from(Error::Conflict("no".to_owned())).status, StatusCode::CONFLICT);
    }
}
