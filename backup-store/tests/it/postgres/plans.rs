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
