//! The commands of the README work as they are printed.

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use crate::support::{Ran, Stage, TOKEN, program};

const README: &str = include_str!("../../../README.md");

/// Stands for `cargo`: nothing is built here, but what would be must be there.
const CARGO: &str = r#"
cargo() {
    case "$*" in
        'run -p backup-cli -- demo') backup-cli demo ;;
        'install --locked --path backup-cli') [ -f "$ROOT/backup-cli/Cargo.toml" ] ;;
        *) echo "unexpected: cargo $*" >&2; return 70 ;;
    esac
}
"#;

/// The blocks of shell commands.
fn blocks() -> impl Iterator<Item = &'static str> {
    README.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap())
}

/// The only block with this text.
fn block(text: &str) -> &'static str {
    let mut found = blocks().filter(|block| block.contains(text));
    let block = found.next().unwrap_or_else(|| panic!("no block has {text:?}"));
    assert!(found.next().is_none(), "two blocks have {text:?}");
    block
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Runs commands in a shell that ends at the first that fails.
fn shell(folder: &Path, commands: &str) -> Ran {
    let binary = PathBuf::from(program(folder).get_program());
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", binary.parent().unwrap().display());
    let mut bash = Process::new("bash");
    bash.args(["-euc", &format!("{CARGO}\n{commands}")]).env_clear().current_dir(folder);
    bash.env("PATH", path).env("ROOT", root());
    Ran::from(bash.output().unwrap())
}

#[test]
fn every_block_is_known_to_a_test() {
    // Those of the service are run by the tests of `backup-http`.
    let of_the_service = ["-p backup-http\n", "curl -X POST"];
    let of_the_program = ["-- demo", "./scripts/test", "backup-cli run db1"];
    for block in blocks() {
        let known = of_the_service.iter().chain(&of_the_program).any(|text| block.contains(text));
        assert!(known, "no test runs\n{block}");
    }
}

#[cfg(feature = "demo")]
#[test]
fn the_demo_runs() {
    let folder = tempfile::tempdir().unwrap();
    shell(folder.path(), block("-- demo")).must_exit(0);
}

#[test]
fn the_test_command_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let command = block("./scripts/test").trim();
    shell(folder.path(), &format!("cd \"$ROOT\" && test -x {command} && bash -n {command}")).must_exit(0);
}

/// As printed, placeholders and all: the shell takes every line, and `config check` says what to fill in.
#[test]
fn what_is_not_filled_in_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let ran = shell(folder.path(), block("backup-cli run db1")).must_exit(1);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    for key in ["full-backup-url", "api-token", "universe-uuid", "storage-config-uuid"] {
        let line = said.lines().find(|line| {
            line.contains(&format!("yba.databases.db1.{key}")) && line.contains("not filled in")
        });
        assert!(line.is_some(), "nothing is said of {key}: {ran:?}");
    }
    assert!(!folder.path().join("backups.db").exists());
}

#[test]
fn a_backup_is_taken_once_everything_is_filled_in() {
    let stage = Stage::new();
    let (yba, folder) = (&stage.yba, tempfile::tempdir().unwrap());
    let commands = block("backup-cli run db1")
        .replace("https://yba.example.com", &yba.url())
        .replace("<customer-uuid>", yba.customer().as_str())
        .replace("<api-token>", TOKEN)
        .replace("<universe-uuid>", yba.universe().as_str())
        .replace("<storage-config-uuid>", yba.storage_config().as_str());
    let ran = shell(folder.path(), &commands).must_exit(0).must_show("COMPLETED");
    assert!(folder.path().join("backups.db").exists(), "{ran:?}");
    let backups = yba.backups();
    assert_eq!(backups.len(), 1);
    assert_eq!(backups[0].request["timeBeforeDelete"], 604_800_000);
}
