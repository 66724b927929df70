//! Defaults, file, profile documents, environment, flags: the later one wins.

use std::time::Duration;

use backup_app::{Environment, Settings, Sources};

use crate::support::{db1_variables, loaded, warnings};

const TEXT: &str =
    "server.wait-timeout: 10s\n---\nspring.config.activate.on-profile: prod\nserver.waitTimeout: 20s\n";

fn wait(text: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> (u64, String) {
    let settings = loaded(text, variables, flags);
    let origin = settings.explain().find("server.wait-timeout").expect("it has a default").origin.to_string();
    (settings.server.wait_timeout.as_secs(), origin)
}

#[test]
fn each_source_beats_the_one_before() {
    let prod = ("APP_ENV", "prod");
    assert_eq!(wait("", &[], &[]), (60, "default".to_owned()));
    assert_eq!(wait(TEXT, &[], &[]), (10, "application.yml:1".to_owned()));
    assert_eq!(wait(TEXT, &[prod], &[]), (20, "application.yml:4, profile prod".to_owned()));
    let variable = ("SERVER_WAIT_TIMEOUT", "30s");
    assert_eq!(wait(TEXT, &[prod, variable], &[]), (30, "environment SERVER_WAIT_TIMEOUT".to_owned()));
    let flag = ("server.wait_timeout", "40s");
    assert_eq!(wait(TEXT, &[prod, variable], &[flag]), (40, "flag".to_owned()));
    assert_eq!(wait(TEXT, &[("SERVER_WAITTIMEOUT", "50s")], &[]).0, 50);
    assert_eq!(wait(TEXT, &[("SERVER_WAIT_TIMEOUT", "")], &[]).0, 10, "an empty variable sets nothing");
}

#[test]
fn a_flag_chooses_the_profile_too() {
    let settings = loaded(TEXT, &[("APP_ENV", "dev")], &[("spring.profiles.active", "prod")]);
    assert_eq!(settings.profiles, ["prod"]);
    assert_eq!(settings.server.wait_timeout, Duration::from_secs(20));
}

#[test]
fn our_own_key_beats_springs_and_says_so() {
    let text =
        "spring.datasource: {url: 'sqlite:a.db', hikari.maximum-pool-size: 3}\ndatasource.url: sqlite:b.db\n";
    let settings = loaded(text, &db1_variables(), &[]);
    assert_eq!(settings.datasource.url.expose(), "sqlite:b.db");
    assert_eq!(settings.datasource.pool.maximum_size, 3);
    assert_eq!(warnings(&settings), "datasource.url: `spring.datasource.url` is set too, and not used");
}

#[test]
fn a_variable_of_the_original_fills_what_a_file_leaves_out() {
    let mut variables = db1_variables();
    variables.push(("YBA_DB_NAME", "from-environment"));
    let settings = loaded("yba.databases.db1.keyspaces: a\n", &variables, &[]);
    assert_eq!(settings.targets[0].db_name.as_deref(), Some("from-environment"));
    let settings = loaded("yba.databases.db1.db-name: from-file\n", &variables, &[]);
    assert_eq!(
        settings.targets[0].db_name.as_deref(),
        Some("from-file"),
        "Spring would not know the variable"
    );
    variables.push(("YBA_DATABASES_DB1_DB_NAME", "from-spring"));
    let settings = loaded("yba.databases.db1.db-name: from-file\n", &variables, &[]);
    assert_eq!(settings.targets[0].db_name.as_deref(), Some("from-spring"));
}

#[test]
fn flags_may_define_a_target() {
    let settings =
        loaded("", &[], &[("yba.databases.extra.api-token", "t"), ("yba.databases.extra.db-name", "x")]);
    assert_eq!(settings.targets[0].key, "extra");
}

#[test]
fn the_file_is_named_by_the_flag_or_by_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.yml"), folder.path().join("two.yml"));
    std::fs::write(&one, "server.port: 1001\n").unwrap();
    std::fs::write(&two, "server.port: 1002\n").unwrap();
    let environment = Environment::from_iter([("BACKUP_CONFIG", two.display().to_string())]);
    let mut sources = Sources { environment, ..Sources::default() };
    assert_eq!(Settings::load(&sources).unwrap().server.port, 1002);
    sources.file = Some(one);
    assert_eq!(Settings::load(&sources).unwrap().server.port, 1001);
}

#[test]
fn levels_of_springs_form_become_directives() {
    let text = "logging.level:\n  root: WARN\n  sqlx: debug\n  org.springframework: TRACE\n";
    assert_eq!(loaded(text, &[], &[]).logging.level, "warn,sqlx=debug");
    assert_eq!(loaded(text, &[("LOGGING_LEVEL", "debug")], &[]).logging.level, "debug");
    assert_eq!(
        loaded("", &[("RUST_LOG", "info,backup_core=trace")], &[]).logging.level,
        "info,backup_core=trace"
    );
}
