//! The database's clock, as this process sees it: what the instants in records are measured by, so that replicas whose machines
//! disagree on the time agree on deadlines.
//!
//! It is this machine's monotonic clock, set by what the database said when last asked: a jump of the machine's time changes
//! nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use backup_core::{Clock, SystemClock};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, Row};

/// How often the database is asked.
pub(super) const INTERVAL: Duration = Duration::from_mins(1);
/// A machine that is further off should be looked at.
const NOTEWORTHY: TimeDelta = TimeDelta::seconds(5);

/// An answer that took longer says too little about the time.
const PROMPT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct DatabaseClock {
    machine: Arc<dyn Clock>,
    /// The database's time when the machine's monotonic clock began, in microseconds since 1970.
    began: AtomicI64,
}

impl DatabaseClock {
    /// Not asked yet, it has the machine's time.
    pub(super) fn new(machine: Arc<dyn Clock>) -> Self {
        let began = AtomicI64::new(micros(machine.now(), machine.elapsed()));
        Self { machine, began }
    }

    pub(super) fn of_this_machine() -> Self {
        Self::new(Arc::new(SystemClock::new()))
    }

    /// Asks the database. The answer holds for the middle of the time that the question took.
    pub(super) async fn set(&self, connection: &mut PgConnection, address: &str) -> Result<(), sqlx::Error> {
        let asked_at = self.machine.elapsed();
        let row =
            sqlx::query("SELECT clock_timestamp() AS now").persistent(false).fetch_one(connection).await?;
        let taken = self.machine.elapsed().saturating_sub(asked_at);
        if taken < PROMPT {
            self.take(row.try_get("now")?, asked_at + taken / 2, address);
        }
        Ok(())
    }

    fn take(&self, theirs: DateTime<Utc>, elapsed: Duration, address: &str) {
        let machine = micros(self.machine.now(), self.machine.elapsed());
        let began = micros(theirs, elapsed);
        let is_off = |began: i64| TimeDelta::microseconds(began - machine).abs() > NOTEWORTHY;
        let before = self.began.swap(began, Ordering::Relaxed);
        if is_off(began) && !is_off(before) {
            let ahead_s = TimeDelta::microseconds(began - machine).num_seconds();
            tracing::warn!(
                address,
                ahead_s,
                "the database's clock and this machine's differ; records follow the database's"
            );
        }
    }
}

/// When a monotonic clock began that has run for so long by now.
fn micros(now: DateTime<Utc>, elapsed: Duration) -> i64 {
    now.timestamp_micros().saturating_sub(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
}

#[async_trait]
impl Clock for DatabaseClock {
    fn now(&self) -> DateTime<Utc> {
        let elapsed = i64::try_from(self.machine.elapsed().as_micros()).unwrap_or(i64::MAX);
        let now = self.began.load(Ordering::Relaxed).saturating_add(elapsed);
        DateTime::from_timestamp_micros(now).unwrap_or_else(|| self.machine.now())
    }

    fn elapsed(&self) -> Duration {
        self.machine.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.machine.sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_machines_an_hour_apart_agree_on_the_databases_time() {
        let clocks = [0, 3600].map(|ahead| {
            let machine = backup_core::testing::ManualClock::new();
            machine.advance(Duration::from_secs(ahead));
            Arc::new(machine)
        });
        let theirs = clocks[0].now() + TimeDelta::days(7);
        let times = clocks.map(|machine| {
            let clock = DatabaseClock::new(machine.clone());
            clock.take(theirs, machine.elapsed(), "somewhere");
            machine.advance(Duration::from_secs(10));
            clock.now()
        });
        assert_eq!(times, [theirs + TimeDelta::seconds(10); 2]);
    }
}
