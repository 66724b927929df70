//! `config check`: every setting with its origin, and everything that is wrong; with `--online`, who answers.

use std::path::Path;

use anyhow::Result;
use backup_app::settings::TargetState;
use backup_app::{
    ConfigError, ConnectError, Examination, Fault, Row, Settings, Warning, open_store, yba_instances,
};
use serde::Serialize;
use yba_client::{Leadership, YbaClient};

use crate::cli::ConfigCheckArgs;
use crate::context::{Context, advised};
use crate::diagnostics::{Exit, report};
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
    online: Option<Vec<Check>>,
}

/// Whether a target can be backed up.
#[derive(Debug, Serialize)]
struct Target<'a> {
    key: &'a str,
    category_codes: &'a [String],
    strategy: &'a str,
    missing: &'a [String],
}

/// Somebody who was asked.
#[derive(Debug, Serialize)]
struct Check {
    what: String,
    ok: bool,
    answer: String,
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
    let online = if args.online { Some(ask(&settings).await) } else { None };
    let is_well = online.iter().flatten().all(|check| check.ok);
    let report = Report {
        valid: true,
        settings: &settings.explain().rows,
        targets: settings.targets.iter().map(target).collect(),
        faults: &[],
        warnings: settings.warnings(),
        online,
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
    if let Some(checks) = &report.online {
        printer.result(format_args!("\n{}", answers(checks)))?;
    }
    printer.say("");
    for warning in report.warnings {
        printer.warn(warning, false);
    }
    printer.say(match report.warnings.len() {
        0 => "No faults, no warnings.".to_owned(),
        1 => "No faults, 1 warning.".to_owned(),
        count => format!("No faults, {count} warnings."),
    });
    Ok(())
}

fn target(settings: &backup_app::settings::TargetSettings) -> Target<'_> {
    let missing: &[String] = match &settings.state {
        TargetState::HalfSet { missing } => missing,
        TargetState::Ready(_) => &[],
    };
    Target {
        key: &settings.key,
        category_codes: &settings.category_codes,
        strategy: settings.category_type.as_str(),
        missing,
    }
}

fn targets(report: &Report<'_>) -> String {
    if report.targets.is_empty() {
        return "No target is configured.".to_owned();
    }
    let mut table = plain_table(table_width());
    table.set_header(["TARGET", "STRATEGY", "CATEGORY CODES", "STATE"]);
    for target in &report.targets {
        let state = if target.missing.is_empty() {
            "ready".to_owned()
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

/// Asks the database, and every YBA instance, each whatever the others answer.
async fn ask(settings: &Settings) -> Vec<Check> {
    let (database, mut instances) = tokio::join!(database(settings), instances(settings));
    instances.insert(0, database);
    instances
}

async fn database(settings: &Settings) -> Check {
    let what = format!("database {}", settings.datasource.url);
    let store = match open_store(&settings.datasource, &settings.application_name).await {
        Ok(store) => store,
        Err(ConnectError::NoDatabase { path }) if Path::new(&path).parent().is_some_and(Path::is_dir) => {
            return passed(what, "is not there yet; the first start makes it");
        }
        Err(ConnectError::NotMigrated { missing, .. }) if settings.datasource.migrate => {
            let missing = missing.join(", ");
            return passed(
                what,
                format!("can be read; the next start brings its tables up to date ({missing})"),
            );
        }
        Err(error) => return failed(what, chain(&error)),
    };
    match store.check().await {
        Ok(()) => passed(what, "can be read and written"),
        Err(error) => failed(what, chain(&error)),
    }
}

async fn instances(settings: &Settings) -> Vec<Check> {
    let yba = match yba_instances(settings) {
        Ok(yba) => yba,
        Err(error) => return vec![failed("YBA", chain(&error))],
    };
    let mut checks = Vec::new();
    for name in yba.names() {
        if let Some(client) = yba.client(name) {
            checks.extend(instance(name.as_str(), client).await);
        }
    }
    checks
}

/// Reached, which version, the token, and whether it leads.
async fn instance(name: &str, client: &YbaClient) -> Vec<Check> {
    let version = match client.app_version().await {
        Ok(version) => passed(format!("{name}: version"), version.version),
        // Nothing else will be answered either.
        Err(error) => return vec![failed(format!("{name}: version"), chain(&error))],
    };
    let session = match client.session().info().await {
        Ok(session) => {
            let user = session.user.map_or_else(|| "unknown".to_owned(), |user| user.to_string());
            passed(format!("{name}: token"), format!("is accepted, user {user}"))
        }
        Err(error) => failed(format!("{name}: token"), chain(&error)),
    };
    vec![version, session, leader(name, client).await]
}

async fn leader(name: &str, client: &YbaClient) -> Check {
    let what = format!("{name}: leader");
    match client.ha_leader().await {
        Ok(Leadership::Leader) => passed(what, "leads its high-availability group"),
        Ok(Leadership::Follower) => failed(what, "is a standby: it refuses backups".to_owned()),
        Ok(Leadership::NotConfigured) => passed(what, "no high availability is configured"),
        Ok(_) => passed(what, "this version does not say"),
        Err(error) => failed(what, chain(&error)),
    }
}

fn passed(what: impl Into<String>, answer: impl Into<String>) -> Check {
    Check { what: what.into(), ok: true, answer: answer.into() }
}

fn failed(what: impl Into<String>, answer: String) -> Check {
    Check { what: what.into(), ok: false, answer }
}

/// An error and its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
