//! The same on a real PostgreSQL, and the records seen from outside.

use pg_harness::Server;

use crate::support::Stage;

#[test]
fn batches_are_recorded_on_postgresql() {
    let Some(server) = Server::shared() else {
        return pg_harness::skip("batches_are_recorded_on_postgresql", pg_harness::NOT_FOUND);
    };
    let database = server.database();
    let stage = Stage::new();
    let url = format!("datasource.url={}", database.url());
    stage.yba.fail_next_backup(&stage.ledger, "no space left on s3");
    stage.run(&["run", "orders", "--date", "20250325", "--set", &url]).must_exit(0);
    stage.run(&["run", "ledger", "--date", "20250325", "--set", &url]).must_exit(1);
    let list = stage.run(&["list", "--set", &url]).must_exit(0);
    assert_eq!(list.stdout.lines().count(), 3, "{list:?}");
    let rows = database.psql(
        "SELECT backup_status FROM epricing.batch_db_schedule_event_tracker
         WHERE business_date = '2025-03-25' ORDER BY start_time",
    );
    assert_eq!(rows, "SUCCESS\nFAILED");
}
