//! `docs/cli.md` says what the program does.

use serde_json::Value;

use crate::support::{Stage, help};

const CLI_MD: &str = include_str!("../../../docs/cli.md");

const COMMANDS: [&[&str]; 8] = [
    &["run"],
    &["status"],
    &["list"],
    &["cancel"],
    &["reconcile"],
    &["config", "check"],
    &["demo"],
    &["completions"],
];

#[test]
fn every_command_and_every_option_is_documented() {
    for command in COMMANDS {
        assert!(CLI_MD.contains(&command.join(" ")), "{command:?}");
        let text = help(&[command, &["--help"]].concat());
        for option in text.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2) {
            let option = option.trim_end_matches([',', '.', '`', ')', ']']);
            let is_common = ["--help", "--version", "--verbose..."].contains(&option);
            assert!(is_common || CLI_MD.contains(option), "{option} of {command:?}");
        }
    }
}

#[test]
fn the_json_of_a_batch_is_the_documented_one() {
    let example = CLI_MD.split("```json").nth(1).and_then(|text| text.split("```").next()).unwrap();
    let documented: Value = serde_json::from_str(example).unwrap();
    let stage = Stage::new();
    stage.run(&["run", "orders", "-q"]).must_exit(0);
    let (_, shown) = stage.run_json(&["run", "orders-incr"]);
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&documented), fields(&shown));
    assert_eq!(fields(&documented["plan"]), fields(&shown["plan"]));
    assert_eq!(fields(&documented["attempts"][0]), fields(&shown["attempts"][0]));
}
