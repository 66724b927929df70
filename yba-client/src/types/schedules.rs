//! Backup schedules that YBA keeps itself.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CreateBackup, TimeUnit, lenient, millis, open_enum};
use crate::{
    ids::{ScheduleId, UniverseId},
    page::Envelope,
};

open_enum! {
    /// The state of a schedule.
    ScheduleState {
        /// Being made.
        Creating = "Creating",
        /// It fires.
        Active = "Active",
        /// Being changed.
        Editing = "Editing",
        /// Being deleted.
        Deleting = "Deleting",
        /// Held by YBA itself; a client cannot set it.
        Paused = "Paused",
        /// Stopped by a client.
        Stopped = "Stopped",
        /// Left half-way by a restart of YBA.
        Error = "Error",
    }
}

/// When a schedule fires.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recurrence {
    /// At this distance. At least an hour.
    Every {
        /// The distance.
        period: Duration,
        /// The unit to show it in.
        unit: TimeUnit,
    },
    /// By a UNIX cron expression of five fields, in UTC. At least an hour apart.
    Cron(String),
}

impl Recurrence {
    fn validate(&self) -> Result<(), String> {
        match self {
            Self::Every { period, .. } if *period < Duration::from_hours(1) => {
                Err("schedulingFrequency is less than an hour".to_owned())
            }
            Self::Cron(text) if text.split_whitespace().count() != 5 => {
                Err("cronExpression must have five fields".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The wire form of a recurrence.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Firing {
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduling_frequency: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_time_unit: Option<TimeUnit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron_expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incremental_backup_frequency: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incremental_backup_frequency_time_unit: Option<TimeUnit>,
}

impl Firing {
    fn of(recurrence: &Recurrence) -> Self {
        match recurrence {
            Recurrence::Every { period, unit } => Self {
                scheduling_frequency: Some(millis(*period)),
                frequency_time_unit: Some(unit.clone()),
                ..Self::default()
            },
            Recurrence::Cron(text) => Self { cron_expression: Some(text.clone()), ..Self::default() },
        }
    }

    fn increments(&mut self, period: Duration, unit: TimeUnit) {
        self.incremental_backup_frequency = Some(millis(period));
        self.incremental_backup_frequency_time_unit = Some(unit);
    }

    fn validate(&self) -> Result<(), String> {
        match (self.scheduling_frequency, self.incremental_backup_frequency) {
            (Some(full), Some(increment)) if increment >= full => {
                Err("incrementalBackupFrequency must be less than schedulingFrequency".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// A schedule to make: a backup, a name and a recurrence.
///
/// The name is unique per universe, so making the same schedule twice is refused rather than doubled.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct CreateSchedule {
    schedule_name: String,
    #[serde(flatten)]
    backup: CreateBackup,
    #[serde(flatten)]
    firing: Firing,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_num_backups_to_retain: Option<i32>,
    #[serde(skip)]
    recurrence: Recurrence,
}

impl CreateSchedule {
    /// Full backups like this one, at this recurrence.
    pub fn full(name: impl Into<String>, backup: CreateBackup, recurrence: Recurrence) -> Self {
        Self {
            schedule_name: name.into(),
            backup,
            firing: Firing::of(&recurrence),
            min_num_backups_to_retain: None,
            recurrence,
        }
    }

    /// With increments in between, at this distance.
    pub fn increments_every(mut self, period: Duration, unit: TimeUnit) -> Self {
        self.firing.increments(period, unit);
        self
    }

    /// Keeps at least so many completed backups, even when they have expired.
    pub fn keep_at_least(mut self, backups: i32) -> Self {
        self.min_num_backups_to_retain = Some(backups);
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.schedule_name
    }

    /// Says what YBA would refuse, naming the field.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn validate(&self) -> Result<(), String> {
        if self.schedule_name.trim().is_empty() {
            return Err("scheduleName is empty".to_owned());
        }
        if self.backup.base_backup().is_some() {
            return Err("baseBackupUUID must not be given for a schedule".to_owned());
        }
        self.backup.validate()?;
        self.recurrence.validate()?;
        self.firing.validate()
    }
}

/// A change to a schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct EditSchedule {
    #[serde(flatten)]
    firing: Firing,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_before_delete: Option<i64>,
    #[serde(skip)]
    fault: Option<String>,
}

impl EditSchedule {
    /// Another recurrence.
    pub fn recurrence(recurrence: &Recurrence) -> Self {
        let fault = recurrence.validate().err();
        Self { firing: Firing::of(recurrence), time_before_delete: None, fault }
    }

    /// Another distance of increments; only for a schedule that has them.
    pub fn increments_every(mut self, period: Duration, unit: TimeUnit) -> Self {
        self.firing.increments(period, unit);
        self
    }

    /// How long future backups are kept.
    pub fn retain(mut self, time: Duration) -> Self {
        self.time_before_delete = Some(millis(time));
        self
    }

    /// Says what YBA would refuse, naming the field.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn validate(&self) -> Result<(), String> {
        match &self.fault {
            Some(fault) => Err(fault.clone()),
            None => self.firing.validate(),
        }
    }
}

/// A schedule.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Schedule {
    /// The schedule.
    #[serde(rename = "scheduleUUID")]
    pub schedule_uuid: ScheduleId,
    /// Its name.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub schedule_name: String,
    /// Whether it fires.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub status: Option<ScheduleState>,
    /// The universe; told by the single-schedule call. A list tells it in [`backup_info`](Self::backup_info).
    #[serde(default, rename = "ownerUUID", deserialize_with = "lenient::lossy")]
    pub owner_uuid: Option<UniverseId>,
    /// `CreateBackup` for all that this crate lists.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub task_type: String,
    /// The distance in milliseconds; 0 with cron.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub frequency: i64,
    /// The cron expression.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub cron_expression: Option<String>,
    /// The distance of increments in milliseconds; 0 without them.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub incremental_backup_frequency: i64,
    /// A backup of it is running.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub running_state: bool,
    /// A full backup was blocked, and will run when the universe is free.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub backlog_status: bool,
    /// An increment was blocked, and will run when the universe is free.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub increment_backlog_status: bool,
    /// When it last fired.
    #[serde(default, deserialize_with = "lenient::date")]
    pub prev_completed_task: Option<DateTime<Utc>>,
    /// When it fires next. The two calls of YBA use two names.
    #[serde(default, alias = "nextExpectedTask", deserialize_with = "lenient::date")]
    pub next_schedule_task_time: Option<DateTime<Utc>>,
    /// What it backs up, as YBA tells it.
    #[serde(default)]
    pub backup_info: Option<Value>,
}

impl Schedule {
    /// The universe, from wherever this answer tells it.
    pub fn universe(&self) -> Option<UniverseId> {
        let inside = || self.backup_info.as_ref()?.get("universeUUID")?.as_str().map(UniverseId::from);
        self.owner_uuid.clone().or_else(inside)
    }
}

/// Which schedules to list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct ScheduleFilter {
    #[serde(rename = "universeUUIDList", skip_serializing_if = "Vec::is_empty")]
    universes: Vec<UniverseId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    status: Vec<ScheduleState>,
    task_types: [&'static str; 1],
}

impl Default for ScheduleFilter {
    fn default() -> Self {
        Self { universes: Vec::new(), status: Vec::new(), task_types: ["CreateBackup"] }
    }
}

/// Which schedules to list, and how many at a time. Ordered by name.
pub type ScheduleQuery = Envelope<ScheduleFilter>;

impl ScheduleQuery {
    /// Only schedules of this universe; may be given several times.
    pub fn universe(mut self, universe: impl Into<UniverseId>) -> Self {
        self.filter.universes.push(universe.into());
        self
    }

    /// Only schedules in this state; may be given several times.
    pub fn state(mut self, state: ScheduleState) -> Self {
        self.filter.status.push(state);
        self
    }
}
