//! The binary: its arguments, what it says when it cannot start, and how it ends.

use std::{
    net::TcpListener,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
};
use yba_client::simulator::{Endpoint, Simulator};

use crate::support::{PATIENCE, Reply, ask, http_client, read, until};

/// A run of the binary, in an environment of its own and nothing of ours.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backup-http"));
    command.env_clear().current_dir(folder).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end, which must come by itself.
pub(crate) async fn run(command: &mut Command) -> (ExitStatus, String, String) {
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status, text(output.stdout), text(output.stderr))
}

/// The configuration of a service in a hurry on this YBA, with its database in the same folder.
pub(crate) fn configure(folder: &Path, yba: &Simulator) -> String {
    let config = format!(
        "server:
  port: 0
  auth.token: {OUR_TOKEN}
datasource.url: sqlite:{database}
logging: {{format: json, level: debug}}
orchestrator: {{poll-first: 5ms, poll-max: 20ms, claim-interval: 10ms}}
yba:
  instances.main: {{base-url: {url}, customer-uuid: {customer}, api-token: {YBA_TOKEN}}}
  databases.db1:
    instance: main
    universe-uuid: {universe}
    storage-config-uuid: {storage}
    category-codes: [NIGHTLY]
",
        database = folder.join("backups.db").display(),
        url = yba.url(),
        customer = yba.customer(),
        universe = yba.universe(),
        storage = yba.storage_config(),
    );
    let path = folder.join("backup.yaml");
    std::fs::write(&path, config).expect("a file");
    path.display().to_string()
}

pub(crate) const OUR_TOKEN: &str = "our-token-5d41402abc4b2a76b971";
const YBA_TOKEN: &str = "yba-token-aaf4c61ddcc5e8a2dabe";

pub(crate) async fn known_yba() -> Simulator {
    Simulator::builder().token(YBA_TOKEN).task_duration(Duration::from_millis(20)).start().await
}

/// A running service, and every line that it has printed so far.
pub(crate) struct Service {
    child: Child,
    pub(crate) printed: Printed,
    pub(crate) url: String,
}

/// Lines are read as they come: a service whose output nobody reads stands still when the pipe is full.
#[derive(Clone, Default)]
pub(crate) struct Printed(Arc<Mutex<Vec<String>>>);

impl Printed {
    fn read(&self, stdout: ChildStdout) {
        let printed = self.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                printed.0.lock().expect("no panic").push(line);
            }
        });
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }

    pub(crate) async fn line_with(&self, text: &str) -> String {
        let line = until(
            async || self.all().into_iter().find(|line| line.contains(text)).ok_or_else(|| self.all()),
            Result::is_ok,
        );
        line.await.expect("it was found")
    }
}

impl Service {
    pub(crate) async fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("it runs");
        let printed = Printed::default();
        printed.read(child.stdout.take().expect("piped"));
        let line: Value = serde_json::from_str(&printed.line_with("listening").await).expect("a JSON line");
        let url = format!("http://{}", line["address"].as_str().expect("an address"));
        Self { child, printed, url }
    }

    pub(crate) async fn process(&self, prefer: &str) -> Reply {
        let call = http_client().post(format!("{}/backupProcess", self.url)).body(ask("NIGHTLY").to_string());
        read(call.bearer_auth(OUR_TOKEN).header("prefer", prefer).send().await.expect("an answer")).await
    }

    pub(crate) async fn show(&self, batch: &str) -> Reply {
        let call = http_client().get(format!("{}/batches/{batch}", self.url)).bearer_auth(OUR_TOKEN);
        read(call.send().await.expect("an answer")).await
    }

    pub(crate) fn signal(&self, name: &str) {
        // A signal has arrived when `kill` has ended.
        let id = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args(["-s", name, &id]).status().expect("kill");
        assert!(sent.success());
    }

    pub(crate) async fn end(self) -> (ExitStatus, String, Vec<String>) {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait_with_output());
        let output = ended.await.expect("it ends").expect("a status");
        (output.status, String::from_utf8(output.stderr).expect("text"), self.printed.all())
    }
}

#[tokio::test]
async fn it_tells_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let (status, out, _) = run(command(folder.path()).arg("--version")).await;
    assert!(status.success());
    assert_eq!(out.trim(), concat!("backup-http ", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_told_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.yaml");
    std::fs::write(&file, "server:\n  prot: 1234\n").unwrap();
    let (status, out, errors) = run(command(folder.path()).arg("--config").arg(&file)).await;
    assert_eq!(status.code(), Some(1));
    assert_eq!(out, "");
    assert!(errors.starts_with("backup-http: ") && errors.contains("server.port"), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (status, _, errors) = run(command(folder.path()).args(["--config", "/nowhere/backup.yaml"])).await;
    assert_eq!(status.code(), Some(1));
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains("/nowhere/backup.yaml"), "{errors}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_and_the_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let yba = known_yba().await;
    let config = configure(folder.path(), &yba);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (status, _, errors) =
        run(command(folder.path()).args(["--config", config.as_str(), "--port", port.as_str()])).await;
    assert_eq!(status.code(), Some(1));
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains(&format!("cannot listen on 127.0.0.1 port {port}")), "{errors}");
    assert!(!folder.path().join("backups.db").exists());
}

#[tokio::test]
async fn a_setting_as_an_argument_counts_before_the_environment_and_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let yba = known_yba().await;
    let config = configure(folder.path(), &yba);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = command(folder.path());
    command.env("SERVER_PORT", "0").args(["--config", config.as_str(), &format!("--server.port={port}")]);
    let (status, _, errors) = run(&mut command).await;
    assert_eq!(status.code(), Some(1));
    assert!(errors.contains(&format!("cannot listen on 127.0.0.1 port {port}")), "{errors}");
}

#[tokio::test]
async fn a_setting_as_an_argument_is_checked_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    for (argument, told) in [("--server.prot=1", "server.port"), ("--server.port", "--server.port=VALUE")] {
        let (status, _, errors) = run(command(folder.path()).arg(argument)).await;
        assert!(!status.success() && errors.contains(told), "{argument}: {errors}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_told_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let yba = known_yba().await;
    let config = configure(folder.path(), &yba);
    let (status, _, errors) = run(command(folder.path())
        .args(["--config", config.as_str()])
        .env("DATASOURCE_URL", "jdbc:postgresql://127.0.0.1:1/backups")
        .env("DATASOURCE_USERNAME", "someone")
        .env("DATASOURCE_PASSWORD", "password-482c811da5d5b4bc")
        .env("DATASOURCE_RETRY_INITIAL_DELAY", "10ms")
        .env("DATASOURCE_RETRY_MAX_DELAY", "10ms"))
    .await;
    assert_eq!(status.code(), Some(1));
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.starts_with("backup-http: the tracking store cannot be used"), "{errors}");
    assert!(!errors.contains("password-482c811da5d5b4bc") && !errors.contains("panicked"), "{errors}");
}

#[tokio::test]
async fn it_runs_a_backup_and_ends_well_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let yba = known_yba().await;
    let config = configure(folder.path(), &yba);
    let service = Service::start(command(folder.path()).args(["--config", config.as_str()])).await;
    let reply = service.process("wait=60").await;
    assert_eq!(reply.gist(), "200 COMPLETED -", "{reply:?}");
    service.signal("TERM");
    service.printed.line_with("\"message\":\"stopped\"").await;
    let (status, errors, printed) = service.end().await;
    assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
    for secret in [OUR_TOKEN, YBA_TOKEN] {
        assert!(printed.iter().all(|line| !line.contains(secret)), "{printed:#?}");
    }
    let of_batch: Vec<&String> = printed.iter().filter(|line| line.contains(&reply.batch())).collect();
    assert!(!of_batch.is_empty());
    for line in of_batch {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["business_date"], "2025-03-25", "{line}");
        // A call to YBA has a request id of its own: the attempt's.
        if !line["span"].as_str().unwrap().contains("yba.call") {
            assert_eq!(line["request_id"].as_str(), reply.header("x-request-id"), "{line}");
        }
    }
}

#[tokio::test]
async fn what_is_open_at_the_end_is_taken_up_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let yba = known_yba().await;
    yba.hang_next_backup(&yba.universe());
    let config = configure(folder.path(), &yba);
    let first = Service::start(command(folder.path()).args(["--config", config.as_str()])).await;
    let reply = first.process("respond-async").await;
    assert_eq!(reply.gist(), "202 IN_PROGRESS -");
    until(async || yba.count(Endpoint::GetTask), |looks| *looks > 0).await;
    first.signal("INT");
    let (status, ..) = first.end().await;
    assert_eq!(status.code(), Some(0));

    let second = Service::start(command(folder.path()).args(["--config", config.as_str()])).await;
    let task = yba.tasks().remove(0).id;
    yba.finish_task(&task, yba_client::simulator::Outcome::Success);
    let batch = reply.batch();
    until(async || second.show(&batch).await, |shown| shown.json()["status"] == "COMPLETED").await;
    assert_eq!(yba.count(Endpoint::CreateBackup), 1);
    second.signal("TERM");
    assert_eq!(second.end().await.0.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let yba = known_yba().await;
    let config = configure(folder.path(), &yba);
    let service = Service::start(command(folder.path()).args(["--config", config.as_str()])).await;
    // A request that never arrives in full keeps the service from ending.
    let address = service.url.trim_start_matches("http://").to_owned();
    let mut stuck = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /backupProcess HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OUR_TOKEN}\r\nContent-Length: 9\r\n\r\n"
    );
    tokio::io::AsyncWriteExt::write_all(&mut stuck, head.as_bytes()).await.unwrap();
    service.printed.line_with("\"received\"").await;
    service.signal("TERM");
    service.printed.line_with("told to stop").await;
    service.signal("TERM");
    let (status, errors, _) = service.end().await;
    assert_eq!(status.code(), Some(1));
    assert!(errors.contains("told to stop twice"), "{errors}");
}

/// As a Spring user starts it: keys as arguments, which are the strongest source.
#[tokio::test]
async fn settings_may_be_arguments_as_spring_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let yba = known_yba().await;
    let config = configure(folder.path(), &yba);
    let mut command = command(folder.path());
    command.args(["--server.port=0", "--config", config.as_str(), "--spring.application.name=by-argument"]);
    command.env("SERVER_PORT", "not-a-port");
    let service = Service::start(&mut command).await;
    let call = http_client().get(format!("{}/actuator/info", service.url)).bearer_auth(OUR_TOKEN);
    let info = read(call.send().await.unwrap()).await;
    assert_eq!(info.json()["app"]["name"], "by-argument");
    service.signal("TERM");
    assert_eq!(service.end().await.0.code(), Some(0));
}

/// The environment of the original, and no file at all.
#[tokio::test]
async fn the_original_s_environment_variables_are_enough() {
    let folder = tempfile::tempdir().unwrap();
    let yba = known_yba().await;
    let url = format!("{}/api/v1/customers/{}/backups", yba.url(), yba.customer());
    let mut command = command(folder.path());
    command
        .env("YBA_FULL_BACKUP_URL", url)
        .env("YBA_API_TOKEN", YBA_TOKEN)
        .env("YBA_UNIVERSE_UUID", yba.universe().as_str())
        .env("YBA_STORAGE_CONFIG_UUID", yba.storage_config().as_str())
        .env("APP_ENV", "test")
        .env("APPLICATION_NAME", "epricing-backup")
        .env("SERVER_PORT", "0")
        .env("LOGGING_FORMAT", "json");
    let service = Service::start(&mut command).await;
    let call = http_client().post(format!("{}/backupProcess", service.url)).body(ask("db1").to_string());
    let reply = read(call.send().await.unwrap()).await;
    assert_eq!(reply.gist(), "200 COMPLETED -", "{reply:?}");
    let info = read(http_client().get(format!("{}/actuator/info", service.url)).send().await.unwrap()).await;
    assert_eq!(info.json()["app"]["name"], "epricing-backup");
    let initiated = format!("{}/actuator/metrics/backup.initiated.count", service.url);
    let initiated = read(http_client().get(initiated).send().await.unwrap()).await;
    assert_eq!(initiated.json()["measurements"][0]["value"], 1.0, "{initiated:?}");
    service.signal("TERM");
    assert_eq!(service.end().await.0.code(), Some(0));
}
