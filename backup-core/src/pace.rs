//! How long to wait before looking again: pure, with jitter, so that many batches do not move in step.

use std::time::Duration;

use rand::RngExt;

/// Where the first look comes at once, the intervals of the others grow from here.
const AFTER_NONE: Duration = Duration::from_millis(100);

/// The interval before look number `n` (0 is the first) at a task: from `first`, half as long again each time, to `max`.
pub(crate) fn poll_interval(n: u32, first: Duration, max: Duration) -> Duration {
    let first = if first.is_zero() && n > 0 { AFTER_NONE } else { first };
    let grown = first.mul_f64(1.5_f64.powi(i32::try_from(n.min(40)).unwrap_or(40)));
    spread(grown.min(max), 0.8)
}

/// The pause before retry number `n` (0 is the first): doubling from `first` to `max`, anywhere in its upper half.
pub(crate) fn backoff(n: u32, first: Duration, max: Duration) -> Duration {
    spread(grown(n, first).min(max), 0.5)
}

fn grown(n: u32, first: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(n.min(20)))
}

/// The pause before retry number `n` (0 is the first) of what has waited for `waited`: as [`backoff`], but at least as long
/// again as the wait, so that it grows too where nothing was tried meanwhile.
pub(crate) fn retry_pause(n: u32, waited: Duration, first: Duration, max: Duration) -> Duration {
    spread(grown(n, first).max(waited).min(max), 0.5)
}

/// A time between `least` of the duration and all of it.
fn spread(duration: Duration, least: f64) -> Duration {
    duration.mul_f64(rand::rng().random_range(least..=1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_interval_leaves_its_bounds(n in 0u32..10_000, first in 1u64..5_000, more in 0u64..100_000) {
            let (first, max) = (Duration::from_millis(first), Duration::from_millis(first + more));
            let waited = Duration::from_millis(u64::from(n) * 20);
            for interval in
                [poll_interval(n, first, max), backoff(n, first, max), retry_pause(n, waited, first, max)]
            {
                prop_assert!(interval <= max);
                prop_assert!(interval >= first.mul_f64(0.49));
            }
        }
    }

    #[test]
    fn pauses_grow_with_the_time_that_was_waited() {
        let (first, max) = (Duration::from_secs(2), Duration::from_secs(60));
        assert!(retry_pause(0, Duration::ZERO, first, max) <= first);
        let (mut waited, mut tries) = (Duration::ZERO, 0);
        while waited < Duration::from_mins(10) {
            waited += retry_pause(0, waited, first, max);
            tries += 1;
        }
        assert!((12..=35).contains(&tries), "{tries} tries in ten minutes");
        assert!(retry_pause(10, Duration::ZERO, first, max) >= max / 2, "tries count by themselves");
    }

    #[test]
    fn only_the_first_look_comes_at_once() {
        let max = Duration::from_secs(15);
        assert_eq!(poll_interval(0, Duration::ZERO, max), Duration::ZERO);
        assert!(poll_interval(1, Duration::ZERO, max) >= Duration::from_millis(100));
        assert!(poll_interval(20, Duration::ZERO, max) >= max.mul_f64(0.8));
    }

    #[test]
    fn looks_grow_from_the_first_to_the_longest() {
        let (first, max) = (Duration::from_secs(1), Duration::from_secs(15));
        assert!(poll_interval(0, first, max) <= first);
        assert!(poll_interval(20, first, max) >= max.mul_f64(0.8));
    }
}
