//! The one place that repeats database work.
//!
//! | what happened | what is done |
//! |---|---|
//! | contention: the transaction was rolled back | all of it again, after 5-200 ms with full jitter |
//! | connection lost: nobody knows what was applied | again on another connection, after 1 s, 2 s, 4 s .. |
//! | a prepared statement is out of date | that connection is closed, then once more at once |
//! | refused | nothing: it would be refused again |
//!
//! Repeating is safe because every operation is: it is fenced by an epoch, or unique by a key, and recognises its own
//! first try (`Repeat::Possible`).

use std::{future::Future, io, time::Duration};

use backup_core::store::StoreError;
use rand::RngExt;

use crate::{
    aside::Aside,
    config::{RetryPolicy, StoreEvent, StoreObserver},
};

/// What an error of the database asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Rolled back because of somebody else: again.
    Contention,
    /// The connection or the node is gone, perhaps after it had committed: again, later.
    Lost,
    /// It took too long, by a limit of ours: the caller decides.
    TimedOut,
    /// The connection's prepared statement is out of date: again on another connection.
    Stale,
    /// It will be refused again.
    Refused,
}

/// Whether an earlier try of the same call may have been committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// No.
    No,
    /// Perhaps: the connection was lost under it.
    Possible,
}

impl Repeat {
    /// Either of two reasons to suspect an earlier try.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == Self::Possible { self } else { other }
    }
}

/// How one try ended without an answer.
#[derive(Debug)]
pub(crate) enum TryError {
    /// By the contract.
    Contract(StoreError),
    /// By the database.
    Database(sqlx::Error),
    /// No connection in time, after many attempts; nothing was sent.
    Unreachable(sqlx::Error),
    /// What was read did not fit what was written a moment later: again.
    Raced,
}

impl TryError {
    /// The cause of an error of ours.
    pub(crate) fn into_source(self) -> Box<dyn std::error::Error + Send + Sync> {
        match self {
            Self::Database(error) | Self::Unreachable(error) => Box::new(error),
            Self::Contract(error) => Box::new(error),
            Self::Raced => "another writer was faster, each time".into(),
        }
    }
}

impl From<StoreError> for TryError {
    fn from(error: StoreError) -> Self {
        Self::Contract(error)
    }
}

impl From<sqlx::Error> for TryError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Repeats what may be repeated.
#[derive(Clone)]
pub(crate) struct Replay {
    policy: RetryPolicy,
    observer: Option<StoreObserver>,
    aside: Aside,
    /// How long one try may take.
    limit: Option<Duration>,
}

impl Replay {
    pub(crate) fn new(policy: RetryPolicy, observer: Option<StoreObserver>) -> Self {
        Self { policy, observer, aside: Aside::default(), limit: None }
    }

    /// Gives up a try after this long, with its connection: a server that vanished says nothing.
    #[cfg(feature = "postgres")]
    pub(crate) fn with_limit(self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// One try, within the limit.
    pub(crate) async fn limited<T>(
        &self,
        attempt: impl Future<Output = Result<T, TryError>>,
    ) -> Result<T, TryError> {
        let Some(limit) = self.limit else { return attempt.await };
        let silence = || io::Error::new(io::ErrorKind::TimedOut, "the database did not answer in time");
        tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| Err(sqlx::Error::Io(silence()).into()))
    }

    /// Names rows that were set aside.
    pub(crate) fn set_aside(&self, rows: &[StoreError]) {
        self.aside.name(rows, self.observer.as_ref());
    }

    /// Counts a round trip.
    pub(crate) fn round_trip(&self, operation: &'static str) {
        self.observe(StoreEvent::RoundTrip { operation });
    }

    /// Runs `attempt` until it has an answer that a repeat would not change.
    pub(crate) async fn run<T, F>(
        &self,
        operation: &'static str,
        judge: fn(&sqlx::Error) -> Verdict,
        mut attempt: impl FnMut(Repeat) -> F + Send,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, TryError>> + Send,
    {
        let mut repeat = Repeat::No;
        let (mut contended, mut lost, mut stale) = (0, 0, 0);
        loop {
            let error = match self.limited(attempt(repeat)).await {
                Ok(answer) => return Ok(answer),
                Err(TryError::Contract(error)) => return Err(error),
                Err(error) => error,
            };
            let verdict = match &error {
                TryError::Database(error) => judge(error),
                TryError::Unreachable(_) => Verdict::TimedOut,
                TryError::Raced | TryError::Contract(_) => Verdict::Contention,
            };
            let (tries, limit, reason) = match verdict {
                Verdict::Contention => (&mut contended, self.policy.contention_tries, "contention"),
                Verdict::Lost => (&mut lost, self.policy.connection_tries, "connection"),
                Verdict::Stale => (&mut stale, 2, "statement"),
                Verdict::TimedOut => return Err(unavailable(operation, error)),
                Verdict::Refused => return Err(refused(operation, error)),
            };
            *tries += 1;
            if *tries >= limit {
                return Err(unavailable(operation, error));
            }
            let pause = self.pause(verdict, *tries);
            if verdict == Verdict::Lost {
                repeat = Repeat::Possible;
            }
            self.report(operation, reason, &error, pause);
            tokio::time::sleep(pause).await;
        }
    }

    fn pause(&self, verdict: Verdict, tries: u32) -> Duration {
        let factor = 2_u32.saturating_pow(tries.saturating_sub(1));
        match verdict {
            Verdict::Contention => {
                let most = Duration::from_millis(5).saturating_mul(factor).min(Duration::from_millis(200));
                rand::rng().random_range(Duration::ZERO..=most)
            }
            Verdict::Lost => self.policy.pause(tries),
            Verdict::Stale | Verdict::TimedOut | Verdict::Refused => Duration::ZERO,
        }
    }

    fn report(&self, operation: &'static str, reason: &'static str, error: &TryError, pause: Duration) {
        self.observe(StoreEvent::Retry { operation, reason });
        let error = source(error);
        let pause_ms = pause.as_millis();
        if reason == "connection" {
            tracing::warn!(
                operation,
                reason,
                pause_ms,
                error,
                "the store lost its connection and tries again"
            );
        } else {
            tracing::debug!(operation, reason, pause_ms, error, "the store repeats a transaction");
        }
    }

    fn observe(&self, event: StoreEvent) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }
}

fn source(error: &TryError) -> String {
    match error {
        TryError::Database(error) | TryError::Unreachable(error) => error.to_string(),
        TryError::Contract(error) => error.to_string(),
        TryError::Raced => "another writer was faster".to_owned(),
    }
}

fn unavailable(operation: &'static str, error: TryError) -> StoreError {
    StoreError::Unavailable { operation, source: error.into_source() }
}

fn refused(operation: &'static str, error: TryError) -> StoreError {
    StoreError::Refused { operation, source: error.into_source() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn replay() -> Replay {
        let policy = RetryPolicy { first_delay: Duration::from_millis(1), ..RetryPolicy::default() };
        Replay::new(policy, None)
    }

    /// Runs something that always fails as the verdict says; answers how often, and with what.
    async fn failing(verdict: fn(&sqlx::Error) -> Verdict) -> (u32, StoreError) {
        let tries = AtomicU32::new(0);
        let outcome = replay()
            .run("test", verdict, |_| {
                tries.fetch_add(1, Ordering::Relaxed);
                async { Err::<(), _>(TryError::Database(sqlx::Error::RowNotFound)) }
            })
            .await;
        (tries.load(Ordering::Relaxed), outcome.unwrap_err())
    }

    #[tokio::test]
    async fn each_verdict_has_its_number_of_tries() {
        let (tries, error) = failing(|_| Verdict::Contention).await;
        assert!(tries == 10 && error.is_transient(), "{tries} {error:?}");
        let (tries, error) = failing(|_| Verdict::Lost).await;
        assert!(tries == 3 && error.is_transient(), "{tries} {error:?}");
        let (tries, error) = failing(|_| Verdict::Stale).await;
        assert!(tries == 2 && error.is_transient(), "{tries} {error:?}");
        let (tries, error) = failing(|_| Verdict::TimedOut).await;
        assert!(tries == 1 && error.is_transient(), "{tries} {error:?}");
        let (tries, error) = failing(|_| Verdict::Refused).await;
        assert!(tries == 1 && matches!(error, StoreError::Refused { .. }), "{tries} {error:?}");
    }

    #[tokio::test]
    async fn a_try_after_a_lost_connection_knows_of_it() {
        let seen = std::sync::Mutex::new(Vec::new());
        let answer = replay()
            .run(
                "test",
                |_| Verdict::Lost,
                |repeat| {
                    let mut seen = seen.lock().unwrap();
                    seen.push(repeat);
                    let is_second = seen.len() == 2;
                    async move { if is_second { Ok(()) } else { Err(sqlx::Error::RowNotFound.into()) } }
                },
            )
            .await;
        assert!(answer.is_ok());
        assert_eq!(*seen.lock().unwrap(), [Repeat::No, Repeat::Possible]);
    }

    #[tokio::test]
    async fn what_the_contract_says_is_not_tried_again() {
        let batch = || backup_core::BatchId::from("b");
        let outcome: Result<(), _> = replay()
            .run("test", |_| Verdict::Lost, |_| async { Err(StoreError::NotFound { batch: batch() }.into()) })
            .await;
        assert!(matches!(outcome, Err(StoreError::NotFound { .. })));
    }
}
