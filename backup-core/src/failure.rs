//! Why a backup did not succeed: a stable code for programs, a cause in YBA's own words, and what to do next.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// The stable code of a failure. The text never changes once released.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)+
        }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable text.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

error_codes! {
    /// The request itself is wrong.
    InvalidRequest = "INVALID_REQUEST",
    /// No target answers to the category.
    UnknownCategory = "UNKNOWN_CATEGORY",
    /// The target lacks a setting.
    TargetNotConfigured = "TARGET_NOT_CONFIGURED",
    /// An increment has no base that it may build on. Nothing was posted.
    NoBaseBackup = "NO_BASE_BACKUP",
    /// YBA understood the request and refused it (400, 403, 404, or a 409 that is not "busy").
    YbaRejected = "YBA_REJECTED",
    /// YBA did not accept the token (401), or the token may not do this (403).
    YbaUnauthorized = "YBA_UNAUTHORIZED",
    /// YBA could not be reached in time.
    YbaUnreachable = "YBA_UNREACHABLE",
    /// The universe was locked by something else for as long as we may wait.
    UniverseBusy = "UNIVERSE_BUSY",
    /// YBA ran the task and it failed.
    BackupFailed = "BACKUP_FAILED",
    /// YBA aborted the task, and we had not asked for it.
    Aborted = "ABORTED",
    /// We were asked to cancel, and did.
    Cancelled = "CANCELLED",
    /// Task and backup still tell different stories after the settling time.
    Diverged = "DIVERGED",
    /// The target's deadline passed.
    DeadlineExceeded = "DEADLINE_EXCEEDED",
    /// YBA no longer knows the task, or we cannot know whether it exists.
    TaskLost = "TASK_LOST",
    /// A task of ours does not count, or may not: never the code of a batch, only of what an audit records.
    Surplus = "SURPLUS",
    /// Our own store cannot be reached.
    StoreUnavailable = "STORE_UNAVAILABLE",
    /// A bug of ours.
    Internal = "INTERNAL",
}

impl ErrorCode {
    /// The code with this text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For programs.
    pub code: ErrorCode,
    /// What happened, in YBA's own words where it said any.
    pub message: String,
    /// What a person should do next, where we know.
    pub advice: Option<String>,
}

impl Failure {
    /// A failure without advice.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), advice: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(advice) = &self.advice {
            write!(f, " Next: {advice}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_again_by_its_text() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
        }
        assert_eq!(ErrorCode::ALL.len(), 17);
    }
}
