//! Measures the orchestrator against a bare loop in the same run, and prints ratios.
//!
//! ```sh
//! cargo run --release -p backup-bench -- throughput            # both stores
//! cargo run --release -p backup-bench -- throughput --store postgres --in-flight 64
//! cargo run --release -p backup-bench -- scale                 # 10,000 backups in flight
//! cargo run --release -p backup-bench -- growth                # the same at 100, 1,000, 10,000 and with a million finished rows
//! ```
//!
//! YBA is a fake in a process of its own, so that its cost is not counted as ours. PostgreSQL runs with its default durability and
//! SQLite with `synchronous=FULL`. The bare loop does what no program can leave out: it records the intent, posts, polls, looks at
//! the backup, and records the outcome; it recovers nothing.

mod bare;
mod cost;
mod databases;
mod fake_yba;
mod growth;
mod ours;
mod scale;
mod throughput;

use clap::{Parser, Subcommand, ValueEnum};

#[derive(Parser)]
#[command(about = "Measures the orchestrator against a bare loop", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Completed backups per second, round trips and CPU per backup.
    Throughput {
        /// Only this store.
        #[arg(long)]
        store: Option<Engine>,
        /// Backups in flight; may be given several times.
        #[arg(long, default_values_t = [1, 16, 64, 256])]
        in_flight: Vec<usize>,
        /// Backups per measurement: this many for each in flight, and at least 500.
        #[arg(long, default_value_t = 60)]
        rounds: usize,
        /// Measure on this PostgreSQL or YugabyteDB, in new databases that stay there.
        #[arg(long)]
        server: Option<String>,
    },
    /// Memory, CPU and calls to YBA with many backups in flight.
    Scale {
        /// Backups in flight.
        #[arg(long, default_value_t = 10_000)]
        in_flight: usize,
        /// Seconds to measure, once all are running.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
        /// Seconds between two looks at a backup.
        #[arg(long, default_value_t = 5)]
        interval: u64,
    },
    /// How the cost grows with the backups in flight, and with finished rows in the tables.
    Growth {
        /// Finished rows in the tables.
        #[arg(long, default_value_t = 1_000_000)]
        finished: u64,
    },
    /// The fake YBA, started by the others.
    #[command(hide = true)]
    FakeYba {
        /// Milliseconds that a task takes; 0: done at the first look.
        #[arg(long, default_value_t = 0)]
        task_ms: u64,
    },
}

/// A store to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// PostgreSQL with default durability.
    Postgres,
    /// SQLite, WAL, `synchronous=FULL`.
    Sqlite,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // For the bare loop's own client; a second call would only say that it is there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Arguments::parse().command {
        Command::Throughput { store, in_flight, rounds, server } => {
            throughput::run(store, &in_flight, rounds, server.as_deref()).await
        }
        Command::Scale { in_flight, seconds, interval } => scale::run(in_flight, seconds, interval).await,
        Command::Growth { finished } => growth::run(finished).await,
        Command::FakeYba { task_ms } => fake_yba::serve(task_ms).await,
    }
}
