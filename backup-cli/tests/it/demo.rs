//! The first thing that a newcomer runs.

use serde_json::Value;

use crate::support::{Ran, program};

#[test]
fn the_demo_records_a_full_backup_an_increment_and_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = program(folder.path());
    // A proxy of the environment must not come between the demo and its YBA.
    process.env("HTTP_PROXY", "http://127.0.0.1:1").env("TMPDIR", folder.path());
    let ran = Ran::from(process.args(["demo", "--keep", "--output", "json"]).output().unwrap()).must_exit(0);
    let shown: Value = serde_json::from_str(&ran.stdout).unwrap();
    let batches = shown["batches"].as_array().unwrap();
    let of = |key: &str| batches.iter().map(|batch| batch[key].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(of("category"), ["orders-full", "orders-incr", "ledger-full"]);
    assert_eq!(of("status"), ["COMPLETED", "COMPLETED", "FAILED"]);
    assert_eq!(batches[1]["plan"]["base_backup_id"], batches[0]["backup_id"]);
    assert!(batches[2]["failure"]["message"].as_str().unwrap().contains("AccessDenied"));
    let ran =
        ran.must_say("A full backup").must_say("accepted").must_say("An increment on it").must_say("failed");

    // What was kept can be read again.
    let kept = shown["folder"].as_str().unwrap();
    let mut again = program(folder.path());
    let list = Ran::from(again.args(["--config", &format!("{kept}/backup.yaml"), "list"]).output().unwrap());
    let list = list.must_exit(0).must_show("ledger-full").must_show("BACKUP_FAILED");
    assert_eq!(list.stdout.lines().count(), 4, "{list:?} after {ran:?}");
}

#[test]
fn the_demo_leaves_nothing_behind_unless_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = program(folder.path());
    let ran = Ran::from(process.args(["demo", "--quiet"]).env("TMPDIR", folder.path()).output().unwrap());
    let ran = ran.must_exit(0).must_show("COMPLETED").must_show("FAILED");
    assert_eq!(ran.stderr, "");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}
