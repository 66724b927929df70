//! Who answers: `config check --online` asks the database and every YBA instance.

use std::path::Path;

use backup_app::settings::{Connection, TargetSettings};
use backup_app::{ConnectError, Settings, open_store, yba_instances};
use serde::Serialize;
use yba_client::{Leadership, YbaClient};

/// Somebody who was asked.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) what: String,
    pub(crate) ok: bool,
    pub(crate) answer: String,
    /// The client of a YBA instance; `None` for what every target needs.
    #[serde(skip)]
    instance: Option<String>,
}

/// The checks that failed of what a target needs, by their names.
pub(crate) fn refused<'a>(
    target: &TargetSettings,
    connection: &Connection,
    checks: &'a [Check],
) -> Vec<&'a str> {
    let client = client_of(target, connection, checks);
    let is_needed = |check: &&Check| check.instance.is_none() || check.instance == client;
    checks.iter().filter(is_needed).filter(|check| !check.ok).map(|check| check.what.as_str()).collect()
}

/// The client that a target uses: one of its own, where it has a token of its own or no instance.
fn client_of(target: &TargetSettings, connection: &Connection, checks: &[Check]) -> Option<String> {
    let instance = connection.instance.clone();
    let own = instance.as_ref().map(|name| format!("{name}, token of {}", target.key));
    let is_asked = |name: &String| checks.iter().any(|check| check.instance.as_ref() == Some(name));
    [own, instance, Some(target.key.clone())].into_iter().flatten().find(is_asked)
}

/// Asks the database, and every YBA instance, each whatever the others answer.
pub(crate) async fn ask(settings: &Settings) -> Vec<Check> {
    let (database, mut instances) = tokio::join!(database(settings), instances(settings));
    instances.insert(0, database);
    instances
}

async fn database(settings: &Settings) -> Check {
    let what = format!("database {}", settings.datasource.url);
    let store = match open_store(&settings.datasource, &settings.application_name).await {
        Ok(store) => store,
        Err(ConnectError::NoDatabase { path }) if Path::new(&path).parent().is_some_and(Path::is_dir) => {
            return passed(what, "is not there yet; the first start makes it");
        }
        Err(ConnectError::NotMigrated { missing, .. }) if settings.datasource.migrate => {
            let missing = missing.join(", ");
            return passed(
                what,
                format!("can be read; the next start brings its tables up to date ({missing})"),
            );
        }
        Err(error) => return failed(what, chain(&error)),
    };
    match store.check().await {
        Ok(()) => passed(what, "can be read and written"),
        Err(error) => failed(what, chain(&error)),
    }
}

async fn instances(settings: &Settings) -> Vec<Check> {
    let yba = match yba_instances(settings) {
        Ok(yba) => yba,
        Err(error) => return vec![failed("YBA", chain(&error))],
    };
    let mut checks = Vec::new();
    for name in yba.names() {
        if let Some(client) = yba.client(name) {
            let of_instance = |check| Check { instance: Some(name.to_string()), ..check };
            checks.extend(instance(name.as_str(), client).await.into_iter().map(of_instance));
        }
    }
    checks
}

/// Reached, which version, the token, and whether it leads.
async fn instance(name: &str, client: &YbaClient) -> Vec<Check> {
    let version = match client.app_version().await {
        Ok(version) => passed(format!("{name}: version"), version.version),
        // Nothing else will be answered either.
        Err(error) => return vec![failed(format!("{name}: version"), chain(&error))],
    };
    let session = match client.session().info().await {
        Ok(session) => {
            let user = session.user.map_or_else(|| "unknown".to_owned(), |user| user.to_string());
            passed(format!("{name}: token"), format!("is accepted, user {user}"))
        }
        Err(error) => failed(format!("{name}: token"), chain(&error)),
    };
    vec![version, session, leader(name, client).await]
}

async fn leader(name: &str, client: &YbaClient) -> Check {
    let what = format!("{name}: leader");
    match client.ha_leader().await {
        Ok(Leadership::Leader) => passed(what, "leads its high-availability group"),
        Ok(Leadership::Follower) => failed(what, "is a standby: it refuses backups".to_owned()),
        Ok(Leadership::NotConfigured) => passed(what, "no high availability is configured"),
        Ok(_) => passed(what, "this version does not say"),
        Err(error) => failed(what, chain(&error)),
    }
}

fn passed(what: impl Into<String>, answer: impl Into<String>) -> Check {
    Check { what: what.into(), ok: true, answer: answer.into(), instance: None }
}

fn failed(what: impl Into<String>, answer: String) -> Check {
    Check { what: what.into(), ok: false, answer, instance: None }
}

/// An error and its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
