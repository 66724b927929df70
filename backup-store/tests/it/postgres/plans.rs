//! Finished work costs nothing: what the planner makes of the statements when there is much of it.

use backup_core::store::Claim;
use backup_store::connect;

use super::{config, database, fail, hold, own, submitting};

#[tokio::test]
async fn a_claim_reads_the_index_of_due_work() {
    let Some(database) = database("postgres::plans::a_claim_reads_the_index_of_due_work") else { return };
    let mut config = config(&database);
    config.clock = Some(std::sync::Arc::new(backup_core::testing::ManualClock::new()));
    let store = connect(&config).await.unwrap();
    fail(&*store, "u0").await;
    // As many finished batches as a busy site has in ten years would take minutes to write one by one.
    database.psql(
        "INSERT INTO epricing.backup_work (batch_id, business_date, bucket, slot, created_at, phase, phase_since,
            cancel_requested, is_open, is_waiting, due_at, epoch)
         SELECT 'old-' || n, '2025-01-01', n % 16, 'yba/u' || n % 50, now(), 'DONE', now(),
            false, false, false, '2025-01-01', 3
         FROM generate_series(1, 200000) AS n",
    );
    let record = submitting("u1");
    let lease = own(&*store, &record).await;
    store.release(&[lease], std::time::Duration::ZERO).await.unwrap();
    // The very statement that the store sends, taken from its source.
    let plan = database.psql(&format!(
        "SET search_path TO epricing; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan;
         SET enable_hashjoin = off; SET enable_mergejoin = off;
         PREPARE claim AS {};
         EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off, BUFFERS)
         EXECUTE claim(now(), gen_random_uuid(), '30 s', '{{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}}', 10)",
        backup_store::statements::CLAIM
    ));
    assert!(
        plan.contains("Index Only Scan using backup_work_due")
            || plan.contains("Index Scan using backup_work_due"),
        "{plan}"
    );
    assert!(!plan.contains("Seq Scan"), "{plan}");
    assert!(!plan.contains("Rows Removed by Filter"), "it looked at finished work:\n{plan}");
    let claim = Claim { hold: hold(), limit: 10, only: None };
    assert!(store.claim(&claim).await.unwrap().is_empty(), "taken by the statement above");
}

#[tokio::test]
async fn a_claim_of_audits_reads_the_index_of_audits() {
    let Some(database) = database("postgres::plans::a_claim_of_audits_reads_the_index_of_audits") else {
        return;
    };
    let store = connect(&config(&database)).await.unwrap();
    fail(&*store, "u0").await;
    database.psql(
        "INSERT INTO epricing.backup_work (batch_id, business_date, bucket, slot, created_at, phase, phase_since,
            cancel_requested, is_open, is_waiting, due_at, epoch)
         SELECT 'old-' || n, '2025-01-01', n % 16, 'yba/u' || n % 50, now(), 'DONE', now(),
            false, false, false, '2025-01-01', 3
         FROM generate_series(1, 100000) AS n",
    );
    let plan = database.psql(&format!(
        "SET search_path TO epricing; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan;
         SET enable_hashjoin = off; SET enable_mergejoin = off;
         PREPARE claim AS {};
         EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off, BUFFERS)
         EXECUTE claim(now(), '30 s', '{{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}}', 10)",
        backup_store::statements::CLAIM_AUDITS
    ));
    assert!(plan.contains("Scan using backup_work_audit"), "{plan}");
    assert!(!plan.contains("Seq Scan"), "{plan}");
    assert!(!plan.contains("Rows Removed by Filter"), "it looked at what is not audited:\n{plan}");
}

#[tokio::test]
async fn a_deletion_reads_what_is_old_and_nothing_else() {
    let test = "postgres::plans::a_deletion_reads_what_is_old_and_nothing_else";
    let Some(database) = database(test) else { return };
    connect(&config(&database)).await.unwrap();
    // Much that is young, with a key and a failure each, and a little that is old.
    database.psql(
        "SET search_path TO epricing;
         INSERT INTO backup_batch (batch_id, business_date, started_at, ended_at, error_code,
            batch_category, batch_mode, target, created_at, deadline_at)
         SELECT 'b-' || n, day, day, day + interval '1 hour', 'ABORTED', 'db1', 'MANUAL', 'db1', day, day
         FROM generate_series(1, 100000) AS n,
            LATERAL (SELECT CASE WHEN n <= 50 THEN '2025-01-01' ELSE '2025-06-01' END::timestamptz AS day) AS days;
         INSERT INTO batch_db_schedule_event_tracker (batch_id, business_date, backup_status, backup_job_categorycode)
         SELECT batch_id, business_date, 'FAILED', 'db1' FROM backup_batch;
         INSERT INTO backup_work (batch_id, business_date, bucket, slot, created_at, phase, phase_since,
            cancel_requested, is_open, is_waiting, due_at, epoch)
         SELECT batch_id, business_date, 0, 'yba/u', created_at, 'DONE', created_at, false, false, false, created_at, 3
         FROM backup_batch;
         INSERT INTO batch_execution_details (batch_id, business_date, batch_category, batch_mode, batch_status, start_time)
         SELECT batch_id, business_date, 'db1', 'MANUAL', 'FAILED', started_at FROM backup_batch;
         INSERT INTO backup_attempt (attempt_id, batch_id, attempt_number, attempted_at)
         SELECT gen_random_uuid(), batch_id, 1, started_at FROM backup_batch;
         INSERT INTO backup_idempotency (idempotency_key, batch_id)
         SELECT 'key of ' || batch_id, batch_id FROM backup_batch;
         INSERT INTO exception_details (exception_id, batch_id, execution_type, business_date, error_message, end_time)
         SELECT gen_random_uuid(), batch_id, 'BACKUP', business_date, 'x', ended_at FROM backup_batch;
         ANALYZE",
    );
    let plan = database.psql(&format!(
        "SET search_path TO epricing; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan;
         SET enable_hashjoin = off; SET enable_mergejoin = off;
         PREPARE prune (timestamptz, bigint, date) AS {};
         EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off)
         EXECUTE prune('2025-03-01', 1000, '2025-03-01')",
        backup_store::statements::PRUNE
    ));
    assert!(plan.contains("backup_batch_by_age"), "{plan}");
    assert!(plan.contains("backup_idempotency_by_batch"), "{plan}");
    assert!(!plan.contains("Seq Scan"), "{plan}");
    assert!(!plan.contains("Rows Removed by Filter"), "it looked at young work:\n{plan}");
    for table in [
        "backup_batch",
        "batch_db_schedule_event_tracker",
        "backup_work",
        "backup_attempt",
        "backup_idempotency",
    ] {
        let left = database.psql(&format!("SELECT count(*) FROM epricing.{table}"));
        assert_eq!(left, "99950", "{table}");
    }
}
