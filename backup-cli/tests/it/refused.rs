//! What cannot be done, and how that is told.

use serde_json::Value;
use yba_client::simulator::Endpoint;

use crate::support::{Ran, Stage, program};

#[test]
fn an_unknown_category_names_the_known_and_the_near() {
    let stage = Stage::new();
    let (ran, shown) = stage.run_json(&["run", "ordrs"]);
    ran.must_exit(1)
        .must_say("no target answers to the category \"ordrs\"")
        .must_say("did you mean `orders`");
    assert_eq!(shown["error"]["code"], "UNKNOWN_CATEGORY");
    assert!(shown["error"]["advice"][0].as_str().unwrap().contains("`orders`"), "{shown}");
}

#[test]
fn a_bad_date_is_told_by_its_argument() {
    let stage = Stage::new();
    for date in ["20250230", "tomorrow", ""] {
        stage.run(&["run", "orders", "--date", date]).must_exit(1).must_say("--date: ");
    }
    stage.run(&["list", "--from", "20250230"]).must_exit(2).must_say("no date; write yyyyMMdd");
    assert_eq!(stage.yba.total_count(), 0);
}

#[test]
fn a_bad_timeout_is_a_usage_error() {
    Stage::new().run(&["run", "orders", "--timeout", "90"]).must_exit(2).must_say("number with its unit");
}

#[test]
fn an_unknown_batch_says_where_it_was_looked_for() {
    let stage = Stage::new();
    stage.run(&["run", "orders", "--batch", "nope"]).must_exit(1).must_say("there is no batch \"nope\"");
    for command in [["status", "nope"], ["cancel", "nope"]] {
        let ran = stage.run(&command).must_exit(1).must_say("there is no batch \"nope\"");
        ran.must_say("looked in datasource.url sqlite:").must_say("backup.yaml:");
    }
}

#[test]
fn a_batch_of_another_category_is_not_joined() {
    let stage = Stage::new();
    let (_, shown) = stage.run_json(&["run", "orders", "--date", "20250325"]);
    let batch = shown["batch_id"].as_str().unwrap();
    stage
        .run(&["run", "ledger", "--date", "20250325", "--batch", batch])
        .must_exit(1)
        .must_say("is of the category");
}

#[test]
fn ybas_refusals_are_told_in_its_words() {
    let stage = Stage::new();
    stage.yba.rotate_token();
    stage.run(&["run", "orders"]).must_exit(1).must_say("YBA_UNAUTHORIZED").must_say("check the API token");
    assert_eq!(stage.yba.backups_started(&stage.yba.universe()), 0);
}

#[test]
fn without_any_target_it_says_where_it_looked() {
    let folder = tempfile::tempdir().unwrap();
    let ran = Ran::from(program(folder.path()).args(["run", "db1"]).output().unwrap()).must_exit(2);
    ran.must_say("nothing is configured").must_say("BACKUP_CONFIG is not set").must_say("backup-cli demo");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing is created");
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let ran = Ran::from(program(folder.path()).args(["--config", "no.yaml", "list"]).output().unwrap())
        .must_exit(2);
    ran.must_say("no.yaml").must_say("--config").must_say("caused by");
}

#[test]
fn a_database_out_of_reach_is_told_clearly() {
    let stage = Stage::new();
    let args =
        ["run", "orders", "--output", "json", "--set", "datasource.url=postgres://u:s3cret@127.0.0.1:1/db"];
    let quickly = ["--set", "datasource.retry.initial-delay=10ms"];
    let ran = stage.run(&[&args[..], &quickly[..]].concat()).must_exit(2);
    let ran = ran.must_say("127.0.0.1").must_say("cannot be reached").must_say("hint:");
    assert!(!ran.stderr.contains("s3cret") && !ran.stdout.contains("s3cret"), "{ran:?}");
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(!told["error"]["causes"].as_array().unwrap().is_empty());
    assert_eq!(stage.yba.count(Endpoint::CreateBackup), 0);
}
