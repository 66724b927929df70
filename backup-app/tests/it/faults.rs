//! Bad input: every fault is named with its key, its place and the way out, all at once, and no secret is shown.

use std::{path::PathBuf, time::Duration};

use backup_app::settings::TargetState;
use backup_app::{Environment, Settings, Sources};

use crate::support::{db1_variables, faults, file, load, sources, target};

#[test]
fn unknown_keys_are_faults_with_the_near_key() {
    let text = "\
yba:
  databses: {}
  databases:
    db1:
      api-tokn: s3cret
      univers_uuid: u
  read-timeout: 10s
server:
  prot: 1
  auht: {mode: none}
datasource.hikari.maximum-pool-sise: 3
orchestrator:
  something-quite-different: 1
logging.formt: json
";
    let text = faults(text, &[]);
    assert!(!text.contains("s3cret"));
    insta::assert_snapshot!(text, @"
    the configuration has 8 faults:
      yba.databses (application.yml:2): unknown key; did you mean `yba.databases`?
      yba.databases.db1.api-tokn (application.yml:5): unknown key; did you mean `yba.databases.db1.api-token`?
      yba.databases.db1.univers_uuid (application.yml:6): unknown key; did you mean `yba.databases.db1.universe-uuid`?
      server.prot (application.yml:9): unknown key; did you mean `server.port`?
      server.auht (application.yml:10): unknown key; did you mean `server.auth`?
      datasource.hikari.maximum-pool-sise (application.yml:11): unknown key; did you mean `datasource.hikari.maximum-pool-size`?
      orchestrator.something-quite-different (application.yml:13): unknown key
      logging.formt (application.yml:14): unknown key; did you mean `logging.format`?
    ");
}

#[test]
fn a_placeholder_without_value_names_key_variable_and_line() {
    let text =
        "yba:\n  databases:\n    db1:\n      api-token: ${MY_TOKEN}\nserver.port: ${PORT:${OTHER_PORT}}\n";
    insta::assert_snapshot!(faults(text, &[]), @"
    the configuration has 2 faults:
      yba.databases.db1.api-token (application.yml:4): the environment variable MY_TOKEN is not set, and the placeholder has no default
      server.port (application.yml:5): the environment variable OTHER_PORT is not set, and the placeholder has no default
    ");
}

#[test]
fn a_profile_that_no_variable_names_is_a_fault() {
    insta::assert_snapshot!(faults("spring.profiles.active: ${STAGE}\n", &[]), @"
    the configuration has a fault:
      spring.profiles.active (application.yml:1): the environment variable STAGE is not set, and the placeholder has no default
    ");
}

#[test]
fn blanks_set_nothing() {
    let text = file(&[target("db1", "").replace("t-0123456789", "'  '")]);
    let settings = load(&text, &[("YBA_UNIVERSE_UUID", "  ")], &[]).unwrap();
    let TargetState::HalfSet { missing } = &settings.targets[0].state else { panic!() };
    assert_eq!(missing, &["yba.databases.db1.api-token"]);
}

#[test]
fn two_targets_with_one_category_code_are_named_both() {
    let text = file(&[
        target("db1", "      category-codes: [NIGHTLY]\n"),
        target("db2", "      category-codes: nightly, DB3\n"),
        target("db3", ""),
    ]);
    insta::assert_snapshot!(faults(&text, &[]), @"
    the configuration has 2 faults:
      yba.databases.db2.category-codes (application.yml:16): `nightly` of the target `db2` belongs to the target `db1`; a request must find one target
      yba.databases.db2.category-codes (application.yml:16): `DB3` of the target `db2` is the key of the target `db3`; a request must find one target
    ");
}

#[test]
fn wrong_values_are_told_all_at_once() {
    let text = file(&[target(
        "db1",
        "      backup-type: PGSQL_TABEL_TYPE\n      deadline: soon\n      completion: [poll]\n",
    )]) + "  max-retry-attempts: 0
server:
  port: 70000
  zone: Asia/Kolkatta
  wait-timeout: {of: 1}
  legacy-status-codes: maybe
  max-body: huge
datasource:
  url: mysql://u:s3cret@h/db
  schema: no-such;schema
  ssl: {enable: true, mode: disable}
orchestrator:
  poll-first: 20s
  poll-max: 10s
  lease: 0
logging:
  format: xml
  level: loud
";
    let text = faults(&text, &[]);
    assert!(!text.contains("s3cret"));
    insta::assert_snapshot!(text, @"
    the configuration has 15 faults:
      yba.databases.db1.backup-type (application.yml:9): `PGSQL_TABEL_TYPE` is none of PGSQL_TABLE_TYPE, YQL_TABLE_TYPE, REDIS_TABLE_TYPE; did you mean `PGSQL_TABLE_TYPE`?
      yba.databases.db1.deadline (application.yml:10): `soon` is no span of time; write 30s, 5m, 24h, PT30S, or plain milliseconds
      yba.max-retry-attempts (application.yml:12): `0` is not between 1 and 100
      server.port (application.yml:14): `70000` is no whole number from 0 to 65535
      server.zone (application.yml:15): `Asia/Kolkatta` is no time zone; write the name of a place, such as Asia/Kolkata; did you mean `Asia/Kolkata`?
      server.wait-timeout (application.yml:16): expects a value, not keys
      server.legacy-status-codes (application.yml:17): `maybe` is none of true, false
      server.max-body (application.yml:18): `huge` is no size; write 64KiB, 1MiB, or plain bytes
      datasource.url (application.yml:20): names no database that we know; it begins with sqlite:, postgres:, postgresql:, jdbc:postgresql: or jdbc:yugabytedb:
      datasource.schema (application.yml:21): is no plain name: letters, digits and _, at most 63
      datasource.ssl.mode (application.yml:22): is `disable`, and `datasource.ssl.enable` is true
      orchestrator.poll-max (application.yml:25): is shorter than `poll-first`
      orchestrator.lease (application.yml:26): `0s` is not between 3s and 1h
      logging.format (application.yml:28): `xml` is none of text, json
      logging.level (application.yml:29): `loud` is none of off, error, warn, info, debug, trace
    ");
}

#[test]
fn a_section_is_no_value_and_a_value_no_section() {
    let text = "yba:\n  databases:\n    db1: yes\n    db2: [a]\n  instances: none\nserver: 8080\n";
    insta::assert_snapshot!(faults(text, &[]), @"
    the configuration has 4 faults:
      yba.databases.db1 (application.yml:3): is a section: it expects keys, not a value
      yba.databases.db2 (application.yml:4): is a section: it expects keys, not a value
      yba.instances (application.yml:5): is a section: it expects keys, not a value
      server (application.yml:6): is a section: it expects keys, not a value
    ");
}

#[test]
fn listening_to_the_world_needs_authentication_or_a_word() {
    insta::assert_snapshot!(faults("server.address: 0.0.0.0", &[]), @"
    the configuration has a fault:
      server.address (application.yml:1): listens beyond this machine without authentication; set `server.auth.token`, or say `server.auth.mode: none`
    ");
    assert!(load("server: {address: 0.0.0.0, auth.mode: none}", &[], &[]).is_ok());
    assert!(load("server: {address: 0.0.0.0, auth.token: 0123456789abcdef}", &[], &[]).is_ok());
    insta::assert_snapshot!(faults("server.auth.mode: token", &[]), @"
    the configuration has a fault:
      server.auth.mode (application.yml:1): is `token`, and `server.auth.token` is not set
    ");
}

#[test]
fn records_are_kept_for_a_day_at_least() {
    for (keep, shown) in [("23h", "23h"), ("400", "400ms")] {
        let text = faults(&format!("orchestrator.keep-finished: {keep}"), &[]);
        assert!(text.contains(&format!("`{shown}` is not between 24h and 878400h")), "{text}");
    }
    let settings = load("orchestrator.keep-finished: 400d", &[], &[]).unwrap();
    assert_eq!(settings.orchestrator.keep_finished, Some(Duration::from_hours(9_600)));
    assert_eq!(load("", &[], &[]).unwrap().orchestrator.keep_finished, None);
}

#[test]
fn faults_of_the_environment_and_of_flags_name_their_origin() {
    let error = load(
        "",
        &[("SERVER_WAIT_TIMEOUT", "soon")],
        &[("server.prt", "1"), ("a..b", "1"), ("sevrer.port", "1")],
    );
    insta::assert_snapshot!(error.unwrap_err(), @"
    the configuration has 4 faults:
      a..b (flag): is no key: a part is empty, or there are too many
      server.wait-timeout (environment SERVER_WAIT_TIMEOUT): `soon` is no span of time; write 30s, 5m, 24h, PT30S, or plain milliseconds
      server.prt (flag): unknown key; did you mean `server.port`?
      sevrer (flag): unknown key; did you mean `server`?
    ");
}

#[test]
fn a_named_file_must_exist() {
    let sources = Sources { file: Some(PathBuf::from("/no/such/file.yml")), ..Sources::default() };
    let error = Settings::load(&sources).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the configuration file /no/such/file.yml (named by --config) cannot be read"
    );
    assert!(std::error::Error::source(&error).is_some());

    let environment = Environment::from_iter([("BACKUP_CONFIG", "/no/such/file.yml")]);
    let error = Settings::load(&Sources { environment, ..Sources::default() }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the configuration file /no/such/file.yml (named by BACKUP_CONFIG) cannot be read"
    );
}

#[test]
fn text_that_is_no_yaml_names_its_line() {
    let error =
        Settings::from_text("application.yml", "a: 1\nb: [1\n", &sources(&db1_variables(), &[])).unwrap_err();
    insta::assert_snapshot!(error, @"application.yml:2:4: the configuration file is no valid YAML: unclosed bracket '['");
}

#[test]
fn a_bad_profile_expression_is_a_fault() {
    insta::assert_snapshot!(faults("a: 1\n---\nspring.config.activate.on-profile: 'prod &'\n", &[]), @"
    the configuration has a fault:
      spring.config.activate.on-profile (application.yml:3): is no profile expression (`&` and `|` side by side need parentheses)
    ");
}
