//! The verbs, one per file.

mod cancel;
mod completions;
mod config_check;
#[cfg(feature = "demo")]
mod demo;
mod list;
mod migrate;
mod reconcile;
mod run;
mod status;

use anyhow::Result;

use crate::cli::{Command, ConfigCommand};
use crate::context::Context;
use crate::diagnostics::Exit;

/// Runs a command.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Exit> {
    match command {
        Command::Run(args) => run::run(context, args).await,
        Command::Status(args) => status::run(context, &args).await,
        Command::List(args) => list::run(context, args).await,
        Command::Cancel(args) => cancel::run(context, &args).await,
        Command::Reconcile(args) => reconcile::run(context, &args).await,
        Command::Config(ConfigCommand::Check(args)) => config_check::run(context, &args).await,
        Command::Migrate => migrate::run(context).await,
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(context, &args).await,
        Command::Completions { shell } => completions::run(context, shell),
    }
}
