//! Errors of a call to the orchestrator. A backup that failed is not an error: it is a record.

use crate::{
    command::{RequestFault, RequestFaults},
    config::ResolveError,
    failure::{ErrorCode, Failure},
    ids::BatchId,
    store::StoreError,
};

/// Why a call was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is wrong. Nothing was started.
    #[error("the request is not valid: {0}")]
    Invalid(RequestFaults),
    /// The category has no target that can run.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// There is no such batch.
    #[error("there is no batch \"{0}\"")]
    UnknownBatch(BatchId),
    /// The request contradicts what is recorded.
    #[error("{0}")]
    Conflict(String),
    /// The store did not answer.
    #[error("the request could not be recorded")]
    Store(#[source] StoreError),
    /// A bug: a strategy that is not registered, an illegal transition.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) | Self::UnknownBatch(_) | Self::Conflict(_) => ErrorCode::InvalidRequest,
            Self::Resolve(ResolveError::UnknownCategory { .. }) => ErrorCode::UnknownCategory,
            Self::Resolve(_) => ErrorCode::TargetNotConfigured,
            Self::Store(error) if error.is_transient() => ErrorCode::StoreUnavailable,
            Self::Store(_) | Self::Internal(_) => ErrorCode::Internal,
        }
    }

    /// What a person should do next, where we know.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Resolve(ResolveError::NotConfigured { .. }) => Some(
                "set what is missing and restart; `backup-cli config check` shows every setting and where it comes from",
            ),
            Self::Store(error) if error.is_transient() => Some(
                "whether the request was recorded is not known; send it again with the same Idempotency-Key",
            ),
            _ => None,
        }
    }

    /// The same as a failure, to be recorded.
    pub fn to_failure(&self) -> Failure {
        let failure = Failure::new(self.code(), self.to_string());
        match self.advice() {
            Some(advice) => failure.with_advice(advice),
            None => failure,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { batch } => Self::UnknownBatch(batch),
            StoreError::Conflict { what } => Self::Conflict(what),
            StoreError::Invalid { field, what } => {
                Self::Invalid(RequestFaults(vec![RequestFault { field, message: what }]))
            }
            other => Self::Store(other),
        }
    }
}
