//! pgbouncer between us and the server, in the modes that work, and in those that are refused.

use std::{sync::Arc, time::Duration};

use backup_store::{ConnectError, StoreConfig, connect};
use pg_harness::{Bouncer, Database};

use super::{back_up, database};

/// A database, and a pooler in front of it.
fn pooled(test: &str, settings: &str) -> Option<(Database, Bouncer)> {
    let test = format!("postgres::pooler::{test}");
    let database = database(&test)?;
    let bouncer = Bouncer::start(&database, settings);
    if bouncer.is_none() {
        pg_harness::skip(&test, pg_harness::NO_BOUNCER);
    }
    Some((database, bouncer?))
}

fn config(database: &Database, bouncer: &Bouncer) -> StoreConfig {
    let (address, name, user) = (bouncer.address(), database.name(), database.user());
    let mut config = StoreConfig::new(format!("postgres://{user}@{address}/{name}"));
    config.retry.first_delay = Duration::from_millis(20);
    config.pool.acquire_timeout = Duration::from_secs(5);
    config
}

/// As an administrator does it for a pooler that drops the search path.
fn set_for_the_role(database: &Database) {
    let (name, user) = (database.name(), database.user());
    database.psql(&format!("ALTER ROLE {user} IN DATABASE {name} SET search_path = epricing"));
}

#[tokio::test]
async fn a_pooler_that_drops_the_search_path_is_refused_by_name_and_makes_no_table() {
    let test = "a_pooler_that_drops_the_search_path_is_refused_by_name_and_makes_no_table";
    for mode in ["session", "transaction"] {
        let settings = format!("pool_mode = {mode}\nignore_startup_parameters = options,extra_float_digits");
        let Some((database, bouncer)) = pooled(test, &settings) else { return };
        let error = connect(&config(&database, &bouncer)).await.err().unwrap();
        assert!(matches!(error, ConnectError::Unfit { .. }), "{error:?}");
        let said = error.to_string();
        assert!(said.contains("epricing") && said.contains("ALTER ROLE"), "{said}");
        let tables =
            "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
        assert_eq!(database.psql(tables), "0");
    }
}

#[tokio::test]
async fn a_pooler_that_refuses_the_search_path_is_named() {
    let Some((database, bouncer)) = pooled("a_pooler_that_refuses_the_search_path_is_named", "") else {
        return;
    };
    let error = connect(&config(&database, &bouncer)).await.err().unwrap();
    let chain = format!("{error} {:?}", std::error::Error::source(&error).map(ToString::to_string));
    assert!(chain.contains("options"), "{chain}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_sessions_works_with_the_search_path_set_for_the_role() {
    let test = "a_pool_of_sessions_works_with_the_search_path_set_for_the_role";
    let settings = "pool_mode = session\nignore_startup_parameters = options,extra_float_digits";
    let Some((database, bouncer)) = pooled(test, settings) else { return };
    set_for_the_role(&database);
    let store = connect(&config(&database, &bouncer)).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { back_up(&*store, &format!("u{n}")).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    store.check().await.unwrap();
    assert_eq!(database.psql("SELECT count(*) FROM epricing.backup_batch"), "8");
}
