//! What every command needs: the settings, and the assembly made of them.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use backup_app::{
    App, ConfigError, ConnectError, Environment, Examination, RecordSettings, Role, Settings, Sources,
    StartError,
};
use backup_core::{BatchId, TrackingStore};
use chrono_tz::Tz;

use crate::cli::Global;
use crate::diagnostics::advise;
use crate::printer::Printer;

/// What was asked for globally.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) printer: Printer,
    sources: Sources,
}

impl Context {
    pub(crate) fn new(global: &Global, printer: Printer) -> Self {
        let sources = Sources {
            file: global.config.clone(),
            environment: Environment::process(),
            overrides: global.set.clone(),
            strategies: Vec::new(),
        };
        Self { printer, sources }
    }

    /// The settings, or everything that is wrong with them.
    pub(crate) fn load(&self) -> Result<Settings, ConfigError> {
        Settings::load(&self.sources)
    }

    /// What can be said of the settings, whether they are right or not.
    pub(crate) fn examine(&self) -> Result<Examination, ConfigError> {
        Settings::examine(&self.sources)
    }

    /// The settings of a command that works on what is recorded. What is wrong with all others is told, and does not
    /// matter.
    pub(crate) fn records(&self) -> Result<RecordSettings> {
        let settings = RecordSettings::load(&self.sources).map_err(advised)?;
        for fault in &settings.ignored {
            self.printer.warn(format_args!("{fault} (this command does not need it; `run` does)"), false);
        }
        Ok(settings)
    }

    /// The settings of a command that makes backups: there must be something to back up.
    pub(crate) fn settings_with_targets(&self) -> Result<Settings> {
        let settings = self.load().map_err(advised)?;
        if settings.targets.is_empty() {
            return Err(self.nothing_configured());
        }
        Ok(settings)
    }

    fn nothing_configured(&self) -> anyhow::Error {
        let looked = match self.file() {
            Some(file) => format!("{} and the environment name none", file.display()),
            None => "--config is not given, BACKUP_CONFIG is not set, and the environment names none \
                     (YBA_FULL_BACKUP_URL, ..)"
                .to_owned(),
        };
        advise(
            anyhow!("nothing is configured that could be backed up: {looked}"),
            "docs/configuration.md shows a first file; `backup-cli demo` needs none",
        )
    }

    /// The file that the settings come from.
    fn file(&self) -> Option<PathBuf> {
        let named = self.sources.environment.filled("BACKUP_CONFIG").map(PathBuf::from);
        self.sources.file.clone().or(named)
    }

    /// Connects to the database and starts the orchestrator.
    pub(crate) async fn start(&self, settings: &Settings, role: Role) -> Result<App> {
        Box::pin(App::start(settings.clone(), role)).await.map_err(|error| match error {
            StartError::Store(error) => no_store(error, &RecordSettings::of(settings)),
            other => other.into(),
        })
    }

    /// Connects to the database, and starts nothing.
    pub(crate) async fn open(&self, settings: &RecordSettings, role: Role) -> Result<Arc<dyn TrackingStore>> {
        App::open(settings, role).await.map_err(|error| no_store(error, settings))
    }

    /// A command line to type next, with the same configuration.
    pub(crate) fn command(&self, rest: &str) -> String {
        let config = self.sources.file.as_ref().map(|file| format!(" --config {}", file.display()));
        format!("backup-cli{} {rest}", config.unwrap_or_default())
    }

    /// Says how to look at a batch that is left open, how to finish it, and how to cancel it.
    pub(crate) fn say_what_to_do(&self, batch: &BatchId) {
        for (what, command) in [
            ("look at it", format!("status {batch}")),
            ("finish it ", "reconcile".to_owned()),
            ("cancel it ", format!("cancel {batch}")),
        ] {
            let note = if command == "reconcile" { "   (a running service does so by itself)" } else { "" };
            self.printer.say(format_args!("  {what}  {}{note}", self.command(&command)));
        }
    }
}

const NO_DATABASE: &str = "the first `run`, or the start of the service, makes it; a file without a path is looked for in the \
                           folder that a program was started in";

const NOT_MIGRATED: &str =
    "`backup-cli migrate` brings the tables up to date, as a role that may create tables";

const NO_FILE_NEEDED: &str =
    "without --config and BACKUP_CONFIG the settings come from the environment alone";

/// An error of the configuration, with what to do about it.
pub(crate) fn advised(error: ConfigError) -> anyhow::Error {
    match &error {
        ConfigError::Unreadable { .. } => advise(error, NO_FILE_NEEDED),
        _ => error.into(),
    }
}

/// Why the database cannot be used, with what to do about it, and where it was looked for.
fn no_store(error: ConnectError, settings: &RecordSettings) -> anyhow::Error {
    let error = match error {
        absent @ ConnectError::NoDatabase { .. } => advise(absent, NO_DATABASE),
        old @ ConnectError::NotMigrated { .. } => advise(old, NOT_MIGRATED),
        other => other.into(),
    };
    advise(error, format!("datasource.url is {}", place(settings)))
}

/// The zone of business dates and of times on the screen.
pub(crate) fn zone(settings: &Settings) -> Tz {
    settings.server.zone
}

/// Where records are kept, and who says so.
pub(crate) fn place(settings: &RecordSettings) -> String {
    let row = settings.explain().find("datasource.url");
    let origin = row.map_or_else(|| "default".to_owned(), |row| row.origin.to_string());
    format!("{} ({origin})", settings.datasource.url)
}
