//! The help, as it is printed.

use crate::support::{Ran, program};

fn printed(args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    Ran::from(program(folder.path()).args(args).output().unwrap()).must_exit(0).stdout
}

#[test]
fn the_help_of_the_program() {
    insta::assert_snapshot!(printed(&["--help"]));
}

#[test]
fn the_help_of_run() {
    insta::assert_snapshot!(printed(&["run", "--help"]));
}

#[test]
fn the_help_of_list() {
    insta::assert_snapshot!(printed(&["list", "--help"]));
}

#[test]
fn every_command_has_its_help_and_a_completion() {
    for command in ["run", "status", "list", "cancel", "reconcile", "demo", "completions"] {
        assert!(printed(&[command, "--help"]).contains("Usage:"), "{command}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(printed(&["completions", shell]).contains("reconcile"), "{shell}");
    }
}
