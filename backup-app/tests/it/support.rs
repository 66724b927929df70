//! Short forms for loading settings in tests.

use backup_app::settings::{Connection, TargetState};
use backup_app::{ConfigError, Settings, Sources};

pub(crate) const URL: &str =
    "https://yba.example.com/api/v1/customers/6f3b1e4a-0c55-4c1e-9a36-1f6f5f0d7a11/backups";
pub(crate) const UNIVERSE: &str = "8a1d1c5e-35a2-4a4b-8f0e-0a5f0f6f9d02";
pub(crate) const STORAGE: &str = "20946d96-978f-4577-ae9f-c156edc77a6d";

/// Settings from a text, variables and flags.
pub(crate) fn load(
    text: &str,
    variables: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Settings, ConfigError> {
    Settings::from_text("application.yml", text, &sources(variables, flags))
}

/// Variables and flags.
pub(crate) fn sources(variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Sources {
    let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Sources {
        environment: variables.iter().copied().collect(),
        overrides: flags.collect(),
        ..Sources::default()
    }
}

/// Settings that are in order.
pub(crate) fn loaded(text: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Settings {
    match load(text, variables, flags) {
        Ok(settings) => settings,
        Err(error) => panic!("{error}"),
    }
}

/// The text of the faults.
pub(crate) fn faults(text: &str, variables: &[(&str, &str)]) -> String {
    load(text, variables, &[]).expect_err("there should be faults").to_string()
}

/// The warnings, one on a line.
pub(crate) fn warnings(settings: &Settings) -> String {
    settings.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What a ready target needs.
pub(crate) fn connection<'s>(settings: &'s Settings, key: &str) -> &'s Connection {
    match &settings.target(key).expect("the target exists").state {
        TargetState::Ready(connection) => connection,
        TargetState::HalfSet { missing } => panic!("{key} lacks {missing:?}"),
    }
}

/// A target that is complete, as lines of a file below `yba.databases`.
pub(crate) fn target(key: &str, more: &str) -> String {
    format!(
        "    {key}:\n      full-backup-url: {URL}\n      api-token: t-0123456789\n      universe-uuid: {UNIVERSE}\n      \
         storage-config-uuid: {STORAGE}\n      expiry-ms: 7d\n{more}"
    )
}

/// A file with these targets.
pub(crate) fn file(targets: &[String]) -> String {
    format!("yba:\n  databases:\n{}", targets.concat())
}

/// The variables that make the original's `db1`.
pub(crate) fn db1_variables() -> Vec<(&'static str, &'static str)> {
    vec![
        ("YBA_FULL_BACKUP_URL", URL),
        ("YBA_API_TOKEN", "t-0123456789"),
        ("YBA_UNIVERSE_UUID", UNIVERSE),
        ("YBA_STORAGE_CONFIG_UUID", STORAGE),
        ("YBA_EXPIRY_MS", "604800000"),
    ]
}
