//! `orchestrator.*`: how patient, how eager and how wide the orchestrator works.

use std::time::Duration;

use super::yba::positive;
use crate::reader::Reader;

/// Records are for looking at them: deleting them within a day is a mistake of units.
const DAY: Duration = Duration::from_hours(24);
/// An audit that is over sooner looks once and finds nothing.
const MINUTE: Duration = Duration::from_mins(1);
/// The longest span of time that a setting takes.
const CENTURY: Duration = Duration::from_hours(100 * 366 * 24);

/// Leases, intervals and limits of one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrchestratorSettings {
    /// `orchestrator.lease` (30 s): how long a dead replica keeps its work from the others.
    pub lease: Duration,
    /// `orchestrator.settle-time` (60 s): how long an end that may not last, or an attempt that cannot be found,
    /// must stay that way to be believed.
    pub settle_time: Duration,
    /// `orchestrator.poll-first` (1 s): the first look at a task; zero: at once.
    pub poll_first: Duration,
    /// `orchestrator.poll-max` (15 s): looks at a task are never further apart.
    pub poll_max: Duration,
    /// `orchestrator.retry-first` (2 s): the first pause when the universe is busy or YBA is away.
    pub retry_first: Duration,
    /// `orchestrator.retry-max` (60 s): the longest such pause.
    pub retry_max: Duration,
    /// `orchestrator.wait-limit` (6 h): a batch that could not be started for this long fails.
    pub wait_limit: Duration,
    /// `orchestrator.max-attempts` (5): POSTs per run of a batch, at most.
    pub max_attempts: u32,
    /// `orchestrator.concurrency` (64): steps under way at once.
    pub concurrency: u32,
    /// `orchestrator.max-in-flight` (20000): batches followed by one replica at once.
    pub max_in_flight: u32,
    /// `orchestrator.claim-interval` (1 s): how often a replica looks for work that nobody owns.
    pub claim_interval: Duration,
    /// `orchestrator.audit-interval` (1 min): how often a replica looks for audits that are due.
    pub audit_interval: Duration,
    /// `orchestrator.audit-for` (25 h): how long a batch whose attempts left a doubt is audited, from its end.
    pub audit_for: Duration,
    /// `orchestrator.shutdown-timeout` (20 s): how long a shutdown waits for steps under way.
    pub shutdown_timeout: Duration,
    /// `orchestrator.keep-finished` (for ever): how long the service keeps the records of finished batches.
    pub keep_finished: Option<Duration>,
}

impl OrchestratorSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let secs = Duration::from_secs;
        let settings = Self {
            lease: reader.within("orchestrator.lease", secs(30), secs(3)..=secs(3600)),
            settle_time: reader.setting("orchestrator.settle-time", secs(60)),
            poll_first: reader.setting("orchestrator.poll-first", secs(1)),
            poll_max: positive(reader, "orchestrator.poll-max", secs(15)),
            retry_first: positive(reader, "orchestrator.retry-first", secs(2)),
            retry_max: positive(reader, "orchestrator.retry-max", secs(60)),
            wait_limit: positive(reader, "orchestrator.wait-limit", Duration::from_hours(6)),
            max_attempts: reader.within("orchestrator.max-attempts", 5, 1..=1_000),
            concurrency: reader.within("orchestrator.concurrency", 64, 1..=100_000),
            max_in_flight: reader.within("orchestrator.max-in-flight", 20_000, 1..=1_000_000),
            claim_interval: positive(reader, "orchestrator.claim-interval", secs(1)),
            audit_interval: positive(reader, "orchestrator.audit-interval", secs(60)),
            audit_for: reader.within("orchestrator.audit-for", Duration::from_hours(25), MINUTE..=CENTURY),
            shutdown_timeout: reader.setting("orchestrator.shutdown-timeout", secs(20)),
            keep_finished: reader.optional_within("orchestrator.keep-finished", DAY..=CENTURY),
        };
        let pairs = [
            ("orchestrator.poll-max", "poll-first", settings.poll_first > settings.poll_max),
            ("orchestrator.retry-max", "retry-first", settings.retry_first > settings.retry_max),
            ("orchestrator.audit-for", "audit-interval", settings.audit_interval > settings.audit_for),
        ];
        for (key, first, upside_down) in pairs {
            if upside_down {
                reader.fault(key, format!("is shorter than `{first}`"));
            }
        }
        settings
    }
}
