//! Point-in-time recovery: snapshots that a universe keeps of a keyspace.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{TableType, lenient, open_enum};
use crate::ids::PitrConfigId;

open_enum! {
    /// The state of a point-in-time-recovery configuration.
    PitrState {
        /// YBA cannot tell.
        Unknown = "UNKNOWN",
        /// Being made.
        Creating = "CREATING",
        /// In force.
        Complete = "COMPLETE",
        /// Being deleted.
        Deleting = "DELETING",
        /// Deleted.
        Deleted = "DELETED",
        /// Failed.
        Failed = "FAILED",
        /// Cancelled.
        Cancelled = "CANCELLED",
        /// A restore runs.
        Restoring = "RESTORING",
        /// A restore was done.
        Restored = "RESTORED",
    }
}

/// A point-in-time-recovery configuration.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PitrConfig {
    /// The configuration.
    pub uuid: PitrConfigId,
    /// Its name.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub name: Option<String>,
    /// The keyspace.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub db_name: Option<String>,
    /// The kind of tables.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub table_type: Option<TableType>,
    /// Where it stands.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub state: Option<PitrState>,
    /// How far back one can go, in seconds.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub retention_period: i64,
    /// The distance of snapshots, in seconds.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub schedule_interval: i64,
    /// The earliest moment one can go back to.
    #[serde(default, rename = "minRecoverTimeInMillis", deserialize_with = "lenient::date")]
    pub earliest: Option<DateTime<Utc>>,
    /// The latest.
    #[serde(default, rename = "maxRecoverTimeInMillis", deserialize_with = "lenient::date")]
    pub latest: Option<DateTime<Utc>>,
}

/// How often to snapshot, and how long to keep it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct PitrSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    retention_period_in_seconds: u64,
    interval_in_seconds: u64,
}

impl PitrSettings {
    /// Snapshots at this distance, kept for this long.
    pub fn new(interval: Duration, retention: Duration) -> Self {
        Self {
            name: None,
            retention_period_in_seconds: retention.as_secs(),
            interval_in_seconds: interval.as_secs(),
        }
    }

    /// A name; only when it is made.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Says what YBA would refuse, naming the field.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn validate(&self) -> Result<(), String> {
        if self.interval_in_seconds == 0 {
            return Err("intervalInSeconds is less than a second".to_owned());
        }
        if self.retention_period_in_seconds <= self.interval_in_seconds {
            return Err("retentionPeriodInSeconds must be more than intervalInSeconds".to_owned());
        }
        Ok(())
    }
}
