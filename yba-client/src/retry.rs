//! Whether a call is sent again, and after how long: one pure function of what happened, of what
//! the call is, and of the policy.

use std::time::Duration;

use crate::{
    error::{Error, ErrorKind, Reach},
    request::Idempotency,
};

/// How often and how long a call is repeated.
///
/// Only calls that change nothing are repeated. The delay before attempt *n* is drawn uniformly
/// between zero and `base_delay * 2^(n-1)`, capped by `max_delay` ("full jitter"); a `Retry-After` of the
/// server makes it longer, never shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts altogether, the first one included. 1 never repeats.
    pub max_attempts: u32,
    /// Upper bound of the first delay.
    pub base_delay: Duration,
    /// Upper bound of every delay.
    pub max_delay: Duration,
    /// No attempt is started later than this after the first one.
    pub budget: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            base_delay: Duration::from_millis(200),
            max_delay: Duration::from_secs(5),
            budget: Duration::from_mins(2),
        }
    }
}

impl RetryPolicy {
    /// Every call is sent once.
    pub fn never() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    /// The default with another number of attempts.
    pub fn attempts(max_attempts: u32) -> Self {
        Self { max_attempts, ..Self::default() }
    }
}

/// What came of one attempt, as far as repeating is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How far the request got.
    pub reach: Reach,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// The answer could be read. A 200 that cannot be read stays unreadable when asked again.
    pub understood: bool,
    /// The server's `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl Outcome {
    /// What a failed attempt means for repeating it.
    pub(crate) fn of(error: &Error) -> Self {
        let understood =
            !matches!(error.kind(), ErrorKind::Build | ErrorKind::Decode | ErrorKind::CircuitOpen);
        Self {
            reach: error.reach(),
            status: error.status().filter(|_| understood),
            understood,
            retry_after: error.retry_after(),
        }
    }
}

/// The answer of [`decide`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The outcome stands.
    GiveUp,
    /// Send again after this long.
    After(Duration),
}

/// Decides about the next attempt.
///
/// `attempt` counts from 1 and is the one that just ended; `jitter` is a random number in `0.0..1.0`.
pub fn decide(
    outcome: Outcome,
    idempotency: Idempotency,
    policy: &RetryPolicy,
    attempt: u32,
    elapsed: Duration,
    jitter: f64,
) -> Decision {
    if idempotency == Idempotency::Unsafe || attempt >= policy.max_attempts || !is_transient(outcome) {
        return Decision::GiveUp;
    }
    let delay = backoff(policy, attempt, jitter).max(outcome.retry_after.unwrap_or_default());
    if elapsed.saturating_add(delay) > policy.budget {
        return Decision::GiveUp;
    }
    Decision::After(delay)
}

/// The delay drawn before the attempt that follows `attempt`.
fn backoff(policy: &RetryPolicy, attempt: u32, jitter: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    let ceiling = policy.base_delay.saturating_mul(1 << doublings).min(policy.max_delay);
    let share = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 1.0 };
    // The product of floats may come out a nanosecond above the ceiling.
    Duration::try_from_secs_f64(ceiling.as_secs_f64() * share).map_or(ceiling, |delay| delay.min(ceiling))
}

fn is_transient(outcome: Outcome) -> bool {
    match outcome.status {
        Some(status) => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
        None => outcome.understood,
    }
}
