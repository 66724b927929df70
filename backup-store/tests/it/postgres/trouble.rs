//! Lost connections, a restart in the middle of work, a database that is not there, and no password anywhere.

use std::{sync::Arc, time::Duration};

use backup_core::{StoreError, TrackingStore, store::BackupFilter};
use backup_store::{ConnectError, StoreConfig, StoreEvent, connect};
use secrecy::SecretString;

use super::{Events, back_up, config, database, server_on_tcp};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_when_connections_are_terminated() {
    let test = "postgres::trouble::work_goes_on_when_connections_are_terminated";
    let Some(database) = database(test) else { return };
    let mut config = config(&database);
    config.retry.connection_tries = 20;
    let events = Events::default();
    events.observe(&mut config);
    let store = connect(&config).await.unwrap();
    let work = work(&store);
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let database = database.clone();
        tokio::task::spawn_blocking(move || database.terminate_connections()).await.unwrap();
    }
    finish(&*store, work).await;
    let is_retry = |event: &StoreEvent| matches!(event, StoreEvent::Retry { reason: "connection", .. });
    assert!(events.take().iter().any(is_retry), "no connection was lost in the middle of a statement");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_when_the_server_restarts() {
    let test = "postgres::trouble::work_goes_on_when_the_server_restarts";
    let Some(mut server) = pg_harness::Server::start() else {
        return pg_harness::skip(test, pg_harness::NOT_FOUND);
    };
    let database = server.database();
    let mut config = config(&database);
    config.retry.connection_tries = 20;
    let store = connect(&config).await.unwrap();
    let work = work(&store);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let server = tokio::task::spawn_blocking(move || {
        server.restart();
        server
    });
    let _server = server.await.unwrap();
    finish(&*store, work).await;
}

#[tokio::test]
async fn a_database_that_is_away_is_said_to_be_away() {
    let test = "postgres::trouble::a_database_that_is_away_is_said_to_be_away";
    let Some(mut server) = pg_harness::Server::start() else {
        return pg_harness::skip(test, pg_harness::NOT_FOUND);
    };
    let database = server.database();
    let mut config = config(&database);
    config.pool.acquire_timeout = Duration::from_millis(200);
    let store = connect(&config).await.unwrap();
    store.check().await.unwrap();
    server.stop();
    let error = store.check().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { operation: "check", .. }), "{error:?}");
    let error = connect(&config).await.err().unwrap();
    assert!(matches!(error, ConnectError::Unreachable { tries: 3, .. }), "{error:?}");
    server.start_again();
    store.check().await.unwrap();
    back_up(&*store, "u1").await;
}

#[tokio::test]
async fn a_changed_column_list_heals_by_itself() {
    let test = "postgres::trouble::a_changed_column_list_heals_by_itself";
    let Some(database) = database(test) else { return };
    let mut config = config(&database);
    config.pool.max_connections = 1;
    let events = Events::default();
    events.observe(&mut config);
    let store = connect(&config).await.unwrap();
    let record = back_up(&*store, "u1").await;
    assert!(store.find(&record.batch).await.unwrap().is_some());
    database.psql("ALTER TABLE epricing.backup_work ALTER COLUMN slot TYPE varchar(200)");
    assert!(store.find(&record.batch).await.unwrap().is_some());
    let is_stale = |event: &StoreEvent| matches!(event, StoreEvent::Retry { reason: "statement", .. });
    assert!(events.take().iter().any(is_stale));
}

#[tokio::test]
async fn a_missing_table_is_refused_at_once() {
    let Some(database) = database("postgres::trouble::a_missing_table_is_refused_at_once") else { return };
    let events = Events::default();
    let mut config = config(&database);
    events.observe(&mut config);
    let store = connect(&config).await.unwrap();
    database.psql("DROP TABLE epricing.backup_attempt");
    let error = store.list(&BackupFilter::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { operation: "list", .. }), "{error:?}");
    assert!(!events.take().iter().any(|event| matches!(event, StoreEvent::Retry { .. })));
}

#[tokio::test]
async fn a_read_only_node_is_not_ready() {
    let Some(database) = database("postgres::trouble::a_read_only_node_is_not_ready") else { return };
    let mut config_of_one = config(&database);
    config_of_one.pool.acquire_timeout = Duration::from_millis(300);
    let store = connect(&config_of_one).await.unwrap();
    store.check().await.unwrap();
    database.psql(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name()));
    database.terminate_connections();
    let mut impatient = config(&database);
    impatient.pool.acquire_timeout = Duration::from_millis(300);
    let error = connect(&impatient).await.err().unwrap();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert!(chain(&error).contains("read only"), "{error:?}");
    // The one that was there before finds out, and is well again when the server is.
    assert!(store.check().await.unwrap_err().is_transient());
    let again = format!("ALTER DATABASE {} RESET default_transaction_read_only", database.name());
    database.psql(&format!("SET transaction_read_only = off; {again}"));
    store.check().await.unwrap();
    back_up(&*store, "u1").await;
}

#[tokio::test]
async fn a_database_of_another_encoding_is_refused_by_name() {
    let test = "postgres::trouble::a_database_of_another_encoding_is_refused_by_name";
    let Some(database) = database(test) else { return };
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let name = format!("{}_{}", database.name(), encoding.to_lowercase());
        database.psql(&format!("CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"));
        let mut config = config(&database);
        config.url = config.url.replacen(database.name(), &name, 1);
        let error = connect(&config).await.err().unwrap();
        assert!(matches!(error, ConnectError::Unfit { .. }), "{error:?}");
        assert!(error.to_string().contains(encoding) && error.to_string().contains("UTF8"), "{error}");
    }
}

#[tokio::test]
async fn no_error_and_no_debug_text_shows_the_password() {
    let test = "postgres::trouble::no_error_and_no_debug_text_shows_the_password";
    let Some(mut server) = server_on_tcp(test) else { return };
    let database = server.database();
    let mut config = StoreConfig::new(format!("{}&password=sesame-in-url", database.jdbc_url()));
    config.password = Some(SecretString::from("sesame-in-config"));
    config.retry.first_delay = Duration::from_millis(1);
    config.pool.acquire_timeout = Duration::from_millis(100);
    let mut texts = vec![format!("{config:?} {config:#?}")];
    let store = connect(&config).await.unwrap();
    database.psql("DROP TABLE epricing.backup_attempt");
    texts.push(chain(&store.list(&BackupFilter::default()).await.unwrap_err()));
    server.stop();
    texts.push(chain(&store.check().await.unwrap_err()));
    texts.push(chain(&connect(&config).await.err().unwrap()));
    config.url.push_str("&sslmode=wrong");
    texts.push(chain(&connect(&config).await.err().unwrap()));
    for text in texts {
        assert!(!text.contains("sesame"), "{text}");
    }
}

/// Backups on ten universes, one after the other on each.
fn work(store: &Arc<dyn TrackingStore>) -> Vec<tokio::task::JoinHandle<()>> {
    (0..10)
        .map(|universe| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for _ in 0..40 {
                    back_up(&*store, &format!("u{universe}")).await;
                }
            })
        })
        .collect()
}

/// Every backup is there, once, and over.
async fn finish(store: &dyn TrackingStore, work: Vec<tokio::task::JoinHandle<()>>) {
    for task in work {
        task.await.unwrap();
    }
    let filter = BackupFilter { limit: 1000, ..BackupFilter::default() };
    let page = store.list(&filter).await.unwrap();
    assert_eq!(page.records.len(), 400);
    for record in page.records {
        assert!(record.is_done() && record.failure.is_none(), "{record:?}");
        assert_eq!(record.attempts.len(), 1);
    }
}

/// Everything an error can be made to say.
fn chain(error: &dyn std::error::Error) -> String {
    let rest = error.source().map(chain).unwrap_or_default();
    format!("{error} {error:?} {rest}")
}
