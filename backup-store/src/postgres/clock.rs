//! The database's clock, as this process sees it: what the instants in records are measured by, so that replicas whose machines
//! disagree on the time agree on deadlines.
//!
//! It is this machine's clock, put right by how far the database's was off when last asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use backup_core::{Clock, SystemClock, to_micros};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, Row};

/// How often the database is asked.
pub(super) const INTERVAL: Duration = Duration::from_mins(1);
/// A machine that is further off should be looked at.
const NOTEWORTHY: TimeDelta = TimeDelta::seconds(5);

#[derive(Debug)]
pub(super) struct DatabaseClock {
    machine: Arc<dyn Clock>,
    /// The database's time less the machine's, in microseconds.
    ahead: AtomicI64,
}

impl DatabaseClock {
    pub(super) fn new(machine: Arc<dyn Clock>) -> Self {
        Self { machine, ahead: AtomicI64::new(0) }
    }

    pub(super) fn of_this_machine() -> Self {
        Self::new(Arc::new(SystemClock::new()))
    }

    /// Asks the database. The answer holds for the middle of the time that the question took.
    pub(super) async fn set(&self, connection: &mut PgConnection, address: &str) -> Result<(), sqlx::Error> {
        let asked_at = self.machine.now();
        let row =
            sqlx::query("SELECT clock_timestamp() AS now").persistent(false).fetch_one(connection).await?;
        let taken = self.machine.now() - asked_at;
        self.take(row.try_get("now")?, asked_at + taken / 2, address);
        Ok(())
    }

    fn take(&self, theirs: DateTime<Utc>, ours: DateTime<Utc>, address: &str) {
        let ahead = theirs - ours;
        let before = self.ahead.swap(ahead.num_microseconds().unwrap_or_default(), Ordering::Relaxed);
        let is_news = (ahead - TimeDelta::microseconds(before)).abs() > NOTEWORTHY;
        if is_news && ahead.abs() > NOTEWORTHY {
            let ahead_s = ahead.num_seconds();
            tracing::warn!(
                address,
                ahead_s,
                "the database's clock and this machine's differ; records follow the database's"
            );
        }
    }
}

#[async_trait]
impl Clock for DatabaseClock {
    fn now(&self) -> DateTime<Utc> {
        to_micros(self.machine.now() + TimeDelta::microseconds(self.ahead.load(Ordering::Relaxed)))
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
            clock.take(theirs, machine.now(), "somewhere");
            machine.advance(Duration::from_secs(10));
            clock.now()
        });
        assert_eq!(times, [theirs + TimeDelta::seconds(10); 2]);
    }
}
