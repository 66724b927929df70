//! What a command left open that was killed or stopped: how it is told, and who takes it up.

use std::time::{Duration, Instant};

use yba_client::simulator::Outcome;

use crate::support::Stage;

/// A batch of 2025-03-25 whose command was killed right after YBA accepted it.
fn left_behind(stage: &Stage) -> String {
    let run = stage.start(&["run", "orders", "--date", "20250325"]);
    stage.wait_until("the task is there", |stage| stage.yba.tasks().len() == 1);
    let is_running = |stage: &Stage| stage.run_json(&["list"]).1["batches"][0]["phase"] == "RUNNING";
    stage.wait_until("the task is recorded", is_running);
    run.signal("KILL");
    run.end();
    stage.only_batch()
}

/// The documented loop over exit code 3.
fn wait_while_it_is_followed(stage: &Stage, batch: &str) -> Option<i32> {
    let mut code = Some(3);
    stage.wait_until("the loop over exit code 3 ends", |stage| {
        code = stage.run(&["-q", "status", batch]).code;
        code != Some(3)
    });
    code
}

#[test]
fn the_next_night_takes_up_what_the_last_left_behind() {
    let stage = Stage::with_an_endless_task();
    let batch = left_behind(&stage);
    stage.yba.finish_task(&stage.yba.tasks()[0].id, Outcome::Success);
    let ran = stage.run(&["run", "orders", "--date", "20250326"]).must_exit(0).must_say("nobody follows it");
    let ran = ran.must_say(&batch).must_show("2025-03-26");
    assert!(ran.stderr.matches("completed").count() >= 2, "both are followed to their ends: {ran:?}");
    stage.run(&["status", &batch]).must_exit(0).must_show("COMPLETED");
    assert_eq!(stage.yba.backups_started(&stage.yba.universe()), 2);
}

#[test]
fn a_batch_that_somebody_follows_is_not_taken_from_them() {
    let stage = Stage::with_an_endless_task();
    let first = stage.start(&["run", "orders", "--date", "20250325"]);
    stage.wait_until("the task is there", |stage| stage.yba.tasks().len() == 1);
    let second = stage.start(&["run", "orders", "--date", "20250326"]);
    stage.wait_until("the second waits", |stage| {
        let (_, list) = stage.run_json(&["list"]);
        list["batches"][0]["phase"] == "WAITING"
    });
    stage.yba.finish_task(&stage.yba.tasks()[0].id, Outcome::Success);
    first.end().must_exit(0);
    let second = second.end().must_exit(0);
    assert!(!second.stderr.contains("nobody follows it"), "{second:?}");
}

#[test]
fn a_stopped_run_is_told_as_not_followed_and_the_loop_over_exit_code_3_ends() {
    let stage = Stage::with_an_endless_task();
    let run = stage.start(&["run", "orders"]);
    stage.wait_until("the task is there", |stage| stage.yba.tasks().len() == 1);
    stage.run(&["status", &stage.only_batch()]).must_exit(3).must_show("by a running service or command");
    run.signal("INT");
    run.end().must_exit(130);
    let batch = stage.only_batch();
    let status = stage.run(&["status", &batch]).must_show("Not followed").must_show("reconcile");
    status.must_say("Nobody follows this batch");
    let (_, shown) = stage.run_json(&["status", &batch]);
    assert!(shown["unfollowed_since"].is_string(), "{shown}");

    assert_eq!(wait_while_it_is_followed(&stage, &batch), Some(4));
    stage.yba.finish_task(&stage.yba.tasks()[0].id, Outcome::Success);
    stage.run(&["reconcile"]).must_exit(0);
    stage.run(&["status", &batch]).must_exit(0);
}

#[test]
fn a_backup_that_nobody_followed_took_as_long_as_yba_says() {
    let stage = Stage::with_an_endless_task();
    let began = Instant::now();
    let batch = left_behind(&stage);
    // YBA's times are whole seconds.
    stage.wait_until("it took a second", |_| began.elapsed() > Duration::from_millis(1100));
    stage.yba.finish_task(&stage.yba.tasks()[0].id, Outcome::Success);
    assert_eq!(wait_while_it_is_followed(&stage, &batch), Some(4));
    let (ran, shown) = stage.run_json(&["reconcile"]);
    ran.must_exit(0);
    let seconds = |from: &str, to: &str| {
        let [from, to] = [from, to].map(|name| {
            let text = shown["batches"][0][name].as_str().unwrap();
            chrono::DateTime::parse_from_rfc3339(text).unwrap()
        });
        (to - from).as_seconds_f64()
    };
    let took = shown["batches"][0]["duration_seconds"].as_f64().unwrap();
    assert!((took - seconds("yba_created_at", "yba_completed_at")).abs() < 0.001, "{shown}");
    assert!(took < seconds("started_at", "ended_at"), "{shown}");
    stage.run(&["status", &batch]).must_exit(0).must_show("by YBA's times");
}

#[test]
fn no_more_than_one_backup_per_date_is_made_for_those_who_want_it() {
    let stage = Stage::new();
    let once = ["run", "ORDERS_FULL", "--date", "2025-03-25", "--once"];
    let (_, first) = stage.run_json(&["run", "orders", "--date", "20250325"]);
    let (ran, second) = stage.run_json(&once);
    ran.must_exit(0);
    assert_eq!(first["batch_id"], second["batch_id"]);
    assert_eq!(stage.yba.backups_started(&stage.yba.universe()), 1);

    stage.yba.fail_next_backup(&stage.ledger, "no space left on s3");
    let once = ["run", "ledger", "--date", "20250325", "--once"];
    let (failed, again) = (stage.run_json(&once), stage.run_json(&once));
    failed.0.must_exit(1);
    again.0.must_exit(0);
    assert_eq!(failed.1["batch_id"], again.1["batch_id"]);
    assert_eq!(again.1["attempts"].as_array().unwrap().len(), 2);
}
