//! The real binary, configured as the original was: by its file, with and without the documents of its profiles, or by its variables alone.

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use super::{
    contract::{APPLICATION, variables, without_profile_documents},
    places::Places,
};
use crate::{
    binary::{Service, command},
    support::{Reply, http_client, read},
};

/// How the service is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The file with the documents of its profiles, and the variables.
    File,
    /// The file without them, and the variables.
    FileWithoutProfiles,
    /// The variables and no file.
    Variables,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::File, Self::FileWithoutProfiles, Self::Variables];

    /// The text of the file.
    pub(super) fn file(self) -> Option<&'static str> {
        match self {
            Self::File => Some(APPLICATION),
            Self::FileWithoutProfiles => Some(without_profile_documents()),
            Self::Variables => None,
        }
    }
}

/// A running service that was configured as the original is.
pub(super) struct Original(Service);

impl Original {
    /// Starts it in a folder, without the variables in `without` and with those in `more`.
    pub(super) async fn start(
        folder: &Path,
        way: Way,
        places: &Places,
        without: &[String],
        more: &[(&str, &str)],
    ) -> Self {
        let mut command = command(folder);
        if let Some(text) = way.file() {
            let file = folder.join("application.yml");
            std::fs::write(&file, text).expect("a file");
            command.arg("--config").arg(file);
        }
        let category_code = ("YBA_DATABASES_DB1_CATEGORY_CODES", "HWA_EPR_DB_BACKUP_FULL");
        for (name, value) in variables().into_iter().chain([category_code]) {
            if !without.iter().any(|absent| absent == name) {
                command.env(name, places.fill(value));
            }
        }
        in_a_test(&mut command);
        command.envs(more.iter().copied());
        Self(Service::start(&mut command).await)
    }

    /// `POST /backupProcess`.
    pub(super) async fn process(&self, body: &Value, prefer: Option<&str>) -> Reply {
        let call = http_client().post(format!("{}/backupProcess", self.0.url)).json(body);
        read(call.header("prefer", prefer.unwrap_or("wait=60")).send().await.expect("an answer")).await
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        let call = http_client().get(format!("{}{path}", self.0.url));
        read(call.send().await.expect("an answer")).await
    }

    /// Every line of the log so far.
    pub(super) fn log(&self) -> Vec<Value> {
        self.0.printed.all().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Stops it, as Kubernetes would.
    pub(super) async fn stop(self) {
        self.0.signal("TERM");
        let (status, errors, _) = self.0.end().await;
        assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
    }
}

/// What makes a test of it quick: none of it is the original's.
fn in_a_test(command: &mut Command) {
    command
        .env("SERVER_PORT", "0")
        .env("LOGGING_FORMAT", "json")
        .env("YBA_READ_TIMEOUT", "2s")
        .env("ORCHESTRATOR_POLL_FIRST", "5ms")
        .env("ORCHESTRATOR_POLL_MAX", "20ms")
        .env("ORCHESTRATOR_RETRY_FIRST", "10ms")
        .env("ORCHESTRATOR_RETRY_MAX", "50ms")
        .env("ORCHESTRATOR_SETTLE_TIME", "300ms")
        .env("ORCHESTRATOR_CLAIM_INTERVAL", "20ms")
        .env("DATASOURCE_RETRY_INITIAL_DELAY", "10ms")
        .env("DATASOURCE_RETRY_MAX_DELAY", "20ms");
}
