//! `run`: a request, recorded, and followed to its end.

use anyhow::Result;
use backup_app::{App, Role, Settings};
use backup_core::store::Follower;
use backup_core::{BackupRecord, BackupRequest, BatchMode, Clock as _, Phase, SystemClock};
use chrono_tz::Tz;
use tokio::time::Instant;

use crate::cli::RunArgs;
use crate::context::{Context, zone};
use crate::diagnostics::Exit;
use crate::follow::{Follow, Stop};
use crate::json::BatchJson;
use crate::live::Live;
use crate::output::{self, Screen};
use crate::printer::table_width;
use crate::signal::{Signal, Signals};
use crate::words;

pub(crate) async fn run(context: &Context, args: RunArgs) -> Result<Exit> {
    let settings = context.settings_with_targets()?;
    let signals = Signals::listen()?;
    let app = match signals.unless_stopped(context.start(&settings, Role::CommandLine)).await {
        Ok(app) => app?,
        Err(signal) => return Ok(stopped_early(context, signal)),
    };
    let outcome = submit_and_follow(context, &app, &settings, &signals, args).await;
    // Finishes the step under way, and leaves what is open to whoever takes it up.
    app.orchestrator.shutdown().await;
    let (record, stop) = match outcome? {
        Ok(followed) => followed,
        Err(signal) => return Ok(Exit::Stopped(signal)),
    };
    // The step under way may have changed it.
    let record = app.orchestrator.find(&record.batch).await.unwrap_or(record);
    conclude(context, &record, stop, zone(&settings))
}

/// The database had not answered yet.
pub(crate) fn stopped_early(context: &Context, signal: Signal) -> Exit {
    context.printer.say("Stopped while the database was waited for; nothing was recorded or changed.");
    Exit::Stopped(signal)
}

/// `Err` inside: stopped before anything was recorded for certain.
async fn submit_and_follow(
    context: &Context,
    app: &App,
    settings: &Settings,
    signals: &Signals,
    args: RunArgs,
) -> Result<Result<(BackupRecord, Stop), Signal>> {
    let until = args.timeout.map(|timeout| Instant::now() + timeout);
    let no_wait = args.no_wait;
    let record = tokio::select! {
        biased;
        signal = signals.first() => {
            let list = context.command("list --status in-progress");
            context.printer.tell(&format!("Stopped before the request was surely recorded; `{list}` shows it if it was."));
            return Ok(Err(signal));
        }
        record = app.orchestrator.submit(request(args, zone(settings))) => record?,
    };
    let zone = zone(settings);
    let follow = Follow { orchestrator: &app.orchestrator, printer: &context.printer, signals, zone, until };
    let is_there = |record: &BackupRecord| record.is_done() || no_wait && is_accepted(record);
    let mut live = Live::new(&context.printer, zone);
    follow.to(record, is_there, &mut live).await.map(Ok)
}

fn request(args: RunArgs, zone: Tz) -> BackupRequest {
    let today = || SystemClock::new().now().with_timezone(&zone).format("%Y-%m-%d").to_string();
    BackupRequest {
        category: Some(args.category),
        business_date: Some(args.date.unwrap_or_else(today)),
        batch: args.batch,
        idempotency_key: args.idempotency_key,
        once_per_date: args.once,
        mode: BatchMode::Manual,
        ..BackupRequest::default()
    }
}

/// YBA has a task, or nothing can be asked of it now.
fn is_accepted(record: &BackupRecord) -> bool {
    matches!(record.phase, Phase::Running | Phase::Settling | Phase::Waiting)
}

/// The result, and what goes on without us.
pub(crate) fn conclude(context: &Context, record: &BackupRecord, stop: Stop, zone: Tz) -> Result<Exit> {
    if !record.is_done() {
        let how = match stop {
            Stop::There => "Not over yet",
            Stop::TimedOut => "Stopped following: the time is up",
            Stop::Signalled(_) => "Stopped following",
        };
        context.printer.say("");
        context.printer.tell(&format!("{how}. {}", words::what_goes_on(record)));
        context.say_what_to_do(&record.batch);
    }
    show(context, record, None, zone)?;
    Ok(match stop {
        Stop::Signalled(signal) if !record.is_done() => Exit::Stopped(signal),
        _ => exit_of(record),
    })
}

/// Prints a batch on stdout, with who follows it where that was asked for.
pub(crate) fn show(
    context: &Context,
    record: &BackupRecord,
    follower: Option<Follower>,
    zone: Tz,
) -> Result<()> {
    let printer = &context.printer;
    let now = SystemClock::new().now();
    if printer.is_json() {
        printer.json(&BatchJson::from(record).followed_by(follower, now))?;
    } else {
        if printer.is_watched() {
            printer.say("");
        }
        printer.result(output::block(record, follower, &Screen { zone, now, width: table_width() }))?;
    }
    Ok(())
}

/// Done only when the backup is completed.
pub(crate) fn exit_of(record: &BackupRecord) -> Exit {
    match (record.is_done(), &record.failure) {
        (false, _) => Exit::Open,
        (true, None) => Exit::Done,
        (true, Some(_)) => Exit::Failed,
    }
}
