//! `run`, `status` and `cancel`, when nothing gets in between.

use yba_client::TaskState;
use yba_client::simulator::Endpoint;

use crate::support::{Stage, masked, masked_json};

#[test]
fn a_completed_backup_exits_with_0_and_is_shown() {
    let stage = Stage::new();
    let ran = stage.run(&["run", "orders", "--date", "20250325"]).must_exit(0);
    insta::assert_snapshot!("run_completed_stdout", masked(&ran.stdout, &stage));
    insta::assert_snapshot!("run_completed_stderr", masked(&ran.stderr, &stage));
    assert_eq!(stage.yba.backups_started(&stage.yba.universe()), 1);
}

#[test]
fn a_failed_backup_exits_with_1_and_tells_in_ybas_words_why() {
    let stage = Stage::new();
    stage.yba.fail_next_backup(&stage.ledger, "no space left on s3");
    let (ran, shown) = stage.run_json(&["run", "ledger", "--date", "2025-03-25"]);
    let ran = ran.must_exit(1).must_say("no space left on s3").must_say("failed");
    assert!(shown["failure"]["message"].as_str().unwrap().contains("no space left on s3"), "{ran:?}");

    let batch = shown["batch_id"].as_str().unwrap();
    let status = stage.run(&["status", batch]).must_exit(1);
    insta::assert_snapshot!("status_failed", masked(&status.stdout, &stage));
}

#[test]
fn the_json_of_a_batch_has_this_shape() {
    let stage = Stage::new();
    let (_, full) = stage.run_json(&["run", "ORDERS_FULL", "--date", "2025-03-25"]);
    insta::assert_snapshot!("run_completed_json", masked_json(&full, &stage));
    let (ran, increment) = stage.run_json(&["run", "orders-incr", "--date", "2025-03-25"]);
    ran.must_exit(0);
    assert_eq!(increment["plan"]["base_backup_id"], full["backup_id"]);
    let (_, again) = stage.run_json(&["status", full["batch_id"].as_str().unwrap()]);
    assert_eq!(again, full);
}

#[test]
fn the_json_of_a_failure_has_this_shape() {
    let stage = Stage::new();
    stage.yba.fail_next_backup(&stage.ledger, "no space left on s3");
    let (_, failed) = stage.run_json(&["run", "ledger", "--date", "2025-03-25"]);
    insta::assert_snapshot!("run_failed_json", masked_json(&failed, &stage));
}

#[test]
fn an_increment_without_a_base_is_not_posted() {
    let stage = Stage::new();
    let (ran, shown) = stage.run_json(&["run", "orders-incr"]);
    ran.must_exit(1).must_say("NO_BASE_BACKUP").must_say("take a full backup");
    assert_eq!(shown["failure"]["code"], "NO_BASE_BACKUP");
    assert_eq!(stage.yba.count(Endpoint::CreateBackup), 0);
}

#[test]
fn a_failed_batch_is_run_again_by_its_id_and_a_completed_one_is_not() {
    let stage = Stage::new();
    stage.yba.fail_next_backup(&stage.ledger, "no space left on s3");
    let (_, failed) = stage.run_json(&["run", "ledger", "--date", "20250325"]);
    let again = ["run", "ledger", "--date", "20250325", "--batch", failed["batch_id"].as_str().unwrap()];
    let (ran, second) = stage.run_json(&again);
    ran.must_exit(0);
    assert_eq!(
        (&second["batch_id"], second["attempts"][1]["number"].as_u64()),
        (&failed["batch_id"], Some(2))
    );
    let (ran, third) = stage.run_json(&again);
    ran.must_exit(0);
    assert_eq!(third, second);
    assert_eq!(stage.yba.backups_started(&stage.ledger), 2);
}

#[test]
fn the_same_key_starts_one_backup() {
    let stage = Stage::new();
    let args = ["run", "orders", "--date", "20250325", "--idempotency-key", "nightly-1"];
    let (first, second) = (stage.run_json(&args), stage.run_json(&args));
    assert_eq!(first.1["batch_id"], second.1["batch_id"]);
    second.0.must_exit(0);
    assert_eq!(stage.yba.backups_started(&stage.yba.universe()), 1);
}

#[test]
fn without_waiting_the_command_ends_once_yba_has_accepted() {
    let stage = Stage::with_an_endless_task();
    let (ran, shown) = stage.run_json(&["run", "orders", "--no-wait"]);
    let ran = ran
        .must_exit(3)
        .must_say("The backup goes on at YBA")
        .must_say("reconcile")
        .must_say("a running service");
    assert_eq!(
        (shown["status"].as_str(), shown["phase"].as_str()),
        (Some("IN_PROGRESS"), Some("RUNNING")),
        "{ran:?}"
    );

    let batch = shown["batch_id"].as_str().unwrap();
    stage.run(&["status", batch]).must_exit(3).must_show("IN_PROGRESS (RUNNING)");
    let task = stage.yba.tasks()[0].id.clone();
    stage.yba.finish_task(&task, yba_client::simulator::Outcome::Success);
    stage.run(&["reconcile"]).must_exit(0).must_show("COMPLETED").must_say("completed");
    stage.run(&["status", batch]).must_exit(0).must_show("COMPLETED");
    stage.run(&["reconcile"]).must_exit(0).must_say("Nothing was open.");
}

#[test]
fn a_running_backup_is_cancelled_at_yba() {
    let stage = Stage::with_an_endless_task();
    let (_, shown) = stage.run_json(&["run", "orders", "--no-wait"]);
    let batch = shown["batch_id"].as_str().unwrap();
    let (ran, cancelled) = stage.run_json(&["cancel", batch, "--wait"]);
    ran.must_exit(0).must_say("The cancellation is recorded.");
    assert_eq!(cancelled["failure"]["code"], "CANCELLED");
    assert_eq!(stage.yba.tasks()[0].state, TaskState::Aborted);
    // Asked again, it is as it was asked for.
    stage.run(&["cancel", batch]).must_exit(0).must_say("over already");
}

#[test]
fn what_is_completed_cannot_be_cancelled() {
    let stage = Stage::new();
    let (_, shown) = stage.run_json(&["run", "orders"]);
    let batch = shown["batch_id"].as_str().unwrap();
    stage.run(&["cancel", batch]).must_exit(1).must_say("over already: COMPLETED").must_show("COMPLETED");
    assert_eq!(stage.yba.count(Endpoint::AbortTask), 0);
}
