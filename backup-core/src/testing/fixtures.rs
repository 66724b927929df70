//! Samples that tests start from.

use chrono::{DateTime, Utc};

use crate::{
    clock::Clock,
    command::BackupCommand,
    record::{BackupRecord, Plan},
    request::BackupRequest,
    strategy,
    target::BackupTarget,
    testing::ManualClock,
};

/// The target `db1`: a full backup of `universe-1` at the instance `yba`.
pub fn target() -> BackupTarget {
    BackupTarget::new("db1", "yba", "universe-1", "storage-1").with_category_code("HWA_EPR_DB_BACKUP_FULL")
}

/// A valid request of `db1` for 2025-03-25.
///
/// # Panics
///
/// Never: the request is valid.
pub fn command() -> BackupCommand {
    #[expect(clippy::expect_used, reason = "a fixture")]
    BackupCommand::try_from(BackupRequest::new("db1", "20250325")).expect("the sample is valid")
}

/// The plan of a full backup.
pub fn plan() -> Plan {
    Plan { strategy: strategy::FULL.to_owned(), base: None, reason: "a full backup was asked for".to_owned() }
}

/// A new batch of [`target`] on a universe of its own.
pub fn record_on(universe: &str, now: DateTime<Utc>) -> BackupRecord {
    let mut target = target();
    target.universe = universe.into();
    let mut record = BackupRecord::new(&command(), &target, now);
    record.set_plan(plan());
    record
}

/// A planned batch of [`target`], the target, and the time it was made.
pub fn planned() -> (BackupRecord, BackupTarget, DateTime<Utc>) {
    let now = ManualClock::new().now();
    (record_on("universe-1", now), target(), now)
}
