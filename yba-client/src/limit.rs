//! Layers that hold calls back: so many at a time, so many per second, none while YBA is down.
//!
//! Each can be left out, and is by default.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// When to stop asking a YBA that does not answer.
///
/// After `failures` calls in a row without an answer (no connection, timeout, broken connection, or
/// 502 to 504), calls fail at once with [`ErrorKind::CircuitOpen`](crate::ErrorKind::CircuitOpen) for
/// `pause`. Then one call is let through: its answer closes the circuit, its failure opens it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// Failures in a row that open the circuit.
    pub failures: u32,
    /// How long it stays open.
    pub pause: Duration,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self { failures: 10, pause: Duration::from_secs(30) }
    }
}

/// The state machine of a circuit breaker, without a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Circuit {
    Closed {
        failures: u32,
    },
    Open {
        until: Duration,
    },
    /// One call has been let through; if it is never heard of again, another is after a pause.
    Trying {
        until: Duration,
    },
}

impl CircuitBreaker {
    /// Whether a call may go, and the state after that.
    fn admit(self, circuit: Circuit, now: Duration) -> (bool, Circuit) {
        match circuit {
            Circuit::Closed { .. } => (true, circuit),
            Circuit::Open { until } | Circuit::Trying { until } if now < until => (false, circuit),
            Circuit::Open { .. } | Circuit::Trying { .. } => {
                (true, Circuit::Trying { until: now + self.pause })
            }
        }
    }

    /// The state after a call was answered, or was not.
    fn learn(self, circuit: Circuit, answered: bool, now: Duration) -> Circuit {
        match circuit {
            _ if answered => Circuit::Closed { failures: 0 },
            Circuit::Closed { failures } if failures + 1 < self.failures.max(1) => {
                Circuit::Closed { failures: failures + 1 }
            }
            Circuit::Closed { .. } | Circuit::Trying { .. } => Circuit::Open { until: now + self.pause },
            Circuit::Open { .. } => circuit,
        }
    }
}

/// The layers of one client, shared by its clones.
#[derive(Debug)]
pub(crate) struct Limits {
    at_a_time: Option<Arc<Semaphore>>,
    breaker: Option<(CircuitBreaker, Mutex<Circuit>)>,
    #[cfg(feature = "rate-limit")]
    rate: Option<Rate>,
    born: Instant,
}

/// So many calls per second.
#[cfg(feature = "rate-limit")]
#[derive(Debug)]
struct Rate {
    per_second: std::num::NonZeroU32,
    limiter: governor::DefaultDirectRateLimiter,
    /// The limiter wakes all who wait and lets one through; here they stand in line.
    line: tokio::sync::Mutex<()>,
}

/// The call was held back by an open circuit.
#[derive(Debug)]
pub(crate) struct CircuitIsOpen;

impl Limits {
    pub(crate) fn new(
        at_a_time: Option<usize>,
        breaker: Option<CircuitBreaker>,
        #[cfg(feature = "rate-limit")] per_second: Option<std::num::NonZeroU32>,
    ) -> Self {
        let closed = Circuit::Closed { failures: 0 };
        Self {
            at_a_time: at_a_time.map(|calls| Arc::new(Semaphore::new(calls.min(Semaphore::MAX_PERMITS)))),
            breaker: breaker.map(|breaker| (breaker, Mutex::new(closed))),
            #[cfg(feature = "rate-limit")]
            rate: per_second.map(|per_second| Rate {
                per_second,
                limiter: governor::RateLimiter::direct(governor::Quota::per_second(per_second)),
                line: tokio::sync::Mutex::new(()),
            }),
            born: Instant::now(),
        }
    }

    #[cfg(feature = "rate-limit")]
    pub(crate) fn per_second(&self) -> Option<std::num::NonZeroU32> {
        self.rate.as_ref().map(|rate| rate.per_second)
    }

    /// Whether a call would be held back by an open circuit. Asking does not count as the one call that is let through.
    pub(crate) fn is_held_back(&self) -> bool {
        self.circuit(|breaker, circuit, now| (breaker.admit(circuit, now).0, circuit)).is_err()
    }

    /// Waits for a place, unless the circuit is open; the permit is held while the request is under way.
    ///
    /// The circuit is asked last, because it may have opened meanwhile; and first, so that nobody waits to be told so.
    pub(crate) async fn enter(&self) -> Result<Option<OwnedSemaphorePermit>, CircuitIsOpen> {
        if self.is_held_back() {
            return Err(CircuitIsOpen);
        }
        let place = self.place().await;
        self.circuit(CircuitBreaker::admit)?;
        Ok(place)
    }

    /// Waits for a place, whatever the circuit says.
    ///
    /// Whoever has a place waits for the second to have room, not the other way round: calls that were let through
    /// earlier and then waited for a place would leave together. They wait in line, so that nobody waits for longer than those
    /// before it need.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let place = match &self.at_a_time {
            // The semaphore is never closed.
            Some(places) => places.clone().acquire_owned().await.ok(),
            None => None,
        };
        #[cfg(feature = "rate-limit")]
        if let Some(rate) = &self.rate {
            let _turn = rate.line.lock().await;
            rate.limiter.until_ready().await;
        }
        place
    }

    /// Asks the breaker, if there is one, and keeps the state that it leaves.
    fn circuit(
        &self,
        ask: impl Fn(CircuitBreaker, Circuit, Duration) -> (bool, Circuit),
    ) -> Result<(), CircuitIsOpen> {
        let Some((breaker, circuit)) = &self.breaker else { return Ok(()) };
        let mut circuit = circuit.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_admitted, next) = ask(*breaker, *circuit, self.born.elapsed());
        *circuit = next;
        if is_admitted { Ok(()) } else { Err(CircuitIsOpen) }
    }

    /// Tells the breaker how a request went.
    pub(crate) fn learn(&self, answered: bool) {
        let Some((breaker, circuit)) = &self.breaker else { return };
        let mut circuit = circuit.lock().unwrap_or_else(PoisonError::into_inner);
        let next = breaker.learn(*circuit, answered, self.born.elapsed());
        if matches!((*circuit, next), (Circuit::Closed { .. }, Circuit::Open { .. })) {
            tracing::warn!(pause = ?breaker.pause, "YBA does not answer; calls are held back");
        }
        *circuit = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;
    const BREAKER: CircuitBreaker = CircuitBreaker { failures: 2, pause: S_30 };
    const S_30: Duration = Duration::from_secs(30);

    #[test]
    fn failures_in_a_row_open_the_circuit_and_one_answer_closes_it() {
        let mut circuit = Circuit::Closed { failures: 0 };
        circuit = BREAKER.learn(circuit, false, S(0));
        circuit = BREAKER.learn(circuit, true, S(1));
        circuit = BREAKER.learn(circuit, false, S(2));
        assert!(BREAKER.admit(circuit, S(2)).0, "not in a row");
        circuit = BREAKER.learn(circuit, false, S(3));
        assert!(!BREAKER.admit(circuit, S(32)).0);

        let (admitted, trying) = BREAKER.admit(circuit, S(33));
        assert!(admitted);
        assert!(!BREAKER.admit(trying, S(33)).0, "one call is let through, not two");
        assert_eq!(BREAKER.learn(trying, true, S(34)), Circuit::Closed { failures: 0 });
        assert_eq!(BREAKER.learn(trying, false, S(34)), Circuit::Open { until: S(64) });
    }

    #[tokio::test]
    async fn whoever_waited_for_a_place_meets_the_circuit_that_opened_meanwhile() {
        let breaker = CircuitBreaker { failures: 1, pause: S_30 };
        let limits = Limits::new(
            Some(1),
            Some(breaker),
            #[cfg(feature = "rate-limit")]
            None,
        );
        let place = limits.enter().await.unwrap();
        let mut waiting = std::pin::pin!(limits.enter());
        let is_waiting = futures_util::poll!(&mut waiting).is_pending();
        limits.learn(false);
        drop(place);
        assert!(is_waiting && waiting.await.is_err());
    }

    #[test]
    fn a_trial_call_that_vanishes_does_not_keep_the_circuit_open_for_ever() {
        let trying = Circuit::Trying { until: S(30) };
        assert!(!BREAKER.admit(trying, S(29)).0);
        assert!(BREAKER.admit(trying, S(30)).0);
    }
}
