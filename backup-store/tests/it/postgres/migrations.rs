//! Tables are made once, whoever makes them.

use backup_store::{ConnectError, StoreConfig, connect};

use super::{back_up, config, database};

#[tokio::test]
async fn a_second_start_finds_everything_there() {
    let Some(database) = database("postgres::migrations::a_second_start_finds_everything_there") else {
        return;
    };
    let first = connect(&config(&database)).await.unwrap();
    let record = back_up(&*first, "u1").await;
    let before =
        database.psql("SELECT version, name, checksum, applied_at FROM epricing.backup_schema_version");
    let second = connect(&config(&database)).await.unwrap();
    assert_eq!(second.find(&record.batch).await.unwrap(), Some(record));
    let after =
        database.psql("SELECT version, name, checksum, applied_at FROM epricing.backup_schema_version");
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_at_once_migrate_once() {
    let Some(database) = database("postgres::migrations::replicas_that_start_at_once_migrate_once") else {
        return;
    };
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let config = config(&database);
            tokio::spawn(async move { connect(&config).await })
        })
        .collect();
    for start in starts {
        let store = start.await.unwrap().unwrap();
        store.check().await.unwrap();
    }
    let rows = database.psql("SELECT count(*), count(DISTINCT version) FROM epricing.backup_schema_version");
    let (rows, versions) = rows.split_once('|').unwrap();
    assert_eq!(rows, versions);
}

#[tokio::test]
async fn without_migrations_a_start_says_what_is_missing() {
    let Some(database) = database("postgres::migrations::without_migrations_a_start_says_what_is_missing")
    else {
        return;
    };
    let mut off = config(&database);
    off.migrate = false;
    let error = connect(&off).await.err().unwrap();
    assert!(matches!(&error, ConnectError::NotMigrated { missing, .. } if missing.len() == 1), "{error:?}");
    assert!(error.to_string().contains("0001_create_tables"), "{error}");
    connect(&config(&database)).await.unwrap();
    let store = connect(&off).await.unwrap();
    back_up(&*store, "u1").await;
}

#[tokio::test]
async fn an_edited_migration_is_noticed() {
    let Some(database) = database("postgres::migrations::an_edited_migration_is_noticed") else { return };
    connect(&config(&database)).await.unwrap();
    database.psql("UPDATE epricing.backup_schema_version SET checksum = 'other' WHERE version = 1");
    let error = connect(&config(&database)).await.err().unwrap();
    assert!(matches!(error, ConnectError::EditedMigration { .. }), "{error:?}");
}

#[tokio::test]
async fn a_migration_that_stopped_half_way_is_finished() {
    let Some(database) = database("postgres::migrations::a_migration_that_stopped_half_way_is_finished")
    else {
        return;
    };
    connect(&config(&database)).await.unwrap();
    // As if the first process had died inside the file, holding the lease.
    database.psql(
        "DELETE FROM epricing.backup_schema_version WHERE version = 1;
         DROP TABLE epricing.universe_slot;
         DROP INDEX epricing.backup_work_queue;
         UPDATE epricing.backup_lease SET owner = gen_random_uuid(), until = now() + interval '300 milliseconds'
         WHERE name = 'migrations'",
    );
    let store = connect(&config(&database)).await.unwrap();
    back_up(&*store, "u1").await;
    let index = "SELECT count(*) FROM pg_indexes WHERE indexname = 'backup_work_queue'";
    assert_eq!(database.psql(index), "1");
}

#[tokio::test]
async fn a_role_of_little_rights_is_enough() {
    let Some(database) = database("postgres::migrations::a_role_of_little_rights_is_enough") else { return };
    let role = format!("app_{}", database.name());
    // No right to make schemas, and none to use an advisory lock: as on YugabyteDB before 2025.1.
    database.psql(&format!(
        "CREATE ROLE {role} LOGIN;
         CREATE SCHEMA epricing AUTHORIZATION {role};
         REVOKE EXECUTE ON FUNCTION pg_advisory_lock(bigint), pg_try_advisory_lock(bigint),
            pg_advisory_xact_lock(bigint), pg_advisory_lock(int, int), pg_try_advisory_lock(int, int) FROM PUBLIC;"
    ));
    let mut config = config(&database);
    config.username = Some(role);
    let store = connect(&config).await.unwrap();
    back_up(&*store, "u1").await;
}

#[tokio::test]
async fn the_schema_is_a_setting() {
    let Some(database) = database("postgres::migrations::the_schema_is_a_setting") else { return };
    let mut named = config(&database);
    named.schema = Some("Other_1".to_owned());
    let store = connect(&named).await.unwrap();
    back_up(&*store, "u1").await;
    let by_url = StoreConfig::new(format!("{}&currentSchema=by_url,public", database.url()));
    let store = connect(&by_url).await.unwrap();
    back_up(&*store, "u1").await;
    let schemas = "SELECT schemaname FROM pg_tables WHERE tablename = 'backup_work' ORDER BY 1";
    assert_eq!(database.psql(schemas), "Other_1\nby_url");
    assert_eq!(database.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
}
