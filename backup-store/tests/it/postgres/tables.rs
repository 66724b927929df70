//! What people find in the tables, by `psql` and the original's queries, and what a backup costs.

use backup_core::strategy::FULL;
use backup_store::connect;

use super::{Events, back_up, config, database, fail, own, submitting};

#[tokio::test]
async fn the_queries_of_the_original_find_the_rows() {
    let Some(database) = database("postgres::tables::the_queries_of_the_original_find_the_rows") else {
        return;
    };
    let store = connect(&config(&database)).await.unwrap();
    let done = back_up(&*store, "u1").await;
    let failed = fail(&*store, "u2").await;
    let open = submitting("u3");
    own(&*store, &open).await;

    let tracker = database.psql(
        "SET search_path TO epricing;
         SELECT batch_id, backup_status, backup_type, start_time, end_time FROM batch_db_schedule_event_tracker
         WHERE business_date = '2025-03-25'",
    );
    let mut lines: Vec<&str> = tracker.lines().collect();
    lines.sort_unstable();
    let mut expected = vec![
        format!("{}|SUCCESS|{FULL}|2025-03-25 01:02:03|2025-03-25 01:07:03", done.batch),
        format!("{}|FAILED|{FULL}|2025-03-25 01:02:03|2025-03-25 01:03:03", failed.batch),
        format!("{}|IN_PROGRESS|{FULL}|2025-03-25 01:02:03|", open.batch),
    ];
    expected.sort();
    assert_eq!(lines, expected);

    let details = |batch: &backup_core::BatchId| {
        database.psql(&format!(
            "SELECT batch_category, batch_mode, batch_status, end_time IS NOT NULL, extension_fields
             FROM epricing.batch_execution_details WHERE batch_id = '{batch}' AND business_date = '2025-03-25'"
        ))
    };
    assert_eq!(
        details(&done.batch),
        r#"db1|SCHEDULED|COMPLETED|t|{"backup_response": "{\"backupUUID\":\"backup-1\",\"state\":\"Completed\"}"}"#
    );
    assert_eq!(
        details(&failed.batch),
        r#"db1|SCHEDULED|FAILED|t|{"error_code": "BACKUP_FAILED", "error_message": "disk full"}"#
    );
    assert_eq!(details(&open.batch), "db1|SCHEDULED|IN_PROGRESS|f|");

    let answer = "SELECT backup_response::json ->> 'state' FROM epricing.batch_db_schedule_event_tracker
                  WHERE backup_status = 'SUCCESS'";
    assert_eq!(database.psql(answer), "Completed");
    let exceptions = "SELECT batch_id, execution_type, extension_fields ->> 'error_code', error_message FROM epricing.exception_details
                      WHERE business_date = '2025-03-25'";
    assert_eq!(database.psql(exceptions), format!("{}|BACKUP|BACKUP_FAILED|disk full", failed.batch));
}

#[tokio::test]
async fn a_deleted_batch_leaves_nothing_in_any_table() {
    let Some(database) = database("postgres::tables::a_deleted_batch_leaves_nothing_in_any_table") else {
        return;
    };
    let store = connect(&config(&database)).await.unwrap();
    back_up(&*store, "u1").await;
    fail(&*store, "u2").await;
    let tables = database.psql(
        "SELECT table_name FROM information_schema.columns
         WHERE table_schema = 'epricing' AND column_name = 'batch_id' ORDER BY table_name",
    );
    let rows = || -> i64 {
        let count = |table| database.psql(&format!("SELECT count(*) FROM epricing.{table}"));
        tables.lines().map(|table| count(table).parse::<i64>().unwrap()).sum()
    };
    assert!(rows() > 0);
    assert_eq!(store.prune(super::at() + std::time::Duration::from_hours(1), 10).await.unwrap(), 2);
    assert_eq!(rows(), 0);
}

#[tokio::test]
async fn every_column_says_what_it_holds() {
    let Some(database) = database("postgres::tables::every_column_says_what_it_holds") else { return };
    connect(&config(&database)).await.unwrap();
    let silent = database.psql(
        "SELECT class.relname, attribute.attname
         FROM pg_attribute AS attribute
         JOIN pg_class AS class ON class.oid = attribute.attrelid
         JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
         WHERE namespace.nspname = 'epricing' AND class.relkind IN ('r', 'p') AND NOT class.relispartition
           AND attribute.attnum > 0 AND col_description(class.oid, attribute.attnum) IS NULL",
    );
    assert_eq!(silent, "");
}

#[tokio::test]
async fn a_backup_on_the_good_path_costs_three_round_trips() {
    let test = "postgres::tables::a_backup_on_the_good_path_costs_three_round_trips";
    // A server of its own: it counts the transactions of all its databases together.
    let Some(server) = pg_harness::Server::start() else {
        return pg_harness::skip(test, pg_harness::NOT_FOUND);
    };
    let database = server.database();
    let mut config = config(&database);
    let events = Events::default();
    events.observe(&mut config);
    let store = connect(&config).await.unwrap();
    events.take();
    back_up(&*store, "u1").await;
    assert_eq!(events.round_trips(), 3);

    let before = transaction(&database);
    back_up(&*store, "u2").await;
    assert_eq!(transaction(&database) - before - 1, 3, "transactions, as the server counts them");
}

/// The number of the next writing transaction; asking for it takes one.
fn transaction(database: &pg_harness::Database) -> i64 {
    database.psql("SELECT txid_current()").parse().unwrap()
}
