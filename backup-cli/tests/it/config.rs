//! `config check`.

use std::fs;

use crate::support::{Stage, TOKEN, masked};

#[test]
fn every_setting_is_shown_with_its_origin_and_secrets_are_not() {
    let stage = Stage::new();
    let ran = stage.run(&["config", "check", "--set", "server.port=9000"]).must_exit(0);
    let ran = ran.must_show("yba.instances.main.api-token").must_show("******").must_show("backup.yaml:4");
    let ran = ran.must_show("flag").must_show("ORDERS_FULL").must_show("ready").must_say("No faults");
    assert!(!ran.stdout.contains(TOKEN), "{ran:?}");
    assert_eq!(stage.yba.total_count(), 0, "offline unless asked");
    let (_, shown) = stage.run_json(&["config", "check"]);
    assert_eq!(shown["valid"], true);
    assert_eq!(shown["faults"].as_array().map(Vec::len), Some(0));
    let row = &shown["settings"].as_array().unwrap()[0];
    assert!(row["key"].is_string() && row["value"].is_string() && row["origin"].is_string(), "{row}");
    assert!(shown.get("online").is_none());
}

#[test]
fn every_fault_is_told_at_once_with_what_was_meant() {
    let stage = Stage::new();
    let faulty = fs::read_to_string(stage.config())
        .unwrap()
        .replace("poll-max", "pol-max")
        .replace("lease: 3s", "lease: soon");
    fs::write(stage.config(), faulty).unwrap();
    let ran = stage.run(&["config", "check"]).must_exit(1).must_show("yba.databases.orders.universe-uuid");
    insta::assert_snapshot!("config_check_faults", masked(&ran.stderr, &stage));
    let (_, shown) = stage.run_json(&["config", "check"]);
    assert_eq!((shown["valid"].as_bool(), shown["faults"].as_array().map(Vec::len)), (Some(false), Some(2)));
    stage.run(&["run", "orders"]).must_exit(2).must_say("2 faults").must_say("poll-max");
}

#[test]
fn a_half_set_target_is_named_with_what_it_lacks() {
    let stage = Stage::new();
    let mut text = fs::read_to_string(stage.config()).unwrap();
    text = text.replace("databases:\n", "databases:\n    half: {instance: main, category-codes: [HALF]}\n");
    fs::write(stage.config(), text).unwrap();
    stage.run(&["config", "check"]).must_exit(0).must_show("half set; missing:").must_say("warning:");
    stage.run(&["run", "HALF"]).must_exit(1).must_say("universe-uuid");
}

#[test]
fn what_is_no_yaml_is_told_with_its_place() {
    let stage = Stage::new();
    fs::write(stage.config(), "yba:\n  instances: [unclosed\n").unwrap();
    let (ran, shown) = stage.run_json(&["config", "check"]);
    ran.must_exit(1).must_say("backup.yaml:").must_say("no valid YAML");
    assert!(shown["error"]["message"].as_str().unwrap().contains("backup.yaml:"), "{shown}");
}

#[test]
fn online_asks_the_database_and_every_instance() {
    let stage = Stage::new();
    let ran = stage.run(&["config", "check", "--online"]).must_exit(0);
    ran.must_show("is not there yet").must_show("2024.2.0.0-b145").must_show("is accepted");
    stage.run(&["run", "orders"]).must_exit(0);
    stage.run(&["config", "check", "--online"]).must_exit(0).must_show("can be read and written");
    stage.yba.rotate_token();
    let (ran, shown) = stage.run_json(&["config", "check", "--online"]);
    ran.must_exit(1);
    let refused = shown["online"].as_array().unwrap().iter().find(|check| check["ok"] == false).unwrap();
    assert_eq!(refused["what"], "main: token");
    assert_eq!(shown["valid"], false);
    assert!(shown["targets"].as_array().unwrap().iter().all(|target| target["ready"] == false), "{shown}");
    let ran = stage.run(&["config", "check", "--online"]).must_exit(1).must_say("1 failure when asked");
    let ran = ran.must_say("error: main: token").must_show("not ready; failed: main: token");
    assert!(!ran.stderr.contains("No faults"), "{ran:?}");
    stage.block_on(stage.yba.go_down());
    stage.run(&["config", "check", "--online"]).must_exit(1).must_show("FAILED");
}

#[test]
fn a_database_that_is_away_does_not_keep_yba_from_being_asked() {
    let stage = Stage::new();
    let away = format!("datasource.url=sqlite:{}", stage.folder().join("absent/backups.db").display());
    let (ran, shown) = stage.run_json(&["config", "check", "--online", "--set", &away]);
    ran.must_exit(1);
    let checks = shown["online"].as_array().unwrap();
    let answer = |what: &str| checks.iter().find(|check| check["what"].as_str().unwrap().starts_with(what));
    assert_eq!(answer("database sqlite:").unwrap()["ok"], false, "{shown}");
    assert_eq!(answer("main: version").unwrap()["ok"], true, "{shown}");
    assert_eq!(answer("main: token").unwrap()["ok"], true, "{shown}");
    stage.block_on(stage.yba.go_down());
    let ran = stage.run(&["config", "check", "--online", "--set", &away]).must_exit(1);
    assert_eq!(ran.stdout.matches("FAILED").count(), 2, "both are told: {ran:?}");
}
