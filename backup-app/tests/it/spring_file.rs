//! The original's `application.yml`, unchanged.

use std::time::Duration;

use backup_app::Settings;
use backup_app::settings::{AuthSettings, CategoryType};
use secrecy::ExposeSecret as _;

use crate::support::{connection, faults, load, loaded, warnings};

const APPLICATION: &str = include_str!("../fixtures/application.yml");

fn application(variables: &[(&str, &str)]) -> Settings {
    let mut all = vec![("YBA_API_TOKEN", "t-0123456789")];
    all.extend(variables);
    loaded(APPLICATION, &all, &[])
}

#[test]
fn it_loads_with_its_defaults() {
    let settings = application(&[]);
    assert_eq!(settings.profiles, ["dev"]);
    assert_eq!(settings.application_name, "backup-service");
    let keys: Vec<_> = settings.targets.iter().map(|target| target.key.as_str()).collect();
    assert_eq!(keys, ["db1", "db2"], "nothing of uam-db is set, so it does not exist");
    assert_eq!(settings.targets[1].category_type, CategoryType::Incremental);
    assert_eq!(settings.targets[1].category_codes, ["HWA_EPR_DB_BACKUP_INCR"]);
    assert_eq!(connection(&settings, "db1").instance.as_deref(), Some("yba.dev.example.com"));
    assert_eq!(connection(&settings, "db2").api_token.expose_secret(), "t-0123456789");
    let url = "jdbc:yugabytedb://localhost:5433/yugabyte?currentSchema=epricing&sslmode=disable";
    assert_eq!(settings.datasource.url.expose(), url);
    assert!(settings.datasource.password.is_none(), "an empty default means not set");
    assert_eq!(settings.datasource.pool.maximum_size, 20);
    assert_eq!(settings.datasource.pool.connection_timeout, Duration::from_secs(20));
    assert_eq!(settings.logging.level, "info");
}

#[test]
fn documents_of_active_profiles_lie_over_the_base() {
    let uat = application(&[("APP_ENV", "uat")]);
    assert_eq!(connection(&uat, "db1").instance.as_deref(), Some("yba.example.com"));
    assert_eq!(uat.yba.max_retry_attempts, 5);
    assert_eq!(uat.targets[0].expiry, Some(Duration::from_hours(7 * 24)));
    assert_eq!(uat.server.address.to_string(), "127.0.0.1");

    let prod = application(&[("SPRING_PROFILES_ACTIVE", "prod,blue"), ("SERVICE_TOKEN", "0123456789abcdef")]);
    assert_eq!(prod.profiles, ["prod", "blue"]);
    assert_eq!(prod.targets[0].expiry, Some(Duration::from_hours(30 * 24)));
    assert_eq!(prod.server.address.to_string(), "0.0.0.0");
    assert!(matches!(&prod.server.auth, AuthSettings::Tokens(tokens) if tokens.len() == 1));
}

#[test]
fn a_placeholder_in_an_inactive_document_needs_no_value() {
    assert!(load(APPLICATION, &[("YBA_API_TOKEN", "t"), ("APP_ENV", "uat")], &[]).is_ok());
    insta::assert_snapshot!(faults(APPLICATION, &[("YBA_API_TOKEN", "t"), ("APP_ENV", "prod")]), @"
    the configuration has a fault:
      server.auth.token (application.yml:85, profile prod): the environment variable SERVICE_TOKEN is not set, and the placeholder has no default
    ");
}

#[test]
fn springs_own_settings_are_ignored_and_named() {
    insta::assert_snapshot!(warnings(&application(&[])), @"
    logging.level.com (application.yml:32): is a setting of Spring's that has no meaning here; it is ignored
    logging.pattern (application.yml:33): is a setting of Spring's that has no meaning here; it is ignored
    server.shutdown (application.yml:24): is a setting of Spring's that has no meaning here; it is ignored
    ");
}

#[test]
fn variables_fill_the_placeholders_and_are_named_as_origin() {
    let settings = application(&[("YBA_DB_NAME", "orders"), ("SERVER_PORT", "9000")]);
    let origin = |key: &str| settings.explain().find(key).unwrap().origin.to_string();
    assert_eq!(origin("yba.databases.db1.db-name"), "application.yml:50, from YBA_DB_NAME");
    assert_eq!(origin("server.port"), "environment SERVER_PORT");
    assert_eq!(origin("yba.databases.db1.backup-type"), "application.yml:48");
}

#[test]
fn a_profile_document_beats_a_variable_that_the_base_names() {
    let text = "yba.databases.db1.db-name: ${YBA_DB_NAME:x}\n---\nspring.config.activate.on-profile: p\n\
                yba.databases.db1: {db-name: fixed, api-token: t}";
    let settings = loaded(text, &[("APP_ENV", "p"), ("YBA_DB_NAME", "from-environment")], &[]);
    assert_eq!(settings.targets[0].db_name.as_deref(), Some("fixed"), "as in Spring");
}

#[test]
fn the_table_of_the_configuration_masks_secrets() {
    let settings = application(&[("DATASOURCE_PASSWORD", "s3cret"), ("YBA_API_TOKEN_2", "s3cret-too")]);
    let table = settings.explain().to_string();
    assert!(!table.contains("s3cret") && !table.contains("t-0123456789"));
    insta::assert_snapshot!(table, @"
    spring.profiles.active                  dev                                                                                                           application.yml:6
    application.name                        backup-service                                                                                                application.yml:4
    yba.connection-timeout                  30s                                                                                                           application.yml:37
    yba.read-timeout                        1m                                                                                                            application.yml:38
    yba.call-timeout                        2m30s                                                                                                         default
    yba.max-retry-attempts                  3                                                                                                             application.yml:39
    yba.max-concurrent-calls                16                                                                                                            default
    yba.databases.db1.full-backup-url       https://yba.dev.example.com/api/v1/customers/6f3b1e4a-0c55-4c1e-9a36-1f6f5f0d7a11/backups                     application.yml:42
    yba.databases.db1.category-codes        HWA_EPR_DB_BACKUP_FULL                                                                                        application.yml:52
    yba.databases.db1.backup-category-type  full_backup                                                                                                   application.yml:49
    yba.databases.db1.backup-type           PGSQL_TABLE_TYPE                                                                                              application.yml:48
    yba.databases.db1.db-name               epricing                                                                                                      application.yml:50
    yba.databases.db1.expiry-ms             168h                                                                                                          application.yml:51
    yba.databases.db1.on-missing-base       fail                                                                                                          default
    yba.databases.db1.repeat                allow                                                                                                         default
    yba.databases.db1.deadline              24h                                                                                                           default
    yba.databases.db1.completion            poll                                                                                                          default
    yba.databases.db1.on-unknown            fail                                                                                                          default
    yba.databases.db1.on-surplus            keep                                                                                                          default
    yba.databases.db1.api-token             ******                                                                                                        application.yml:46, from YBA_API_TOKEN
    yba.databases.db1.universe-uuid         8a1d1c5e-35a2-4a4b-8f0e-0a5f0f6f9d02                                                                          application.yml:47
    yba.databases.db1.storage-config-uuid   20946d96-978f-4577-ae9f-c156edc77a6d                                                                          application.yml:45
    yba.databases.db1.instance              yba.dev.example.com (implied: https://yba.dev.example.com/, customer 6f3b1e4a-0c55-4c1e-9a36-1f6f5f0d7a11)    derived from yba.databases.db1.full-backup-url
    yba.databases.db2.full-backup-url       https://yba.dev.example.com/api/v1/customers/6f3b1e4a-0c55-4c1e-9a36-1f6f5f0d7a11/backups                     application.yml:54
    yba.databases.db2.category-codes        HWA_EPR_DB_BACKUP_INCR                                                                                        application.yml:60
    yba.databases.db2.backup-category-type  incremental_backup                                                                                            application.yml:58
    yba.databases.db2.backup-type           PGSQL_TABLE_TYPE                                                                                              default
    yba.databases.db2.expiry-ms             168h                                                                                                          application.yml:59
    yba.databases.db2.on-missing-base       fail                                                                                                          default
    yba.databases.db2.repeat                allow                                                                                                         default
    yba.databases.db2.deadline              24h                                                                                                           default
    yba.databases.db2.completion            poll                                                                                                          default
    yba.databases.db2.on-unknown            fail                                                                                                          default
    yba.databases.db2.on-surplus            keep                                                                                                          default
    yba.databases.db2.api-token             ******                                                                                                        application.yml:56, from YBA_API_TOKEN_2
    yba.databases.db2.universe-uuid         8a1d1c5e-35a2-4a4b-8f0e-0a5f0f6f9d02                                                                          application.yml:57
    yba.databases.db2.storage-config-uuid   20946d96-978f-4577-ae9f-c156edc77a6d                                                                          application.yml:55
    yba.databases.db2.instance              yba.dev.example.com#2 (implied: https://yba.dev.example.com/, customer 6f3b1e4a-0c55-4c1e-9a36-1f6f5f0d7a11)  derived from yba.databases.db2.full-backup-url
    datasource.url                          jdbc:yugabytedb://localhost:5433/yugabyte?currentSchema=epricing&sslmode=disable                              application.yml:8
    datasource.username                     yugabyte                                                                                                      application.yml:9
    datasource.password                     ******                                                                                                        environment DATASOURCE_PASSWORD
    datasource.schema                       epricing                                                                                                      default
    datasource.migrate                      true                                                                                                          default
    datasource.maximum-pool-size            20                                                                                                            application.yml:13
    datasource.minimum-idle                 5                                                                                                             application.yml:14
    datasource.connection-timeout           20s                                                                                                           application.yml:15
    datasource.idle-timeout                 5m                                                                                                            application.yml:16
    datasource.max-lifetime                 20m                                                                                                           application.yml:17
    datasource.retry.max-attempts           3                                                                                                             default
    datasource.retry.initial-delay          1s                                                                                                            default
    datasource.retry.multiplier             2                                                                                                             default
    datasource.retry.max-delay              10s                                                                                                           default
    server.address                          127.0.0.1                                                                                                     default
    server.port                             8989                                                                                                          application.yml:23
    server.wait-timeout                     1m                                                                                                            default
    server.legacy-status-codes              false                                                                                                         default
    server.zone                             Asia/Kolkata                                                                                                  default
    server.max-body                         64KiB                                                                                                         default
    server.read-timeout                     10s                                                                                                           default
    server.keep-alive-timeout               1m15s                                                                                                         default
    server.write-timeout                    10s                                                                                                           default
    server.max-connections                  10000                                                                                                         default
    server.shutdown-timeout                 30s                                                                                                           default
    logging.format                          text                                                                                                          default
    logging.level.root                      info                                                                                                          application.yml:31
    orchestrator.lease                      30s                                                                                                           default
    orchestrator.settle-time                1m                                                                                                            default
    orchestrator.poll-first                 1s                                                                                                            default
    orchestrator.poll-max                   15s                                                                                                           default
    orchestrator.retry-first                2s                                                                                                            default
    orchestrator.retry-max                  1m                                                                                                            default
    orchestrator.wait-limit                 6h                                                                                                            default
    orchestrator.max-attempts               5                                                                                                             default
    orchestrator.concurrency                64                                                                                                            default
    orchestrator.max-in-flight              20000                                                                                                         default
    orchestrator.claim-interval             1s                                                                                                            default
    orchestrator.audit-interval             1m                                                                                                            default
    orchestrator.audit-for                  25h                                                                                                           default
    orchestrator.shutdown-timeout           20s                                                                                                           default
    ");
}
