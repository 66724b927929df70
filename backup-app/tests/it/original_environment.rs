//! The original's environment variables, and no file at all.

use std::time::Duration;

use backup_app::settings::{CategoryType, SslMode, TableType, TargetState};
use secrecy::ExposeSecret;

use crate::support::{STORAGE, UNIVERSE, URL, connection, db1_variables, loaded, warnings};

#[test]
fn nothing_at_all_is_a_configuration_without_targets() {
    let settings = loaded("", &[], &[]);
    assert!(settings.targets.is_empty() && settings.instances.is_empty());
    assert_eq!(settings.datasource.url.expose(), "sqlite:backups.db");
    assert_eq!((settings.server.port, settings.server.address.to_string().as_str()), (8989, "127.0.0.1"));
    assert_eq!(warnings(&settings), "yba.databases: no target is configured: there is nothing to back up");
}

#[test]
fn all_three_targets_come_from_the_environment() {
    let mut variables = db1_variables();
    variables.extend([
        ("YBA_INCREMENTAL_BACKUP_URL_2", URL),
        ("YBA_LAST_BACKUP_URL_2", "https://yba.example.com/api/v1/customers/x/last"),
        ("YBA_API_TOKEN_2", "t-0123456789"),
        ("YBA_UNIVERSE_UUID_2", UNIVERSE),
        ("YBA_STORAGE_CONFIG_UUID_2", STORAGE),
        ("YBA_BACKUP_TYPE_2", "YCQL"),
        ("YBA_DB_NAME_2", "orders"),
        ("YBA_EXPIRY_MS_2", "86400000"),
        ("UAM_YBA_FULL_BACKUP_URL", "https://other.example.com:9000/api/v1/customers/uam/backups"),
        ("UAM_API_TOKEN", "another-token"),
        ("UAM_UNIVERSE_UUID", "universe-uuid-123"),
        ("UAM_YBA_STORAGE_CONFIG_UUID", "00123"),
        ("DATASOURCE_URL", "jdbc:postgresql://h:5433/db?currentSchema=own"),
        ("DATASOURCE_USERNAME", "u"),
        ("DATASOURCE_PASSWORD", "p"),
        ("DATASOURCE_SSL_ENABLE", "true"),
        ("DATASOURCE_SSL_MODE", "verify-full"),
        ("APP_ENV", "prod"),
        ("SERVER_PORT", "9090"),
        ("APPLICATION_NAME", "epricing-backup"),
        ("YBA_CONNECTION_TIMEOUT", "5000"),
        ("YBA_READ_TIMEOUT", "PT45S"),
        ("YBA_MAX_RETRY_ATTEMPTS", "7"),
    ]);
    let settings = loaded("", &variables, &[]);

    let keys: Vec<_> = settings.targets.iter().map(|target| target.key.as_str()).collect();
    assert_eq!(keys, ["db1", "db2", "uam-db"]);
    let [db1, db2, uam] = settings.targets.as_slice() else { panic!() };
    assert_eq!(db1.category_type, CategoryType::Full);
    assert_eq!(db1.expiry, Some(Duration::from_hours(7 * 24)));
    assert_eq!(db2.category_type, CategoryType::Incremental);
    assert_eq!((db2.table_type, db2.db_name.as_deref()), (TableType::Yql, Some("orders")));
    assert_eq!(uam.category_type, CategoryType::Full);
    assert_eq!(connection(&settings, "uam-db").storage_config_uuid, "00123");

    assert_eq!(connection(&settings, "db1").instance.as_deref(), Some("yba.example.com"));
    assert_eq!(
        connection(&settings, "db2").instance.as_deref(),
        Some("yba.example.com"),
        "one client for both"
    );
    assert_eq!(connection(&settings, "uam-db").instance.as_deref(), Some("other.example.com:9000"));
    let shared = &settings.instances["yba.example.com"];
    assert_eq!(shared.base_urls[0].as_str(), "https://yba.example.com/");
    assert_eq!(shared.customer_uuid, "6f3b1e4a-0c55-4c1e-9a36-1f6f5f0d7a11");

    assert_eq!(settings.datasource.url.expose(), "jdbc:postgresql://h:5433/db?currentSchema=own");
    assert_eq!(settings.datasource.schema, "own");
    assert_eq!(settings.datasource.username.as_deref(), Some("u"));
    assert_eq!(settings.datasource.password.as_ref().map(ExposeSecret::expose_secret), Some("p"));
    assert_eq!(settings.datasource.ssl_mode, Some(SslMode::VerifyFull));
    assert_eq!(settings.profiles, ["prod"]);
    assert_eq!(settings.server.port, 9090);
    assert_eq!(settings.application_name, "epricing-backup");
    assert_eq!(settings.yba.connection_timeout, Duration::from_secs(5));
    assert_eq!(settings.yba.read_timeout, Duration::from_secs(45));
    assert_eq!(settings.yba.max_retry_attempts, 7);
}

#[test]
fn a_half_set_target_is_reported_and_stops_nobody() {
    let mut variables = db1_variables();
    variables.push(("YBA_FULL_BACKUP_URL_2", URL));
    let settings = loaded("", &variables, &[]);
    assert!(matches!(settings.targets[0].state, TargetState::Ready(_)));
    let TargetState::HalfSet { missing } = &settings.targets[1].state else { panic!() };
    let expected = ["api-token", "universe-uuid", "storage-config-uuid"];
    assert!(
        missing.iter().map(String::as_str).eq(expected.map(|field| format!("yba.databases.db2.{field}")))
    );
    insta::assert_snapshot!(warnings(&settings), @"
    yba.databases.db2: is half set, api-token, universe-uuid, storage-config-uuid missing (YBA_API_TOKEN_2, YBA_UNIVERSE_UUID_2, YBA_STORAGE_CONFIG_UUID_2): requests for it are answered TARGET_NOT_CONFIGURED
    ");
}

#[test]
fn different_tokens_of_one_customer_are_different_instances() {
    let mut variables = db1_variables();
    variables.extend([
        ("YBA_FULL_BACKUP_URL_2", URL),
        ("YBA_API_TOKEN_2", "another-token"),
        ("YBA_UNIVERSE_UUID_2", UNIVERSE),
        ("YBA_STORAGE_CONFIG_UUID_2", STORAGE),
    ]);
    let settings = loaded("", &variables, &[]);
    assert_eq!(connection(&settings, "db1").instance.as_deref(), Some("yba.example.com"));
    assert_eq!(connection(&settings, "db2").instance.as_deref(), Some("yba.example.com#2"));
}

#[test]
fn further_settings_of_a_target_have_variables_too() {
    let mut variables = db1_variables();
    variables.extend([
        ("YBA_DATABASES_DB1_CATEGORY_CODES", "A, B"),
        ("YBA_DEADLINE", "2h"),
        ("YBA_KEYSPACES", "a,b"),
    ]);
    let settings = loaded("", &variables, &[]);
    assert_eq!(settings.targets[0].category_codes, ["A", "B"]);
    assert_eq!(settings.targets[0].keyspaces, ["a", "b"]);
    assert_eq!(settings.targets[0].deadline, Duration::from_hours(2));
}
