//! A standby among the hosts of the address: it can be read, takes no writes, and counts as a host that does not answer.

use std::time::Duration;

use backup_store::{ConnectError, StoreConfig, connect};
use pg_harness::Server;

use super::{back_up, server_on_tcp};

/// Both servers in one address, the standby first.
fn config(
    standby: &Server,
    primary: &Server,
    database: &pg_harness::Database,
    parameter: &str,
) -> StoreConfig {
    let hosts = [standby, primary].map(|server| server.tcp_address().unwrap().to_string()).join(",");
    let (name, user) = (database.name(), database.user());
    let scheme = if parameter.contains("target_session") { "postgres" } else { "jdbc:postgresql" };
    let mut config = StoreConfig::new(format!("{scheme}://{hosts}/{name}?user={user}{parameter}"));
    config.retry.connection_tries = 50;
    config.retry.first_delay = Duration::from_millis(50);
    config.retry.max_delay = Duration::from_millis(200);
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_counts_as_a_host_that_does_not_answer_at_start_and_later() {
    let test = "postgres::standby::a_standby_counts_as_a_host_that_does_not_answer_at_start_and_later";
    let Some(mut primary) = server_on_tcp(test) else { return };
    let database = primary.database();
    let mut standby = primary.standby();
    let mut stores = Vec::new();
    for parameter in
        ["", "&targetServerType=primary", "&target_session_attrs=read-write", "&load-balance=true"]
    {
        let store = connect(&config(&standby, &primary, &database, parameter)).await.unwrap();
        store.check().await.unwrap();
        back_up(&*store, &format!("u{}", stores.len())).await;
        stores.push(store);
    }
    // The roles change: what was written to the first is on the second, and the work goes on there.
    primary.stop();
    standby.promote();
    for (n, store) in stores.iter().enumerate() {
        back_up(&**store, &format!("u{n}")).await;
        store.check().await.unwrap();
        let page = store.list(&backup_core::store::BackupFilter::default()).await.unwrap();
        assert!(page.records.len() > n, "{} records", page.records.len());
    }
}

#[tokio::test]
async fn a_standby_alone_is_said_to_be_read_only() {
    let Some(primary) = server_on_tcp("postgres::standby::a_standby_alone_is_said_to_be_read_only") else {
        return;
    };
    let database = primary.database();
    let standby = primary.standby();
    let address = standby.tcp_address().unwrap();
    let (name, user) = (database.name(), database.user());
    let mut config = StoreConfig::new(format!("postgres://{user}@{address}/{name}"));
    config.retry.first_delay = Duration::from_millis(1);
    let error = connect(&config).await.err().unwrap();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(matches!(error, ConnectError::Unreachable { .. }) && cause.contains("read only"), "{error:?}");
}
