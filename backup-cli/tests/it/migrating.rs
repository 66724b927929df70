//! `migrate`: tables that no other command may touch.

use pg_harness::Server;

use crate::support::Stage;

const NO_MIGRATION: &str = "datasource.migrate=false";

#[test]
fn tables_are_made_by_their_owner_and_used_by_others() {
    let stage = Stage::new();
    stage
        .run(&["run", "orders", "--set", NO_MIGRATION])
        .must_exit(2)
        .must_say("0001_create_tables")
        .must_say("backup-cli migrate");
    stage.run(&["migrate", "--set", NO_MIGRATION]).must_exit(0).must_say("up to date");
    let (again, told) = stage.run_json(&["migrate"]);
    again.must_exit(0);
    assert!(told["database"].as_str().unwrap().ends_with("backups.db"), "{told}");
    stage.run(&["run", "orders", "--set", NO_MIGRATION]).must_exit(0);
    assert_eq!(stage.yba.backups().len(), 1);
}

#[test]
fn the_owner_makes_the_partitions_of_the_coming_months_too() {
    let Some(server) = Server::shared() else {
        let test = "the_owner_makes_the_partitions_of_the_coming_months_too";
        return pg_harness::skip(test, pg_harness::NOT_FOUND);
    };
    let database = server.database();
    let stage = Stage::new();
    let url = format!("datasource.url={}", database.url());
    stage.run(&["migrate", "--set", &url]).must_exit(0);
    let partitions = database.psql(
        "SELECT count(*) > 10 FROM pg_inherits
         WHERE inhparent = 'epricing.batch_execution_details'::regclass",
    );
    assert_eq!(partitions, "t");
    stage.run(&["run", "orders", "--set", &url, "--set", NO_MIGRATION]).must_exit(0);
}
