//! What a category resolves to: everything a strategy needs, by id, ready to run.

use std::{fmt, time::Duration};

use crate::ids::{BackupId, InstanceName, StorageConfigId, TargetKey, UniverseId};

/// A database that can be backed up, resolved and checked. It holds no secret: tokens belong to the
/// instance's client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupTarget {
    /// The key in the configuration (`db1`).
    pub key: TargetKey,
    /// Other names for it (`HWA_EPR_DB_BACKUP_FULL`), compared without regard to case.
    pub category_codes: Vec<String>,
    /// The strategy that plans its backups: `full_backup`, `incremental_backup`, or one that an embedder registered.
    pub strategy: String,
    /// The YBA instance.
    pub instance: InstanceName,
    /// The universe.
    pub universe: UniverseId,
    /// Where the backup is stored.
    pub storage_config: StorageConfigId,
    /// YBA's `backupType`: the table type (`PGSQL_TABLE_TYPE`), never full or incremental.
    pub table_type: String,
    /// The keyspaces; empty means every keyspace of the table type.
    pub keyspaces: Vec<String>,
    /// The database's name, for people.
    pub db_name: Option<String>,
    /// How long YBA keeps the backup (`timeBeforeDelete`); `None`: for ever.
    pub retention: Option<Duration>,
    /// The full backup that every increment builds on; `None`: the newest one that fits.
    pub base: Option<BackupId>,
    /// What an increment does without a usable base.
    pub on_missing_base: OnMissingBase,
    /// What to do when nobody can tell whether a POST started a backup.
    pub on_unknown: OnUnknown,
    /// What a further request for the same business date gets.
    pub repeat: Repeat,
    /// What to do with the backup of a surplus that completed.
    pub on_surplus: OnSurplus,
    /// After this long the batch ends, whatever YBA does.
    pub deadline: Duration,
    /// What counts as the end.
    pub completion: Completion,
    /// The original's URLs, used as given.
    pub legacy_urls: LegacyUrls,
}

impl BackupTarget {
    /// A target with the defaults: full, every YSQL keyspace, kept for ever, 24 hours, polled to its end.
    pub fn new(
        key: impl Into<TargetKey>,
        instance: impl Into<InstanceName>,
        universe: impl Into<UniverseId>,
        storage_config: impl Into<StorageConfigId>,
    ) -> Self {
        Self {
            key: key.into(),
            category_codes: Vec::new(),
            strategy: crate::strategy::FULL.to_owned(),
            instance: instance.into(),
            universe: universe.into(),
            storage_config: storage_config.into(),
            table_type: "PGSQL_TABLE_TYPE".to_owned(),
            keyspaces: Vec::new(),
            db_name: None,
            retention: None,
            base: None,
            on_missing_base: OnMissingBase::Fail,
            on_unknown: OnUnknown::Fail,
            repeat: Repeat::Allow,
            on_surplus: OnSurplus::Keep,
            deadline: Duration::from_hours(24),
            completion: Completion::Poll,
            legacy_urls: LegacyUrls::default(),
        }
    }

    /// Sets the strategy by name.
    #[must_use]
    pub fn with_strategy(mut self, name: impl Into<String>) -> Self {
        self.strategy = name.into();
        self
    }

    /// Adds another name for the target.
    #[must_use]
    pub fn with_category_code(mut self, code: impl Into<String>) -> Self {
        self.category_codes.push(code.into());
        self
    }

    /// What is locked while a backup runs: one universe of one instance.
    pub fn slot(&self) -> String {
        format!("{}/{}", self.instance, self.universe)
    }

    /// Whether the target answers to this category.
    pub fn answers_to(&self, category: &str) -> bool {
        let category = fold_case(category);
        self.names().any(|name| fold_case(name) == category)
    }

    /// The key and the category codes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.key.as_str()).chain(self.category_codes.iter().map(String::as_str))
    }
}

/// A category as categories are compared: without regard to case, for the letters of every alphabet.
pub fn fold_case(category: &str) -> String {
    category.to_uppercase().to_lowercase()
}

/// The policy for an increment whose base is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMissingBase {
    /// Fail with a clear error; nothing is posted.
    #[default]
    Fail,
    /// Take a full backup instead, with the reason recorded.
    Full,
}

/// The policy for a POST whose fate nobody can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// Fail, and say what to check by hand.
    #[default]
    Fail,
    /// Post again, at the risk of a second backup.
    Repost,
}

/// What a further request for the same target and business date gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeat {
    /// A batch of its own, as the original did.
    #[default]
    Allow,
    /// The batch that is there: one that is open is joined, one that completed is the answer, one that failed is run again.
    Join,
}

/// The policy for a second backup of one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSurplus {
    /// Keep it: YBA deletes it when it expires.
    #[default]
    Keep,
    /// Delete it, once the batch has succeeded with another one, unless increments build on it.
    Delete,
}

/// What ends a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completion {
    /// The task is `Success` and the backup is `Completed`.
    #[default]
    Poll,
    /// YBA accepted the request, as the original did. This proves nothing about a backup.
    Accepted,
}

/// The three URLs that the original was configured with. Their queries may hold tokens, so `Debug` leaves them out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LegacyUrls {
    /// POST for a full backup.
    pub full_backup: Option<String>,
    /// POST for an increment, with `baseBackupUUID`.
    pub incremental_backup: Option<String>,
    /// GET: an array with `backupUUID`, `createTime`, `state`.
    pub last_backup: Option<String>,
}

impl fmt::Debug for LegacyUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |url: &Option<String>| url.as_ref().and_then(|url| url.split('?').next().map(str::to_owned));
        f.debug_struct("LegacyUrls")
            .field("full_backup", &shown(&self.full_backup))
            .field("incremental_backup", &shown(&self.incremental_backup))
            .field("last_backup", &shown(&self.last_backup))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_answers_in_any_case_of_any_alphabet() {
        let target = BackupTarget::new("db1", "yba", "universe", "storage")
            .with_category_code("DÉPÔT")
            .with_category_code("Straße")
            .with_category_code("ΛΌΓΟΣ");
        for category in ["DB1", "dépôt", "STRASSE", "λόγος"] {
            assert!(target.answers_to(category), "{category}");
        }
        assert!(!target.answers_to("depot"));
    }

    #[test]
    fn the_query_of_an_address_is_not_shown() {
        let last_backup = Some("https://yba/last?limit=1&token=s3cret".to_owned());
        let shown = format!("{:?}", LegacyUrls { last_backup, ..LegacyUrls::default() });
        assert!(shown.contains("https://yba/last") && !shown.contains("s3cret"), "{shown}");
    }
}
