//! What stops the command, and does not stop the backup.

use std::time::{Duration, Instant};

use yba_client::simulator::{Endpoint, Fault, Outcome};

use crate::support::{Running, Stage};

/// A run whose task was accepted and does not end by itself.
fn running_backup(stage: &Stage) -> Running {
    let run = stage.start(&["run", "orders"]);
    stage.wait_until("the task is there", |stage| stage.yba.tasks().len() == 1);
    run
}

/// The batch is recorded; the task ends, and `reconcile` finds the end without a second backup.
fn must_be_finished_by_reconcile(stage: &Stage) {
    let batch = stage.only_batch();
    stage.run(&["status", &batch]).must_show("IN_PROGRESS");
    let task = stage.yba.tasks()[0].id.clone();
    stage.yba.finish_task(&task, Outcome::Success);
    let (ran, shown) = stage.run_json(&["reconcile"]);
    ran.must_exit(0);
    assert_eq!(shown["batches"][0]["batch_id"], *batch);
    assert_eq!(shown["batches"][0]["status"], "COMPLETED");
    assert_eq!(shown["open"], 0);
    assert_eq!(stage.yba.backups_started(&stage.yba.universe()), 1);
}

#[test]
fn ctrl_c_stops_following_and_the_backup_goes_on() {
    let stage = Stage::with_an_endless_task();
    let run = running_backup(&stage);
    run.signal("INT");
    let ran = run.end().must_exit(130).must_say("Stopped following").must_say("goes on at YBA");
    ran.must_say("status ").must_say("cancel ").must_show("IN_PROGRESS");
    must_be_finished_by_reconcile(&stage);
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_the_lost_answer_is_found() {
    let stage = Stage::new();
    stage.yba.script(Endpoint::CreateBackup, Fault::Delay(Duration::from_mins(1)));
    let run = running_backup(&stage);
    let start = Instant::now();
    run.signal("INT");
    std::thread::sleep(Duration::from_millis(300));
    run.signal("INT");
    assert_eq!(run.end().code, Some(130));
    assert!(start.elapsed() < Duration::from_secs(15), "it waited for the answer");
    let (ran, shown) = stage.run_json(&["reconcile"]);
    ran.must_exit(0);
    assert_eq!(shown["batches"][0]["status"], "COMPLETED");
    assert_eq!(stage.yba.backups_started(&stage.yba.universe()), 1);
}

#[test]
fn sigterm_does_the_same() {
    let stage = Stage::with_an_endless_task();
    let run = running_backup(&stage);
    run.signal("TERM");
    run.end().must_exit(143).must_say("Stopped following");
    must_be_finished_by_reconcile(&stage);
}

#[test]
fn a_killed_run_is_finished_by_reconcile() {
    let stage = Stage::with_an_endless_task();
    let run = running_backup(&stage);
    run.signal("KILL");
    assert_eq!(run.end().code, None);
    must_be_finished_by_reconcile(&stage);
}

#[test]
fn a_timeout_stops_following_and_the_backup_goes_on() {
    let stage = Stage::with_an_endless_task();
    stage
        .run(&["run", "orders", "--timeout", "4s"])
        .must_exit(3)
        .must_say("the time is up")
        .must_say("goes on at YBA");
    must_be_finished_by_reconcile(&stage);
}

#[test]
fn a_yba_out_of_reach_is_waited_for() {
    let stage = Stage::new();
    stage.block_on(stage.yba.go_down());
    let ran = stage.run(&["run", "orders", "--timeout", "3s"]).must_exit(3);
    ran.must_say("waiting")
        .must_say("YBA cannot be reached")
        .must_say("Nothing has been started")
        .must_show("WAITING");
    stage.block_on(stage.yba.come_up());
    stage.run(&["reconcile"]).must_exit(0).must_show("COMPLETED");
}

#[test]
fn a_waiting_batch_starts_when_its_universe_is_free() {
    let stage = Stage::new();
    stage.yba.lock_universe(&stage.yba.universe(), "SoftwareUpgrade");
    let run = stage.start(&["run", "orders"]);
    stage.wait_until("the batch waits", |stage| {
        let (_, list) = stage.run_json(&["list"]);
        list["batches"][0]["phase"] == "WAITING"
    });
    stage.yba.unlock_universe(&stage.yba.universe());
    run.end().must_exit(0).must_say("waiting").must_say("the universe is busy").must_show("COMPLETED");
}

#[test]
fn reconcile_watches_until_it_is_stopped() {
    let stage = Stage::new();
    stage.yba.hang_next_backup(&stage.ledger);
    let watch = stage.start(&["reconcile", "--watch"]);
    stage.run(&["run", "orders"]).must_exit(0);
    stage.run(&["run", "ledger", "--no-wait"]).must_exit(3);
    let task = stage.yba.tasks()[1].id.clone();
    stage.yba.finish_task(&task, Outcome::Success);
    stage.wait_until("the open batch is ended", |stage| {
        let (_, list) = stage.run_json(&["list", "--status", "in-progress"]);
        list["batches"].as_array().is_some_and(Vec::is_empty)
    });
    watch.signal("INT");
    watch.end().must_exit(130);
}

#[test]
fn a_closed_terminal_stops_following_and_the_backup_goes_on() {
    let stage = Stage::with_an_endless_task();
    let run = running_backup(&stage);
    // By the shell and by the system.
    run.signal("HUP");
    run.signal("HUP");
    run.end().must_exit(129).must_say("Stopped following").must_say("reconcile");
    must_be_finished_by_reconcile(&stage);
}

#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let stage = Stage::with_an_endless_task();
    let run = stage.start_ignoring_hangups(&["run", "orders"]);
    stage.wait_until("the task is there", |stage| stage.yba.tasks().len() == 1);
    run.signal("HUP");
    stage.yba.finish_task(&stage.yba.tasks()[0].id, Outcome::Success);
    run.end().must_exit(0).must_show("COMPLETED");
}

#[test]
fn a_run_whose_output_nobody_reads_any_more_follows_to_the_end() {
    for args in [&["run", "orders"][..], &["run", "orders", "-vvv"], &["run", "orders", "--output", "json"]] {
        let stage = Stage::with_an_endless_task();
        let run = stage.start(args).unread();
        stage.wait_until("the task is there", |stage| stage.yba.tasks().len() == 1);
        stage.yba.finish_task(&stage.yba.tasks()[0].id, Outcome::Success);
        run.end().must_exit(0);
        stage.run(&["status", &stage.only_batch()]).must_exit(0);
    }
}

#[test]
fn ctrl_c_while_the_database_is_waited_for_ends_at_once() {
    let stage = Stage::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("datasource.url=postgres://u@{}/db", listener.local_addr().unwrap());
    let run = stage.start(&["run", "orders", "--set", &url]);
    // It is connected, and is never answered.
    let connection = listener.accept().unwrap();
    run.signal("INT");
    run.end().must_exit(130).must_say("nothing was recorded");
    drop(connection);
}
