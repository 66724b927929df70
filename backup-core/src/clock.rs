//! Where the time comes from. Nothing else in the workspace reads a clock, so tests can drive it.

use std::{
    fmt,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// The time, and waiting for it.
///
/// # Contract
///
/// `now` may jump (it is the wall clock, for records); `elapsed` never goes back (it is for leases and
/// intervals). `sleep` measures with the same clock as `elapsed`.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall-clock time, UTC, to the microsecond: what every store can hold.
    fn now(&self) -> DateTime<Utc>;

    /// Time since this clock was made. Monotonic.
    fn elapsed(&self) -> Duration;

    /// Waits that long.
    async fn sleep(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    made: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    pub fn new() -> Self {
        Self { made: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    fn now(&self) -> DateTime<Utc> {
        to_micros(Utc::now())
    }

    fn elapsed(&self) -> Duration {
        self.made.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Cuts an instant to the microsecond, PostgreSQL's resolution.
pub fn to_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(at)
}
