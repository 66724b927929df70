//! Refused requests are recorded, as long as there are not too many of them: whoever may call could fill the database.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// So many are recorded at once.
const BURST: NonZeroU32 = NonZeroU32::new(100).expect("it is not zero");
/// After those, one in this time: 600 an hour.
const PERIOD: Duration = Duration::from_secs(6);

/// How many refused requests may be recorded.
#[derive(Debug)]
pub(crate) struct RefusalBudget {
    limiter: DefaultDirectRateLimiter,
    unrecorded: AtomicU64,
}

impl Default for RefusalBudget {
    fn default() -> Self {
        let quota = Quota::with_period(PERIOD).expect("the period is not zero").allow_burst(BURST);
        Self { limiter: RateLimiter::direct(quota), unrecorded: AtomicU64::new(0) }
    }
}

impl RefusalBudget {
    /// Whether one more may be recorded. Those that may not are counted, and said once, and how many they were
    /// with the next one that may.
    pub(crate) fn admits_one(&self) -> bool {
        if self.limiter.check().is_ok() {
            let requests = self.unrecorded.swap(0, Ordering::Relaxed);
            if requests > 0 {
                tracing::warn!(requests, "refused requests were not recorded: there were too many");
            }
            return true;
        }
        metrics::counter!("backup_refused_unrecorded_total").increment(1);
        if self.unrecorded.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!("too many requests are refused: some of them are counted, and not recorded");
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_recorded_in_part_and_the_rest_is_counted() {
        let budget = RefusalBudget::default();
        let started = std::time::Instant::now();
        let recorded = (0..3000).filter(|_| budget.admits_one()).count();
        // However long the loop took on this machine.
        let later = usize::try_from(started.elapsed().as_secs() / PERIOD.as_secs()).unwrap() + 1;
        let burst = usize::try_from(BURST.get()).unwrap();
        assert!((burst..=burst + later).contains(&recorded), "{recorded}");
        assert!(budget.unrecorded.load(Ordering::Relaxed) > 0);
    }
}
