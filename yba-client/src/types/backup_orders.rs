//! What can be asked of backups: make one, change one, delete some.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BackupCategory, TableType, TimeUnit, lenient, millis};
use crate::ids::{BackupId, KmsConfigId, StorageConfigId, TaskId, UniverseId};

/// A keyspace (YSQL: database) to back up, and for YCQL some of its tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KeyspaceTables {
    /// The keyspace.
    pub keyspace: String,
    /// Only these tables, by name; YCQL only.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "lenient::or_default")]
    pub table_name_list: Vec<String>,
    /// Only these tables, by id; YCQL only.
    #[serde(
        default,
        rename = "tableUUIDList",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "lenient::or_default"
    )]
    pub table_uuid_list: Vec<String>,
}

impl KeyspaceTables {
    /// The whole keyspace.
    pub fn all_of(keyspace: impl Into<String>) -> Self {
        Self { keyspace: keyspace.into(), ..Self::default() }
    }
}

/// A backup to make: the body of `POST .../backups`.
///
/// ```
/// use std::time::Duration;
/// use yba_client::{CreateBackup, TableType, TimeUnit};
///
/// let full = CreateBackup::full("universe", "storage", TableType::Ysql)
///     .keyspaces(vec!["orders".to_owned()])
///     .retain(Duration::from_secs(30 * 86_400), TimeUnit::Days);
/// let increment = full.clone().base("uuid-of-the-full-backup");
/// # assert!(full.validate().is_ok() && increment.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct CreateBackup {
    #[serde(rename = "universeUUID")]
    universe: UniverseId,
    #[serde(rename = "storageConfigUUID")]
    storage_config: StorageConfigId,
    backup_type: TableType,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keyspace_table_list: Vec<KeyspaceTables>,
    #[serde(rename = "baseBackupUUID", skip_serializing_if = "Option::is_none")]
    base: Option<BackupId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_before_delete: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_time_unit: Option<TimeUnit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sse: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_tablespaces: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_roles: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallelism: Option<i32>,
    #[serde(rename = "parallelDBBackups", skip_serializing_if = "Option::is_none")]
    parallel_db_backups: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table_by_table_backup: Option<bool>,
    #[serde(rename = "kmsConfigUUID", skip_serializing_if = "Option::is_none")]
    kms_config: Option<KmsConfigId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_category: Option<BackupCategory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enable_point_in_time_restore: Option<bool>,
}

impl CreateBackup {
    /// A full backup of every keyspace of one table type, kept for ever.
    pub fn full(
        universe: impl Into<UniverseId>,
        storage_config: impl Into<StorageConfigId>,
        table_type: TableType,
    ) -> Self {
        Self {
            universe: universe.into(),
            storage_config: storage_config.into(),
            backup_type: table_type,
            keyspace_table_list: Vec::new(),
            base: None,
            time_before_delete: None,
            expiry_time_unit: None,
            sse: None,
            use_tablespaces: None,
            use_roles: None,
            parallelism: None,
            parallel_db_backups: None,
            table_by_table_backup: None,
            kms_config: None,
            backup_category: None,
            enable_point_in_time_restore: None,
        }
    }

    /// Only these keyspaces. None means all.
    pub fn keyspaces<S: Into<String>>(mut self, keyspaces: impl IntoIterator<Item = S>) -> Self {
        self.keyspace_table_list = keyspaces.into_iter().map(KeyspaceTables::all_of).collect();
        self
    }

    /// Only these keyspaces and tables.
    pub fn tables(mut self, tables: impl IntoIterator<Item = KeyspaceTables>) -> Self {
        self.keyspace_table_list = tables.into_iter().collect();
        self
    }

    /// Makes it an increment on the chain that begins with this full backup.
    ///
    /// Nothing is inherited: storage config, table type and keyspaces are those given here, and YBA
    /// does not compare them with the base.
    pub fn base(mut self, head_of_chain: impl Into<BackupId>) -> Self {
        self.base = Some(head_of_chain.into());
        self
    }

    /// How long the backup is kept, counted anew from its completion. The unit is for display.
    pub fn retain(self, time: Duration, unit: TimeUnit) -> Self {
        self.retain_millis(millis(time), unit)
    }

    /// [`retain`](Self::retain), in milliseconds. 0 keeps the backup for ever.
    pub fn retain_millis(mut self, millis: i64, unit: TimeUnit) -> Self {
        self.time_before_delete = Some(millis);
        self.expiry_time_unit = Some(unit);
        self
    }

    /// S3 server-side encryption.
    pub fn sse(mut self, on: bool) -> Self {
        self.sse = Some(on);
        self
    }

    /// Takes the tablespaces along; YSQL only.
    pub fn use_tablespaces(mut self, on: bool) -> Self {
        self.use_tablespaces = Some(on);
        self
    }

    /// Takes the roles along; YSQL only, newer servers only.
    pub fn use_roles(mut self, on: bool) -> Self {
        self.use_roles = Some(on);
        self
    }

    /// Parallel uploads per node.
    pub fn parallelism(mut self, uploads: i32) -> Self {
        self.parallelism = Some(uploads);
        self
    }

    /// Keyspaces backed up at a time.
    pub fn parallel_db_backups(mut self, keyspaces: i32) -> Self {
        self.parallel_db_backups = Some(keyspaces);
        self
    }

    /// One table after the other; YCQL only.
    pub fn table_by_table(mut self, on: bool) -> Self {
        self.table_by_table_backup = Some(on);
        self
    }

    /// The key-management configuration; the universe's own, if it has one, wins.
    pub fn kms_config(mut self, config: impl Into<KmsConfigId>) -> Self {
        self.kms_config = Some(config.into());
        self
    }

    /// The engine, when YBA should not choose.
    pub fn category(mut self, category: BackupCategory) -> Self {
        self.backup_category = Some(category);
        self
    }

    /// Makes the backup restorable to any point of its window; YB-Controller only.
    pub fn point_in_time_restore(mut self, on: bool) -> Self {
        self.enable_point_in_time_restore = Some(on);
        self
    }

    /// The universe that is backed up.
    pub fn universe(&self) -> &UniverseId {
        &self.universe
    }

    /// The base, for an increment.
    pub fn base_backup(&self) -> Option<&BackupId> {
        self.base.as_ref()
    }

    /// Says what YBA would refuse, naming the field.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn validate(&self) -> Result<(), String> {
        let named = |field: &str, id: &str| {
            if id.trim().is_empty() { Err(format!("{field} is empty")) } else { Ok(()) }
        };
        named("universeUUID", self.universe.as_str())?;
        named("storageConfigUUID", self.storage_config.as_str())?;
        named("backupType", self.backup_type.as_str())?;
        if let Some(base) = &self.base {
            named("baseBackupUUID", base.as_str())?;
        }
        if self.backup_type == TableType::TransactionStatus {
            return Err("backupType is a type that only answers contain".to_owned());
        }
        if self.time_before_delete.is_some_and(|millis| millis < 0) {
            return Err("timeBeforeDelete is negative; 0 keeps the backup for ever".to_owned());
        }
        for (field, value) in
            [("parallelism", self.parallelism), ("parallelDBBackups", self.parallel_db_backups)]
        {
            if value.is_some_and(|value| value <= 0) {
                return Err(format!("{field} must be at least 1"));
            }
        }
        self.validate_keyspaces()
    }

    fn validate_keyspaces(&self) -> Result<(), String> {
        let mut seen = std::collections::BTreeSet::new();
        for entry in &self.keyspace_table_list {
            if entry.keyspace.trim().is_empty() {
                return Err("keyspaceTableList holds an empty keyspace".to_owned());
            }
            if !seen.insert(&entry.keyspace) {
                return Err(format!("keyspaceTableList names {} twice", entry.keyspace));
            }
            let tables = !(entry.table_name_list.is_empty() && entry.table_uuid_list.is_empty());
            if tables && self.backup_type == TableType::Ysql {
                return Err(format!(
                    "keyspaceTableList selects tables of {}; YSQL backs up whole databases",
                    entry.keyspace
                ));
            }
        }
        Ok(())
    }
}

/// A change to a full backup: the body of `PUT .../backups/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct EditBackup {
    time_before_delete_from_present_in_millis: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_time_unit: Option<TimeUnit>,
    #[serde(rename = "storageConfigUUID", skip_serializing_if = "Option::is_none")]
    storage_config: Option<StorageConfigId>,
}

impl EditBackup {
    /// Expires this long from **now**.
    pub fn expire_in(time: Duration, unit: TimeUnit) -> Self {
        Self {
            time_before_delete_from_present_in_millis: millis(time),
            expiry_time_unit: Some(unit),
            storage_config: None,
        }
    }

    /// Never expires.
    pub fn keep_for_ever() -> Self {
        Self { time_before_delete_from_present_in_millis: 0, expiry_time_unit: None, storage_config: None }
    }

    /// Also names another storage config of the same kind; only when the old one is gone or retired.
    pub fn storage_config(mut self, config: impl Into<StorageConfigId>) -> Self {
        self.storage_config = Some(config.into());
        self
    }
}

/// What came of asking for deletions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deletion {
    /// The task of each backup that was accepted. The task's success only means "queued"; the
    /// backup is gone when asking for it is answered "not found".
    pub accepted: Vec<(BackupId, TaskId)>,
    /// Backups that YBA silently left out: unknown ones, those in progress, completed increments.
    pub left_out: Vec<BackupId>,
}

/// The tables of one keyspace, as the restore calls name them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KeyspaceSelection {
    /// The keyspace.
    pub keyspace: String,
    /// Its tables; empty for all.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub table_names: Vec<String>,
}

impl KeyspaceSelection {
    /// The whole keyspace.
    pub fn all_of(keyspace: impl Into<String>) -> Self {
        Self { keyspace: keyspace.into(), table_names: Vec::new() }
    }
}
