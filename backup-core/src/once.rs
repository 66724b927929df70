//! One backup of a target per business date, for those who want it.
//!
//! "Once" is about target and date, however the category is spelt and whoever asked before. What is there is looked for;
//! where nothing is, the batch gets an id that everybody makes who asks at the same time, so that the unique id lets one
//! of them create it.

use chrono::NaiveDate;

use crate::{
    command::BackupCommand,
    ids::BatchId,
    record::BackupRecord,
    state::TrackerStatus,
    store::{BackupFilter, StoreError, TrackingStore},
    target::{BackupTarget, Repeat},
};

/// Whether this request is to be the only one of its target and date.
pub(crate) fn is_wanted(command: &BackupCommand, target: &BackupTarget) -> bool {
    command.is_once() || target.repeat == Repeat::Join
}

/// The batch that a further request of this target and date joins: the one that is open, else the one that completed, else
/// the newest that failed.
pub(crate) async fn find(
    store: &dyn TrackingStore,
    target: &BackupTarget,
    date: NaiveDate,
) -> Result<Option<BackupRecord>, StoreError> {
    let of_date = |status| BackupFilter {
        target: Some(target.key.clone()),
        status: Some(status),
        from: Some(date),
        to: Some(date),
        limit: 1,
        ..BackupFilter::default()
    };
    for status in [TrackerStatus::InProgress, TrackerStatus::Success, TrackerStatus::Failed] {
        let page = store.list(&of_date(status)).await?;
        if let Some(listed) = page.records.first() {
            // A list carries no answers of YBA.
            return store.find(&listed.batch).await;
        }
    }
    Ok(None)
}

/// The same batch, with the id that every such request of its target and date makes.
pub(crate) fn named(record: BackupRecord) -> BackupRecord {
    let batch = BatchId::of_date(&record.target, record.business_date);
    BackupRecord { batch, ..record }
}

/// Whether a batch is one of this target and date, so that the request may join it.
pub(crate) fn is_of(record: &BackupRecord, target: &BackupTarget, command: &BackupCommand) -> bool {
    record.target == target.key && record.business_date == command.business_date()
}
