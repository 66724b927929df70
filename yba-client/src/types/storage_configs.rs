//! Storage configurations: where backups are written.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{lenient, open_enum};
use crate::ids::StorageConfigId;

open_enum! {
    /// Whether a configuration may be used.
    ConfigState {
        /// It may.
        Active = "Active",
        /// It is about to be deleted, and refused for new backups.
        QueuedForDeletion = "QueuedForDeletion",
    }
}

/// A storage configuration.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StorageConfig {
    /// The configuration.
    #[serde(rename = "configUUID")]
    pub config_uuid: StorageConfigId,
    /// The name its maker gave it.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub config_name: String,
    /// The kind of storage: `S3`, `NFS`, `AZ`, `GCS`, `FILE`.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub name: String,
    /// `STORAGE` for all that this crate lists.
    #[serde(default, rename = "type", deserialize_with = "lenient::lossy")]
    pub type_: String,
    /// Whether it may be used.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub state: Option<ConfigState>,
    /// Something uses it.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub in_use: bool,
    /// Its settings. YBA masks the secret ones.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub data: Map<String, Value>,
}

impl StorageConfig {
    /// New backups may be written to it. Servers too old to tell have no other kind.
    pub fn is_active(&self) -> bool {
        self.state.as_ref().is_none_or(|state| *state == ConfigState::Active)
    }

    /// The root under which backups are written.
    pub fn location(&self) -> Option<&str> {
        self.data.get("BACKUP_LOCATION").and_then(Value::as_str)
    }
}
