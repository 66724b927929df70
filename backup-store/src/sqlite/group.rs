//! Creations and steps of batches that wait for the one writer anyway: written in one transaction, with one flush.

use std::sync::Arc;

use backup_core::Clock;
use sqlx::SqlitePool;

use super::{create, save};
use crate::{
    replay::{Repeat, Replay, TryError},
    share::{Answer, Share},
    step::Kind,
    write::{Group, Outcomes, Write, Writes, Written},
};

/// More would only make the first wait.
const MOST: usize = 200;

/// The writes of a store.
pub(super) fn writes(pool: SqlitePool, clock: Arc<dyn Clock>, replay: Replay) -> Writes {
    Share::new(MOST, |_| 0, move |writes: Vec<Write>| {
        let (pool, clock, replay) = (pool.clone(), Arc::clone(&clock), replay.clone());
        async move {
            replay.round_trip("write");
            match together(&pool, clock.as_ref(), &writes).await {
                Ok(answers) => answers,
                // Not committed, or nobody knows.
                Err(_) => writes.iter().map(|_| Answer::Alone(Repeat::Possible)).collect(),
            }
        }
    })
}

async fn together(
    pool: &SqlitePool,
    clock: &dyn Clock,
    writes: &[Write],
) -> Result<Vec<Answer<Written>>, TryError> {
    let group = Group::new(writes);
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let now = clock.now().timestamp_millis();
    let mut outcomes = Outcomes::default();
    for kind in Kind::ALL {
        let steps = group.steps(kind);
        if !steps.is_empty() {
            outcomes.saved(save::update(&mut transaction, kind, &steps, now).await?);
        }
    }
    if !group.new.is_empty() {
        outcomes.created(create::insert(&mut transaction, &group.new, now).await?);
    }
    transaction.commit().await?;
    Ok(outcomes.answers(writes))
}
