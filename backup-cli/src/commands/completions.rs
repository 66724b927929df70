//! `completions`: a script for a shell.

use anyhow::Result;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::context::Context;
use crate::diagnostics::Exit;

pub(crate) fn run(context: &Context, shell: Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "backup-cli", &mut script);
    context.printer.result(String::from_utf8(script)?.trim_end())?;
    Ok(Exit::Done)
}
