//! What YBA writes commands no terminal and forges no line.

use serde_json::Value;

use crate::support::{Ran, Stage};

/// Clears the screen, renames the window, writes the clipboard, turns the reading direction around, and forges a line.
const HOSTILE: &str = "full\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}]52;c;b3duZWQ=\u{7}\u{9b}31m\u{202e}\u{2066}\u{200f}\nerror: forged";

#[track_caller]
fn must_only_show(ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        let acts = |c: char| c.is_control() && c != '\n' || "\u{202e}\u{2066}\u{200f}".contains(c);
        assert!(!text.contains(acts), "{ran:?}");
        assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{ran:?}");
    }
}

#[test]
fn ybas_words_are_shown_and_do_nothing() {
    let stage = Stage::new();
    stage.yba.fail_next_backup(&stage.ledger, HOSTILE);
    let ran = stage.run(&["run", "ledger", "-vv"]).must_exit(1).must_say("full\\u{1b}[2J");
    must_only_show(&ran);
    let batch = stage.only_batch();
    for args in [&["status", &batch][..], &["list"], &["run", "ledger", "--batch", "no\u{202e}pe"]] {
        must_only_show(&stage.run(args));
    }
}

#[test]
fn json_holds_them_whole_and_escaped() {
    let stage = Stage::new();
    stage.yba.fail_next_backup(&stage.ledger, HOSTILE);
    let (ran, shown) = stage.run_json(&["run", "ledger"]);
    must_only_show(&ran);
    let message = shown["failure"]["message"].as_str().unwrap();
    assert!(message.contains("\u{202e}") && message.contains("\u{1b}[2J"), "{message:?}");
    let (ran, listed) = stage.run_json(&["list"]);
    must_only_show(&ran);
    assert_ne!(listed["batches"][0]["failure"], Value::Null);
}
