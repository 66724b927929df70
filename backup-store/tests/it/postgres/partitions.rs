//! Partitions are made ahead, and no date is ever refused.

use std::{sync::Arc, time::Duration};

use backup_core::testing::ManualClock;
use backup_store::connect;
use chrono::NaiveDate;
use pg_harness::Database;

use super::{config, database, own, submitting};

/// The partition that a batch landed in.
fn partition(database: &Database, batch: &backup_core::BatchId) -> String {
    database.psql(&format!(
        "SELECT tableoid::regclass::text FROM epricing.batch_execution_details WHERE batch_id = '{batch}'"
    ))
}

fn partitions(database: &Database) -> Vec<String> {
    let names = database.psql(
        "SELECT inhrelid::regclass::text FROM pg_inherits
         WHERE inhparent = 'epricing.batch_execution_details'::regclass ORDER BY 1",
    );
    names.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_year_of_partitions_is_there_at_start() {
    let Some(database) = database("postgres::partitions::a_year_of_partitions_is_there_at_start") else {
        return;
    };
    let mut config = config(&database);
    config.clock = Some(Arc::new(ManualClock::new()));
    let store = connect(&config).await.unwrap();
    let names = partitions(&database);
    assert_eq!(names.len(), 15, "{names:?}");
    assert_eq!(names[0], "epricing.batch_execution_details_2025_02");
    assert_eq!(names[13], "epricing.batch_execution_details_2026_03");
    let mut record = submitting("u1");
    own(&*store, &record).await;
    assert_eq!(partition(&database, &record.batch), "epricing.batch_execution_details_2025_03");
    for (universe, date) in [("u2", (1999, 12, 31)), ("u3", (2199, 1, 1))] {
        record = submitting(universe);
        record.business_date = NaiveDate::from_ymd_opt(date.0, date.1, date.2).unwrap();
        own(&*store, &record).await;
        assert_eq!(partition(&database, &record.batch), "epricing.batch_execution_details_default");
    }
}

#[tokio::test]
async fn a_month_that_the_default_partition_holds_stays_there() {
    let Some(database) =
        database("postgres::partitions::a_month_that_the_default_partition_holds_stays_there")
    else {
        return;
    };
    let clock = Arc::new(ManualClock::new());
    let mut config = config(&database);
    config.clock = Some(clock.clone());
    let store = connect(&config).await.unwrap();
    let mut early = submitting("u1");
    early.business_date = NaiveDate::from_ymd_opt(2026, 5, 1).unwrap();
    own(&*store, &early).await;
    // Two months later May 2026 is due: it cannot be made, and June can.
    clock.advance(Duration::from_hours(24 * 92));
    for _ in 0..2 {
        let store = connect(&config).await.unwrap();
        store.check().await.unwrap();
    }
    let names = partitions(&database);
    assert!(!names.contains(&"epricing.batch_execution_details_2026_05".to_owned()), "{names:?}");
    assert!(names.contains(&"epricing.batch_execution_details_2026_06".to_owned()), "{names:?}");
    assert_eq!(partition(&database, &early.batch), "epricing.batch_execution_details_default");
}

#[tokio::test]
async fn a_table_in_use_does_not_hold_up_the_start() {
    let Some(database) = database("postgres::partitions::a_table_in_use_does_not_hold_up_the_start") else {
        return;
    };
    let clock = Arc::new(ManualClock::new());
    let mut config = config(&database);
    config.clock = Some(clock.clone());
    connect(&config).await.unwrap();
    // A writer that does not end: the next partition would wait for it for ever.
    let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
    let mut writer = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE epricing.batch_execution_details IN ROW EXCLUSIVE MODE")
        .execute(&mut *writer)
        .await
        .unwrap();
    clock.advance(Duration::from_hours(24 * 31));
    let store = connect(&config).await.unwrap();
    assert_eq!(partitions(&database).len(), 15);
    writer.rollback().await.unwrap();
    let again = connect(&config).await.unwrap();
    assert_eq!(partitions(&database).len(), 16);
    for store in [store, again] {
        store.check().await.unwrap();
    }
}
