//! One process of the service: started, killed, stopped, continued, and started again.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{self, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use tokio::process::{Child, Command};

use super::world::Folder;

/// A replica of the service, on a port of its own.
pub(super) struct Replica {
    pub(super) url: String,
    port: u16,
    config: PathBuf,
    log: PathBuf,
    child: Child,
    /// How often it ended without being killed.
    pub(super) ends: u32,
}

impl Replica {
    pub(super) fn start(number: u16, folder: &Folder) -> Self {
        let (config, log) = (folder.config(number), folder.path().join(format!("replica-{number}.log")));
        let port = free_port();
        let child = spawn(&config, &log, port);
        Self { url: format!("http://127.0.0.1:{port}"), port, config, log, child, ends: 0 }
    }

    /// SIGKILL, at whatever it is doing, and a new process in its place.
    pub(super) async fn kill(&mut self) {
        self.look_after();
        self.child.kill().await.expect("a process of ours");
        self.child = spawn(&self.config, &self.log, self.port);
    }

    /// SIGSTOP: it does nothing, and everybody else has to guess.
    pub(super) fn stop(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub(super) fn wake(&self) {
        self.signal("CONT");
    }

    /// What a supervisor does: a process that ended by itself is started again.
    pub(super) fn look_after(&mut self) {
        if self.child.try_wait().expect("a process of ours").is_some() {
            self.ends += 1;
            self.child = spawn(&self.config, &self.log, self.port);
        }
    }

    pub(super) async fn is_ready(&self, client: &reqwest::Client) -> bool {
        let answer = client.get(format!("{}/actuator/health/readiness", self.url)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    pub(super) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn signal(&self, name: &str) {
        let Some(id) = self.child.id() else { return };
        let sent = process::Command::new("kill").args(["-s", name, &id.to_string()]).status();
        assert!(
            sent.expect("the program kill").success(),
            "the process {id} is there until it is waited for"
        );
    }
}

fn spawn(config: &PathBuf, log: &PathBuf, port: u16) -> Child {
    let log = File::options().create(true).append(true).open(log).expect("a log");
    Command::new(env!("CARGO_BIN_EXE_backup-http"))
        .arg("--config")
        .arg(config)
        .args(["--port", &port.to_string()])
        .env_clear()
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("the service")
}

/// A port below those that the system gives to outgoing connections: nobody takes it while the replica is dead.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(process::id() % 900).expect("small") * 10;
    (0..900)
        .map(|_| first + NEXT.fetch_add(1, Ordering::Relaxed))
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .expect("a free port")
}
