//! `/batches`: the list, its filters and its pages.

use axum::http::StatusCode;
use backup_core::{
    BatchId, BatchStatus, MAX_TEXT, TrackerStatus, parse_business_date,
    store::{BackupFilter, BackupPage, PageKey, Unreadable},
};
use chrono::{DateTime, Datelike, NaiveDate};
use chrono_tz::Tz;
use serde::Serialize;

use super::{Base, backup_process::BackupProcessBody, escaped, shown};
use crate::error::ApiError;

/// A page of batches, newest first.
#[derive(Debug, Serialize)]
pub(crate) struct BatchPage {
    batches: Vec<BackupProcessBody>,
    /// Batches whose rows a later version wrote, or something damaged; absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<UnreadableBatch>,
    /// The next page, as a reference to follow; `null` on the last.
    next: Option<String>,
}

/// A batch that cannot be read.
#[derive(Debug, Serialize)]
struct UnreadableBatch {
    batch: String,
    what: String,
}

impl From<&Unreadable> for UnreadableBatch {
    fn from(unreadable: &Unreadable) -> Self {
        Self { batch: unreadable.batch.to_string(), what: unreadable.what.clone() }
    }
}

impl BatchPage {
    /// A page of what `filter` asked for.
    pub(crate) fn new(page: &BackupPage, filter: &BackupFilter, base: &Base, zone: Tz) -> Self {
        let batches = page.records.iter().map(|record| BackupProcessBody::summary(record, zone)).collect();
        let next = page.next.as_ref().map(|after| base.path(&link(filter, after)));
        Self { batches, unreadable: page.unreadable.iter().map(Into::into).collect(), next }
    }
}

/// Reads the filter, with every fault at once. A parameter that nobody knows is one of them: a misspelt filter must
/// not list everything.
pub(crate) fn read_filter(pairs: &[(String, String)]) -> Result<BackupFilter, ApiError> {
    let mut filter = BackupFilter::default();
    let mut faults = Vec::new();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.trim().is_empty()) {
        let value = value.trim();
        let read = match name.as_str() {
            "category" => {
                read_into(&mut filter.category, read_text(value), "it is too long, or not printable")
            }
            "status" => read_into(
                &mut filter.status,
                read_status(value),
                "write IN_PROGRESS, COMPLETED (or SUCCESS) or FAILED",
            ),
            "from" => read_into(&mut filter.from, parse_business_date(value), DATE_FORMS),
            "to" => read_into(&mut filter.to, parse_business_date(value), DATE_FORMS),
            "limit" => read_limit(value).map(|limit| filter.limit = limit),
            "after" => read_into(&mut filter.after, read_cursor(value), "take it from a page's `next`"),
            _ => Err("is not known; known are category, status, from, to, limit, after".to_owned()),
        };
        if let Err(fault) = read {
            faults.push(format!("{}: {fault}", shown(name)));
        }
    }
    if filter.from.zip(filter.to).is_some_and(|(from, to)| from > to) {
        faults.push("from: is after `to`".to_owned());
    }
    if faults.is_empty() {
        return Ok(filter);
    }
    let message = format!("the query is not valid: {}", faults.join("; "));
    Err(ApiError::refused(StatusCode::BAD_REQUEST, message))
}

const DATE_FORMS: &str = "write yyyyMMdd (20250325) or yyyy-MM-dd (2025-03-25)";

fn read_into<T>(place: &mut Option<T>, value: Option<T>, forms: &str) -> Result<(), String> {
    if place.is_some() {
        return Err("is given more than once".to_owned());
    }
    *place = value;
    if place.is_some() { Ok(()) } else { Err(format!("cannot be read; {forms}")) }
}

/// A text that can be one of ours.
fn read_text(text: &str) -> Option<String> {
    let fits = text.chars().count() <= MAX_TEXT && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

/// A word of the tracker or of the batch, in any case.
fn read_status(text: &str) -> Option<TrackerStatus> {
    let word = text.to_ascii_uppercase();
    TrackerStatus::parse(&word).or_else(|| {
        let batch = BatchStatus::parse(&word)?;
        TrackerStatus::ALL.iter().copied().find(|status| BatchStatus::from(*status) == batch)
    })
}

fn read_limit(text: &str) -> Result<u32, String> {
    let limit = text.parse().ok().filter(|limit| (1..=BackupFilter::MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| format!("must be a number from 1 to {}", BackupFilter::MAX_LIMIT))
}

/// The place of a row, opaque to the caller: microseconds and the batch.
fn cursor(key: &PageKey) -> String {
    format!("{}.{}", key.created_at.timestamp_micros(), key.batch)
}

fn read_cursor(text: &str) -> Option<PageKey> {
    let (micros, batch) = text.split_once('.')?;
    let created_at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
    // No batch was made before this product, and no database tells a later time.
    let is_plausible = (1970..=9999).contains(&created_at.year());
    let batch = read_text(batch).filter(|batch| is_plausible && !batch.is_empty())?;
    Some(PageKey { created_at, batch: BatchId::from(batch) })
}

fn link(filter: &BackupFilter, after: &PageKey) -> String {
    let date = |date: Option<NaiveDate>| date.map(|date| date.to_string());
    let parameters = [
        ("category", filter.category.clone()),
        ("status", filter.status.map(|status| BatchStatus::from(status).to_string())),
        ("from", date(filter.from)),
        ("to", date(filter.to)),
        ("limit", Some(filter.rows().to_string())),
        ("after", Some(cursor(after))),
    ];
    let query: Vec<String> = parameters
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={}", escaped(&value))))
        .collect();
    format!("/batches?{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_filter_is_read() {
        let query = pairs(&[
            ("category", "db1"),
            ("status", "completed"),
            ("from", "20250325"),
            ("to", "2025-03-26"),
            ("limit", "10"),
            ("after", "1742877930123456.a.b"),
        ]);
        let filter = read_filter(&query).unwrap();
        assert_eq!(filter.category.as_deref(), Some("db1"));
        assert_eq!(filter.status, Some(TrackerStatus::Success));
        assert_eq!(filter.from, NaiveDate::from_ymd_opt(2025, 3, 25));
        assert_eq!(filter.to, NaiveDate::from_ymd_opt(2025, 3, 26));
        assert_eq!(filter.limit, 10);
        assert_eq!(filter.after.unwrap().batch.as_str(), "a.b");
        assert_eq!(read_filter(&pairs(&[("status", "")])).unwrap(), BackupFilter::default());
    }

    #[test]
    fn every_fault_of_a_query_is_told_at_once() {
        let query = pairs(&[
            ("categry", "db1"),
            ("status", "DONE"),
            ("from", "20250230"),
            ("limit", "0"),
            ("after", "x"),
            ("to", "20250325"),
            ("to", "20250326"),
        ]);
        insta::assert_snapshot!(read_filter(&query).unwrap_err().message.replace("; ", "\n"), @r#"
        the query is not valid: categry: is not known
        known are category, status, from, to, limit, after
        status: cannot be read
        write IN_PROGRESS, COMPLETED (or SUCCESS) or FAILED
        from: cannot be read
        write yyyyMMdd (20250325) or yyyy-MM-dd (2025-03-25)
        limit: must be a number from 1 to 1000
        after: cannot be read
        take it from a page's `next`
        to: is given more than once
        "#);
    }

    #[test]
    fn a_place_that_no_page_gave_is_refused() {
        for after in [
            "x",
            "1742877930123456",
            "1742877930123456.",
            ".b",
            "-1.b",
            "-62135596800000001.b",
            "-9223372036854775808.b",
            "9223372036854775807.b",
            "253402300800000000.b",
            "99999999999999999999.b",
            "1742877930123456.a\0b",
            "1742877930123456.\n",
            "1742877930123456 .b",
        ] {
            assert!(read_filter(&pairs(&[("after", after)])).is_err(), "{after:?}");
        }
        assert!(read_filter(&pairs(&[("category", "a\0b")])).is_err());
        assert!(read_filter(&pairs(&[("category", &"x".repeat(MAX_TEXT + 1))])).is_err());
    }

    proptest! {
        #[test]
        fn a_place_in_the_list_is_found_again(micros in 0_i64..4_000_000_000_000_000, batch in "[ -~]{1,128}") {
            let key = PageKey {
                created_at: DateTime::from_timestamp_micros(micros).unwrap(),
                batch: BatchId::from(batch.as_str()),
            };
            prop_assert_eq!(read_cursor(&cursor(&key)), Some(key));
        }
    }
}
