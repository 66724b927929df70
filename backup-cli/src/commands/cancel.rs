//! `cancel`: before the start nothing is sent; after it YBA is asked to abort the task.
//!
//! The wish needs the records alone, whatever is wrong with the rest of the configuration. Whoever follows the batch learns
//! of it within a third of a lease. Where nobody does, this command takes the batch up, if its settings allow that.

use std::time::Duration;

use anyhow::Result;
use backup_app::{App, RecordSettings, Role};
use backup_core::store::Follower;
use backup_core::{BackupRecord, BatchId, Error, ErrorCode, TrackingStore};
use chrono_tz::Tz;
use tokio::time::{Instant, sleep};

use super::run::{conclude, show, stopped_early};
use super::status::{find, not_found};
use crate::cli::CancelArgs;
use crate::context::{Context, place};
use crate::diagnostics::Exit;
use crate::follow::{Follow, Stop, until};
use crate::live::Live;
use crate::signal::Signals;

/// Without `--wait`: enough for YBA to be asked, and usually for its answer.
const SHORTLY: Duration = Duration::from_secs(10);

/// How often a batch that somebody else follows is looked at.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) async fn run(context: &Context, args: &CancelArgs) -> Result<Exit> {
    let settings = context.records()?;
    let signals = Signals::listen()?;
    let store = match signals.unless_stopped(context.open(&settings, Role::Inspection)).await {
        Ok(store) => store?,
        Err(signal) => return Ok(stopped_early(context, signal)),
    };
    let batch = BatchId::from(args.batch.trim());
    let asked = store.request_cancel(&batch).await.map_err(Error::from);
    let asked = asked.map_err(|error| not_found(error, &place(&settings)))?;
    let found = find(store.as_ref(), &batch).await?;
    if !asked {
        return over_already(context, &found, settings.zone);
    }
    context.printer.say("The cancellation is recorded.");
    let cancel = Cancel { context, settings: &settings, store: store.as_ref(), signals: &signals, args };
    let (record, stop) = match engine(context, &settings).await {
        Some(app) => {
            let followed = cancel.follow(&app, found).await;
            app.orchestrator.shutdown().await;
            followed?
        }
        None => cancel.watch(found).await?,
    };
    let record = find(store.as_ref(), &batch).await.unwrap_or(record);
    cancel.conclude(&record, stop)
}

/// What can carry the cancellation out where nobody else does; without it the wish is recorded all the same.
async fn engine(context: &Context, settings: &RecordSettings) -> Option<App> {
    if !settings.ignored.is_empty() {
        return None;
    }
    let whole = context.load().ok()?;
    match Box::pin(App::start(whole, Role::Inspection)).await {
        Ok(app) => Some(app),
        Err(error) => {
            context.printer.warn(format_args!("YBA cannot be asked from here: {error}"), false);
            None
        }
    }
}

struct Cancel<'a> {
    context: &'a Context,
    settings: &'a RecordSettings,
    store: &'a dyn TrackingStore,
    signals: &'a Signals,
    args: &'a CancelArgs,
}

impl Cancel<'_> {
    fn until(&self) -> Option<Instant> {
        (!self.args.wait).then(|| Instant::now() + SHORTLY)
    }

    /// Follows the batch, and takes it up where nobody does.
    async fn follow(&self, app: &App, found: BackupRecord) -> Result<(BackupRecord, Stop)> {
        let (orchestrator, printer, zone) = (&app.orchestrator, &self.context.printer, self.settings.zone);
        let follow = Follow { orchestrator, printer, signals: self.signals, zone, until: self.until() };
        let mut live = Live::new(printer, zone);
        follow.to(found, BackupRecord::is_done, &mut live).await
    }

    /// Looks whether somebody else carries it out. Where nobody has followed the batch for a lease there is nothing to wait for.
    async fn watch(&self, mut record: BackupRecord) -> Result<(BackupRecord, Stop)> {
        let (batch, until) = (record.batch.clone(), until(self.until()));
        tokio::pin!(until);
        let mut live = Live::new(&self.context.printer, self.settings.zone);
        loop {
            live.show(&record, None);
            let follower = self.store.follower(&batch).await.map_err(Error::from)?;
            let is_abandoned =
                matches!(follower, Some(Follower::Nobody(since)) if since > self.settings.lease);
            if record.is_done() || is_abandoned {
                return Ok((record, Stop::There));
            }
            tokio::select! {
                biased;
                signal = self.signals.first() => return Ok((record, Stop::Signalled(signal))),
                () = &mut until => return Ok((record, Stop::TimedOut)),
                () = sleep(LOOK) => record = find(self.store, &batch).await?,
            }
        }
    }

    fn conclude(&self, record: &BackupRecord, stop: Stop) -> Result<Exit> {
        let (context, zone) = (self.context, self.settings.zone);
        if record.is_done() {
            show(context, record, None, zone)?;
            return Ok(if is_cancelled(record) { Exit::Done } else { Exit::Failed });
        }
        if self.args.wait {
            return conclude(context, record, stop, zone);
        }
        context.printer.tell(
            "It is not over yet: whoever follows the batch carries the cancellation out, a running service or `reconcile`.",
        );
        context.say_what_to_do(&record.batch);
        show(context, record, None, zone)?;
        Ok(match stop {
            Stop::Signalled(signal) => Exit::Stopped(signal),
            _ => Exit::Done,
        })
    }
}

fn over_already(context: &Context, record: &BackupRecord, zone: Tz) -> Result<Exit> {
    context.printer.say(format_args!("The batch was over already: {}.", record.batch_status()));
    show(context, record, None, zone)?;
    Ok(if is_cancelled(record) { Exit::Done } else { Exit::Failed })
}

fn is_cancelled(record: &BackupRecord) -> bool {
    record.failure.as_ref().is_some_and(|failure| failure.code == ErrorCode::Cancelled)
}
