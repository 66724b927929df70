//! `reconcile`: takes up every batch that was left open, and follows it to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use backup_app::{Role, Settings};
use backup_core::store::BackupFilter;
use backup_core::{
    BackupRecord, BatchId, Clock as _, Error as CoreError, Orchestrator, SystemClock, TrackerStatus,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::time::sleep;

use super::run::stopped_early;
use crate::cli::ReconcileArgs;
use crate::context::{Context, zone};
use crate::diagnostics::Exit;
use crate::json::BatchJson;
use crate::live::Live;
use crate::obstacle::name;
use crate::output::table;
use crate::printer::table_width;
use crate::signal::{Signal, Signals};

/// How often the open batches are looked at.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) async fn run(context: &Context, args: &ReconcileArgs) -> Result<Exit> {
    let settings = context.settings_with_targets()?;
    let signals = Signals::listen()?;
    let app = match signals.unless_stopped(context.start(&settings, Role::Service)).await {
        Ok(app) => app?,
        Err(signal) => return Ok(stopped_early(context, signal)),
    };
    let mut round = Round::new(context, &settings, &app.orchestrator);
    let stopped = round.follow(&signals, args.watch).await;
    round.quiet_down();
    // A command line that is the only one to work here is also the only one to audit.
    let audited = app.orchestrator.audit().await;
    app.orchestrator.shutdown().await;
    let signal = stopped?;
    audited?;
    round.conclude(signal)
}

/// The batches that were open, and what became of them.
struct Round<'a> {
    context: &'a Context,
    settings: &'a Settings,
    orchestrator: &'a Orchestrator,
    open: BTreeMap<BatchId, Live>,
    ended: Vec<BackupRecord>,
    bar: Option<ProgressBar>,
    in_trouble: bool,
}

impl<'a> Round<'a> {
    fn new(context: &'a Context, settings: &'a Settings, orchestrator: &'a Orchestrator) -> Self {
        let bar = context.printer.is_watched().then(|| {
            let bar = context.printer.bars().add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg}  {elapsed_precise}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let (open, ended) = (BTreeMap::new(), Vec::new());
        Self { context, settings, orchestrator, open, ended, bar, in_trouble: false }
    }

    /// Looks until nothing is open; with `watch`, until a signal comes.
    async fn follow(&mut self, signals: &Signals, watch: bool) -> Result<Option<Signal>> {
        loop {
            let stop = tokio::select! {
                biased;
                signal = signals.first() => Some(signal),
                looked = self.look() => {
                    self.survived(looked)?;
                    None
                }
            };
            if stop.is_some() {
                return Ok(stop);
            }
            if self.open.is_empty() && !self.in_trouble && !watch {
                return Ok(None);
            }
            tokio::select! {
                signal = signals.first() => return Ok(Some(signal)),
                () = sleep(LOOK) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), CoreError> {
        let mut filter = BackupFilter {
            status: Some(TrackerStatus::InProgress),
            limit: BackupFilter::MAX_LIMIT,
            ..BackupFilter::default()
        };
        let mut found = Vec::new();
        loop {
            let page = self.orchestrator.list(&filter).await?;
            found.extend(page.records);
            filter.after = page.next;
            if filter.after.is_none() {
                break;
            }
        }
        let gone: Vec<BatchId> = self
            .open
            .keys()
            .filter(|batch| !found.iter().any(|record| record.batch == **batch))
            .cloned()
            .collect();
        for record in &found {
            self.show(record);
        }
        for batch in gone {
            let record = self.orchestrator.find(&batch).await?;
            self.show(&record);
            if record.is_done() {
                self.open.remove(&batch);
                self.ended.push(record);
            }
        }
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{} open, {} ended", self.open.len(), self.ended.len()));
        }
        Ok(())
    }

    fn show(&mut self, record: &BackupRecord) {
        let live = self
            .open
            .entry(record.batch.clone())
            .or_insert_with(|| Live::new(&self.context.printer, zone(self.settings)).named(name(record)));
        let percent = self.orchestrator.watch(&record.batch).and_then(|progress| progress.borrow().percent);
        live.show(record, percent);
    }

    /// A database that is away for a while is waited for.
    fn survived(&mut self, looked: Result<(), CoreError>) -> Result<()> {
        let was_in_trouble = self.in_trouble;
        self.in_trouble = match looked {
            Ok(()) => false,
            Err(CoreError::Store(cause)) if cause.is_transient() => {
                if !was_in_trouble {
                    self.context.printer.warn(format_args!("{cause}; trying again"), true);
                }
                true
            }
            Err(error) => return Err(error.into()),
        };
        Ok(())
    }

    fn quiet_down(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn conclude(self, signal: Option<Signal>) -> Result<Exit> {
        let printer = &self.context.printer;
        let open = self.open.len();
        if printer.is_json() {
            let batches: Vec<BatchJson<'_>> = self.ended.iter().map(BatchJson::from).collect();
            printer.json(&json!({"batches": batches, "open": open}))?;
        } else if !self.ended.is_empty() {
            let now = SystemClock::new().now();
            printer.say("");
            printer.result(table(&self.ended, zone(self.settings), now, table_width()))?;
        }
        if self.ended.is_empty() && open == 0 {
            printer.say("Nothing was open.");
        }
        if open > 0 {
            let batches = if open == 1 { "batch stays" } else { "batches stay" };
            printer.say(format_args!("Stopped; {open} open {batches} recorded, and backups at YBA go on."));
        }
        Ok(match signal {
            Some(signal) => Exit::Stopped(signal),
            None if self.ended.iter().any(|record| record.failure.is_some()) => Exit::Failed,
            None => Exit::Done,
        })
    }
}
