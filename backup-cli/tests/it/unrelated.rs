//! What is wrong with one setting does not stand in the way of commands that do not need it.

use std::fs;

use crate::support::Stage;

const ON_RECORDS: [&str; 4] = ["list", "status", "cancel", "migrate"];

/// Runs a command, on the only batch where it is about one.
fn arguments<'a>(command: &'a str, batch: &'a str) -> Vec<&'a str> {
    if matches!(command, "status" | "cancel") { vec![command, batch] } else { vec![command] }
}

#[test]
fn the_records_are_there_whatever_is_wrong_with_the_rest() {
    let stage = Stage::new();
    stage.run(&["run", "orders"]).must_exit(0);
    let batch = stage.only_batch();
    let right = fs::read_to_string(stage.config()).unwrap();
    for (name, wrong) in [
        ("pol-max", right.replace("poll-max", "pol-max")),
        (
            "orders.universe-uuid",
            right.replace("instance: main\n      universe", "instance: nowhere\n      universe"),
        ),
        ("server.port", format!("{right}server:\n  port: many\n")),
        ("ca-certificate", right.replace("api-token:", "ca-certificate: /nowhere.pem, api-token:")),
    ] {
        fs::write(stage.config(), wrong).unwrap();
        for command in ON_RECORDS {
            let ran = stage.run(&arguments(command, &batch));
            let expected = i32::from(command == "cancel");
            let ran = ran.must_exit(expected);
            assert!(!ran.stderr.contains("error:"), "{name}: {ran:?}");
        }
        assert_ne!(stage.run(&["run", "orders"]).code, Some(0), "{name} matters to a backup");
    }
}

#[test]
fn the_fault_is_told_as_a_warning() {
    let stage = Stage::new();
    stage.run(&["run", "orders"]).must_exit(0);
    let wrong = fs::read_to_string(stage.config()).unwrap().replace("poll-max", "pol-max");
    fs::write(stage.config(), wrong).unwrap();
    let ran = stage.run(&["list"]).must_exit(0).must_say("warning: orchestrator.pol-max");
    ran.must_say("does not need it").must_show("orders");
}

#[test]
fn what_says_where_the_records_are_must_be_right() {
    let stage = Stage::new();
    stage.run(&["run", "orders"]).must_exit(0);
    let right = fs::read_to_string(stage.config()).unwrap();
    for (key, wrong) in [
        ("datasource.ulr", right.replace("datasource:\n  url", "datasource:\n  ulr")),
        ("server.zone", format!("{right}server:\n  zone: Nowhere/Land\n")),
    ] {
        fs::write(stage.config(), wrong).unwrap();
        stage.run(&["list"]).must_exit(2).must_say(key);
    }
}

#[test]
fn a_cancellation_is_recorded_without_a_usable_yba_and_says_who_carries_it_out() {
    let stage = Stage::with_an_endless_task();
    let (_, shown) = stage.run_json(&["run", "orders", "--no-wait"]);
    let batch = shown["batch_id"].as_str().unwrap();
    let right = fs::read_to_string(stage.config()).unwrap();
    fs::write(stage.config(), right.replace("poll-max", "pol-max")).unwrap();
    let ran = stage.run(&["cancel", batch]).must_exit(0).must_say("The cancellation is recorded");
    ran.must_say("whoever follows the batch").must_say("reconcile").must_show("to be cancelled");
    fs::write(stage.config(), right).unwrap();
    stage.run(&["reconcile"]).must_exit(1).must_show("CANCELLED");
}
