//! The retry decision keeps to the policy, whatever happened.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use yba_client::{Decision, Idempotency, Outcome, Reach, RetryPolicy, decide};

type Input = (u8, Option<u16>, bool, Option<u64>, bool, (u32, u64, u64, u64), u32, u64, f64);

fuzz_target!(|input: Input| {
    let (reach, status, understood, after, safe, policy, attempt, elapsed, jitter) = input;
    let reach = [Reach::NotSent, Reach::Unknown, Reach::Answered][usize::from(reach % 3)];
    let outcome = Outcome { reach, status, understood, retry_after: after.map(Duration::from_secs) };
    let (max_attempts, base, max, budget) = policy;
    let policy = RetryPolicy {
        max_attempts,
        base_delay: Duration::from_secs(base),
        max_delay: Duration::from_secs(max),
        budget: Duration::from_secs(budget),
    };
    let idempotency = if safe { Idempotency::Safe } else { Idempotency::Unsafe };
    let elapsed = Duration::from_millis(elapsed);
    if let Decision::After(delay) = decide(outcome, idempotency, &policy, attempt, elapsed, jitter) {
        assert!(safe && attempt < policy.max_attempts);
        assert!(elapsed.saturating_add(delay) <= policy.budget);
    }
});
