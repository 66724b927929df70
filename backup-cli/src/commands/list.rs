//! `list`: batches by filter, newest first.

use anyhow::{Result, anyhow};
use backup_app::{RecordSettings, Role};
use backup_core::store::{BackupFilter, BackupPage, PageKey};
use backup_core::{Clock as _, Error, SystemClock, TrackingStore};
use chrono::{DateTime, SecondsFormat};
use serde_json::json;

use crate::cli::ListArgs;
use crate::context::{Context, place};
use crate::diagnostics::{Exit, advise};
use crate::foreign;
use crate::json::BatchJson;
use crate::output::table;
use crate::printer::table_width;

pub(crate) async fn run(context: &Context, args: ListArgs) -> Result<Exit> {
    let settings = context.records()?;
    let (all, filter) = (args.all, filter(args)?);
    let store = context.open(&settings, Role::Inspection).await?;
    let listed = pages(store.as_ref(), filter, all).await?;
    print(context, &listed, &settings)?;
    Ok(Exit::Done)
}

fn filter(args: ListArgs) -> Result<BackupFilter> {
    Ok(BackupFilter {
        category: args.category,
        status: args.status.map(Into::into),
        from: args.from,
        to: args.to,
        limit: if args.all { BackupFilter::MAX_LIMIT } else { args.limit },
        after: args.after.as_deref().map(parse_place).transpose()?,
        ..BackupFilter::default()
    })
}

/// One page, or all of them.
async fn pages(store: &dyn TrackingStore, mut filter: BackupFilter, all: bool) -> Result<BackupPage, Error> {
    let mut listed = store.list(&filter).await?;
    while let Some(next) = listed.next.clone().filter(|_| all) {
        filter.after = Some(next);
        let page = store.list(&filter).await?;
        listed.records.extend(page.records);
        listed.unreadable.extend(page.unreadable);
        listed.next = page.next;
    }
    Ok(listed)
}

fn print(context: &Context, listed: &BackupPage, settings: &RecordSettings) -> Result<()> {
    let printer = &context.printer;
    let next = listed.next.as_ref().map(show_place);
    if printer.is_json() {
        let batches: Vec<BatchJson<'_>> = listed.records.iter().map(BatchJson::from).collect();
        let mut page = json!({"batches": batches, "next": next});
        if !listed.unreadable.is_empty() {
            let unreadable = listed.unreadable.iter();
            page["unreadable"] =
                unreadable.map(|one| json!({"batch": one.batch, "what": one.what})).collect();
        }
        return Ok(printer.json(&page)?);
    }
    for unreadable in &listed.unreadable {
        printer.say(format_args!("Not readable: {}", foreign::line(&unreadable.what)));
    }
    if listed.records.is_empty() && listed.unreadable.is_empty() {
        printer.say(format_args!("No such batches in {}.", place(settings)));
        return Ok(());
    }
    let now = SystemClock::new().now();
    printer.result(table(&listed.records, settings.zone, now, table_width()))?;
    if let Some(next) = next {
        printer.say(format_args!("\nThere are more: --all, or --after {next}"));
    }
    Ok(())
}

/// A place in the list, as text: when, and which.
fn show_place(key: &PageKey) -> String {
    format!("{},{}", key.created_at.to_rfc3339_opts(SecondsFormat::Micros, true), key.batch)
}

fn parse_place(text: &str) -> Result<PageKey> {
    let key = text.split_once(',').and_then(|(at, batch)| {
        let created_at = DateTime::parse_from_rfc3339(at).ok()?.to_utc();
        Some(PageKey { created_at, batch: batch.into() })
    });
    key.ok_or_else(|| {
        advise(
            anyhow!("\"{text}\" is no place in the list"),
            "give --after what the list before said as `next`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back() {
        let key = PageKey {
            created_at: DateTime::from_timestamp_micros(1_742_877_000_123_456).unwrap(),
            batch: "a,b".into(),
        };
        assert_eq!(parse_place(&show_place(&key)).unwrap(), key);
        assert!(parse_place("yesterday").is_err());
    }
}
