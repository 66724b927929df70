//! What stands in the way of a batch that waits: an open batch of the same universe that nobody follows. It is taken up
//! here, and followed to its end: a batch that was left behind must not hold up those after it.

use backup_core::store::BackupFilter;
use backup_core::{BackupRecord, Error as CoreError, Orchestrator, TrackerStatus};

use crate::live::Live;
use crate::printer::Printer;

/// A batch that was taken up because it stood in the way.
#[derive(Debug)]
pub(crate) struct Obstacle {
    record: BackupRecord,
    live: Live,
}

impl Obstacle {
    /// Takes up the batch that holds the universe of this one, if nobody follows it and its target is known here.
    pub(crate) async fn take_up(
        waiting: &BackupRecord,
        orchestrator: &Orchestrator,
        live: impl FnOnce() -> Live,
        printer: &Printer,
    ) -> Result<Option<Self>, CoreError> {
        let Some(record) = holder(waiting, orchestrator).await? else { return Ok(None) };
        if !orchestrator.knows_target(&record).await || !orchestrator.take_up(&record.batch).await? {
            return Ok(None);
        }
        printer.tell(&format!(
            "Batch {} for {} holds the universe, and nobody follows it: this command takes it up first.",
            record.batch, record.business_date
        ));
        Ok(Some(Self { live: live().named(name(&record)), record }))
    }

    /// Looks at it, and shows what is new. `false`: it is over.
    pub(crate) async fn look(&mut self, orchestrator: &Orchestrator) -> Result<bool, CoreError> {
        self.record = orchestrator.find(&self.record.batch).await?;
        self.live.show(&self.record, None);
        Ok(!self.record.is_done())
    }
}

/// The batch that holds the universe.
async fn holder(
    waiting: &BackupRecord,
    orchestrator: &Orchestrator,
) -> Result<Option<BackupRecord>, CoreError> {
    let mut filter = BackupFilter {
        status: Some(TrackerStatus::InProgress),
        limit: BackupFilter::MAX_LIMIT,
        ..BackupFilter::default()
    };
    loop {
        let page = orchestrator.list(&filter).await?;
        let holds = |record: &BackupRecord| record.slot == waiting.slot && record.phase.holds_slot();
        if let Some(record) = page.records.into_iter().find(holds) {
            return Ok(Some(record));
        }
        filter.after = page.next;
        if filter.after.is_none() {
            return Ok(None);
        }
    }
}

/// The end of a batch's id: enough to tell batches apart on the screen.
pub(crate) fn name(record: &BackupRecord) -> String {
    let batch = record.batch.as_str();
    let start = batch.char_indices().rev().nth(5).map_or(0, |(at, _)| at);
    format!("..{}", &batch[start..])
}
