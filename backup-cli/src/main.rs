//! `backup-cli`: YugabyteDB backups from a terminal or a script.
//!
//! The way of a command: `cli.rs` (arguments) -> `commands/` (one verb per file) -> the orchestrator of `backup-app`'s
//! assembly -> `follow.rs` and `live.rs` while it runs -> `output.rs` or `json.rs` (the result, on stdout) -> `diagnostics.rs` (how the
//! program ends). All talk goes to stderr, through `printer.rs`.

mod cli;
mod commands;
mod context;
mod diagnostics;
mod follow;
mod foreign;
mod json;
mod live;
mod logs;
mod obstacle;
mod online;
mod output;
mod printer;
mod signal;
mod story;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use crate::cli::Cli;
use crate::context::Context;
use crate::diagnostics::Exit;
use crate::printer::Printer;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let printer = Printer::new(&cli.global);
    logs::init(&cli.global, &printer);
    let context = Context::new(&cli.global, printer.clone());
    let outcome = run(cli, &context);
    outcome.unwrap_or_else(|error| diagnostics::report(&printer, &error)).into()
}

fn run(cli: Cli, context: &Context) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(commands::run(cli.command, context));
    // Whatever is still under way is recorded, or was told to be in doubt.
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}
