//! `migrate`: brings the tables up to date, for the role that owns them.

use anyhow::Result;
use backup_app::Role;
use serde_json::json;

use crate::context::{Context, place};
use crate::diagnostics::Exit;

pub(crate) async fn run(context: &Context) -> Result<Exit> {
    let mut settings = context.records()?;
    settings.datasource.migrate = true;
    // A store that is opened so is up to date, or it is not opened.
    context.open(&settings, Role::CommandLine).await?;
    if context.printer.is_json() {
        context.printer.json(&json!({"database": settings.datasource.url.to_string()}))?;
    } else {
        context.printer.say(format_args!("The tables in {} are up to date.", place(&settings)));
    }
    Ok(Exit::Done)
}
