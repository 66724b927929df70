//! Universes.

use serde::Deserialize;
use serde_json::Value;

use super::{lenient, open_enum};
use crate::ids::{TaskId, UniverseId};

open_enum! {
    /// The kind of tables a backup covers. One backup covers one kind.
    TableType {
        /// YSQL.
        Ysql = "PGSQL_TABLE_TYPE",
        /// YCQL.
        Ycql = "YQL_TABLE_TYPE",
        /// YEDIS.
        Redis = "REDIS_TABLE_TYPE",
        /// YBA's own bookkeeping; in answers only.
        TransactionStatus = "TRANSACTION_STATUS_TABLE_TYPE",
    }
}

/// A universe.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Universe {
    /// The universe.
    #[serde(rename = "universeUUID")]
    pub universe_uuid: UniverseId,
    /// Its name.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub name: String,
    /// What matters to a backup.
    #[serde(default, rename = "universeDetails", deserialize_with = "lenient::or_default")]
    pub details: UniverseDetails,
    /// Settings of the universe as text; the switch that stops backups is among them.
    #[serde(default, rename = "universeConfig", deserialize_with = "lenient::lossy")]
    pub config: serde_json::Map<String, Value>,
}

/// The part of a universe's details that matters to backups.
#[expect(clippy::struct_excessive_bools, reason = "YBA answers in flags")]
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UniverseDetails {
    /// An operation holds the universe; a backup would be answered "busy".
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub update_in_progress: bool,
    /// The type of the operation that holds it.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub updating_task: Option<String>,
    /// The task that holds it.
    #[serde(default, rename = "updatingTaskUUID", deserialize_with = "lenient::lossy")]
    pub updating_task_uuid: Option<TaskId>,
    /// Paused: scheduled backups are skipped, expired ones are kept.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub universe_paused: bool,
    /// YB-Controller is installed, which increments need.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub ybc_installed: bool,
    /// YB-Controller is wanted.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub enable_ybc: bool,
    /// `Ready` unless software is being upgraded.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub software_upgrade_state: Option<String>,
    /// The clusters.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub clusters: Vec<Cluster>,
}

/// A cluster of a universe.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Cluster {
    /// `PRIMARY`, `ASYNC` or `ADDON`.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub cluster_type: String,
    /// What was asked for.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub user_intent: UserIntent,
}

/// What was asked for when the cluster was made.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UserIntent {
    /// YSQL is on.
    #[serde(default, rename = "enableYSQL", deserialize_with = "lenient::lossy")]
    pub enable_ysql: bool,
    /// YCQL is on.
    #[serde(default, rename = "enableYCQL", deserialize_with = "lenient::lossy")]
    pub enable_ycql: bool,
    /// The database's version.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub yb_software_version: Option<String>,
}

/// A keyspace (YSQL: database) of a universe.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Namespace {
    /// Its id.
    #[serde(default, rename = "namespaceUUID", deserialize_with = "lenient::lossy")]
    pub namespace_uuid: Option<String>,
    /// Its name.
    pub name: String,
    /// The kind of its tables.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub table_type: Option<TableType>,
}

/// A table of a universe.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Table {
    /// Its id, as backups name it.
    #[serde(default, rename = "tableUUID", deserialize_with = "lenient::lossy")]
    pub table_uuid: Option<String>,
    /// Its name.
    pub table_name: String,
    /// Its keyspace.
    #[serde(default, rename = "keySpace", deserialize_with = "lenient::lossy")]
    pub keyspace: Option<String>,
    /// Its kind.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub table_type: Option<TableType>,
    /// `USER_TABLE_RELATION`, `INDEX_TABLE_RELATION`, ... An index cannot be backed up by itself.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub relation_type: Option<String>,
    /// Bytes on disk.
    #[serde(default, deserialize_with = "lenient::lossy")]
    pub size_bytes: f64,
}
