//! `config check`: every setting with its origin, and everything that is wrong; with `--online`, who answers.

use anyhow::Result;
use backup_app::settings::{TargetSettings, TargetState};
use backup_app::{ConfigError, Examination, Fault, Row, Warning};
use serde::Serialize;

use crate::cli::ConfigCheckArgs;
use crate::context::{Context, advised};
use crate::diagnostics::{Exit, report};
use crate::online::{self, Check};
use crate::output::{keep_whole, plain_table, text_of};
use crate::printer::{Printer, table_width};

/// The answer, as programs read it.
#[derive(Debug, Default, Serialize)]
struct Report<'a> {
    valid: bool,
    settings: &'a [Row],
    targets: Vec<Target<'a>>,
    faults: &'a [Fault],
    warnings: &'a [Warning],
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<&'a [Check]>,
}

/// Whether a target can be backed up.
#[derive(Debug, Serialize)]
struct Target<'a> {
    key: &'a str,
    category_codes: &'a [String],
    strategy: &'a str,
    /// Nothing is missing, and whoever was asked agreed.
    ready: bool,
    missing: &'a [String],
    /// Why a request would fail although nothing is missing.
    #[serde(skip)]
    refused: Vec<&'a str>,
}

pub(crate) async fn run(context: &Context, args: &ConfigCheckArgs) -> Result<Exit> {
    let settings = match context.load() {
        Ok(settings) => settings,
        Err(ConfigError::Invalid(_)) => return refuse(&context.printer, &context.examine()?),
        Err(unreadable) => {
            report(&context.printer, &advised(unreadable));
            return Ok(Exit::Failed);
        }
    };
    let online = if args.online { Some(online::ask(&settings).await) } else { None };
    let is_well = online.iter().flatten().all(|check| check.ok);
    let checks = online.as_deref().unwrap_or_default();
    let report = Report {
        valid: is_well,
        settings: &settings.explain().rows,
        targets: settings.targets.iter().map(|settings| target(settings, checks)).collect(),
        faults: &[],
        warnings: settings.warnings(),
        online: online.as_deref(),
    };
    print(&context.printer, &report)?;
    Ok(if is_well { Exit::Done } else { Exit::Failed })
}

/// What could be read, what is wrong, and what to look at.
fn refuse(printer: &Printer, seen: &Examination) -> Result<Exit> {
    let Examination { explanation, faults, warnings, .. } = seen;
    if printer.is_json() {
        printer.json(&Report { settings: &explanation.rows, faults, warnings, ..Report::default() })?;
    } else {
        printer.result(settings(&explanation.rows))?;
        printer.say("");
    }
    for warning in warnings {
        printer.warn(warning, false);
    }
    for fault in faults {
        printer.error(fault);
    }
    let count = faults.len();
    printer.complain(format_args!("\n{count} {} to correct.", if count == 1 { "fault" } else { "faults" }));
    Ok(Exit::Failed)
}

fn settings(rows: &[Row]) -> String {
    let mut table = plain_table(table_width());
    table.set_header(["SETTING", "VALUE", "FROM"]);
    for row in rows {
        table.add_row([row.key.as_str(), row.value.as_str(), &row.origin.to_string()]);
    }
    keep_whole(&mut table, 0);
    text_of(table)
}

fn print(printer: &Printer, report: &Report<'_>) -> Result<()> {
    if printer.is_json() {
        return Ok(printer.json(report)?);
    }
    printer.result(settings(report.settings))?;
    printer.result(format_args!("\n{}", targets(report)))?;
    if let Some(checks) = report.online {
        printer.result(format_args!("\n{}", answers(checks)))?;
    }
    printer.say("");
    for warning in report.warnings {
        printer.warn(warning, false);
    }
    let failed: Vec<&Check> = report.online.unwrap_or_default().iter().filter(|check| !check.ok).collect();
    for check in &failed {
        printer.error(format_args!("{}: {}", check.what, check.answer));
    }
    let warnings = counted(report.warnings.len(), "warning");
    match failed.len() {
        0 => printer.say(format_args!("No faults, {warnings}.")),
        count => printer.complain(format_args!(
            "\n{} when asked, {warnings}. A backup that needs it would fail.",
            counted(count, "failure")
        )),
    }
    Ok(())
}

/// `no warnings`, `1 warning`, `2 warnings`.
fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

fn target<'a>(settings: &'a TargetSettings, checks: &'a [Check]) -> Target<'a> {
    let (missing, refused): (&[String], Vec<&str>) = match &settings.state {
        TargetState::HalfSet { missing } => (missing, Vec::new()),
        TargetState::Ready(connection) => (&[], online::refused(settings, connection, checks)),
    };
    Target {
        key: &settings.key,
        category_codes: &settings.category_codes,
        strategy: settings.category_type.as_str(),
        ready: missing.is_empty() && refused.is_empty(),
        missing,
        refused,
    }
}

fn targets(report: &Report<'_>) -> String {
    if report.targets.is_empty() {
        return "No target is configured.".to_owned();
    }
    let mut table = plain_table(table_width());
    table.set_header(["TARGET", "STRATEGY", "CATEGORY CODES", "STATE"]);
    for target in &report.targets {
        let state = if target.ready {
            "ready".to_owned()
        } else if target.missing.is_empty() {
            format!("not ready; failed: {}", target.refused.join(", "))
        } else {
            format!("half set; missing: {}", target.missing.join(", "))
        };
        table.add_row([target.key, target.strategy, &target.category_codes.join(", "), &state]);
    }
    text_of(table)
}

fn answers(checks: &[Check]) -> String {
    let mut table = plain_table(table_width());
    table.set_header(["ASKED", "", "ANSWER"]);
    for check in checks {
        table.add_row([check.what.as_str(), if check.ok { "ok" } else { "FAILED" }, &check.answer]);
    }
    text_of(table)
}
