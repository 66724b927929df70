//! The store: one record, and who may write it. Each method is one transaction.

use super::{
    audit::Audit,
    record::{BackupRecord, Phase},
};

/// The row of the batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Store {
    /// What is committed.
    pub record: BackupRecord,
    /// The fencing token: larger for each new ownership.
    pub epoch: u8,
    /// The replica that has the lease. An expired lease is nobody's.
    pub owner: Option<usize>,
    /// The fencing token of the audit: another for each claim.
    pub audit: u8,
}

impl Store {
    /// With a batch that was just requested.
    pub fn with_a_request() -> Self {
        Self { record: BackupRecord::requested(), epoch: 0, owner: None, audit: 0 }
    }

    /// Takes the lease of a batch that nobody owns.
    pub fn claim(&mut self, owner: usize) {
        self.epoch += 1;
        self.owner = Some(owner);
    }

    /// Whether this lease is still the owner's.
    pub fn is_held(&self, owner: usize, epoch: u8) -> bool {
        self.owner == Some(owner) && self.epoch == epoch
    }

    /// Writes a record over the phase that it was read in. Waiting and finished work is nobody's.
    pub fn write(&mut self, record: &BackupRecord) {
        // A doubt outlives every write.
        let in_doubt = record.in_doubt || self.record.in_doubt;
        self.record = BackupRecord { in_doubt, ..record.clone() };
        if matches!(record.phase, Phase::Waiting | Phase::Done) {
            self.owner = None;
        }
    }

    /// Opens a failed batch again, in the form of `record`. Refused if an audit has recorded something since it was `read`.
    pub fn reopen(&mut self, owner: usize, record: &BackupRecord, read: &BackupRecord) -> bool {
        let there = &self.record;
        let is_failed = there.phase == Phase::Done && there.failed;
        if !is_failed || there.lost != read.lost || there.surplus != read.surplus {
            return false;
        }
        self.claim(owner);
        self.write(record);
        true
    }

    /// Puts the batch under audit, whoever holds it.
    pub fn doubt(&mut self) {
        self.record.in_doubt = true;
    }

    /// Takes the audit, from whoever had it.
    pub fn claim_audit(&mut self) {
        self.audit += 1;
    }

    /// Whether an audit may still be recorded: the batch is over, and nobody has opened or claimed it since.
    pub fn is_claimed(&self, audit: &Audit) -> bool {
        self.record.phase == Phase::Done && self.epoch == audit.epoch && self.audit == audit.token
    }

    /// Records what an audit found.
    pub fn record_audit(&mut self, audit: &BackupRecord) {
        self.record.lost.clone_from(&audit.lost);
        self.record.surplus.clone_from(&audit.surplus);
    }
}
