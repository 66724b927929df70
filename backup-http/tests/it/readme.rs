//! The commands of the README that concern the service work as they are printed.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Stdio,
};

use tokio::process::Command;
use yba_client::{ExposeSecret, simulator::Simulator};

use crate::{
    binary::Service,
    support::{PATIENCE, ask, http_client, on_simulator, quick_yba, read, target},
};

const README: &str = include_str!("../../../README.md");

/// The last block of shell commands with this text.
fn block(text: &str) -> &'static str {
    let blocks = README.split("```sh\n").skip(1).map(|block| block.split("```").next().expect("its end"));
    blocks.filter(|block| block.contains(text)).last().unwrap_or_else(|| panic!("no block has {text:?}"))
}

#[tokio::test]
async fn the_call_is_answered() {
    if Command::new("curl").arg("--version").output().await.is_err() {
        return pg_harness::skip("readme::the_call_is_answered", "curl is not installed");
    }
    let yba = quick_yba().await;
    let app = on_simulator(&yba, [target(&yba, "db1", "full_backup")]).start();
    let service = app.listen().await;
    let call = block("curl -X POST").replace("localhost:8989", &service.address.to_string());
    let output = Command::new("bash").args(["-euc", &call]).output();
    let output = tokio::time::timeout(PATIENCE, output).await.expect("in time").expect("a shell");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["status"], "COMPLETED", "{answer}");
    let printed =
        README.split("```json\n").nth(1).and_then(|json| json.split("```").next()).expect("an answer");
    let printed: serde_json::Value = serde_json::from_str(printed).expect("JSON");
    for (field, _) in printed.as_object().expect("an object") {
        assert!(answer.get(field).is_some(), "the answer has no {field}: {answer}");
    }
}

/// Stands for `cargo`: nothing is built here, but what would be must be there.
const CARGO: &str = r#"
cargo() {
    case "$*" in
        'build -p yba-client --features simulator --example simulator')
            [ -f "$ROOT/yba-client/examples/simulator.rs" ] && grep -q '^simulator = ' "$ROOT/yba-client/Cargo.toml" ;;
        'run --release -p backup-http') exec backup-http ;;
        *) echo "unexpected: cargo $*" >&2; return 70 ;;
    esac
}
"#;

#[tokio::test]
async fn the_service_starts_on_a_simulated_yba() {
    let (yba, folder) = (quick_yba().await, tempfile::tempdir().unwrap());
    print_instead_of_the_simulator(folder.path(), &yba);
    let service = Path::new(env!("CARGO_BIN_EXE_backup-http"));
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", service.parent().unwrap().display());
    let mut shell = Command::new("bash");
    shell.args(["-euc", &format!("{CARGO}\n{}", block("simulator.env"))]);
    shell.current_dir(folder.path()).env_clear().kill_on_drop(true);
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell.env("PATH", path).env("ROOT", concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    shell.env("SERVER_PORT", "0").env("LOGGING_FORMAT", "json").env("ORCHESTRATOR_POLL_FIRST", "5ms");
    let service = Service::start(&mut shell).await;
    let call = http_client().post(format!("{}/backupProcess", service.url)).json(&ask("db1"));
    let reply = read(call.send().await.expect("an answer")).await;
    assert_eq!(reply.gist(), "200 COMPLETED -", "{reply:?}");
    service.signal("TERM");
    assert_eq!(service.end().await.0.code(), Some(0));
}

/// The lines that the real one prints, about one that runs already.
fn print_instead_of_the_simulator(folder: &Path, yba: &Simulator) {
    let folder = folder.join("target/debug/examples");
    fs::create_dir_all(&folder).expect("a folder");
    let lines = format!(
        "YBA_FULL_BACKUP_URL={}/api/v1/customers/{}/backups\nYBA_API_TOKEN={}\nYBA_UNIVERSE_UUID={}\nYBA_STORAGE_CONFIG_UUID={}\n",
        yba.url(),
        yba.customer(),
        yba.token().expose_secret(),
        yba.universe(),
        yba.storage_config(),
    );
    let program = folder.join("simulator");
    fs::write(&program, format!("#!/bin/sh\ncat <<'END'\n{lines}END\n")).expect("a file");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("executable");
}
