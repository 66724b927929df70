//! Restores.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{BackupCategory, KeyspaceSelection, TableType, lenient, open_enum};
use crate::{
    ids::{BackupId, KmsConfigId, RestoreId, StorageConfigId, TaskId, UniverseId},
    page::Envelope,
};

open_enum! {
    /// The state of a restore, or of one keyspace of it.
    RestoreState {
        /// Not begun.
        Created = "Created",
        /// Running.
        InProgress = "InProgress",
        /// Done.
        Completed = "Completed",
        /// Failed. The keyspace may exist partly; YBA does not clean up.
        Failed = "Failed",
        /// Aborted.
        Aborted = "Aborted",
    }
}

/// One keyspace to restore: from where, and under which name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct RestoreSource {
    backup_type: TableType,
    keyspace: String,
    storage_location: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    table_name_list: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    selective_table_restore: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sse: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    use_tablespaces: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_owner: Option<String>,
}

impl RestoreSource {
    /// The keyspace stored at `storage_location`, to be made as `target_keyspace`.
    ///
    /// The location is [`KeyspaceBackup::default_location`](super::KeyspaceBackup::default_location) of
    /// the chain member to go back to. YBA refuses to overwrite, so the target must not exist.
    pub fn new(
        table_type: TableType,
        target_keyspace: impl Into<String>,
        storage_location: impl Into<String>,
    ) -> Self {
        Self {
            backup_type: table_type,
            keyspace: target_keyspace.into(),
            storage_location: storage_location.into(),
            table_name_list: Vec::new(),
            selective_table_restore: false,
            sse: false,
            use_tablespaces: false,
            old_owner: None,
            new_owner: None,
        }
    }

    /// Only these tables; YCQL only.
    pub fn tables<S: Into<String>>(mut self, tables: impl IntoIterator<Item = S>) -> Self {
        self.table_name_list = tables.into_iter().map(Into::into).collect();
        self.selective_table_restore = !self.table_name_list.is_empty();
        self
    }

    /// The backup was made with S3 server-side encryption.
    pub fn sse(mut self, on: bool) -> Self {
        self.sse = on;
        self
    }

    /// Restores tablespaces too; YSQL only.
    pub fn use_tablespaces(mut self, on: bool) -> Self {
        self.use_tablespaces = on;
        self
    }

    /// Gives what `old` owned to `new`.
    pub fn rename_owner(mut self, old: impl Into<String>, new: impl Into<String>) -> Self {
        self.old_owner = Some(old.into());
        self.new_owner = Some(new.into());
        self
    }

    fn validate(&self) -> Result<(), String> {
        if self.keyspace.trim().is_empty() {
            return Err("keyspace of a restore is empty".to_owned());
        }
        if self.storage_location.trim().is_empty() {
            return Err(format!("storageLocation of {} is empty", self.keyspace));
        }
        let mut letters = self.new_owner.iter().flat_map(|owner| owner.chars());
        if self.new_owner.as_ref().is_some_and(String::is_empty)
            || letters.any(|c| !(c.is_alphanumeric() || c == '_'))
        {
            return Err("newOwner must be a plain identifier".to_owned());
        }
        Ok(())
    }
}

/// A restore to make: the body of `POST .../restore`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct CreateRestore {
    #[serde(rename = "universeUUID")]
    universe: UniverseId,
    #[serde(rename = "storageConfigUUID")]
    storage_config: StorageConfigId,
    action_type: &'static str,
    #[serde(rename = "backupStorageInfoList")]
    sources: Vec<RestoreSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<BackupCategory>,
    #[serde(rename = "kmsConfigUUID", skip_serializing_if = "Option::is_none")]
    kms_config: Option<KmsConfigId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallelism: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restore_to_point_in_time_millis: Option<i64>,
}

impl CreateRestore {
    /// Restores these keyspaces into a universe.
    pub fn new(
        universe: impl Into<UniverseId>,
        storage_config: impl Into<StorageConfigId>,
        sources: impl IntoIterator<Item = RestoreSource>,
    ) -> Self {
        Self {
            universe: universe.into(),
            storage_config: storage_config.into(),
            action_type: "RESTORE",
            sources: sources.into_iter().collect(),
            category: None,
            kms_config: None,
            parallelism: None,
            restore_to_point_in_time_millis: None,
        }
    }

    /// The engine, when YBA should not choose.
    pub fn category(mut self, category: BackupCategory) -> Self {
        self.category = Some(category);
        self
    }

    /// The key-management configuration the backup was encrypted with.
    pub fn kms_config(mut self, config: impl Into<KmsConfigId>) -> Self {
        self.kms_config = Some(config.into());
        self
    }

    /// Parallel downloads per node.
    pub fn parallelism(mut self, downloads: i32) -> Self {
        self.parallelism = Some(downloads);
        self
    }

    /// Goes to this moment instead of the end of the backup.
    pub fn to_point_in_time(mut self, moment: DateTime<Utc>) -> Self {
        self.restore_to_point_in_time_millis = Some(moment.timestamp_millis());
        self
    }

    /// Says what YBA would refuse, naming the field.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn validate(&self) -> Result<(), String> {
        if self.universe.as_str().trim().is_empty() {
            return Err("universeUUID is empty".to_owned());
        }
        if self.storage_config.as_str().trim().is_empty() {
            return Err("storageConfigUUID is empty".to_owned());
        }
        if self.sources.is_empty() {
            return Err("backupStorageInfoList is empty".to_owned());
        }
        if self.parallelism.is_some_and(|n| n <= 0) {
            return Err("parallelism must be at least 1".to_owned());
        }
        self.sources.iter().try_for_each(RestoreSource::validate)
    }
}

/// A restore to try out: the body of `POST .../restore/preflight`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct RestorePreflight {
    #[serde(rename = "universeUUID")]
    universe: UniverseId,
    #[serde(rename = "backupUUID")]
    backup: BackupId,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keyspace_tables: Vec<KeyspaceSelection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restore_to_point_in_time_millis: Option<i64>,
}

impl RestorePreflight {
    /// Would this backup fit into this universe?
    pub fn new(universe: impl Into<UniverseId>, backup: impl Into<BackupId>) -> Self {
        Self {
            universe: universe.into(),
            backup: backup.into(),
            keyspace_tables: Vec::new(),
            restore_to_point_in_time_millis: None,
        }
    }

    /// Only this keyspace, or some of its tables; may be given several times.
    pub fn keyspace(mut self, selection: KeyspaceSelection) -> Self {
        self.keyspace_tables.push(selection);
        self
    }

    /// At this moment instead of the end of the backup.
    pub fn to_point_in_time(mut self, moment: DateTime<Utc>) -> Self {
        self.restore_to_point_in_time_millis = Some(moment.timestamp_millis());
        self
    }
}

/// What a preflight found.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PreflightReport {
    /// The engine that made the backup.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub backup_category: Option<BackupCategory>,
    /// It is encrypted with keys of a key-management service.
    #[serde(default, rename = "hasKMSHistory", deserialize_with = "lenient::lossy")]
    pub has_kms_history: bool,
    /// By storage location, as YBA tells it.
    #[serde(default, rename = "perLocationBackupInfoMap", deserialize_with = "lenient::lossy")]
    pub locations: Map<String, Value>,
}

/// An entry of the list of restores.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Restore {
    /// The restore.
    #[serde(rename = "restoreUUID")]
    pub restore_uuid: RestoreId,
    /// Where it stands.
    pub state: RestoreState,
    /// The universe restored into.
    #[serde(default, rename = "universeUUID", deserialize_with = "lenient::lossy")]
    pub universe_uuid: Option<UniverseId>,
    /// Its name.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub target_universe_name: Option<String>,
    /// The universe the backup was of.
    #[serde(default, rename = "sourceUniverseUUID", deserialize_with = "lenient::lossy")]
    pub source_universe_uuid: Option<UniverseId>,
    /// Its name.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub source_universe_name: Option<String>,
    /// The kind of tables.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub backup_type: Option<TableType>,
    /// When it was asked for.
    #[serde(default, deserialize_with = "lenient::date")]
    pub create_time: Option<DateTime<Utc>>,
    /// When it last changed.
    #[serde(default, deserialize_with = "lenient::date")]
    pub update_time: Option<DateTime<Utc>>,
    /// Bytes restored.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub restore_size_in_bytes: i64,
    /// Its keyspaces.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub restore_keyspace_list: Vec<RestoreKeyspace>,
}

/// One keyspace of a restore.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RestoreKeyspace {
    /// Where it stands.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub state: Option<RestoreState>,
    /// The task that makes it.
    #[serde(default, rename = "taskUUID", deserialize_with = "lenient::lossy")]
    pub task_uuid: Option<TaskId>,
    /// Its name in the backup.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub source_keyspace: Option<String>,
    /// Its name in the universe.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub target_keyspace: Option<String>,
    /// The directory it is read from.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub storage_location: Option<String>,
    /// When it was done.
    #[serde(default, deserialize_with = "lenient::date")]
    pub complete_time: Option<DateTime<Utc>>,
}

/// Which restores to list.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct RestoreFilter {
    #[serde(rename = "restoreUUIDList", skip_serializing_if = "Vec::is_empty")]
    restores: Vec<RestoreId>,
    #[serde(rename = "universeUUIDList", skip_serializing_if = "Vec::is_empty")]
    universes: Vec<UniverseId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    states: Vec<RestoreState>,
}

/// Which restores to list, and how many at a time.
pub type RestoreQuery = Envelope<RestoreFilter>;

impl RestoreQuery {
    /// Only this restore; may be given several times.
    pub fn restore(mut self, restore: impl Into<RestoreId>) -> Self {
        self.filter.restores.push(restore.into());
        self
    }

    /// Only restores into this universe; may be given several times.
    pub fn universe(mut self, universe: impl Into<UniverseId>) -> Self {
        self.filter.universes.push(universe.into());
        self
    }

    /// Only restores in this state; may be given several times.
    pub fn state(mut self, state: RestoreState) -> Self {
        self.filter.states.push(state);
        self
    }
}
