//! `list` and its filters.

use serde_json::Value;

use crate::support::{Ran, Stage, program};

fn categories(list: &Value) -> Vec<&str> {
    list["batches"].as_array().unwrap().iter().map(|batch| batch["category"].as_str().unwrap()).collect()
}

fn stage_with_four_batches() -> Stage {
    let stage = Stage::new();
    stage.yba.fail_next_backup(&stage.ledger, "no space left on s3");
    for (category, date, code) in [
        ("orders", "20250301", 0),
        ("ledger", "20250302", 1),
        ("orders-incr", "20250303", 0),
        ("orders", "20250304", 0),
    ] {
        stage.run(&["run", category, "--date", date, "--quiet"]).must_exit(code);
    }
    stage
}

#[test]
fn lists_are_narrowed_by_category_status_and_dates() {
    let stage = stage_with_four_batches();
    for (filter, expected) in [
        (&[][..], &["orders", "orders-incr", "ledger", "orders"][..]),
        (&["--category", "ORDERS"], &["orders", "orders"]),
        (&["--status", "failed"], &["ledger"]),
        (&["--status", "completed", "--from", "20250303"], &["orders", "orders-incr"]),
        (&["--from", "2025-03-02", "--to", "2025-03-03"], &["orders-incr", "ledger"]),
        (&["--status", "in-progress"], &[]),
    ] {
        let (ran, list) = stage.run_json(&[&["list"], filter].concat());
        ran.must_exit(0);
        assert_eq!(categories(&list), expected, "{filter:?}");
        assert_eq!(list["next"], Value::Null);
    }
    must_page(&stage);
    must_be_a_table(&stage);
}

fn must_page(stage: &Stage) {
    let (_, first) = stage.run_json(&["list", "--limit", "3"]);
    let next = first["next"].as_str().unwrap();
    let (_, second) = stage.run_json(&["list", "--limit", "3", "--after", next]);
    assert_eq!((categories(&first).len(), categories(&second).len()), (3, 1));
    let (_, all) = stage.run_json(&["list", "--all"]);
    assert_eq!(categories(&all).len(), 4);
}

fn must_be_a_table(stage: &Stage) {
    let ran = stage.run(&["list", "--limit", "2"]).must_exit(0).must_say("There are more");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{ran:?}");
    assert!(lines[0].starts_with("BATCH ") && lines[0].ends_with("ERROR"), "{ran:?}");
    assert!(lines[1].contains("  2025-03-04  orders       COMPLETED  "), "{ran:?}");
    let failed = stage.run(&["list", "--status", "FAILED"]);
    assert!(failed.stdout.trim_end().ends_with("BACKUP_FAILED"), "{failed:?}");
}

#[test]
fn an_empty_list_says_where_it_looked() {
    let stage = Stage::new();
    stage.run(&["run", "orders", "--quiet"]).must_exit(0);
    let ran: Ran =
        stage.run(&["list", "--category", "ledger"]).must_exit(0).must_say("No such batches in sqlite:");
    assert_eq!(ran.stdout, "");
}

#[test]
fn where_there_is_no_database_none_is_made_by_looking() {
    let stage = Stage::new();
    let file = stage.folder().join("backups.db");
    for command in [&["list"][..], &["status", "some-batch"], &["cancel", "some-batch"]] {
        let ran = stage.run(command).must_exit(2).must_say("error: there is no database yet");
        ran.must_say(&file.display().to_string()).must_say("datasource.url is sqlite:").must_say("hint:");
        assert!(!file.exists(), "{command:?}");
    }
    // The default is a file in the folder that the program was started in.
    let elsewhere = stage.folder().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let ran = Ran::from(program(&elsewhere).arg("list").output().unwrap());
    ran.must_exit(2)
        .must_say("elsewhere/backups.db")
        .must_say("datasource.url is sqlite:backups.db (default)");
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);

    stage.run(&["run", "orders", "--quiet"]).must_exit(0);
    stage.run(&["list"]).must_exit(0).must_show("orders");
}
