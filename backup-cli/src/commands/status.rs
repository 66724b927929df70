//! `status`: everything that is known about one batch.

use anyhow::Result;
use backup_app::Role;
use backup_core::store::Follower;
use backup_core::{BackupRecord, BatchId, Error, TrackingStore};

use super::run::{exit_of, show};
use crate::cli::StatusArgs;
use crate::context::{Context, place};
use crate::diagnostics::{Exit, advise};

pub(crate) async fn run(context: &Context, args: &StatusArgs) -> Result<Exit> {
    let settings = context.records()?;
    let store = context.open(&settings, Role::Inspection).await?;
    let batch = BatchId::from(args.batch.trim());
    let record = find(store.as_ref(), &batch).await.map_err(|error| not_found(error, &place(&settings)))?;
    let follower = store.follower(&batch).await.map_err(Error::from)?;
    show(context, &record, follower, settings.zone)?;
    if let Some(Follower::Nobody(since)) = follower {
        say_who_takes_it_up(context, &batch);
        return Ok(if since > settings.lease { Exit::Abandoned } else { Exit::Open });
    }
    Ok(exit_of(&record))
}

fn say_who_takes_it_up(context: &Context, batch: &BatchId) {
    context.printer.tell("Nobody follows this batch: no service and no command works on this database.");
    context.say_what_to_do(batch);
}

/// The record of a batch.
pub(crate) async fn find(store: &dyn TrackingStore, batch: &BatchId) -> Result<BackupRecord, Error> {
    store.find(batch).await?.ok_or_else(|| Error::UnknownBatch(batch.clone()))
}

/// Says where it was looked for.
pub(crate) fn not_found(error: Error, place: &str) -> anyhow::Error {
    match error {
        Error::UnknownBatch(_) => advise(error, format!("looked in datasource.url {place}")),
        other => other.into(),
    }
}
