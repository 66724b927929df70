//! Creations and steps of batches that wait for others under way: written by one statement, with one flush.
//!
//! Only the good path is answered here. What was not written (a taken id or slot, a lost lease) its caller tries alone, where
//! the reason is looked at.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use backup_core::{
    BackupRecord, BatchId, IdempotencyKey, Phase,
    store::{Created, Hold, Lease, Saved, queued},
};

use super::{Access, create, judge::judge, save};
use crate::{
    outcome::created,
    replay::{Repeat, TryError, Verdict},
    share::{Answer, Item, Share},
    step::{Kind, New, Step},
};

/// Statements of a kind under way at once.
const GROUPS: usize = 1;
/// More would only make the first wait.
const MOST: usize = 128;

/// A batch that is to be there.
pub(super) struct Creation {
    record: BackupRecord,
    key: Option<IdempotencyKey>,
    hold: Hold,
}

impl Creation {
    pub(super) fn new(record: &BackupRecord, key: Option<&IdempotencyKey>, hold: Hold) -> Self {
        Self { record: record.clone(), key: key.cloned(), hold }
    }

    fn as_new(&self) -> New<'_> {
        New { record: &self.record, key: self.key.as_ref(), hold: self.hold }
    }
}

/// A step that is to be written.
pub(super) struct Advance {
    lease: Lease,
    record: BackupRecord,
    from: Phase,
    retry_in: Duration,
}

impl Advance {
    pub(super) fn new(lease: &Lease, record: &BackupRecord, from: Phase, retry_in: Duration) -> Self {
        Self { lease: lease.clone(), record: record.clone(), from, retry_in }
    }

    fn as_step(&self) -> Step<'_> {
        Step { lease: &self.lease, record: &self.record, from: self.from, retry_in: self.retry_in }
    }
}

impl Item for Creation {
    /// Callers with the same key are told apart by one statement each.
    type Key = String;

    fn key(&self) -> String {
        match &self.key {
            Some(key) => format!("key {key}"),
            None => format!("batch {}", self.record.batch),
        }
    }
}

impl Item for Advance {
    type Key = BatchId;

    fn key(&self) -> BatchId {
        self.lease.batch.clone()
    }
}

pub(super) fn creates(access: &Arc<Access>) -> Share<Creation, Created> {
    let access = Arc::clone(access);
    Share::new(GROUPS, MOST, move |creations: Vec<Creation>| {
        let access = Arc::clone(&access);
        async move {
            match access.replay.limited(insert(&access, &creations)).await {
                Ok(mut phases) => {
                    creations.iter().map(|new| answer(new, phases.remove(&new.record.batch))).collect()
                }
                Err(error) => alone(&error, creations.len()),
            }
        }
    })
}

async fn insert(access: &Access, creations: &[Creation]) -> Result<HashMap<BatchId, String>, TryError> {
    let news: Vec<New<'_>> = creations.iter().map(Creation::as_new).collect();
    let mut connection = access.acquire("create").await?;
    let phases = create::insert(&mut connection, &news, access.now()).await;
    Ok(access.hand_back(connection, phases)?.into_iter().collect())
}

fn answer(new: &Creation, phase: Option<String>) -> Answer<Created> {
    let Some(phase) = phase else { return Answer::Alone(Repeat::No) };
    let is_queued = phase != new.record.phase.as_str();
    let record = if is_queued { queued(&new.record) } else { new.record.clone() };
    Answer::Done(created(record, new.hold, 1))
}

/// The steps of a store: those of a kind go together.
pub(super) struct Saves {
    enter: Share<Advance, Saved>,
    follow: Share<Advance, Saved>,
    complete: Share<Advance, Saved>,
    leave: Share<Advance, Saved>,
}

impl Saves {
    pub(super) fn new(access: &Arc<Access>) -> Self {
        Self {
            enter: saves(access, Kind::Enter),
            follow: saves(access, Kind::Follow),
            complete: saves(access, Kind::Complete),
            leave: saves(access, Kind::Leave),
        }
    }

    pub(super) async fn ask(&self, advance: Advance) -> Answer<Saved> {
        let share = match advance.as_step().kind() {
            Kind::Enter => &self.enter,
            Kind::Follow => &self.follow,
            Kind::Complete => &self.complete,
            Kind::Leave => &self.leave,
        };
        share.ask(advance).await
    }
}

fn saves(access: &Arc<Access>, kind: Kind) -> Share<Advance, Saved> {
    let access = Arc::clone(access);
    Share::new(GROUPS, MOST, move |advances: Vec<Advance>| {
        let access = Arc::clone(&access);
        async move {
            match access.replay.limited(update(&access, kind, &advances)).await {
                Ok(saved) => advances
                    .iter()
                    .map(|advance| {
                        let is_saved = saved.contains(advance.lease.batch.as_str());
                        if is_saved { Answer::Done(Saved::Yes) } else { Answer::Alone(Repeat::No) }
                    })
                    .collect(),
                Err(error) => alone(&error, advances.len()),
            }
        }
    })
}

async fn update(access: &Access, kind: Kind, advances: &[Advance]) -> Result<HashSet<String>, TryError> {
    let steps: Vec<Step<'_>> = advances.iter().map(Advance::as_step).collect();
    let mut connection = access.acquire("save").await?;
    let saved = save::update(&mut connection, kind, &steps, access.now()).await;
    access.hand_back(connection, saved)
}

/// Each alone: the error may be of one of them, and what was committed is not known.
fn alone<O>(error: &TryError, items: usize) -> Vec<Answer<O>> {
    tracing::debug!(error = ?error, items, "a group was not written together");
    let answer = || match error {
        TryError::Database(error) if judge(error) == Verdict::TimedOut => {
            Answer::Unavailable(error.to_string())
        }
        TryError::Unreachable(error) => Answer::Unavailable(error.to_string()),
        _ => Answer::Alone(Repeat::Possible),
    };
    (0..items).map(|_| answer()).collect()
}
