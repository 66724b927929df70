//! The first connection, over and over: a start says why there is none, and does not wait for ever.

use std::sync::Arc;

use sqlx::PgConnection;

use super::{judge::judge, nodes::Nodes, options, pool, refused, session::Unfit};
use crate::{config::RetryPolicy, error::ConnectError, replay::Verdict};

pub(super) async fn first(
    plan: &options::Plan,
    nodes: Option<&Arc<Nodes>>,
    retry: &RetryPolicy,
    address: &str,
) -> Result<PgConnection, ConnectError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let error = match once(plan, nodes).await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        if let sqlx::Error::Configuration(why) = &error
            && let Some(why) = why.downcast_ref::<Unfit>()
        {
            return Err(ConnectError::Unfit { address: address.to_owned(), what: why.to_string() });
        }
        if judge(&error) == Verdict::Refused {
            return Err(refused(address, "the connection", error));
        }
        if tries >= retry.connection_tries {
            let (address, source) = (address.to_owned(), Box::new(error));
            return Err(ConnectError::Unreachable { address, tries, source });
        }
        let pause = retry.pause(tries);
        let pause_ms = pause.as_millis();
        tracing::warn!(address, tries, pause_ms, error = %error, "the database cannot be reached; trying again");
        tokio::time::sleep(pause).await;
    }
}

async fn once(plan: &options::Plan, nodes: Option<&Arc<Nodes>>) -> Result<PgConnection, sqlx::Error> {
    let Some(nodes) = nodes else { return pool::open(&plan.connect, plan).await };
    nodes.refresh().await;
    let first = nodes.live().first().map_or_else(|| plan.connect.clone(), |host| nodes.options(host));
    pool::open(&first, plan).await
}
