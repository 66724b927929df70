//! What the settings are for: the clients that are made from them.

use backup_app::{App, Role};

use crate::support::{URL, file, loaded, target};

/// The limits of the clients, by the names of their instances.
async fn limits(text: &str) -> Vec<(String, Option<u32>)> {
    let text = format!("{text}datasource.url: 'sqlite::memory:'\n");
    let app = App::start(loaded(&text, &[], &[]), Role::CommandLine).await.expect("it starts");
    let limit = |name| app.yba.client(name).expect("a client").max_requests_per_second();
    let names = app.yba.names();
    let limits = names.map(|name| (name.to_string(), limit(name).map(std::num::NonZeroU32::get))).collect();
    app.orchestrator.shutdown().await;
    limits
}

fn two_instances(common: &str) -> String {
    let instance = |name: &str, more: &str| {
        format!(
            "    {name}: {{base-url: 'https://{name}.example.com', customer-uuid: c, api-token: t{more}}}\n"
        )
    };
    let (busy, calm) = (instance("busy", ", max-calls-per-second: 2"), instance("calm", ""));
    format!("yba:\n{common}  instances:\n{busy}{calm}")
}

#[tokio::test]
async fn each_client_sends_as_many_calls_per_second_as_its_instance_says() {
    let busy = |limit| ("busy".to_owned(), limit);
    let calm = |limit| ("calm".to_owned(), limit);
    assert_eq!(limits(&two_instances("")).await, [busy(Some(2)), calm(None)]);
    let common = "  max-calls-per-second: 7\n";
    assert_eq!(limits(&two_instances(common)).await, [busy(Some(2)), calm(Some(7))]);
}

#[tokio::test]
async fn an_instance_that_a_url_implies_has_the_common_limit() {
    let text = file(&[target("db1", "")]) + "  max-calls-per-second: 7\n";
    assert_eq!(limits(&text).await, [("yba.example.com".to_owned(), Some(7))]);
}

#[tokio::test]
async fn a_target_with_a_token_of_its_own_has_the_limit_of_its_instance() {
    let own = format!(
        "  databases.db1: {{instance: busy, api-token: another, universe-uuid: u, storage-config-uuid: s, \
         full-backup-url: '{URL}'}}\n"
    );
    let limits = limits(&(two_instances("") + &own)).await;
    assert!(limits.contains(&("busy, token of db1".to_owned(), Some(2))), "{limits:?}");
}
