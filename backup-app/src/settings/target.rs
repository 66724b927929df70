//! `yba.databases.*`: what can be backed up.

use std::path::PathBuf;
use std::time::Duration;

pub use backup_core::{Completion, OnMissingBase, OnSurplus, OnUnknown, Repeat};
use secrecy::SecretString;

use super::{CategoryType, YbaAddress};
use crate::reader::Words;

/// One database that can be backed up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TargetSettings {
    /// The key in the configuration (`db1`).
    pub key: String,
    /// Whether it can be used, and with what.
    pub state: TargetState,
    /// `category-codes`: other names that callers use for it, unique across targets.
    pub category_codes: Vec<String>,
    /// `backup-category-type` (`full_backup`; `incremental_backup` for the `db2` of the environment): the strategy.
    pub category_type: CategoryType,
    /// `backup-type` (`PGSQL_TABLE_TYPE`).
    pub table_type: TableType,
    /// `keyspaces`: empty means every keyspace of the table type.
    pub keyspaces: Vec<String>,
    /// `db-name`: the database's name, for people.
    pub db_name: Option<String>,
    /// `expiry-ms`: how long YBA keeps the backup; absent or 0: for ever. A target that only variables define has the
    /// original's: 24 h, and 48 h for `uam-db`.
    pub expiry: Option<Duration>,
    /// `on-missing-base` (`fail`): what an increment does without a usable base.
    pub on_missing_base: OnMissingBase,
    /// `base-backup-uuid`: the base of every increment, instead of the newest usable one.
    pub base_backup_uuid: Option<String>,
    /// `repeat` (`allow`): what a further request for the same business date gets.
    pub repeat: Repeat,
    /// `deadline` (24 h): after this long the batch ends, whatever YBA does.
    pub deadline: Duration,
    /// `completion` (`poll`): what counts as the end.
    pub completion: Completion,
    /// `on-unknown` (`fail`): what to do when nobody can tell whether a POST started a backup.
    pub on_unknown: OnUnknown,
    /// `on-surplus` (`keep`): what to do with a second backup of one batch.
    pub on_surplus: OnSurplus,
    /// `full-backup-url` of the original, used as given.
    pub full_backup_url: Option<YbaAddress>,
    /// `incremental-backup-url` of the original, used as given.
    pub incremental_backup_url: Option<YbaAddress>,
    /// `last-backup-url` of the original, used as given.
    pub last_backup_url: Option<YbaAddress>,
}

/// Whether a target can be used.
#[derive(Clone, Debug)]
pub enum TargetState {
    /// Everything it needs is set.
    Ready(Connection),
    /// Something is missing: requests for it are answered `TARGET_NOT_CONFIGURED`, other targets work.
    HalfSet {
        /// The keys to set.
        missing: Vec<String>,
    },
}

/// Where a target lives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Connection {
    /// The name in `settings.instances`; `None` only where `completion: accepted` makes do with the URLs alone.
    pub instance: Option<String>,
    /// The target's own token, or its instance's.
    pub api_token: SecretString,
    /// The file that the token came from, if it did.
    pub api_token_file: Option<PathBuf>,
    /// `universe-uuid`.
    pub universe_uuid: String,
    /// `storage-config-uuid`.
    pub storage_config_uuid: String,
}

/// YBA's `backupType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TableType {
    /// YSQL.
    #[default]
    Pgsql,
    /// YCQL.
    Yql,
    /// YEDIS.
    Redis,
}

impl TableType {
    /// YBA's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pgsql => "PGSQL_TABLE_TYPE",
            Self::Yql => "YQL_TABLE_TYPE",
            Self::Redis => "REDIS_TABLE_TYPE",
        }
    }
}

impl Words for TableType {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("PGSQL_TABLE_TYPE", Self::Pgsql),
        ("YQL_TABLE_TYPE", Self::Yql),
        ("REDIS_TABLE_TYPE", Self::Redis),
        ("YSQL", Self::Pgsql),
        ("PGSQL", Self::Pgsql),
        ("YCQL", Self::Yql),
        ("YQL", Self::Yql),
        ("YEDIS", Self::Redis),
        ("REDIS", Self::Redis),
    ];
}

impl Words for OnMissingBase {
    const WORDS: &'static [(&'static str, Self)] = &[("fail", Self::Fail), ("full", Self::Full)];
}

impl Words for Repeat {
    const WORDS: &'static [(&'static str, Self)] = &[("allow", Self::Allow), ("join", Self::Join)];
}

impl Words for Completion {
    const WORDS: &'static [(&'static str, Self)] = &[("poll", Self::Poll), ("accepted", Self::Accepted)];
}

impl Words for OnSurplus {
    const WORDS: &'static [(&'static str, Self)] = &[("keep", Self::Keep), ("delete", Self::Delete)];
}

impl Words for OnUnknown {
    const WORDS: &'static [(&'static str, Self)] = &[("fail", Self::Fail), ("repost", Self::Repost)];
}
