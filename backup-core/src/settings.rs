//! The orchestrator's own settings: intervals, limits and patience. All times are durations.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, time::Duration};

use crate::ids::InstanceName;

/// Shorter than this no interval may be: the loops would spin.
const INSTANT: Duration = Duration::from_millis(1);
/// The longest time that anything may take: clocks overflow beyond it.
pub(crate) const CENTURY: Duration = Duration::from_hours(100 * 366 * 24);
/// The most that anything may be counted to.
const MANY: usize = 1_000_000;

/// How patient, how eager and how wide the orchestrator works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// How long a dead replica keeps its work from the others. Leases are renewed three times as often.
    pub lease: Duration,
    /// How long an end that may not last, or an attempt that cannot be found, must stay that way to be believed.
    pub settle_time: Duration,
    /// The first look at a new task comes after this long; zero: at once, beside the record of the task.
    pub poll_first: Duration,
    /// Looks at a task are never further apart.
    pub poll_max: Duration,
    /// The first retry after "busy" or "unreachable" comes after at most this long.
    pub retry_first: Duration,
    /// Retries are never further apart.
    pub retry_max: Duration,
    /// A batch that could not be started for this long fails, naming what it waited for.
    pub wait_limit: Duration,
    /// POSTs per run of a batch, at most.
    pub max_attempts: u32,
    /// Steps at once: calls to YBA and writes to the store under way.
    pub concurrency: usize,
    /// Steps at once for one YBA instance, so that one that hangs does not hold up the others.
    pub concurrency_per_instance: usize,
    /// The same for single instances, by name.
    pub concurrency_of: BTreeMap<InstanceName, usize>,
    /// Batches followed by this replica at once; more are recorded and left for whoever has room.
    pub max_in_flight: usize,
    /// How often the store is asked for open work that nobody owns. `None`: never (a command line that follows
    /// one batch only).
    pub claim_interval: Option<Duration>,
    /// How often the store is asked for audits that are due, and the shortest time between two looks of one audit. `None`: never.
    pub audit_interval: Option<Duration>,
    /// How long a batch whose attempts left a doubt is audited, from its end.
    pub audit_for: Duration,
    /// How long a shutdown waits for steps under way.
    pub shutdown_timeout: Duration,
    /// How long the records of finished batches are kept, from their end; deleted hourly after that. `None`: for ever.
    pub keep_finished: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            settle_time: Duration::from_secs(60),
            poll_first: Duration::from_secs(1),
            poll_max: Duration::from_secs(15),
            retry_first: Duration::from_secs(2),
            retry_max: Duration::from_secs(60),
            wait_limit: Duration::from_hours(6),
            max_attempts: 5,
            concurrency: 64,
            concurrency_per_instance: 32,
            concurrency_of: BTreeMap::new(),
            max_in_flight: 20_000,
            claim_interval: Some(Duration::from_secs(1)),
            audit_interval: Some(Duration::from_mins(1)),
            audit_for: Duration::from_hours(25),
            shutdown_timeout: Duration::from_secs(20),
            keep_finished: None,
        }
    }
}

impl Settings {
    /// Says everything that is wrong with them; [`OrchestratorBuilder::start`](crate::OrchestratorBuilder::start) asks.
    ///
    /// # Errors
    ///
    /// [`SettingsFaults`] with every setting that is out of its bounds: a lease between 1 second and 1 day; intervals
    /// between 1 millisecond and a century, the first of a pair not longer than the last; at least one attempt, step and
    /// batch.
    pub fn check(&self) -> Result<(), SettingsFaults> {
        let mut faults = Faults::default();
        let (second, day) = (Duration::from_secs(1), Duration::from_hours(24));
        faults.time("lease", self.lease, second..=day);
        faults.time("settle_time", self.settle_time, Duration::ZERO..=CENTURY);
        faults.time("poll_first", self.poll_first, Duration::ZERO..=self.poll_max);
        faults.time("poll_max", self.poll_max, INSTANT..=CENTURY);
        faults.time("retry_first", self.retry_first, INSTANT..=self.retry_max);
        faults.time("retry_max", self.retry_max, INSTANT..=CENTURY);
        faults.time("wait_limit", self.wait_limit, INSTANT..=CENTURY);
        faults.time("claim_interval", self.claim_interval.unwrap_or(second), INSTANT..=CENTURY);
        faults.time("shutdown_timeout", self.shutdown_timeout, Duration::ZERO..=CENTURY);
        faults.time("keep_finished", self.keep_finished.unwrap_or(day), Duration::ZERO..=CENTURY);
        faults.count("max_attempts", self.max_attempts as usize);
        faults.count("concurrency", self.concurrency);
        faults.count("concurrency_per_instance", self.concurrency_per_instance);
        faults.count("max_in_flight", self.max_in_flight);
        for (instance, most) in &self.concurrency_of {
            faults.count(&format!("concurrency_of {instance}"), *most);
        }
        faults.finish()
    }

    /// How often leases are renewed.
    pub(crate) fn heartbeat(&self) -> Duration {
        self.lease / 3
    }

    /// A holder that has not had its lease confirmed for this long stops acting.
    pub(crate) fn act_within(&self) -> Duration {
        self.lease * 2 / 3
    }

    /// Steps at once for this instance.
    pub(crate) fn concurrency_for(&self, instance: &str) -> usize {
        self.concurrency_of
            .get(&InstanceName::from(instance))
            .copied()
            .unwrap_or(self.concurrency_per_instance)
    }
}

/// Every setting that is out of its bounds, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the orchestrator's settings are not usable: {}", .0.join("; "))]
pub struct SettingsFaults(pub Vec<String>);

/// The faults found so far.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn time(&mut self, name: &str, value: Duration, bounds: RangeInclusive<Duration>) {
        self.within(name, value, bounds);
    }

    fn count(&mut self, name: &str, value: usize) {
        self.within(name, value, 1..=MANY);
    }

    fn within<T: Copy + PartialOrd + fmt::Debug>(&mut self, name: &str, value: T, bounds: RangeInclusive<T>) {
        if !bounds.contains(&value) {
            let (least, most) = bounds.into_inner();
            self.0.push(format!("`{name}` is {value:?}; it may be {least:?} to {most:?}"));
        }
    }

    fn finish(self) -> Result<(), SettingsFaults> {
        if self.0.is_empty() { Ok(()) } else { Err(SettingsFaults(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_defaults_are_within_their_bounds() {
        assert_eq!(Settings::default().check(), Ok(()));
    }

    #[rstest]
    #[case("lease", |s: &mut Settings| s.lease = Duration::ZERO)]
    #[case("lease", |s: &mut Settings| s.lease = Duration::MAX)]
    #[case("poll_max", |s: &mut Settings| (s.poll_first, s.poll_max) = (Duration::ZERO, Duration::ZERO))]
    #[case("poll_first", |s: &mut Settings| s.poll_first = Duration::from_secs(16))]
    #[case("retry_first", |s: &mut Settings| s.retry_first = Duration::ZERO)]
    #[case("retry_max", |s: &mut Settings| (s.retry_first, s.retry_max) = (Duration::from_secs(1), Duration::MAX))]
    #[case("wait_limit", |s: &mut Settings| s.wait_limit = Duration::ZERO)]
    #[case("claim_interval", |s: &mut Settings| s.claim_interval = Some(Duration::ZERO))]
    #[case("shutdown_timeout", |s: &mut Settings| s.shutdown_timeout = Duration::MAX)]
    #[case("keep_finished", |s: &mut Settings| s.keep_finished = Some(Duration::MAX))]
    #[case("max_attempts", |s: &mut Settings| s.max_attempts = 0)]
    #[case("concurrency", |s: &mut Settings| s.concurrency = 0)]
    #[case("concurrency_per_instance", |s: &mut Settings| s.concurrency_per_instance = 0)]
    #[case("max_in_flight", |s: &mut Settings| s.max_in_flight = 0)]
    #[case("max_in_flight", |s: &mut Settings| s.max_in_flight = usize::MAX)]
    fn a_setting_out_of_its_bounds_is_named(#[case] name: &str, #[case] spoil: fn(&mut Settings)) {
        let mut settings = Settings::default();
        spoil(&mut settings);
        let SettingsFaults(faults) = settings.check().unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with(&format!("`{name}` is ")), "{faults:?}");
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let settings = Settings { lease: Duration::ZERO, concurrency: 0, ..Settings::default() };
        let told = settings.check().unwrap_err().to_string();
        assert!(told.contains("`lease` is 0ns; it may be 1s to 86400s; `concurrency` is 0"), "{told}");
    }
}
