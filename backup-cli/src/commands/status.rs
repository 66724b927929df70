//! `status`: everything that is known about one batch.

use anyhow::Result;
use backup_app::Role;
use backup_core::{BatchId, Error};

use super::run::{exit_of, show};
use crate::cli::StatusArgs;
use crate::context::{Context, place, zone};
use crate::diagnostics::{Exit, advise};

pub(crate) async fn run(context: &Context, args: &StatusArgs) -> Result<Exit> {
    let settings = context.settings()?;
    let app = context.start(&settings, Role::Inspection).await?;
    let found = app.orchestrator.find(&BatchId::from(args.batch.trim())).await;
    app.orchestrator.shutdown().await;
    let record = found.map_err(|error| not_found(error, &place(&settings)))?;
    show(context, &record, zone(&settings))?;
    Ok(exit_of(&record))
}

/// Says where it was looked for.
pub(crate) fn not_found(error: Error, place: &str) -> anyhow::Error {
    match error {
        Error::UnknownBatch(_) => advise(error, format!("looked in datasource.url {place}")),
        other => other.into(),
    }
}
