//! The token is in nothing that the program prints, however talkative it is made.

use std::fmt::Write as _;

use yba_client::simulator::{Endpoint, Fault};

use crate::support::{Stage, TOKEN};

#[test]
fn the_token_is_nowhere_in_the_output() {
    let stage = Stage::new();
    stage.yba.fail_next_backup(&stage.ledger, "no space left on s3");
    stage.yba.script(Endpoint::GetTask, Fault::Html);
    let (_, shown) = stage.run_json(&["run", "orders", "-vvv"]);
    let batch = shown["batch_id"].as_str().unwrap();
    let mut printed = String::new();
    for args in [
        &["run", "orders", "-vvv"][..],
        &["run", "ledger", "-vvv"],
        &["run", "orders-incr", "-vvv", "--output", "json"],
        &["status", batch, "-vvv"],
        &["list", "-vvv", "--output", "json"],
        &["config", "check", "--online", "-vvv"],
        &["reconcile", "-vvv"],
        &["run", "nothing", "-vvv"],
    ] {
        let ran = stage.run(args);
        let _ = write!(printed, "{ran:?}");
    }
    stage.yba.rotate_token();
    let _ = write!(printed, "{:?}", stage.run(&["run", "orders", "-vvv"]));
    assert!(printed.contains("YBA accepted the backup"), "the log was printed");
    assert!(!printed.contains(TOKEN), "{}", around(&printed));

    // Nor is it in the database.
    for file in stage.folder().read_dir().unwrap() {
        let path = file.unwrap().path();
        let is_settings = path == stage.config();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
        assert_eq!(found, is_settings, "{}", path.display());
    }
}

fn around(printed: &str) -> &str {
    let line = printed.lines().find(|line| line.contains(TOKEN));
    line.unwrap_or_default()
}
