//! `demo`: three backups against a simulated YBA, on this machine alone, with everything else as in production: the
//! settings come from a file, the records go to a database, the calls over HTTP.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use backup_app::{App, Role, Settings, Sources};
use backup_core::strategy::{FullBackup, IncrementalBackup, YbaInstances};
use backup_core::{BackupRecord, BackupRequest, BatchMode, Clock as _, SystemClock};
use owo_colors::OwoColorize as _;
use serde_json::json;
use tempfile::TempDir;
use yba_client::simulator::{Endpoint, Simulator};

use crate::cli::DemoArgs;
use crate::context::{Context, zone};
use crate::diagnostics::Exit;
use crate::follow::{Follow, Stop};
use crate::json::BatchJson;
use crate::live::Live;
use crate::output::table;
use crate::printer::{Printer, table_width, talk_width, wrapped};
use crate::signal::{Signal, Signals};

/// The name of the simulated instance.
const INSTANCE: &str = "demo";

/// One backup of the demo: what it is, what is asked for, and what to watch.
struct Scene {
    title: &'static str,
    category: &'static str,
    explanation: &'static str,
}

const SCENES: [Scene; 3] = [
    Scene {
        title: "A full backup",
        category: "orders-full",
        explanation: "The request is committed to the database before YBA hears of it, so no crash can lose it. Then one \
                      POST starts a task at YBA, and the task is polled. It counts as a backup once the task says \
                      Success and the backup says Completed.",
    },
    Scene {
        title: "An increment on it",
        category: "orders-incr",
        explanation: "Its base is looked for first: a completed full backup of the same universe, storage config and \
                      keyspaces. Without one nothing would be posted.",
    },
    Scene {
        title: "A backup that fails",
        category: "ledger-full",
        explanation: "YBA accepts it, and its task fails half way. The record keeps the words of the subtask that \
                      failed, not only \"Failure\".",
    },
];

pub(crate) async fn run(context: &Context, args: &DemoArgs) -> Result<Exit> {
    let signals = Signals::listen()?;
    let stage = Stage::build(args.keep).await?;
    stage.introduce(&context.printer);
    let app = stage.start().await?;
    let acted = act(context, &app, &signals).await;
    app.orchestrator.shutdown().await;
    match acted? {
        Ok(records) => stage.conclude(context, &app.settings, &records),
        Err(signal) => Ok(Exit::Stopped(signal)),
    }
}

async fn act(context: &Context, app: &App, signals: &Signals) -> Result<Result<Vec<BackupRecord>, Signal>> {
    let mut records = Vec::new();
    for (number, scene) in SCENES.iter().enumerate() {
        announce(&context.printer, number + 1, scene);
        let today = SystemClock::new().now().with_timezone(&zone(&app.settings)).format("%Y-%m-%d");
        let request = BackupRequest::new(scene.category, today.to_string()).with_mode(BatchMode::Manual);
        let record = app.orchestrator.submit(request).await?;
        let (orchestrator, printer, zone) = (&app.orchestrator, &context.printer, zone(&app.settings));
        let follow = Follow { orchestrator, printer, signals, zone, until: None };
        let mut live = Live::new(printer, zone);
        match follow.to(record, BackupRecord::is_done, &mut live).await? {
            (_, Stop::Signalled(signal)) => return Ok(Err(signal)),
            (record, _) => records.push(record),
        }
    }
    Ok(Ok(records))
}

fn announce(printer: &Printer, number: usize, scene: &Scene) {
    let command = format!("backup-cli run {}", scene.category);
    printer.say(format_args!("\n{} {}   {}", number.bold(), scene.title.bold(), command.cyan()));
    printer.say(format_args!("  {}", wrapped(scene.explanation, talk_width(), 2)));
}

/// The simulated YBA, and the folder with everything else.
struct Stage {
    yba: Simulator,
    folder: Folder,
}

enum Folder {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Folder {
    fn new(keep: bool) -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("backup-demo-").tempdir()?;
        Ok(if keep { Self::Kept(folder.keep()) } else { Self::Temporary(folder) })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

impl Stage {
    async fn build(keep: bool) -> Result<Self> {
        let folder = Folder::new(keep).context("the demo needs a temporary folder")?;
        let yba = Simulator::builder()
            .task_duration(Duration::from_millis(2500))
            .try_start()
            .await
            .context("the simulated YBA cannot listen on 127.0.0.1")?;
        let stage = Self { yba, folder };
        let ledger = stage.yba.add_universe("ledger");
        let cause = "AccessDenied: the key of the storage config may not write to s3://backups/ledger";
        stage.yba.fail_next_backup(&ledger, cause);
        std::fs::write(stage.file("backup.yaml"), stage.settings(ledger.as_str()))?;
        Ok(stage)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self, ledger: &str) -> String {
        use secrecy::ExposeSecret as _;
        format!(
            "# Written by `backup-cli demo`. Its YBA is gone; the records can still be read.
yba:
  instances:
    {INSTANCE}:
      base-url: {url}
      customer-uuid: {customer}
      api-token: {token}
  databases:
    orders-full: {{instance: {INSTANCE}, universe-uuid: {orders}, storage-config-uuid: {storage}}}
    orders-incr: {{instance: {INSTANCE}, universe-uuid: {orders}, storage-config-uuid: {storage},
                  backup-category-type: incremental_backup}}
    ledger-full: {{instance: {INSTANCE}, universe-uuid: {ledger}, storage-config-uuid: {storage}}}
datasource:
  url: \"sqlite:{database}\"
orchestrator:
  poll-first: 250ms
  poll-max: 500ms
",
            url = self.yba.url(),
            customer = self.yba.customer(),
            token = self.yba.token().expose_secret(),
            orders = self.yba.universe(),
            storage = self.yba.storage_config(),
            database = self.file("backups.db").display(),
        )
    }

    async fn start(&self) -> Result<App> {
        let sources = Sources { file: Some(self.file("backup.yaml")), ..Sources::default() };
        let settings = Settings::load(&sources)?;
        // The simulator's own client passes by any proxy that the environment names.
        let yba = YbaInstances::one(INSTANCE, self.yba.client());
        let app = App::start_with(settings, Role::CommandLine, |builder| {
            builder.strategy(FullBackup::new(yba.clone())).strategy(IncrementalBackup::new(yba.clone()))
        });
        Ok(app.await?)
    }

    fn introduce(&self, printer: &Printer) {
        printer.say(format_args!(
            "{}\nNothing leaves this machine.\n",
            "Three backups against a simulated YugabyteDB Anywhere.".bold()
        ));
        printer.say(format_args!("  YBA       {} (simulated)", self.yba.url()));
        printer.say(format_args!("  settings  {}", self.file("backup.yaml").display()));
        printer.say(format_args!("  records   {} (SQLite)", self.file("backups.db").display()));
    }

    fn conclude(&self, context: &Context, settings: &Settings, records: &[BackupRecord]) -> Result<Exit> {
        let printer = &context.printer;
        let kept = match &self.folder {
            Folder::Kept(path) => Some(path),
            Folder::Temporary(_) => None,
        };
        if printer.is_json() {
            let batches: Vec<BatchJson<'_>> = records.iter().map(BatchJson::from).collect();
            printer.json(&json!({"batches": batches, "folder": kept}))?;
        } else {
            printer.say(format_args!("\n{}", "What is recorded".bold()));
            let now = SystemClock::new().now();
            printer.result(table(records, zone(settings), now, table_width()))?;
        }
        printer.say(format_args!(
            "\nYBA saw {} requests for a backup and {} looks at a task.",
            self.yba.count(Endpoint::CreateBackup),
            self.yba.count(Endpoint::GetTask),
        ));
        match kept {
            Some(path) => {
                let config = path.join("backup.yaml");
                printer
                    .say(format_args!("The folder {} is kept. Look at the records again:", path.display()));
                printer.say(format_args!("  backup-cli --config {} list", config.display()));
            }
            None => printer.tell(&format!(
                "The records were in {}, which is removed now; `demo --keep` keeps it.",
                self.file("backups.db").display()
            )),
        }
        let as_told = records.iter().map(|record| record.failure.is_none()).eq([true, true, false]);
        Ok(if as_told { Exit::Done } else { Exit::Unexpected })
    }
}
