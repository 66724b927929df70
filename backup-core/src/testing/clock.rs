//! A clock that stands still until a test moves it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeZone, Utc};
use tokio::sync::watch;

use crate::clock::Clock;

/// A clock that a test moves with [`ManualClock::advance`]. It starts at 2025-03-25 00:00 UTC.
#[derive(Debug)]
pub struct ManualClock {
    elapsed: watch::Sender<Duration>,
    start: DateTime<Utc>,
    sleepers: Mutex<Vec<Duration>>,
}

impl ManualClock {
    /// A clock at its start.
    pub fn new() -> Self {
        let start = Utc.with_ymd_and_hms(2025, 3, 25, 0, 0, 0).single().unwrap_or_default();
        Self { elapsed: watch::Sender::new(Duration::ZERO), start, sleepers: Mutex::default() }
    }

    /// Moves the time and wakes whoever slept until then.
    pub fn advance(&self, by: Duration) {
        self.elapsed.send_modify(|elapsed| *elapsed += by);
    }

    /// Moves the time to the next instant that somebody sleeps for. `false`: nobody sleeps.
    pub fn advance_to_next_sleeper(&self) -> bool {
        let now = self.elapsed();
        let next = self.lock().iter().copied().filter(|until| *until > now).min();
        if let Some(until) = next {
            self.elapsed.send_replace(until);
        }
        next.is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Duration>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes a sleeper off the list, also when its future is dropped.
struct Asleep<'a> {
    clock: &'a ManualClock,
    until: Duration,
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        let mut sleepers = self.clock.lock();
        if let Some(place) = sleepers.iter().position(|until| *until == self.until) {
            sleepers.swap_remove(place);
        }
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.start + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.elapsed() + duration;
        self.lock().push(until);
        let _asleep = Asleep { clock: self, until };
        let mut elapsed = self.elapsed.subscribe();
        // The sender lives in `self`, so this cannot end early.
        let _ = elapsed.wait_for(|now| *now >= until).await;
    }
}
