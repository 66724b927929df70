//! Creations and steps of batches that wait for the one writer anyway: written in one transaction, with one flush.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use backup_core::{
    BackupRecord, BatchId, Clock, IdempotencyKey, Phase,
    store::{Created, Hold, Lease, Saved},
};
use sqlx::SqlitePool;

use super::{create, save};
use crate::{
    replay::{Repeat, Replay, TryError},
    share::{Answer, Item, Share},
    step::{Kind, New, Step},
};

/// More would only make the first wait.
const MOST: usize = 200;

/// What is to be written.
pub(super) enum Write {
    /// A new batch.
    Create { record: BackupRecord, key: Option<IdempotencyKey>, hold: Hold },
    /// A step of a batch.
    Save { lease: Lease, record: BackupRecord, from: Phase, retry_in: Duration },
}

/// What was written.
pub(super) enum Written {
    /// A new batch.
    Created(Box<Created>),
    /// A step of a batch.
    Saved(Saved),
}

impl Write {
    fn as_new(&self) -> Option<New<'_>> {
        match self {
            Self::Create { record, key, hold } => Some(New { record, key: key.as_ref(), hold: *hold }),
            Self::Save { .. } => None,
        }
    }

    fn as_step(&self) -> Option<Step<'_>> {
        match self {
            Self::Create { .. } => None,
            Self::Save { lease, record, from, retry_in } => {
                Some(Step { lease, record, from: *from, retry_in: *retry_in })
            }
        }
    }
}

impl Item for Write {
    type Key = BatchId;

    fn key(&self) -> BatchId {
        match self {
            Self::Create { record, .. } | Self::Save { record, .. } => record.batch.clone(),
        }
    }
}

/// The writes of a store.
pub(super) fn writes(writer: SqlitePool, clock: Arc<dyn Clock>, replay: Replay) -> Share<Write, Written> {
    Share::new(1, MOST, move |group: Vec<Write>| {
        let (writer, clock, replay) = (writer.clone(), Arc::clone(&clock), replay.clone());
        async move {
            replay.round_trip("write");
            match together(&writer, clock.as_ref(), &group).await {
                Ok(answers) => answers,
                // Not committed, or nobody knows.
                Err(_) => group.iter().map(|_| Answer::Alone(Repeat::Possible)).collect(),
            }
        }
    })
}

async fn together(
    writer: &SqlitePool,
    clock: &dyn Clock,
    group: &[Write],
) -> Result<Vec<Answer<Written>>, TryError> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let now = clock.now().timestamp_millis();
    let mut saved = HashSet::new();
    for kind in Kind::ALL {
        let steps: Vec<Step<'_>> =
            group.iter().filter_map(Write::as_step).filter(|step| step.kind() == kind).collect();
        if !steps.is_empty() {
            saved.extend(save::update(&mut transaction, kind, &steps, now).await?);
        }
    }
    let new: Vec<New<'_>> = group.iter().filter_map(Write::as_new).collect();
    let mut created = match new.as_slice() {
        [] => HashMap::new(),
        new => create::insert(&mut transaction, new, now).await?,
    };
    transaction.commit().await?;
    Ok(group
        .iter()
        .map(|write| match write {
            Write::Create { record, .. } => {
                created.remove(record.batch.as_str()).map(|created| Written::Created(Box::new(created)))
            }
            Write::Save { lease, .. } => saved.contains(&lease.batch).then_some(Written::Saved(Saved::Yes)),
        })
        // What was not written is tried alone, where the reason is looked at.
        .map(|written| written.map_or(Answer::Alone(Repeat::No), Answer::Done))
        .collect())
}
