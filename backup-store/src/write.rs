//! Creations and steps that wait for others under way are written with them: both engines' way of sharing.
//!
//! Only the good path is answered together. What was not written (a taken id or slot, a lost lease) its caller tries alone, where
//! the reason is looked at.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use backup_core::{
    BackupRecord, BatchId, IdempotencyKey, Phase,
    store::{Created, Hold, Lease, Saved},
};

use crate::{
    replay::Repeat,
    share::{Answer, Item, Share},
    step::{Kind, New, Step},
};

/// What is to be written.
pub(crate) enum Write {
    /// A new batch, open.
    Create { record: BackupRecord, key: Option<IdempotencyKey>, hold: Hold },
    /// A step of a batch.
    Save { lease: Lease, record: BackupRecord, from: Phase, retry_in: Duration },
}

/// What was written.
pub(crate) enum Written {
    /// A new batch.
    Created(Box<Created>),
    /// A step of a batch.
    Saved,
}

impl Item for Write {
    type Key = BatchId;

    fn key(&self) -> BatchId {
        self.batch().clone()
    }
}

impl Write {
    /// What it touches, as a number: a creation, or a step of one of the kinds.
    pub(crate) fn kind(&self) -> usize {
        self.as_step().map_or(0, |step| 1 + step.kind() as usize)
    }

    fn batch(&self) -> &BatchId {
        match self {
            Self::Create { record, .. } | Self::Save { record, .. } => &record.batch,
        }
    }

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

/// The writes of a store, which come in groups.
pub(crate) type Writes = Share<Write, Written>;

impl Writes {
    /// Creates an open batch.
    pub(crate) async fn create(
        &self,
        record: &BackupRecord,
        key: Option<&IdempotencyKey>,
        hold: Hold,
    ) -> Answer<Created> {
        match self.ask(Write::Create { record: record.clone(), key: key.cloned(), hold }).await {
            Answer::Done(Written::Created(created)) => Answer::Done(*created),
            Answer::Done(Written::Saved) => Answer::Alone(Repeat::Possible),
            Answer::Alone(repeat) => Answer::Alone(repeat),
            Answer::Unavailable(cause) => Answer::Unavailable(cause),
        }
    }

    /// Writes a step.
    pub(crate) async fn save(
        &self,
        lease: &Lease,
        record: &BackupRecord,
        from: Phase,
        retry_in: Duration,
    ) -> Answer<Saved> {
        let write = Write::Save { lease: lease.clone(), record: record.clone(), from, retry_in };
        match self.ask(write).await {
            Answer::Done(_) => Answer::Done(Saved::Yes),
            Answer::Alone(repeat) => Answer::Alone(repeat),
            Answer::Unavailable(cause) => Answer::Unavailable(cause),
        }
    }
}

/// Writes of one kind.
pub(crate) enum Group<'a> {
    New(Vec<New<'a>>),
    Steps(Kind, Vec<Step<'a>>),
}

impl<'a> Group<'a> {
    /// Those of the first one's kind: all of them.
    pub(crate) fn of(writes: &'a [Write]) -> Self {
        match writes.first().and_then(Write::as_step) {
            None => Self::New(writes.iter().filter_map(Write::as_new).collect()),
            Some(first) => Self::Steps(first.kind(), writes.iter().filter_map(Write::as_step).collect()),
        }
    }
}

/// What became of each batch of a group.
#[derive(Default)]
pub(crate) struct Outcomes(HashMap<BatchId, Answer<Written>>);

impl Outcomes {
    pub(crate) fn created(&mut self, created: HashMap<BatchId, Created>) {
        self.0.extend(
            created.into_iter().map(|(batch, new)| (batch, Answer::Done(Written::Created(Box::new(new))))),
        );
    }

    pub(crate) fn saved(&mut self, batches: HashSet<BatchId>) {
        self.0.extend(batches.into_iter().map(|batch| (batch, Answer::Done(Written::Saved))));
    }

    /// In the order of the writes. Nothing known of one: it was not written.
    pub(crate) fn answers(mut self, writes: &[Write]) -> Vec<Answer<Written>> {
        writes.iter().map(|write| self.0.remove(write.batch()).unwrap_or(Answer::Alone(Repeat::No))).collect()
    }
}
