//! The original's file as a whole, with and without its profile documents, beside its variables with no file at all.

use std::time::Duration;

use backup_app::Settings;
use backup_app::settings::{CategoryType, TableType};

use crate::support::{STORAGE, UNIVERSE, connection, loaded, warnings};

const FILE: &str = include_str!("../fixtures/original.yml");
const PROFILES: &str = include_str!("../fixtures/original-profiles.yml");
const CUSTOMER: &str =
    "https://yba.example.com/api/v1/customers/6f3b1e4a-0c55-4c1e-9a36-1f6f5f0d7a11/backups";

/// The original's variables, as its deployment sets them.
fn variables() -> Vec<(&'static str, &'static str)> {
    vec![
        ("APPLICATION_NAME", "backup-orchestrator-service"),
        ("SERVER_PORT", "8989"),
        (
            "DATASOURCE_URL",
            "jdbc:yugabytedb://db.example.com:5433/records?ApplicationName=backups&currentSchema=epricing&load-balance=true",
        ),
        ("DATASOURCE_USERNAME", "writer"),
        ("DATASOURCE_PASSWORD", "pa${ss}word"),
        ("DATASOURCE_DRIVER_CLASS_NAME", "com.yugabyte.Driver"),
        ("DATASOURCE_SSL_ENABLE", "false"),
        ("DATASOURCE_SSL_MODE", "disable"),
        ("YBA_FULL_BACKUP_URL", CUSTOMER),
        ("YBA_STORAGE_CONFIG_UUID", STORAGE),
        ("YBA_API_TOKEN", "token-1"),
        ("YBA_UNIVERSE_UUID", UNIVERSE),
        ("YBA_FULL_BACKUP_URL_2", CUSTOMER),
        (
            "YBA_INCREMENTAL_BACKUP_URL_2",
            "https://yba.example.com/api/v1/customers/6f3b1e4a-0c55-4c1e-9a36-1f6f5f0d7a11/backups/incremental",
        ),
        (
            "YBA_LAST_BACKUP_URL_2",
            "https://yba.example.com/api/v1/customers/6f3b1e4a-0c55-4c1e-9a36-1f6f5f0d7a11/backups?limit=1&direction=DESC",
        ),
        ("YBA_STORAGE_CONFIG_UUID_2", STORAGE),
        ("YBA_API_TOKEN_2", "token-2"),
        ("YBA_UNIVERSE_UUID_2", UNIVERSE),
        ("UAM_FULL_BACKUP_URL", CUSTOMER),
        ("UAM_STORAGE_CONFIG_UUID", STORAGE),
        ("UAM_API_TOKEN", "token-3"),
        ("UAM_UNIVERSE_UUID", UNIVERSE),
    ]
}

fn with_environment(text: &str, environment: Option<&'static str>) -> Settings {
    let mut variables = variables();
    variables.extend(environment.map(|name| ("APP_ENV", name)));
    loaded(text, &variables, &[])
}

/// Everything that the original's deployment relies on.
fn assert_is_the_originals(settings: &Settings) {
    let targets: Vec<_> = settings
        .targets
        .iter()
        .map(|target| {
            let hours = target.expiry.map(|expiry| expiry.as_secs() / 3600);
            (target.key.as_str(), target.category_type.as_str(), target.table_type, hours)
        })
        .collect();
    assert_eq!(
        targets,
        [
            ("db1", "full_backup", TableType::Pgsql, Some(24)),
            ("db2", "incremental_backup", TableType::Pgsql, Some(24)),
            ("uam-db", "full_backup", TableType::Pgsql, Some(48)),
        ]
    );
    for target in &settings.targets {
        assert_eq!(connection(settings, &target.key).universe_uuid, UNIVERSE);
    }
    assert_eq!(settings.yba.connection_timeout, Duration::from_secs(30));
    assert_eq!(settings.yba.read_timeout, Duration::from_mins(1));
    let pool = &settings.datasource.pool;
    assert_eq!((pool.maximum_size, pool.minimum_idle), (10, 5));
    assert_eq!(pool.connection_timeout, Duration::from_secs(30));
    assert_eq!((pool.idle_timeout, pool.max_lifetime), (Duration::from_mins(10), Duration::from_mins(30)));
    assert!(settings.datasource.url.expose().contains("db.example.com"));
    assert_eq!(
        (settings.datasource.schema.as_str(), settings.datasource.ssl_enable),
        ("epricing", Some(false))
    );
    assert_eq!(settings.datasource.username.as_deref(), Some("writer"));
    assert_eq!(settings.application_name, "backup-orchestrator-service");
    assert_eq!((settings.server.port, settings.server.zone.name()), (8989, "Asia/Kolkata"));
    assert_eq!(warnings(settings), "");
}

#[test]
fn the_file_is_read_unchanged_with_and_without_profiles() {
    for text in [FILE.to_owned(), format!("{FILE}{PROFILES}")] {
        for environment in [None, Some("dev"), Some("uat"), Some("prod")] {
            let settings = with_environment(&text, environment);
            assert_is_the_originals(&settings);
            assert_eq!(settings.profiles, [environment.unwrap_or("dev")]);
            let attempts = if environment == Some("prod") && text.len() > FILE.len() { 5 } else { 3 };
            assert_eq!(settings.yba.max_retry_attempts, attempts);
        }
    }
}

#[test]
fn the_variables_alone_mean_the_same() {
    for environment in [None, Some("uat"), Some("prod")] {
        let settings = with_environment("", environment);
        assert_is_the_originals(&settings);
        assert_eq!(settings.profiles, [environment.unwrap_or("dev")]);
        assert_eq!(settings.yba.max_retry_attempts, 3);
    }
}

#[test]
fn an_empty_environment_name_is_no_profile() {
    assert!(with_environment("", Some("")).profiles.is_empty());
    assert!(with_environment(FILE, Some("")).profiles.is_empty());
}

#[test]
fn a_part_of_the_variables_makes_a_part_of_the_targets() {
    let full: Vec<_> = variables()
        .into_iter()
        .filter(|(name, _)| !name.ends_with("_2") && !name.starts_with("UAM"))
        .collect();
    for text in ["", FILE] {
        let settings = loaded(text, &full, &[]);
        assert_eq!(settings.targets.len(), 1);
        assert_eq!(settings.targets[0].category_type, CategoryType::Full);
    }
}

#[test]
fn an_expiry_of_nothing_keeps_backups_for_ever() {
    let mut variables = variables();
    variables.push(("YBA_EXPIRY_MS", "0"));
    assert_eq!(loaded("", &variables, &[]).targets[0].expiry, None);
}
