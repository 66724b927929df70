//! One row that cannot be read, written by a later version or damaged, is named, and stops nothing else.

use std::time::Duration;

use backup_core::{
    BackupRecord, BatchId, ErrorCode, Phase,
    store::{BackupFilter, Claim, PageKey, StoreError},
};
use chrono::{DateTime, Utc};

use crate::{
    backups::{at, fail, hold, own, submitting},
    original::tables::Tables,
};

/// What both engines can hold.
const DAMAGES: &[&str] = &[
    "UPDATE backup_work SET phase = 'ARCHIVED' WHERE batch_id = :batch_id",
    "UPDATE backup_work SET phase = '' WHERE batch_id = :batch_id",
    "UPDATE backup_work SET epoch = 9223372036854775807 WHERE batch_id = :batch_id",
    "UPDATE backup_work SET epoch = 9223372036854775806 WHERE batch_id = :batch_id",
    "UPDATE backup_work SET lost_attempts = '{\"later\": 1}' WHERE batch_id = :batch_id",
    "UPDATE backup_batch SET batch_mode = 'LATER' WHERE batch_id = :batch_id",
];

const POSTGRES: &[&str] = &[
    "UPDATE backup_batch SET created_at = 'infinity' WHERE batch_id = :batch_id",
    "UPDATE backup_batch SET created_at = '-infinity' WHERE batch_id = :batch_id",
    "UPDATE backup_batch SET started_at = '294000-01-01' WHERE batch_id = :batch_id",
    "UPDATE backup_batch SET deadline_at = 'infinity' WHERE batch_id = :batch_id",
    "UPDATE backup_work SET phase_since = '-infinity' WHERE batch_id = :batch_id",
    "UPDATE backup_work SET business_date = 'infinity' WHERE batch_id = :batch_id",
    "UPDATE backup_work SET business_date = '4713-01-01 BC' WHERE batch_id = :batch_id AND false;
     UPDATE backup_attempt SET attempted_at = 'infinity' WHERE batch_id = :batch_id",
];

const SQLITE: &[&str] = &[
    "UPDATE backup_batch SET started_at = 'yesterday' WHERE batch_id = :batch_id",
    "UPDATE backup_batch SET deadline_at = '' WHERE batch_id = :batch_id",
    "UPDATE backup_batch SET deadline_at = '+300000-01-01T00:00:00Z' WHERE batch_id = :batch_id",
    "UPDATE backup_work SET phase_since = '99999999999999' WHERE batch_id = :batch_id",
    "UPDATE backup_work SET business_date = '2025-02-31' WHERE batch_id = :batch_id",
    "UPDATE backup_work SET lost_attempts = '{' WHERE batch_id = :batch_id",
    "UPDATE backup_work SET lost_attempts = 'null and void' WHERE batch_id = :batch_id",
    "UPDATE backup_attempt SET attempted_at = 'x' WHERE batch_id = :batch_id",
    "UPDATE backup_attempt SET attempt_id = 'x' WHERE batch_id = :batch_id",
];

/// A batch that nobody works on, due at once.
async fn due(tables: &Tables, universe: &str) -> BackupRecord {
    let record = submitting(universe);
    let lease = own(&*tables.store, &record).await;
    tables.store.release(&[lease], Duration::ZERO).await.unwrap();
    record
}

fn claim(limit: u32, only: Option<BatchId>) -> Claim {
    Claim { hold: hold(), limit, only }
}

#[tokio::test]
async fn one_row_that_cannot_be_read_stops_no_other() {
    for tables in Tables::all("one_row_that_cannot_be_read_stops_no_other").await {
        let own_damages = if tables.is_sqlite() { SQLITE } else { POSTGRES };
        for (n, damage) in DAMAGES.iter().chain(own_damages).enumerate() {
            let damaged = due(&tables, &format!("damaged-{n}")).await;
            tables.run(damage, &[("batch_id", damaged.batch.as_str())]).await;
            let healthy = due(&tables, &format!("healthy-{n}")).await;
            // The damaged one may stand in the first place, once.
            let mut claimed = tables.store.claim(&claim(1, None)).await.unwrap();
            claimed.extend(tables.store.claim(&claim(1, None)).await.unwrap());
            let batches: Vec<_> = claimed.iter().map(|claimed| &claimed.record.batch).collect();
            assert_eq!(batches, [&healthy.batch], "{damage}");
            assert!(tables.store.claim(&claim(10, None)).await.unwrap().is_empty(), "{damage}");

            let page =
                tables.store.list(&BackupFilter { limit: 1000, ..BackupFilter::default() }).await.unwrap();
            let is_named = |unreadable: &backup_core::store::Unreadable| {
                unreadable.batch == damaged.batch && unreadable.what.contains(damaged.batch.as_str())
            };
            assert!(page.unreadable.iter().any(is_named), "{damage}: {:?}", page.unreadable);
            assert!(page.records.iter().all(|record| record.batch != damaged.batch), "{damage}");
            assert!(page.records.iter().any(|record| record.batch == healthy.batch), "{damage}");

            assert_eq!(tables.store.find(&healthy.batch).await.unwrap(), Some(healthy), "{damage}");
            let found = tables.store.find(&damaged.batch).await;
            assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{damage}: {found:?}");
            tables.store.check().await.unwrap();
            tables.store.prune(at(), 10).await.unwrap();
        }
    }
}

#[tokio::test]
async fn pages_lead_past_rows_that_cannot_be_read() {
    for tables in Tables::all("pages_lead_past_rows_that_cannot_be_read").await {
        for n in 0..9 {
            let record = due(&tables, &format!("u{n}")).await;
            if n % 3 > 0 {
                tables.run(DAMAGES[0], &[("batch_id", record.batch.as_str())]).await;
            }
        }
        let mut filter = BackupFilter { limit: 2, ..BackupFilter::default() };
        let (mut readable, mut unreadable) = (0, 0);
        loop {
            let page = tables.store.list(&filter).await.unwrap();
            readable += page.records.len();
            unreadable += page.unreadable.len();
            let Some(next) = page.next else { break };
            filter.after = Some(next);
        }
        assert_eq!((readable, unreadable), (3, 6));
    }
}

#[tokio::test]
async fn who_asks_for_a_row_that_cannot_be_read_is_told_which_column() {
    for tables in Tables::all("who_asks_for_a_row_that_cannot_be_read_is_told_which_column").await {
        let record = due(&tables, "u1").await;
        tables.run(DAMAGES[0], &[("batch_id", record.batch.as_str())]).await;
        let error = tables.store.claim(&claim(1, Some(record.batch.clone()))).await.unwrap_err();
        assert!(error.to_string().contains("phase") && error.to_string().contains("ARCHIVED"), "{error}");
    }
}

#[tokio::test]
async fn the_words_of_a_later_version_are_shown_as_they_are() {
    for tables in Tables::all("the_words_of_a_later_version_are_shown_as_they_are").await {
        let failed = fail(&*tables.store, "u1").await;
        let change = "UPDATE backup_batch SET error_code = 'DISK_OF_CHEESE' WHERE batch_id = :batch_id";
        tables.run(change, &[("batch_id", failed.batch.as_str())]).await;
        let failure = tables.store.find(&failed.batch).await.unwrap().unwrap().failure.unwrap();
        assert_eq!(
            (failure.code, failure.message.as_str()),
            (ErrorCode::Internal, "DISK_OF_CHEESE: disk full")
        );

        let waits = due(&tables, "u2").await;
        for (note, message) in [
            ("{\"code\": \"LATER\", \"message\": \"why\"}", "LATER: why"),
            ("{\"because\": 1}", "{\"because\":1}"),
            ("[]", "[]"),
        ] {
            let change = "UPDATE backup_work SET note = :note WHERE batch_id = :batch_id";
            tables.run(change, &[("batch_id", waits.batch.as_str()), ("note", note)]).await;
            let found = tables.store.find(&waits.batch).await.unwrap().unwrap();
            assert_eq!(found.note.unwrap().message, message);
            assert_eq!(found.phase, Phase::Submitting);
        }
    }
}

#[tokio::test]
async fn a_page_after_an_instant_that_cannot_be_is_the_callers_fault() {
    let instants = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC];
    for tables in Tables::all("a_page_after_an_instant_that_cannot_be_is_the_callers_fault").await {
        due(&tables, "u1").await;
        for created_at in instants {
            let after = Some(PageKey { created_at, batch: "b".into() });
            let outcome = tables.store.list(&BackupFilter { after, ..BackupFilter::default() }).await;
            assert!(matches!(outcome, Err(StoreError::Invalid { field: "after", .. })), "{outcome:?}");
            let date = Some(created_at.date_naive());
            let outcome = tables.store.list(&BackupFilter { from: date, ..BackupFilter::default() }).await;
            assert!(matches!(outcome, Err(StoreError::Invalid { field: "from", .. })), "{outcome:?}");
            let outcome = tables.store.list(&BackupFilter { to: date, ..BackupFilter::default() }).await;
            assert!(matches!(outcome, Err(StoreError::Invalid { field: "to", .. })), "{outcome:?}");
        }
        let after =
            Some(PageKey { created_at: at() - Duration::from_hours(24 * 365 * 1900), batch: "b".into() });
        let page = tables.store.list(&BackupFilter { after, ..BackupFilter::default() }).await.unwrap();
        assert!(page.records.is_empty());
    }
}

/// A list of batches with answers of megabytes is small, and one batch has as much of it as anybody would read.
#[tokio::test]
async fn large_answers_are_in_no_list_and_bounded_in_a_batch() {
    for tables in Tables::all("large_answers_are_in_no_list_and_bounded_in_a_batch").await {
        let mut record = submitting("u1");
        let lease = own(&*tables.store, &record).await;
        record.run("task-1".into(), None, at()).unwrap();
        tables.store.save(&lease, &record, Phase::Submitting, Duration::ZERO).await.unwrap();
        let answer = serde_json::json!({"log": "ä".repeat(2_000_000)});
        record.succeed(Some("backup-1".into()), answer, at()).unwrap();
        tables.store.save(&lease, &record, Phase::Running, Duration::ZERO).await.unwrap();
        let page = tables.store.list(&BackupFilter::default()).await.unwrap();
        assert_eq!(page.records[0].response, None);
        let found = tables.store.find(&record.batch).await.unwrap().unwrap().response.unwrap();
        assert_eq!(found.as_str().map(|text| text.chars().count()), Some(1 << 20));
    }
}
