//! The original's tables: its statements run as they are printed, and no row that was written or changed by hand confuses us.

mod statements;
pub(crate) mod tables;

use std::time::Duration;

use backup_core::{
    BackupRecord, BatchId, ErrorCode, Failure, Phase, TrackerStatus,
    store::{BackupFilter, Beat, Claim, Created, Saved},
    strategy,
    testing::fixtures,
};
use serde_json::{Value, json};

use self::{statements::*, tables::Tables};
use crate::backups::{at, back_up, fail, hold, own, submitting};

/// The values of the original's statements.
const VALUES: &[(&str, &str)] = &[
    ("batchCategoryCode", "HWA_EPR_DB_BACKUP_FULL"),
    ("businessDate", "2025-03-25"),
    ("backup_status", "IN_PROGRESS"),
    ("backup_type", "full_backup"),
    ("batch_id", "BATCH_001"),
    ("ydbResponse", "{\"taskUUID\": \"task-1\"}"),
    ("status", "SUCCESS"),
];

/// A row that nothing but the original's own statement wrote.
async fn foreign_row(tables: &Tables) {
    tables.run(INSERT, VALUES).await;
}

#[tokio::test]
async fn the_statements_of_the_original_run_as_printed() {
    for tables in Tables::all("the_statements_of_the_original_run_as_printed").await {
        foreign_row(&tables).await;
        let began = tables.run(STATUS, &[]).await;
        assert!(began.starts_with("BATCH_001|IN_PROGRESS|full_backup|20") && began.ends_with('|'), "{began}");
        tables.run(UPDATE, VALUES).await;
        let answer = "SELECT backup_response FROM epricing.batch_db_schedule_event_tracker";
        assert_eq!(tables.run(answer, &[]).await, "{\"taskUUID\": \"task-1\"}");
        tables.run("UPDATE batch_db_schedule_event_tracker SET backup_status = 'IN_PROGRESS'", &[]).await;
        tables.run(MANUAL_UPDATE, &[]).await;
        let ended = tables.run(STATUS, &[]).await;
        assert!(ended.starts_with("BATCH_001|SUCCESS|full_backup|20") && !ended.ends_with('|'), "{ended}");
    }
}

#[tokio::test]
async fn the_statements_of_the_original_find_our_rows() {
    for tables in Tables::all("the_statements_of_the_original_find_our_rows").await {
        let (done, failed) = (back_up(&*tables.store, "u1").await, fail(&*tables.store, "u2").await);
        let mut open = submitting("u3");
        open.started_at += Duration::from_secs(60);
        own(&*tables.store, &open).await;
        let fraction = if tables.is_sqlite() { ".000" } else { "" };
        let full = strategy::FULL;
        let rows = tables.run(STATUS, &[]).await;
        let mut lines: Vec<&str> = rows.lines().collect();
        assert_eq!(lines[0], format!("{}|IN_PROGRESS|{full}|2025-03-25 01:03:03{fraction}|", open.batch));
        lines[1..].sort_unstable();
        let mut rest = [
            format!(
                "{}|SUCCESS|{full}|2025-03-25 01:02:03{fraction}|2025-03-25 01:07:03{fraction}",
                done.batch
            ),
            format!(
                "{}|FAILED|{full}|2025-03-25 01:02:03{fraction}|2025-03-25 01:03:03{fraction}",
                failed.batch
            ),
        ];
        rest.sort();
        assert_eq!(lines[1..], rest);

        let answers =
            "SELECT backup_response FROM batch_db_schedule_event_tracker WHERE backup_status = :status";
        assert_eq!(
            tables.run(answers, &[("status", "SUCCESS")]).await,
            "{\"backupUUID\":\"backup-1\",\"state\":\"Completed\"}"
        );
        // As the original has it: without an answer, why there is none.
        assert_eq!(tables.run(answers, &[("status", "FAILED")]).await, "disk full");
        let batches = "SELECT batch_category, batch_mode, batch_status, end_time,
                           extension_fields ->> 'error_message', extension_fields ->> 'error_code'
                       FROM batch_execution_details WHERE batch_id = :batch_id AND business_date = '2025-03-25'";
        assert_eq!(
            tables.run(batches, &[("batch_id", failed.batch.as_str())]).await,
            format!("db1|SCHEDULED|FAILED|2025-03-25 01:03:03{fraction}|disk full|BACKUP_FAILED")
        );
        assert_eq!(
            tables.run(batches, &[("batch_id", open.batch.as_str())]).await,
            "db1|SCHEDULED|IN_PROGRESS|||"
        );
        let exceptions = "SELECT batch_id, execution_type, error_message, start_time, end_time,
                              extension_fields ->> 'error_code', extension_fields ->> 'category'
                          FROM exception_details WHERE business_date = '2025-03-25'";
        assert_eq!(
            tables.run(exceptions, &[]).await,
            format!(
                "{}|BACKUP|disk full|2025-03-25 01:02:03{fraction}|2025-03-25 01:03:03{fraction}|BACKUP_FAILED|db1",
                failed.batch
            )
        );
    }
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn the_columns_are_those_of_the_original() {
    let Some(tables) = Tables::postgres("the_columns_are_those_of_the_original").await else { return };
    let columns = "
        SELECT table_name, column_name, data_type, character_maximum_length, is_nullable
        FROM information_schema.columns
        WHERE table_schema = 'epricing'
            AND table_name IN ('batch_db_schedule_event_tracker', 'batch_execution_details', 'exception_details')
        ORDER BY table_name, ordinal_position";
    assert_eq!(tables.run(columns, &[]).await, COLUMNS);
}

#[tokio::test]
async fn a_row_that_the_original_wrote_is_in_nobodys_way() {
    for tables in Tables::all("a_row_that_the_original_wrote_is_in_nobodys_way").await {
        foreign_row(&tables).await;
        let batch = BatchId::from("BATCH_001");
        let store = &tables.store;
        assert_eq!(store.find(&batch).await.unwrap(), None);
        assert!(store.list(&BackupFilter::default()).await.unwrap().records.is_empty());
        let claim = Claim { hold: hold(), limit: 10, only: None };
        assert!(store.claim(&claim).await.unwrap().is_empty());
        assert_eq!(store.prune(at() + Duration::from_hours(1), 10).await.unwrap(), 0);
        // A batch of ours by the same name and date takes the row over when it ends.
        let mut ours = submitting("u1");
        ours.batch = batch.clone();
        let lease = own(&**store, &ours).await;
        ours.fail(Failure::new(ErrorCode::BackupFailed, "disk full"), at()).unwrap();
        store.save(&lease, &ours, Phase::Submitting, Duration::ZERO).await.unwrap();
        assert_eq!(store.find(&batch).await.unwrap(), Some(ours));
        let rows = tables.run(STATUS, &[]).await;
        assert!(rows.starts_with("BATCH_001|FAILED|") && rows.lines().count() == 1, "{rows}");
    }
}

/// A batch of each kind, as it is found.
async fn batches(tables: &Tables, universe: &str) -> Vec<BackupRecord> {
    let mut open = submitting(&format!("{universe}-open"));
    let lease = own(&*tables.store, &open).await;
    open.run("task-1".into(), Some(json!({"taskUUID": "task-1"})), at()).unwrap();
    tables.store.save(&lease, &open, Phase::Submitting, Duration::ZERO).await.unwrap();
    tables.store.release(&[lease], Duration::ZERO).await.unwrap();
    let done = back_up(&*tables.store, &format!("{universe}-done")).await;
    vec![open, done, fail(&*tables.store, &format!("{universe}-failed")).await]
}

/// Every way to the record says what it said before.
async fn is_as_it_was(tables: &Tables, record: &BackupRecord, change: &str) {
    let found = tables.store.find(&record.batch).await.unwrap();
    assert_eq!(found.as_ref(), Some(record), "{change}");
    for status in TrackerStatus::ALL {
        let filter = BackupFilter { status: Some(*status), limit: 1000, ..BackupFilter::default() };
        let page = tables.store.list(&filter).await.unwrap();
        let is_listed = page.records.iter().any(|listed| listed.batch == record.batch);
        assert_eq!(is_listed, record.status() == *status, "{status} after {change}");
    }
}

#[tokio::test]
async fn a_row_that_was_changed_by_hand_confuses_nothing() {
    for tables in Tables::all("a_row_that_was_changed_by_hand_confuses_nothing").await {
        for (n, change) in CHANGES.iter().enumerate() {
            for record in batches(&tables, &format!("u{n}")).await {
                tables.run(change, &[("batch_id", record.batch.as_str())]).await;
                is_as_it_was(&tables, &record, change).await;
            }
        }
        goes_on(&tables, CHANGES.len()).await;
    }
}

/// What was open is still claimed, by whoever comes, and what failed is still opened again; all of it is deleted when it is old.
async fn goes_on(tables: &Tables, open: usize) {
    let store = &tables.store;
    let claim = Claim { hold: hold(), limit: 1000, only: None };
    let claimed = store.claim(&claim).await.unwrap();
    assert_eq!(claimed.len(), open);
    for mut one in claimed {
        let beats = store.heartbeat(std::slice::from_ref(&one.lease), claim.hold).await.unwrap();
        assert!(matches!(beats[..], [Beat::Kept { .. }]), "{beats:?}");
        one.record.fail(Failure::new(ErrorCode::Aborted, "enough"), at()).unwrap();
        let saved = store.save(&one.lease, &one.record, Phase::Running, Duration::ZERO).await.unwrap();
        assert_eq!(saved, Saved::Yes);
        let mut again = one.record;
        again.run_again(&fixtures::target(), at()).unwrap();
        let created = store.reopen(&again, hold()).await.unwrap();
        let Created::New { lease: Some(lease), .. } = created else { panic!("{created:?}") };
        again.fail(Failure::new(ErrorCode::Aborted, "enough"), at()).unwrap();
        store.save(&lease, &again, Phase::Planned, Duration::ZERO).await.unwrap();
    }
    let all = u64::try_from(open).unwrap() * 3;
    assert_eq!(store.prune(at() + Duration::from_hours(1), 1000).await.unwrap(), all);
    assert_eq!(store.list(&BackupFilter::default()).await.unwrap().records, []);
}

#[tokio::test]
async fn a_row_that_was_lost_by_hand_takes_no_more_than_yba_s_answer_with_it() {
    for tables in Tables::all("a_row_that_was_lost_by_hand_takes_no_more_than_yba_s_answer_with_it").await {
        for (n, change) in LOSSES.iter().enumerate() {
            for mut record in batches(&tables, &format!("u{n}")).await {
                tables.run(change, &[("batch_id", record.batch.as_str())]).await;
                if record.is_done() {
                    record.response = None;
                }
                is_as_it_was(&tables, &record, change).await;
            }
        }
        goes_on(&tables, LOSSES.len()).await;
    }
}

#[tokio::test]
async fn an_answer_that_somebody_wrote_by_hand_is_shown_as_it_is() {
    for tables in Tables::all("an_answer_that_somebody_wrote_by_hand_is_shown_as_it_is").await {
        let texts = ["closed by hand", "", "{\"half\":", "NaN", "[1]", "null", "\u{0435}"];
        for (n, text) in texts.into_iter().enumerate() {
            for mut record in batches(&tables, &format!("u{n}")).await {
                let change = "UPDATE batch_db_schedule_event_tracker
                              SET backup_response = :text WHERE batch_id = :batch_id";
                tables.run(change, &[("batch_id", record.batch.as_str()), ("text", text)]).await;
                if record.is_done() {
                    let json = serde_json::from_str(text);
                    record.response = Some(json.unwrap_or_else(|_| Value::String(text.to_owned())));
                }
                is_as_it_was(&tables, &record, text).await;
            }
        }
        goes_on(&tables, texts.len()).await;
    }
}

#[tokio::test]
async fn our_outcome_overwrites_what_was_changed_meanwhile() {
    for tables in Tables::all("our_outcome_overwrites_what_was_changed_meanwhile").await {
        let mut record = submitting("u1");
        record.batch = "BATCH_001".into();
        let lease = own(&*tables.store, &record).await;
        tables.run(MANUAL_UPDATE, &[]).await;
        record
            .fail(Failure::new(ErrorCode::BackupFailed, "disk full"), at() + Duration::from_mins(1))
            .unwrap();
        tables.store.save(&lease, &record, Phase::Submitting, Duration::ZERO).await.unwrap();
        let rows = tables.run(STATUS, &[]).await;
        assert!(rows.starts_with("BATCH_001|FAILED|") && rows.contains("|2025-03-25 01:03:03"), "{rows}");
    }
}

/// The very long names that only an embedder can give.
#[tokio::test]
async fn a_name_that_is_longer_than_its_column_is_cut_there_and_kept_whole_by_us() {
    for tables in Tables::all("a_name_that_is_longer_than_its_column_is_cut_there_and_kept_whole_by_us").await
    {
        let mut record = submitting("u1");
        let mut plan = fixtures::plan();
        plan.strategy = "s".repeat(300);
        record.set_plan(plan);
        own(&*tables.store, &record).await;
        assert_eq!(tables.store.find(&record.batch).await.unwrap(), Some(record));
        let written = tables.run("SELECT backup_type FROM batch_db_schedule_event_tracker", &[]).await;
        assert_eq!(written.len(), if tables.is_sqlite() { 300 } else { 50 });
    }
}
