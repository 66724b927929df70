//! The result for people: a batch as a block, batches as a table.

use backup_core::store::Follower;
use backup_core::{BackupRecord, TrackerStatus};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, presets};
use owo_colors::OwoColorize as _;

use crate::{foreign, words};

/// The column of a list that may be broken into lines.
const CATEGORY: usize = 2;

/// A terminal narrower than this gets fewer columns.
const WIDE: u16 = 120;

/// What a batch is shown on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) zone: Tz,
    /// The time, UTC.
    pub(crate) now: DateTime<Utc>,
    /// Of the terminal, in columns, where there is one.
    pub(crate) width: Option<u16>,
}

/// A batch, as people read it.
pub(crate) fn block(record: &BackupRecord, follower: Option<Follower>, screen: &Screen) -> String {
    let record = &foreign::record(record);
    let mut table = plain_table(screen.width);
    for (name, value) in facts(record, screen.zone) {
        table.add_row([name, value.as_str()]);
    }
    if let Some((name, value)) = follower.map(|follower| words::followed(follower, screen.now, screen.zone)) {
        table.add_row([name, value.as_str()]);
    }
    paint_status(&text_of(table), record)
}

/// Everything that is known, in the order of the path.
fn facts(record: &BackupRecord, zone: Tz) -> Vec<(&'static str, String)> {
    let instant = |at| words::instant(at, zone);
    let mut facts = vec![
        ("Batch", record.batch.to_string()),
        ("Status", status(record)),
        ("Category", record.category.clone()),
        ("Target", format!("{} on {}", record.target, record.slot)),
        ("Business date", record.business_date.to_string()),
        ("Requested", format!("{}, {}", instant(record.created_at), record.mode.as_str().to_lowercase())),
    ];
    if record.started_at != record.created_at {
        facts.push(("Run again", instant(record.started_at)));
    }
    facts.extend(record.plan.as_ref().map(|plan| ("Plan", format!("{}: {}", plan.strategy, plan.reason))));
    facts.extend(record.attempts.iter().map(|attempt| {
        ("Attempt", format!("{} {}, {}", attempt.number, attempt.id, words::time_of_day(attempt.at, zone)))
    }));
    facts.extend(record.task.as_ref().map(|task| ("Task", task.to_string())));
    facts.extend(record.backup.as_ref().map(|backup| ("Backup", backup.to_string())));
    facts.extend(record.waiting_since.filter(|_| !record.is_done()).map(|at| ("Waiting since", instant(at))));
    facts.extend(words::lost_answer(record, zone).map(|text| ("Waits for", text)));
    if let Some(note) = &record.note {
        facts.push(("Because", words::waiting_for(note)));
        facts.push(("Gives up as", note.code.to_string()));
    }
    match record.ended_at {
        Some(ended) => {
            let elapsed = words::duration(record.elapsed(ended));
            facts.push(("Ended", format!("{}, after {elapsed}", instant(ended))));
            facts.extend(record.yba_times().map(|times| ("Backup took", words::span(&times, zone))));
        }
        None => facts.push(("Ends by", instant(record.deadline_at))),
    }
    if let Some(failure) = &record.failure {
        facts.push(("Failure", format!("{}: {}", failure.code, failure.message)));
        facts.extend(failure.advice.clone().map(|advice| ("Next", advice)));
    }
    for surplus in &record.surplus {
        let what = surplus.describe(record);
        facts.push(("Surplus", format!("{}: {}", surplus.state, what.message)));
        facts.extend(what.advice.map(|advice| ("Next", advice)));
    }
    facts.extend(record.audit_until.map(|until| ("Under audit", format!("until {}", instant(until)))));
    facts
}

fn status(record: &BackupRecord) -> String {
    let mut status = record.batch_status().to_string();
    if !record.is_done() {
        status = format!("{status} ({})", record.phase);
    }
    if record.cancel_requested && !record.is_done() {
        status.push_str(", to be cancelled");
    }
    status
}

/// Colours the second line, which is the status.
fn paint_status(block: &str, record: &BackupRecord) -> String {
    let mut lines: Vec<String> = block.lines().map(str::to_owned).collect();
    if let Some(line) = lines.get_mut(1) {
        let word = record.batch_status().as_str();
        *line = line.replacen(word, &painted(word, record), 1);
    }
    lines.join("\n")
}

fn painted(word: &str, record: &BackupRecord) -> String {
    match record.status() {
        TrackerStatus::Success => word.green().bold().to_string(),
        TrackerStatus::Failed => word.red().bold().to_string(),
        TrackerStatus::InProgress => word.yellow().bold().to_string(),
    }
}

/// Batches as a table, one row each. `width`: of the terminal, where there is one; otherwise nothing is wrapped.
pub(crate) fn table(records: &[BackupRecord], zone: Tz, now: DateTime<Utc>, width: Option<u16>) -> String {
    let is_wide = width.is_none_or(|columns| columns >= WIDE);
    let mut table = plain_table(width);
    table.set_header(row(
        is_wide,
        ["BATCH", "DATE", "CATEGORY", "STATUS", "TOOK", "STRATEGY", "REQUESTED", "ERROR"],
    ));
    let records: Vec<BackupRecord> = records.iter().map(foreign::record).collect();
    for record in &records {
        let error = record.failure.as_ref().map_or("", |failure| failure.code.as_str());
        table.add_row(row(
            is_wide,
            [
                record.batch.as_str(),
                &record.business_date.to_string(),
                &record.category,
                words::standing(record),
                &words::duration(record.duration(now)),
                record.strategy().unwrap_or_default(),
                &words::instant(record.created_at, zone),
                error,
            ],
        ));
    }
    // Ids are there to be copied; of all columns the category suffers a break best.
    for column in (0..table.column_count()).filter(|column| *column != CATEGORY) {
        keep_whole(&mut table, column);
    }
    paint_table(&text_of(table), &records)
}

/// The columns that there is room for.
fn row(is_wide: bool, cells: [&str; 8]) -> Row {
    Row::from(cells.into_iter().take(if is_wide { 8 } else { 5 }).map(str::to_owned).collect::<Vec<_>>())
}

/// Colours the word for the status, in the line that each batch begins with.
fn paint_table(table: &str, records: &[BackupRecord]) -> String {
    let mut records = records.iter().peekable();
    let paint = |line: &str| match records.next_if(|record| line.starts_with(record.batch.as_str())) {
        Some(record) => {
            let word = words::standing(record);
            line.replacen(&format!(" {word}"), &format!(" {}", painted(word, record)), 1)
        }
        None => line.to_owned(),
    };
    table.lines().map(paint).collect::<Vec<_>>().join("\n")
}

/// Columns without lines; wrapped to the terminal, where there is one.
pub(crate) fn plain_table(width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table
}

/// Lets a column never be broken into lines.
pub(crate) fn keep_whole(table: &mut Table, column: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
}

/// The text of a table, from its first column on, with a bold header.
pub(crate) fn text_of(mut table: Table) -> String {
    let last = table.column_count().saturating_sub(1);
    for (number, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if number == last { 0 } else { 2 }));
    }
    let text = foreign::block(&table.trim_fmt());
    match text.split_once('\n') {
        Some((header, rows)) if table.header().is_some() => format!("{}\n{rows}", header.bold()),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use backup_core::{BackupCommand, BackupRequest, BackupTarget, Clock as _, SystemClock};

    use super::*;

    #[test]
    fn a_list_fits_80_columns_and_keeps_its_ids_whole() {
        let request = BackupRequest::new("HWA_EPR_DB_BACKUP_FULL", "20250325");
        let command = BackupCommand::try_from(request).unwrap();
        let now = SystemClock::new().now();
        let record = BackupRecord::new(&command, &BackupTarget::new("db1", "yba", "u", "s"), now);
        let text =
            anstream::adapter::strip_str(&table(std::slice::from_ref(&record), Tz::UTC, now, Some(80)))
                .to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains(record.batch.as_str()) && text.contains("2025-03-25"), "{text}");
        let piped = anstream::adapter::strip_str(&table(&[record], Tz::UTC, now, None)).to_string();
        assert_eq!(piped.lines().count(), 2, "{piped}");
    }
}
