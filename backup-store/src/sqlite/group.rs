//! Creations and steps of batches that wait for the one writer anyway: those of a kind in one transaction, with one flush.

use std::sync::Arc;

use backup_core::Clock;
use sqlx::SqliteConnection;

use super::{Connections, create, save};
use crate::{
    replay::{Repeat, Replay, TryError},
    share::{Answer, Share},
    write::{Group, Outcomes, Write, Writes, Written},
};

/// More would only make the first wait.
const MOST: usize = 200;

/// The writes of a store.
pub(super) fn writes(connections: Arc<Connections>, clock: Arc<dyn Clock>, replay: Replay) -> Writes {
    Share::new(MOST, Write::kind, move |writes: Vec<Write>| {
        let (connections, clock, replay) = (Arc::clone(&connections), Arc::clone(&clock), replay.clone());
        async move {
            replay.round_trip("write");
            let count = writes.len();
            // In a task of its own: a caller that goes away would leave the transaction open.
            let writing = tokio::spawn(async move { together(&connections, clock.as_ref(), &writes).await });
            match writing.await {
                Ok(Ok(answers)) => answers,
                // Not committed, or nobody knows.
                _ => (0..count).map(|_| Answer::Alone(Repeat::Possible)).collect(),
            }
        }
    })
}

/// All of one kind: one transaction, in one call.
async fn together(
    connections: &Arc<Connections>,
    clock: &dyn Clock,
    writes: &[Write],
) -> Result<Vec<Answer<Written>>, TryError> {
    let mut lane = connections.acquire().await?;
    let outcomes = write(&mut lane, writes, clock.now().timestamp_millis()).await;
    Ok(lane.hand_back(outcomes)?.answers(writes))
}

async fn write(connection: &mut SqliteConnection, writes: &[Write], now: i64) -> Result<Outcomes, TryError> {
    let mut outcomes = Outcomes::default();
    match Group::of(writes) {
        Group::New(new) => outcomes.created(create::commit(connection, &new, now).await?),
        Group::Steps(kind, steps) => outcomes.saved(save::commit(connection, kind, &steps, now).await?),
    }
    Ok(outcomes)
}
