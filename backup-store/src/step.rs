//! What both engines write: new batches, and steps of batches under their leases.

use std::{collections::HashMap, time::Duration};

use backup_core::{
    BackupRecord, BatchId, IdempotencyKey, Phase,
    store::{Created, Hold, Lease, queued},
};

use crate::outcome::created;

/// A batch that is to be there.
#[derive(Clone, Copy)]
pub(crate) struct New<'a> {
    pub(crate) record: &'a BackupRecord,
    pub(crate) key: Option<&'a IdempotencyKey>,
    pub(crate) hold: Hold,
}

/// A step that is to be written.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) lease: &'a Lease,
    pub(crate) record: &'a BackupRecord,
    pub(crate) from: Phase,
    pub(crate) retry_in: Duration,
}

/// What a step touches; steps of a kind are written together.
///
/// One that **enters** a universe takes its slot and records what is to be posted. One that **follows** a task changes the work
/// alone: until a batch ends, that row holds YBA's task and answer. One that **completes** the batch records the outcome and
/// frees the slot. One that **leaves** without a backup, to wait or to fail, records why as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Enter,
    Follow,
    Complete,
    Leave,
}

impl Kind {
    pub(crate) fn of(from: Phase, record: &BackupRecord) -> Self {
        match record.phase {
            Phase::Running | Phase::Settling if from.holds_slot() => Self::Follow,
            Phase::Planned | Phase::Submitting | Phase::Running | Phase::Settling => Self::Enter,
            Phase::Done if record.failure.is_none() => Self::Complete,
            Phase::Waiting | Phase::Done => Self::Leave,
        }
    }
}

impl Step<'_> {
    pub(crate) fn kind(&self) -> Kind {
        Kind::of(self.from, self.record)
    }
}

/// A batch that failed before it was ever open, as it is created: ended by a step of its own, in the same transaction.
pub(crate) fn before_it_failed(record: &BackupRecord) -> BackupRecord {
    BackupRecord { phase: Phase::Planned, ended_at: None, failure: None, ..record.clone() }
}

/// The batches that were written, each in the phase it was written in: as it was to be, or queued for its slot.
pub(crate) fn written(new: &[New<'_>], phases: &HashMap<BatchId, String>) -> HashMap<BatchId, Created> {
    let written = |new: &New<'_>| {
        let phase = phases.get(&new.record.batch)?;
        let is_queued = phase != new.record.phase.as_str();
        let record = if is_queued { queued(new.record) } else { new.record.clone() };
        Some((new.record.batch.clone(), created(record, new.hold, 1)))
    };
    new.iter().filter_map(written).collect()
}
