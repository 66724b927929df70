//! Creations and steps of batches that wait for others under way: one statement for those of a kind, all kinds at once.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use backup_core::{BatchId, store::Created};
use futures_util::future::join_all;

use super::{Access, create, judge::judge, save};
use crate::{
    replay::{Repeat, TryError, Verdict},
    share::{Answer, Share},
    step::{Kind, New, Step},
    write::{Group, Outcomes, Write, Writes, Written},
};

/// More would only make the first wait.
const MOST: usize = 400;

/// The writes of a store.
pub(super) fn writes(access: &Arc<Access>) -> Writes {
    let access = Arc::clone(access);
    Share::new(MOST, move |writes: Vec<Write>| {
        let access = Arc::clone(&access);
        async move { together(&access, &writes).await }
    })
}

async fn together(access: &Access, writes: &[Write]) -> Vec<Answer<Written>> {
    let group = Group::new(writes);
    let mut outcomes = Outcomes::default();
    // Those there are, mostly one or two.
    let updates =
        Kind::ALL.map(|kind| (kind, group.steps(kind))).into_iter().filter(|(_, steps)| !steps.is_empty());
    let updates = join_all(updates.map(|(kind, steps)| {
        Box::pin(async move {
            let saved = update(access, kind, &steps).await;
            (steps, saved)
        })
    }));
    let (created, steps) = tokio::join!(insert(access, &group.new), updates);
    match created {
        Ok(created) => outcomes.created(created),
        Err(error) => outcomes.failed(group.new.iter().map(|new| &new.record.batch), || alone(&error)),
    }
    for (steps, saved) in steps {
        match saved {
            Ok(saved) => outcomes.saved(saved),
            Err(error) => outcomes.failed(steps.iter().map(|step| &step.lease.batch), || alone(&error)),
        }
    }
    outcomes.answers(writes)
}

async fn insert(access: &Access, new: &[New<'_>]) -> Result<HashMap<BatchId, Created>, TryError> {
    if new.is_empty() {
        return Ok(HashMap::new());
    }
    let inserting = async {
        let mut connection = access.acquire("create").await?;
        let created = create::insert(&mut connection, new, access.now()).await;
        access.hand_back(connection, created)
    };
    access.replay.limited(inserting).await
}

async fn update(access: &Access, kind: Kind, steps: &[Step<'_>]) -> Result<HashSet<BatchId>, TryError> {
    let updating = async {
        let mut connection = access.acquire("save").await?;
        let saved = save::update(&mut connection, kind, steps, access.now()).await;
        access.hand_back(connection, saved)
    };
    access.replay.limited(updating).await
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
