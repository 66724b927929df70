//! What was found, in the words of the contract: the rules that both engines share.

use backup_core::{
    BackupRecord, Phase, TrackerStatus,
    store::{BackupFilter, BackupPage, Created, Hold, Lease, PageKey, StoreError, Unreadable, is_same_step},
};
use uuid::Uuid;

use crate::{aside::Sorted, fields::is_worked_on, replay::Repeat};

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
                let what = if status == TrackerStatus::Failed {
                    format!("an audit of batch \"{}\" recorded what it found just now", wanted.batch)
                } else {
                    format!("batch \"{}\" is {status}, not failed", wanted.batch)
                };
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

/// A row of a list, and its place in it, if that can be read.
pub(crate) struct Listed {
    pub(crate) place: Option<PageKey>,
    pub(crate) record: Result<BackupRecord, StoreError>,
}

/// What a statement found for a filter: one row more than asked for says that there is a next page.
pub(crate) struct Page {
    pub(crate) rows: Sorted<BackupRecord>,
    next: Option<PageKey>,
}

impl Page {
    pub(crate) fn new(mut rows: Vec<Listed>, filter: &BackupFilter) -> Self {
        let most = usize::try_from(filter.rows()).unwrap_or(usize::MAX);
        let has_next = rows.len() > most;
        rows.truncate(most);
        let next = if has_next { rows.iter().rev().find_map(|row| row.place.clone()) } else { None };
        Self { rows: rows.into_iter().map(|row| row.record).collect(), next }
    }
}

fn unreadable(error: &StoreError) -> Unreadable {
    let batch = if let StoreError::Corrupt { batch, .. } = error { batch.as_str() } else { "" };
    Unreadable { batch: batch.into(), what: error.to_string() }
}

impl From<Page> for BackupPage {
    fn from(page: Page) -> Self {
        let unreadable = page.rows.unreadable.iter().map(unreadable).collect();
        Self { records: page.rows.readable, unreadable, next: page.next }
    }
}

pub(crate) fn lost(lease: &Lease) -> StoreError {
    StoreError::LeaseLost { batch: lease.batch.clone() }
}
