//! The help, as it is printed.

use crate::support::help;

#[test]
fn the_help_of_the_program() {
    insta::assert_snapshot!(help(&["--help"]));
}

#[test]
fn the_help_of_run() {
    insta::assert_snapshot!(help(&["run", "--help"]));
}

#[test]
fn the_help_of_list() {
    insta::assert_snapshot!(help(&["list", "--help"]));
}

#[test]
fn every_command_has_its_help_and_a_completion() {
    for command in ["run", "status", "list", "cancel", "reconcile", "migrate", "demo", "completions"] {
        assert!(help(&[command, "--help"]).contains("Usage:"), "{command}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(help(&["completions", shell]).contains("reconcile"), "{shell}");
    }
}
