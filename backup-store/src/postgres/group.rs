//! Creations and steps of batches that wait for others under way: those of a kind in one statement.

use std::sync::Arc;

use sqlx::PgConnection;

use super::{Access, create, judge::judge, save};
use crate::{
    replay::{Repeat, TryError, Verdict},
    share::{Answer, Share},
    write::{Group, Outcomes, Write, Writes, Written},
};

/// More would only make the first wait.
const MOST: usize = 400;

/// The writes of a store.
pub(super) fn writes(access: &Arc<Access>) -> Writes {
    let access = Arc::clone(access);
    Share::new(MOST, Write::kind, move |writes: Vec<Write>| {
        let access = Arc::clone(&access);
        async move { together(&access, &writes).await }
    })
}

async fn together(access: &Access, writes: &[Write]) -> Vec<Answer<Written>> {
    let writing = async {
        let mut connection = access.acquire("write").await?;
        let written = write(&mut connection, access, writes).await;
        access.hand_back(connection, written)
    };
    match access.replay.limited(writing).await {
        Ok(outcomes) => outcomes.answers(writes),
        Err(error) => writes.iter().map(|_| alone(&error)).collect(),
    }
}

/// All of one kind: one statement.
async fn write(
    connection: &mut PgConnection,
    access: &Access,
    writes: &[Write],
) -> Result<Outcomes, TryError> {
    let mut outcomes = Outcomes::default();
    match Group::of(writes) {
        Group::New(new) => outcomes.created(create::insert(connection, &new, access.now()).await?),
        Group::Steps(kind, steps) => {
            outcomes.saved(save::update(connection, kind, &steps, access.now()).await?);
        }
    }
    Ok(outcomes)
}

/// Each alone: the error may be of one of them, and what was committed is not known.
fn alone(error: &TryError) -> Answer<Written> {
    tracing::debug!(?error, "a group was not written together");
    match error {
        TryError::Database(error) if judge(error) == Verdict::TimedOut => {
            Answer::Unavailable(error.to_string())
        }
        TryError::Unreachable(error) => Answer::Unavailable(error.to_string()),
        _ => Answer::Alone(Repeat::Possible),
    }
}
