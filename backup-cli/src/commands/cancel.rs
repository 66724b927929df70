//! `cancel`: before the start nothing is sent; after it YBA is asked to abort the task.
//!
//! Whoever follows the batch learns of it within a third of a lease. Where nobody does, this command takes it up.

use std::time::Duration;

use anyhow::Result;
use backup_app::{App, Role};
use backup_core::{BackupRecord, BatchId, ErrorCode};
use tokio::time::Instant;

use super::run::{conclude, show};
use super::status::not_found;
use crate::cli::CancelArgs;
use crate::context::{Context, place, zone};
use crate::diagnostics::Exit;
use crate::follow::{Follow, Stop};
use crate::live::Live;
use crate::signal::Signals;

/// Without `--wait`: enough for YBA to be asked, and usually for its answer.
const SHORTLY: Duration = Duration::from_secs(10);

pub(crate) async fn run(context: &Context, args: &CancelArgs) -> Result<Exit> {
    let settings = context.settings()?;
    let signals = Signals::listen()?;
    let app = context.start(&settings, Role::Inspection).await?;
    let batch = BatchId::from(args.batch.trim());
    let asked = app.orchestrator.cancel(&batch).await.map_err(|error| not_found(error, &place(&settings)))?;
    let found = app.orchestrator.find(&batch).await?;
    if !asked {
        app.orchestrator.shutdown().await;
        return over_already(context, &found, zone(&settings));
    }
    context.printer.say("The cancellation is recorded.");
    let mut live = Live::new(&context.printer, zone(&settings));
    let followed = follow(context, &app, &signals, args.wait, found, &mut live).await;
    drop(live);
    app.orchestrator.shutdown().await;
    let (record, stop) = followed?;
    let record = app.orchestrator.find(&batch).await.unwrap_or(record);
    if record.is_done() {
        show(context, &record, zone(&settings))?;
        return Ok(if is_cancelled(&record) { Exit::Done } else { Exit::Failed });
    }
    if args.wait {
        return conclude(context, &record, stop, zone(&settings));
    }
    context.printer.say("It is not over yet: whoever follows the batch asks YBA to abort its task.");
    context.say_what_to_do(&batch);
    show(context, &record, zone(&settings))?;
    Ok(match stop {
        Stop::Signalled(signal) => Exit::Stopped(signal),
        _ => Exit::Done,
    })
}

async fn follow(
    context: &Context,
    app: &App,
    signals: &Signals,
    wait: bool,
    found: BackupRecord,
    live: &mut Live,
) -> Result<(BackupRecord, Stop)> {
    let until = (!wait).then(|| Instant::now() + SHORTLY);
    let follow = Follow { orchestrator: &app.orchestrator, printer: &context.printer, signals, until };
    follow.to(found, BackupRecord::is_done, live).await
}

fn over_already(context: &Context, record: &BackupRecord, zone: chrono_tz::Tz) -> Result<Exit> {
    context.printer.say(format_args!("The batch was over already: {}.", record.batch_status()));
    show(context, record, zone)?;
    Ok(if is_cancelled(record) { Exit::Done } else { Exit::Failed })
}

fn is_cancelled(record: &BackupRecord) -> bool {
    record.failure.as_ref().is_some_and(|failure| failure.code == ErrorCode::Cancelled)
}
