//! Backups: the three views YBA gives of one (row, list entry, chain member), and the question for a list.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{TableType, lenient, open_enum};
use crate::{
    ids::{BackupId, CustomerId, ScheduleId, StorageConfigId, TaskId, UniverseId},
    page::Envelope,
};

open_enum! {
    /// The state of a backup row.
    BackupState {
        /// Running, or resumed.
        InProgress = "InProgress",
        /// Done and usable.
        Completed = "Completed",
        /// Failed; the reason is with its task.
        Failed = "Failed",
        /// Gone; older servers only.
        Deleted = "Deleted",
        /// Nothing to do.
        Skipped = "Skipped",
        /// Its files could not be removed.
        FailedToDelete = "FailedToDelete",
        /// Being stopped.
        Stopping = "Stopping",
        /// Stopped. After a restart of YBA it may come back to `InProgress`.
        Stopped = "Stopped",
        /// Will be deleted.
        QueuedForDeletion = "QueuedForDeletion",
        /// Will be deleted, whatever storage says.
        QueuedForForcedDeletion = "QueuedForForcedDeletion",
        /// Being deleted.
        DeleteInProgress = "DeleteInProgress",
    }
}

impl BackupState {
    /// The backup is still being made (or stopped).
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::InProgress | Self::Stopping)
    }
}

open_enum! {
    /// The engine that makes a backup.
    BackupCategory {
        /// The older script.
        Script = "YB_BACKUP_SCRIPT",
        /// YB-Controller; increments need it.
        YbController = "YB_CONTROLLER",
    }
}

open_enum! {
    /// A unit of time, for display only: durations are always milliseconds on the wire.
    TimeUnit {
        /// Nanoseconds.
        Nanoseconds = "NANOSECONDS",
        /// Microseconds.
        Microseconds = "MICROSECONDS",
        /// Milliseconds.
        Milliseconds = "MILLISECONDS",
        /// Seconds.
        Seconds = "SECONDS",
        /// Minutes.
        Minutes = "MINUTES",
        /// Hours.
        Hours = "HOURS",
        /// Days.
        Days = "DAYS",
        /// Months.
        Months = "MONTHS",
        /// Years.
        Years = "YEARS",
    }
}

/// A backup row: what `GET .../backups/{id}` tells, for full backups and increments alike.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Backup {
    /// The backup.
    #[serde(rename = "backupUUID")]
    pub backup_uuid: BackupId,
    /// The full backup its chain begins with; its own id for a full backup.
    #[serde(default, rename = "baseBackupUUID", deserialize_with = "lenient::id")]
    pub base_backup_uuid: Option<BackupId>,
    /// The customer it belongs to.
    #[serde(default, rename = "customerUUID", deserialize_with = "lenient::id")]
    pub customer_uuid: Option<CustomerId>,
    /// Where it stands.
    pub state: BackupState,
    /// The task that made it. The task itself may have been collected.
    #[serde(default, rename = "taskUUID", deserialize_with = "lenient::id")]
    pub task_uuid: Option<TaskId>,
    /// Where it was written.
    #[serde(default, rename = "storageConfigUUID", deserialize_with = "lenient::id")]
    pub storage_config_uuid: Option<StorageConfigId>,
    /// The engine that made it.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub category: Option<BackupCategory>,
    /// The schedule that made it.
    #[serde(default, rename = "scheduleUUID", deserialize_with = "lenient::lossy")]
    pub schedule_uuid: Option<ScheduleId>,
    /// That schedule's name.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub schedule_name: Option<String>,
    /// The name of its universe, which may no longer exist.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub universe_name: Option<String>,
    /// When it will be deleted; never, if absent.
    #[serde(default, deserialize_with = "lenient::date")]
    pub expiry: Option<DateTime<Utc>>,
    /// The unit in which its life was given.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub expiry_time_unit: Option<TimeUnit>,
    /// When the row was made.
    #[serde(default, deserialize_with = "lenient::date")]
    pub create_time: Option<DateTime<Utc>>,
    /// When the row last changed.
    #[serde(default, deserialize_with = "lenient::date")]
    pub update_time: Option<DateTime<Utc>>,
    /// Creation plus the time the backup took; not a reading of a clock.
    #[serde(default, deserialize_with = "lenient::date")]
    pub completion_time: Option<DateTime<Utc>>,
    /// What was backed up, and how.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub backup_info: BackupInfo,
    /// The answer as it came.
    #[serde(skip)]
    pub raw: Value,
}

/// A row that is no backup: without an id of the form that ids have, or without a state.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UnreadableRow {
    /// What is wrong with it.
    pub complaint: String,
    /// The row as it came.
    pub raw: Value,
}

impl Backup {
    /// Reads a backup row as YBA writes it.
    ///
    /// # Errors
    /// The row, when it has no readable id or state.
    pub fn read(raw: Value) -> Result<Self, UnreadableRow> {
        match Self::deserialize(&raw) {
            Ok(backup) => Ok(Self { raw, ..backup }),
            Err(error) => Err(UnreadableRow {
                complaint: format!("unreadable: {}", crate::error::complaint(error)),
                raw,
            }),
        }
    }

    /// The universe, which YBA tells only inside [`BackupInfo`].
    pub fn universe(&self) -> Option<&UniverseId> {
        self.backup_info.universe_uuid.as_ref()
    }

    /// The backup builds on another one.
    pub fn is_increment(&self) -> bool {
        self.base_backup_uuid.as_ref().is_some_and(|base| *base != self.backup_uuid)
    }
}

/// What was backed up, and how: YBA's `BackupTableParams`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BackupInfo {
    /// The customer.
    #[serde(default, rename = "customerUuid", deserialize_with = "lenient::id")]
    pub customer_uuid: Option<CustomerId>,
    /// The full backup that it builds on, or its own id.
    #[serde(default, rename = "baseBackupUUID", deserialize_with = "lenient::id")]
    pub base_backup_uuid: Option<BackupId>,
    /// The universe.
    #[serde(default, rename = "universeUUID", deserialize_with = "lenient::id")]
    pub universe_uuid: Option<UniverseId>,
    /// Where it was written.
    #[serde(default, rename = "storageConfigUUID", deserialize_with = "lenient::id")]
    pub storage_config_uuid: Option<StorageConfigId>,
    /// The kind of tables.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub backup_type: Option<TableType>,
    /// The keyspace, in an entry of [`backup_list`](Self::backup_list).
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub keyspace: Option<String>,
    /// The tables, in an entry of [`backup_list`](Self::backup_list).
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub table_name_list: Vec<String>,
    /// One entry per keyspace, or per table.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub backup_list: Vec<BackupInfo>,
    /// Every keyspace of the type was asked for. Says nothing about full or incremental.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub full_backup: bool,
    /// The directory it was written to; asterisks when hidden from this user.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub storage_location: Option<String>,
    /// Bytes of this backup.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub backup_size_in_bytes: i64,
    /// Bytes of the chain.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub full_chain_size_in_bytes: i64,
    /// Life in milliseconds; 0 is for ever.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub time_before_delete: i64,
    /// The unit in which that was given.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub expiry_time_unit: Option<TimeUnit>,
}

impl BackupInfo {
    /// The keyspaces, sorted, each once.
    pub fn keyspaces(&self) -> Vec<&str> {
        let own = self.keyspace.as_deref();
        let listed = self.backup_list.iter().filter_map(|entry| entry.keyspace.as_deref());
        let mut names: Vec<&str> = own.into_iter().chain(listed).filter(|k| !k.is_empty()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// An entry of the backup list: a chain, told by its full backup.
#[expect(clippy::struct_excessive_bools, reason = "YBA answers in flags")]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BackupResp {
    /// The full backup.
    pub common_backup_info: CommonBackupInfo,
    /// The universe.
    #[serde(default, rename = "universeUUID", deserialize_with = "lenient::id")]
    pub universe_uuid: Option<UniverseId>,
    /// The universe's name.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub universe_name: Option<String>,
    /// The kind of tables.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub backup_type: Option<TableType>,
    /// The engine.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub category: Option<BackupCategory>,
    /// Every keyspace of the type was asked for. Says nothing about full or incremental.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub is_full_backup: bool,
    /// The chain has more members than the full backup, in whatever state.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub has_incremental_backups: bool,
    /// When the newest member was made; the full backup's own time if it is the only one.
    #[serde(default, deserialize_with = "lenient::date")]
    pub last_incremental_backup_time: Option<DateTime<Utc>>,
    /// The state of the newest member.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub last_backup_state: Option<BackupState>,
    /// Bytes of the completed members.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub full_chain_size_in_bytes: i64,
    /// When the chain will be deleted; never, if absent.
    #[serde(default, deserialize_with = "lenient::date")]
    pub expiry_time: Option<DateTime<Utc>>,
    /// The unit in which its life was given.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub expiry_time_unit: Option<TimeUnit>,
    /// No schedule made it.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub on_demand: bool,
    /// The schedule that made it.
    #[serde(default, rename = "scheduleUUID", deserialize_with = "lenient::lossy")]
    pub schedule_uuid: Option<ScheduleId>,
    /// That schedule's name.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub schedule_name: Option<String>,
    /// `S3`, `NFS`, `AZ`, `GCS`, `FILE`.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub storage_config_type: Option<String>,
    /// The storage config still exists.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub is_storage_config_present: bool,
    /// The universe still exists.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub is_universe_present: bool,
}

/// A member of a chain, full or increment.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CommonBackupInfo {
    /// The backup.
    #[serde(rename = "backupUUID")]
    pub backup_uuid: BackupId,
    /// The full backup the chain begins with.
    #[serde(default, rename = "baseBackupUUID", deserialize_with = "lenient::id")]
    pub base_backup_uuid: Option<BackupId>,
    /// Where it stands.
    pub state: BackupState,
    /// The task that made it.
    #[serde(default, rename = "taskUUID", deserialize_with = "lenient::id")]
    pub task_uuid: Option<TaskId>,
    /// Where it was written.
    #[serde(default, rename = "storageConfigUUID", deserialize_with = "lenient::id")]
    pub storage_config_uuid: Option<StorageConfigId>,
    /// When the row was made.
    #[serde(default, deserialize_with = "lenient::date")]
    pub create_time: Option<DateTime<Utc>>,
    /// When the row last changed.
    #[serde(default, deserialize_with = "lenient::date")]
    pub update_time: Option<DateTime<Utc>>,
    /// Creation plus the time the backup took.
    #[serde(default, deserialize_with = "lenient::date")]
    pub completion_time: Option<DateTime<Utc>>,
    /// Bytes of this member.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub total_backup_size_in_bytes: i64,
    /// What it holds.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub response_list: Vec<KeyspaceBackup>,
}

impl CommonBackupInfo {
    /// The backup builds on another one.
    pub fn is_increment(&self) -> bool {
        self.base_backup_uuid.as_ref().is_some_and(|base| *base != self.backup_uuid)
    }
}

/// One keyspace of a backup.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KeyspaceBackup {
    /// The keyspace.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub keyspace: Option<String>,
    /// Its tables, where tables were selected.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub tables_list: Vec<String>,
    /// All of its tables.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub all_tables: bool,
    /// Bytes.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub backup_size_in_bytes: Option<i64>,
    /// The directory; what a restore must name.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub default_location: Option<String>,
}

/// An entry of the older "last backup" answer: an array of these.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LastBackup {
    /// The backup.
    #[serde(rename = "backupUUID")]
    pub backup_uuid: BackupId,
    /// When it was made.
    #[serde(default, deserialize_with = "lenient::date")]
    pub create_time: Option<DateTime<Utc>>,
    /// Where it stands, if told.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub state: Option<BackupState>,
}

/// Which backups to list.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct BackupFilter {
    #[serde(rename = "universeUUIDList", skip_serializing_if = "Vec::is_empty")]
    universes: Vec<UniverseId>,
    #[serde(rename = "storageConfigUUIDList", skip_serializing_if = "Vec::is_empty")]
    storage_configs: Vec<StorageConfigId>,
    #[serde(rename = "scheduleUUIDList", skip_serializing_if = "Vec::is_empty")]
    schedules: Vec<ScheduleId>,
    #[serde(rename = "backupUUIDList", skip_serializing_if = "Vec::is_empty")]
    backups: Vec<BackupId>,
    #[serde(rename = "keyspaceList", skip_serializing_if = "Vec::is_empty")]
    keyspaces: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    states: Vec<BackupState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_range_start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_range_end: Option<String>,
}

/// Which backups to list, and how many at a time: the body of `POST .../backups/page`.
///
/// The list holds full backups only, newest first; increments are asked for per chain.
pub type BackupQuery = Envelope<BackupFilter>;

impl BackupQuery {
    /// Only this universe; may be given several times.
    pub fn universe(mut self, universe: impl Into<UniverseId>) -> Self {
        self.filter.universes.push(universe.into());
        self
    }

    /// Only this storage config; may be given several times.
    pub fn storage_config(mut self, config: impl Into<StorageConfigId>) -> Self {
        self.filter.storage_configs.push(config.into());
        self
    }

    /// Only this schedule's backups; may be given several times.
    pub fn schedule(mut self, schedule: impl Into<ScheduleId>) -> Self {
        self.filter.schedules.push(schedule.into());
        self
    }

    /// Only this full backup; may be given several times. An increment's id finds nothing.
    pub fn backup(mut self, backup: impl Into<BackupId>) -> Self {
        self.filter.backups.push(backup.into());
        self
    }

    /// Only backups that hold this keyspace; may be given several times.
    pub fn keyspace(mut self, keyspace: impl Into<String>) -> Self {
        self.filter.keyspaces.push(keyspace.into());
        self
    }

    /// Only full backups in this state; may be given several times.
    pub fn state(mut self, state: BackupState) -> Self {
        self.filter.states.push(state);
        self
    }

    /// Only backups made in this range. YBA needs both ends.
    pub fn created_between(mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        self.filter.date_range_start = Some(from.to_rfc3339_opts(SecondsFormat::Secs, true));
        self.filter.date_range_end = Some(to.to_rfc3339_opts(SecondsFormat::Secs, true));
        self
    }
}
