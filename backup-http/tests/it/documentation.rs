//! The examples of `docs/http-api.md`, run as they stand.

use backup_core::BackupRequest;
use backup_http::Auth;
use tokio::process::Command;

use crate::support::{PATIENCE, on_simulator, quick_yba, target, until};

const DOCUMENT: &str = include_str!("../../../docs/http-api.md");
const TOKEN: &str = "token-of-the-documentation";

/// Every `curl` of the document, with the status that it promises.
fn examples() -> Vec<(String, String)> {
    let blocks = DOCUMENT.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let promised = blocks.map(|block| {
        let (call, status) = block.rsplit_once("# ").expect("a promised status");
        (call.to_owned(), status.trim().to_owned())
    });
    promised.collect()
}

#[tokio::test]
async fn every_example_does_what_it_says() {
    if Command::new("curl").arg("--version").output().await.is_err() {
        return pg_harness::skip("every_example_does_what_it_says", "curl is not installed");
    }
    let yba = quick_yba().await;
    let busy = yba.add_universe("busy");
    yba.hang_next_backup(&busy);
    let mut slow = target(&yba, "slow", "full_backup");
    slow.universe = busy.as_str().into();
    let app = on_simulator(&yba, [target(&yba, "db1", "full_backup"), slow])
        .config(|config| config.auth = Auth::Tokens(vec![TOKEN.into()]))
        .start();
    let service = app.listen().await;
    let submit = async |category: &str| {
        let request = BackupRequest::new(category, "20250325");
        app.orchestrator.submit(request).await.expect("a batch").batch.to_string()
    };
    let (batch, running) = (submit("db1").await, submit("slow").await);
    until(async || yba.tasks().len(), |tasks| *tasks == 2).await;
    let examples = examples();
    assert!(examples.len() > 10, "the document has lost its examples");
    for (call, status) in examples {
        let call = call.replace("localhost:8989", &service.address.to_string());
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&call).env("TOKEN", TOKEN).env("BATCH", &batch).env("RUNNING", &running);
        let output = tokio::time::timeout(PATIENCE, shell.output()).await.expect("in time").expect("a shell");
        let answer = String::from_utf8(output.stdout).expect("text");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{call}\npromises {status}, and got\n{answer}"
        );
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        serde_json::from_str::<serde_json::Value>(body)
            .unwrap_or_else(|error| panic!("{error}: {call}\n{answer}"));
    }
    tokio::time::timeout(PATIENCE, app.orchestrator.shutdown()).await.expect("it ends");
}
