//! Checks the model of the protocol exhaustively: `cargo run --release -p trials -- --replicas 3`.

use std::process::ExitCode;

use clap::Parser;
use stateright::{Checker, HasDiscoveries, Model, report::WriteReporter};
use trials::protocol::{Protocol, config::Config};

/// Checks every order of events of one batch: replicas, store, YBA, and the faults that are allowed.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    config: Config,
    /// Threads to check with.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> ExitCode {
    let Arguments { config, threads } = Arguments::parse();
    let checker = Protocol { config }.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.spawn_bfs();
    let checker = checker.join_and_report(&mut WriteReporter::new(&mut std::io::stdout()));
    let broken = checker
        .discoveries()
        .keys()
        .any(|name| checker.discovery_classification(name).to_string() == "counterexample");
    if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
