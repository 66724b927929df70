//! The simulator's time: the machine's, or one that a test drives.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

#[derive(Clone, Copy, Debug)]
pub(super) enum Clock {
    /// The machine's clock, plus what was skipped by `advance`.
    Real { ahead: Duration },
    /// Stands still until told.
    Manual { now: DateTime<Utc> },
}

impl Clock {
    /// A manual clock; it starts on 25 March 2025, 04:30 UTC.
    pub(super) fn manual() -> Self {
        Self::Manual { now: DateTime::from_timestamp(1_742_877_000, 0).unwrap_or_default() }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        match *self {
            Self::Real { ahead } => DateTime::<Utc>::from(SystemTime::now() + ahead),
            Self::Manual { now } => now,
        }
    }

    pub(super) fn advance(&mut self, by: Duration) {
        match self {
            Self::Real { ahead } => *ahead += by,
            Self::Manual { now } => *now += by,
        }
    }
}
