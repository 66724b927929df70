//! Reads `yba.databases.*`: from the file, from flags, and from the original's environment variables.
//!
//! Each target is read into a draft, then connected to an instance: the one it names, or the one its URLs imply.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::address::YbaAddress;
use super::instance::{Instances, derive};
use super::strategy::CategoryType;
use super::target::{
    Completion, Connection, OnMissingBase, OnSurplus, OnUnknown, Repeat, TableType, TargetSettings,
    TargetState,
};
use super::yba::{YbaSettings, positive, warn_no_uuid, warn_plaintext};
use crate::file::tree::canonical;
use crate::origin::Origin;
use crate::reader::{Key, Reader, nearest};

/// The targets that the original's environment defines.
const ORIGINALS: [&str; 3] = ["db1", "db2", "uam-db"];

/// Reads every target of the file, of flags, and of the original's environment.
pub(super) fn read_all(
    reader: &mut Reader<'_>,
    yba: &YbaSettings,
    instances: &mut Instances,
) -> Vec<TargetSettings> {
    let mut keys: Vec<(String, bool)> =
        reader.names("yba.databases").into_iter().map(|key| (key, true)).collect();
    for original in ORIGINALS {
        if !keys.iter().any(|(key, _)| canonical(key) == canonical(original)) {
            keys.push((original.to_owned(), false));
        }
    }
    keys.sort();
    let mut targets = Vec::new();
    for (key, written) in keys {
        if let Some(draft) = Draft::read(reader, &key, written) {
            targets.push(draft.finish(reader, yba, instances));
        }
    }
    warn_about_all(reader, &targets);
    targets
}

/// A target that was read and not yet connected to an instance.
struct Draft {
    target: TargetSettings,
    instance: Option<String>,
    api_token: Option<SecretString>,
    api_token_file: Option<PathBuf>,
    universe_uuid: Option<String>,
    storage_config_uuid: Option<String>,
    /// The URLs that are given, with their keys.
    urls: Vec<(String, Url)>,
}

impl Draft {
    /// `None` where nothing is set that would make it a target: such a target does not exist.
    fn read(reader: &mut Reader<'_>, key: &str, written: bool) -> Option<Self> {
        let first_row = reader.rows.len();
        let mut urls = Vec::new();
        let mut url = |reader: &mut Reader<'_>, field: &str| {
            let url: YbaAddress = reader.optional(name(key, field))?;
            urls.push((path(key, field), url.expose().clone()));
            Some(url)
        };
        let is_db2 = !written && key == "db2";
        let target = TargetSettings {
            key: key.to_owned(),
            state: TargetState::HalfSet { missing: Vec::new() },
            full_backup_url: url(reader, "full-backup-url"),
            incremental_backup_url: url(reader, "incremental-backup-url"),
            last_backup_url: url(reader, "last-backup-url"),
            category_codes: reader.list(name(key, "category-codes")),
            category_type: CategoryType::of_target(
                reader,
                name(key, "backup-category-type"),
                if is_db2 { CategoryType::Incremental } else { CategoryType::Full },
            ),
            table_type: reader.setting(name(key, "backup-type"), TableType::default()),
            keyspaces: reader.list(name(key, "keyspaces")),
            db_name: reader.optional(name(key, "db-name")),
            expiry: expiry(reader, key, written),
            on_missing_base: reader.setting(name(key, "on-missing-base"), OnMissingBase::default()),
            base_backup_uuid: reader.optional(name(key, "base-backup-uuid")),
            repeat: reader.setting(name(key, "repeat"), Repeat::default()),
            deadline: positive(reader, name(key, "deadline"), Duration::from_hours(24)),
            completion: reader.setting(name(key, "completion"), Completion::default()),
            on_unknown: reader.setting(name(key, "on-unknown"), OnUnknown::default()),
            on_surplus: reader.setting(name(key, "on-surplus"), OnSurplus::default()),
        };
        let draft = Self {
            instance: reader.optional(name(key, "instance")),
            api_token: reader.secret(name(key, "api-token")),
            api_token_file: reader.secret_file(&name(key, "api-token").path),
            universe_uuid: reader.optional(name(key, "universe-uuid")),
            storage_config_uuid: reader.optional(name(key, "storage-config-uuid")),
            urls,
            target,
        };
        if draft.is_nothing() {
            reader.rows.truncate(first_row);
            return None;
        }
        Some(draft)
    }

    fn is_nothing(&self) -> bool {
        self.urls.is_empty()
            && self.instance.is_none()
            && self.api_token.is_none()
            && self.universe_uuid.is_none()
            && self.storage_config_uuid.is_none()
            && self.target.category_codes.is_empty()
    }

    fn path(&self, field: &str) -> String {
        path(&self.target.key, field)
    }

    fn finish(self, reader: &mut Reader<'_>, yba: &YbaSettings, instances: &mut Instances) -> TargetSettings {
        self.warn(reader);
        let missing = self.missing(reader, instances);
        if !missing.is_empty() {
            self.warn_half_set(reader, &missing);
        }
        let state = match self.connect(reader, yba, instances) {
            Some(connection) if missing.is_empty() => TargetState::Ready(connection),
            _ => TargetState::HalfSet { missing },
        };
        TargetSettings { state, ..self.target }
    }

    /// The keys that must be set before the target can be used.
    fn missing(&self, reader: &mut Reader<'_>, instances: &Instances) -> Vec<String> {
        let mut missing = self.missing_address(reader, instances);
        let has_token =
            self.api_token.is_some() || self.instance.as_ref().is_some_and(|name| instances.has_token(name));
        let lacking = [
            ("api-token", !has_token),
            ("universe-uuid", self.universe_uuid.is_none()),
            ("storage-config-uuid", self.storage_config_uuid.is_none()),
        ];
        missing.extend(lacking.iter().filter(|(_, lacks)| *lacks).map(|(field, _)| self.path(field)));
        missing
    }

    fn missing_address(&self, reader: &mut Reader<'_>, instances: &Instances) -> Vec<String> {
        match &self.instance {
            Some(name) if instances.complete.contains_key(name) => Vec::new(),
            Some(name) => {
                let Some(incomplete) = instances.incomplete.get(name) else {
                    self.unknown_instance(reader, name, instances);
                    return Vec::new();
                };
                incomplete.missing.clone()
            }
            None if self.urls.is_empty() => vec![self.path(self.usual_address())],
            None => Vec::new(),
        }
    }

    /// What an operator of the original would set, and what we recommend elsewhere.
    fn usual_address(&self) -> &'static str {
        match (is_original(&self.target.key), &self.target.category_type) {
            (true, CategoryType::Incremental) => "incremental-backup-url",
            (true, _) => "full-backup-url",
            (false, _) => "instance",
        }
    }

    fn unknown_instance(&self, reader: &mut Reader<'_>, name: &str, instances: &Instances) {
        let suggestion = nearest(name, instances.names());
        let message = format!("there is no `yba.instances.{name}`");
        reader.fault_with_suggestion(&self.path("instance"), message, suggestion);
    }

    fn connect(
        &self,
        reader: &mut Reader<'_>,
        yba: &YbaSettings,
        instances: &mut Instances,
    ) -> Option<Connection> {
        let declared = self.instance.as_ref().and_then(|name| instances.complete.get(name));
        let (api_token, api_token_file) = match (&self.api_token, declared) {
            (Some(own), _) => (own.clone(), self.api_token_file.clone()),
            (None, declared) => (declared?.api_token.clone()?, declared?.api_token_file.clone()),
        };
        let universe_uuid = self.universe_uuid.clone()?;
        let storage_config_uuid = self.storage_config_uuid.clone()?;
        let instance = match &self.instance {
            Some(name) => Some(name.clone()),
            None => self.implied(reader, yba, instances, (&api_token, api_token_file.as_ref())),
        };
        Some(Connection { instance, api_token, api_token_file, universe_uuid, storage_config_uuid })
    }

    /// The instance that the URLs imply. Without one a backup can be started and not followed.
    fn implied(
        &self,
        reader: &mut Reader<'_>,
        yba: &YbaSettings,
        instances: &mut Instances,
        api_token: (&SecretString, Option<&PathBuf>),
    ) -> Option<String> {
        let (first, _) = self.urls.first()?;
        let Some((from, (base, customer))) =
            self.urls.iter().find_map(|(key, url)| Some((key, derive(url)?)))
        else {
            if self.target.completion == Completion::Poll {
                let message = "YBA's address and customer cannot be derived from it (it holds no \
                               `/api/v1/customers/{customer}`), so the backup could not be followed; name an \
                               `instance`, or set `completion: accepted`";
                reader.fault(first, message);
            }
            return None;
        };
        let shown = format!("(implied: {base}, customer {customer})");
        let name = instances.implied(yba, base, customer, api_token);
        let origin = Origin::Derived { from: from.clone() };
        reader.row(&self.path("instance"), format!("{name} {shown}"), origin);
        Some(name)
    }

    fn warn(&self, reader: &mut Reader<'_>) {
        for (key, url) in &self.urls {
            warn_plaintext(reader, key, url);
        }
        let ids = [
            ("universe-uuid", &self.universe_uuid),
            ("storage-config-uuid", &self.storage_config_uuid),
            ("base-backup-uuid", &self.target.base_backup_uuid),
        ];
        for (field, id) in ids {
            if let Some(id) = id {
                warn_no_uuid(reader, &self.path(field), id);
            }
        }
        if self.target.expiry.is_none() {
            reader.warn(&self.path("expiry-ms"), "is not set: YBA keeps these backups for ever");
        }
        if self.target.completion == Completion::Accepted {
            reader.warn(
                &self.path("completion"),
                "a backup counts as completed when YBA accepts it, even if it fails later",
            );
        }
        if self.target.on_unknown == OnUnknown::Repost {
            reader.warn(
                &self.path("on-unknown"),
                "a backup whose start is unknown may be started a second time",
            );
        }
    }

    fn warn_half_set(&self, reader: &mut Reader<'_>, missing: &[String]) {
        let prefix = self.path("");
        let fields = missing.iter().map(|key| key.strip_prefix(&prefix).unwrap_or(key));
        let variables: Vec<_> = fields
            .clone()
            .filter_map(|field| variables(&self.target.key, field).into_iter().next())
            .collect();
        let hint = if variables.is_empty() { String::new() } else { format!(" ({})", variables.join(", ")) };
        let fields = fields.collect::<Vec<_>>().join(", ");
        let message = format!(
            "is half set, {fields} missing{hint}: requests for it are answered TARGET_NOT_CONFIGURED"
        );
        reader.warn(&format!("yba.databases.{}", self.target.key), message);
    }
}

/// Warnings that need more than one target.
fn warn_about_all(reader: &mut Reader<'_>, targets: &[TargetSettings]) {
    if targets.is_empty() {
        reader.warn("yba.databases", "no target is configured: there is nothing to back up");
    }
    for target in targets.iter().filter(|target| needs_a_base(target)) {
        if !targets.iter().any(|other| makes_a_base(other, target)) {
            let message = "no target takes full backups of the same universe, storage configuration, table type and \
                           keyspaces: increments need a base from elsewhere";
            reader.warn(&path(&target.key, "backup-category-type"), message);
        }
    }
}

fn needs_a_base(target: &TargetSettings) -> bool {
    target.category_type == CategoryType::Incremental
        && target.base_backup_uuid.is_none()
        && target.on_missing_base == OnMissingBase::Fail
}

fn makes_a_base(full: &TargetSettings, increment: &TargetSettings) -> bool {
    let (TargetState::Ready(left), TargetState::Ready(right)) = (&full.state, &increment.state) else {
        return matches!(increment.state, TargetState::HalfSet { .. });
    };
    let sorted = |target: &TargetSettings| {
        let mut keyspaces = target.keyspaces.clone();
        keyspaces.sort();
        keyspaces
    };
    full.category_type != CategoryType::Incremental
        && left.universe_uuid == right.universe_uuid
        && left.storage_config_uuid == right.storage_config_uuid
        && full.table_type == increment.table_type
        && sorted(full) == sorted(increment)
}

fn path(key: &str, field: &str) -> String {
    format!("yba.databases.{key}.{field}")
}

fn name(key: &str, field: &str) -> Key {
    Key::from(path(key, field)).with_variables(variables(key, field))
}

/// A target that only variables define has the expiry of the original's file.
fn expiry(reader: &mut Reader<'_>, key: &str, written: bool) -> Option<Duration> {
    let field = name(key, "expiry-ms");
    let expiry = match (written, key) {
        (true, _) => reader.optional(field),
        (false, "uam-db") => Some(reader.setting(field, Duration::from_hours(48))),
        (false, _) => Some(reader.setting(field, Duration::from_hours(24))),
    };
    expiry.filter(|expiry| !expiry.is_zero())
}

fn is_original(key: &str) -> bool {
    ORIGINALS.iter().any(|original| canonical(original) == canonical(key))
}

/// The original's variables: `YBA_API_TOKEN`, `YBA_API_TOKEN_2`, `UAM_YBA_API_TOKEN` or `UAM_API_TOKEN`.
fn variables(key: &str, field: &str) -> Vec<String> {
    let field = field.replace('-', "_").to_uppercase();
    match canonical(key).as_str() {
        "db1" => vec![format!("YBA_{field}")],
        "db2" => vec![format!("YBA_{field}_2")],
        "uamdb" => vec![format!("UAM_YBA_{field}"), format!("UAM_{field}")],
        _ => Vec::new(),
    }
}
