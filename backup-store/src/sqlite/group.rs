//! Creations and steps of batches that wait for the one writer anyway: written in one transaction, with one flush.

use std::{sync::Arc, time::Duration};

use backup_core::{
    BackupRecord, BatchId, Clock, IdempotencyKey, Phase,
    store::{Created, Hold, Lease, Saved},
};
use sqlx::{Connection, SqliteConnection, SqlitePool};

use super::{create, save};
use crate::{
    replay::{Repeat, Replay, TryError},
    share::{Answer, Item, Share},
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
    /// A new batch, or what was there.
    Created(Box<Created>),
    /// A step of a batch.
    Saved(Saved),
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
                Ok(written) => written.into_iter().map(answer).collect(),
                // Not committed, or nobody knows.
                Err(_) => group.iter().map(|_| Answer::Alone(Repeat::Possible)).collect(),
            }
        }
    })
}

/// What failed was undone alone; its caller tries it again and learns why.
fn answer(written: Option<Written>) -> Answer<Written> {
    written.map_or(Answer::Alone(Repeat::No), Answer::Done)
}

async fn together(
    writer: &SqlitePool,
    clock: &dyn Clock,
    group: &[Write],
) -> Result<Vec<Option<Written>>, sqlx::Error> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let now = clock.now().timestamp_millis();
    let mut written = Vec::with_capacity(group.len());
    for write in group {
        let mut savepoint = transaction.begin().await?;
        let done = one(&mut savepoint, write, now).await.ok();
        if done.is_some() {
            savepoint.commit().await?;
        } else {
            savepoint.rollback().await?;
        }
        written.push(done);
    }
    transaction.commit().await?;
    Ok(written)
}

async fn one(connection: &mut SqliteConnection, write: &Write, now: i64) -> Result<Written, TryError> {
    match write {
        Write::Create { record, key, hold } => {
            let created = create::create(connection, record, key.as_ref(), *hold, now, Repeat::No).await?;
            Ok(Written::Created(Box::new(created)))
        }
        Write::Save { lease, record, from, retry_in } => {
            Ok(Written::Saved(save::save(connection, lease, record, *from, *retry_in, now).await?))
        }
    }
}
