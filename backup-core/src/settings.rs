//! The orchestrator's own settings: intervals, limits and patience. All times are durations.

use std::{collections::BTreeMap, time::Duration};

use crate::ids::InstanceName;

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
            shutdown_timeout: Duration::from_secs(20),
            keep_finished: None,
        }
    }
}

impl Settings {
    /// How often leases are renewed.
    pub(crate) fn heartbeat(&self) -> Duration {
        self.lease / 3
    }

    /// A holder that has not had its lease confirmed for this long stops acting.
    pub(crate) fn act_within(&self) -> Duration {
        self.lease * 2 / 3
    }
}

impl Settings {
    /// Steps at once for this instance.
    pub(crate) fn concurrency_for(&self, instance: &str) -> usize {
        self.concurrency_of
            .get(&InstanceName::from(instance))
            .copied()
            .unwrap_or(self.concurrency_per_instance)
    }
}
