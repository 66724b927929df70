//! Arguments and help, and nothing else: what a person can type.

use std::path::PathBuf;
use std::time::Duration;

use backup_core::{TrackerStatus, parse_business_date};
use chrono::NaiveDate;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  backup-cli demo                            Three backups against a simulated YBA
  backup-cli config check                    What is configured, where it comes from, what is wrong
  backup-cli run HWA_EPR_DB_BACKUP_FULL      Back up for today and follow it to its end
  backup-cli run db2 --date 20250325 --no-wait
  backup-cli status BATCH                    Everything that is known about one batch
  backup-cli list --status failed --from 2025-03-01

Exit codes:
  0  done: for `run` and `status`, only when the backup is completed
  1  the request or the backup failed
  2  wrong usage or configuration, or the database cannot be reached
  3  not over yet
  4  `status`: not over yet, and nobody follows it: `backup-cli reconcile` does
  129, 130, 143  interrupted; the backup goes on";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Backs up YugabyteDB through YugabyteDB Anywhere: each request once, followed to its true end, and recorded.
#[derive(Debug, Parser)]
#[command(name = "backup-cli", version, after_help = EXAMPLES, styles = STYLES, max_term_width = 100)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The configuration file (otherwise the one that BACKUP_CONFIG names; none is needed)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Overrides one setting, such as `datasource.url=sqlite:other.db`; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
    /// The form of the result on stdout: for people, or one JSON document for programs
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) output: Output,
    /// Colours; `auto` means on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub(crate) color: ColorChoice,
    /// Logs to stderr; twice for more, three times for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Nothing on stderr but errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// The form of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Text and tables
    #[default]
    Table,
    /// One JSON document
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(RunArgs),
    Status(StatusArgs),
    List(ListArgs),
    Cancel(CancelArgs),
    Reconcile(ReconcileArgs),
    /// Everything about the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Creates the tables, or brings them up to date, whatever `datasource.migrate` says
    ///
    /// For the role that owns them, where the service's role must not: with
    /// `--set datasource.username=OWNER`. It makes the partitions of the coming months too. Run it again whenever you like.
    Migrate,
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// Prints a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Starts a backup and follows it to its end
///
/// The request is recorded before YBA is asked, so whatever happens to this command, the batch stays known: look at
/// it with `status`, finish it with `reconcile`, or let the service do so. No service is needed.
///
/// Exits with 0 only when the backup is completed.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// The category: a target's key (`db1`) or one of its category codes
    pub(crate) category: String,
    /// The business date, yyyyMMdd or yyyy-MM-dd [default: today in the configured zone]
    #[arg(long, value_name = "DATE")]
    pub(crate) date: Option<String>,
    /// An existing batch: joined when it is open, run again when it failed
    #[arg(long, value_name = "ID")]
    pub(crate) batch: Option<String>,
    /// Makes the request safe to repeat: the same key starts one backup, however often it is sent
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// No more than one backup of the target and the date: joins what is open, answers what completed, runs again what
    /// failed, whoever asked for it
    #[arg(long, conflicts_with = "batch")]
    pub(crate) once: bool,
    /// Returns once YBA has accepted the backup (exit code 3: not over yet)
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Stops following after this long, such as 90s, 30m or 2h; the backup goes on (exit code 3)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// Shows everything that is known about one batch
///
/// Exits as `run` does: 0 when the backup is completed, 1 when it failed, 3 when it is not over; 4 when nobody follows it
/// any more.
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// The batch
    #[arg(value_name = "BATCH")]
    pub(crate) batch: String,
}

/// Lists batches, newest first
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Only this category, as it was asked for
    #[arg(long, value_name = "CATEGORY")]
    pub(crate) category: Option<String>,
    /// Only this status
    #[arg(long, value_enum, ignore_case = true, value_name = "STATUS")]
    pub(crate) status: Option<StatusFilter>,
    /// Only business dates from this one on
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) from: Option<NaiveDate>,
    /// Only business dates up to this one
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) to: Option<NaiveDate>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// Those after this place: `next` of the list before
    #[arg(long, value_name = "NEXT", conflicts_with = "all")]
    pub(crate) after: Option<String>,
    /// All of them, however many
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

/// What `list --status` understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusFilter {
    /// The backup exists
    #[value(alias = "success")]
    Completed,
    /// It does not, or nobody knows
    Failed,
    /// Not over
    #[value(name = "in-progress", alias = "in_progress", alias = "open")]
    InProgress,
}

impl From<StatusFilter> for TrackerStatus {
    fn from(filter: StatusFilter) -> Self {
        match filter {
            StatusFilter::Completed => Self::Success,
            StatusFilter::Failed => Self::Failed,
            StatusFilter::InProgress => Self::InProgress,
        }
    }
}

/// Cancels a batch: before its start it is never sent, after it YBA is asked to abort the task
///
/// A backup that completes first stays a success, and is told as one.
#[derive(Args, Debug)]
pub(crate) struct CancelArgs {
    /// The batch
    #[arg(value_name = "BATCH")]
    pub(crate) batch: String,
    /// Follows the batch to its end; exits with 0 only when it ended as cancelled
    #[arg(long)]
    pub(crate) wait: bool,
}

/// Takes up every batch that was left open, and follows it to its end
///
/// For what a crash, a lost connection or `run --no-wait` left behind. Safe beside the service and beside other
/// commands: a batch is followed by one of them at a time.
#[derive(Args, Debug)]
pub(crate) struct ReconcileArgs {
    /// Goes on looking for open batches until it is interrupted
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    Check(ConfigCheckArgs),
}

/// Shows every setting with its origin, and everything that is wrong with them
///
/// Secrets are masked. Exits with 1 when there is a fault.
#[derive(Args, Debug)]
pub(crate) struct ConfigCheckArgs {
    /// Also asks every YBA instance and the database
    #[arg(long, overrides_with = "offline")]
    pub(crate) online: bool,
    /// Asks nobody (the default)
    #[arg(long)]
    pub(crate) offline: bool,
}

/// Runs three backups against a simulated YBA on this machine: start here
///
/// Needs no configuration and no network. A full backup, an increment on it, and one that fails, recorded in an
/// SQLite file in a temporary folder.
#[cfg(feature = "demo")]
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Keeps the folder with the SQLite file and the configuration
    #[arg(long)]
    pub(crate) keep: bool,
}

fn date(text: &str) -> Result<NaiveDate, String> {
    parse_business_date(text.trim())
        .ok_or_else(|| "no date; write yyyyMMdd (20250325) or yyyy-MM-dd (2025-03-25)".to_owned())
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        // The text may be a secret, but clap shows it anyway: it was typed here.
        _ => Err("write KEY=VALUE, such as `datasource.url=sqlite:other.db`".to_owned()),
    }
}

/// Reads `90s`, `30m`, `2h`, `1h30m`, `1d`.
fn duration(text: &str) -> Result<Duration, String> {
    let fault = || "no time; write a number with its unit, such as 90s, 30m, 2h or 1h30m".to_owned();
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(fault)?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let number: u64 = number.parse().map_err(|_| fault())?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err(fault()),
        };
        let part = number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(fault)?;
        total = total.checked_add(part).ok_or_else(fault)?;
        rest = tail;
    }
    // Beyond a century nobody means it, and clocks overflow.
    (total > Duration::ZERO && total < Duration::from_hours(24 * 366 * 100))
        .then_some(total)
        .ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read_with_their_units() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration(" 2h "), Ok(Duration::from_hours(2)));
        assert_eq!(duration("1d"), Ok(Duration::from_hours(24)));
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in
            ["", "90", "h", "2 weeks", "0s", "-1h", "99999999999999999999h", "1.5h", "18446744073709551615d"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
