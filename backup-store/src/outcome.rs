//! What was found, in the words of the contract: the rules that both engines share.

use backup_core::{
    BackupRecord, Phase,
    store::{BackupFilter, BackupPage, Created, Hold, Lease, PageKey, StoreError, is_same_step},
};
use uuid::Uuid;

use crate::{fields::is_worked_on, replay::Repeat};

/// A record, and whose it is.
pub(crate) struct Stored {
    pub(crate) record: BackupRecord,
    pub(crate) epoch: i64,
    pub(crate) owner: Option<Uuid>,
}

impl Stored {
    pub(crate) fn is_owned_by(&self, lease: &Lease) -> bool {
        self.owner == Some(lease.owner.as_uuid()) && self.epoch == lease.epoch
    }

    /// "My epoch, and the state I wanted": a save whose answer was lost had worked.
    pub(crate) fn was_saved(&self, lease: &Lease, wanted: &BackupRecord) -> bool {
        self.epoch == lease.epoch && is_same_step(&self.record, wanted)
    }

    /// The answer to whoever wanted to write a new batch, and found this.
    ///
    /// It is ours if it is what we wanted to write: then our first try was committed. A caller's own repeat is known by
    /// the id of its attempt, which nobody else has.
    pub(crate) fn answer(self, wanted: &BackupRecord, hold: Hold, repeat: Repeat) -> Created {
        let is_ours = self.owner == Some(hold.owner.as_uuid());
        let is_known = wanted.phase == Phase::Submitting || repeat == Repeat::Possible;
        if is_ours && is_known && is_same_step(&self.record, wanted) {
            return created(self.record, hold, self.epoch);
        }
        Created::Existing(self.record)
    }

    /// The answer to whoever wanted to open a failed batch again, and found that it is not one.
    pub(crate) fn answer_reopen(
        self,
        wanted: &BackupRecord,
        hold: Hold,
        repeat: Repeat,
    ) -> Result<Created, StoreError> {
        let status = self.record.status();
        match self.answer(wanted, hold, repeat) {
            ours @ Created::New { .. } => Ok(ours),
            Created::Existing(_) => {
                let what = format!("batch \"{}\" is {status}, not failed", wanted.batch);
                Err(StoreError::Conflict { what })
            }
        }
    }
}

/// A batch that was just written, owned if it is worked on at once.
pub(crate) fn created(record: BackupRecord, hold: Hold, epoch: i64) -> Created {
    let lease = is_worked_on(record.phase).then(|| Lease {
        batch: record.batch.clone(),
        business_date: record.business_date,
        owner: hold.owner,
        epoch,
    });
    Created::New { lease, record }
}

/// One row more than asked for says that there is a next page.
pub(crate) fn page(mut records: Vec<BackupRecord>, filter: &BackupFilter) -> BackupPage {
    let rows = usize::try_from(filter.rows()).unwrap_or(usize::MAX);
    let has_next = records.len() > rows;
    records.truncate(rows);
    let last = records.last().filter(|_| has_next);
    let next = last.map(|last| PageKey { created_at: last.created_at, batch: last.batch.clone() });
    BackupPage { records, next }
}

pub(crate) fn lost(lease: &Lease) -> StoreError {
    StoreError::LeaseLost { batch: lease.batch.clone() }
}
